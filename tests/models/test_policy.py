"""Values of strategies: the estimator, its properties, g-computation by R, and what it refuses."""

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from models.policy import (
    Arms,
    Nuisance,
    PolicyError,
    StrategyModel,
    arms_of,
    augmented,
    cross_fit,
    mean_with_interval,
    refuse_later_features,
    strategy_values,
)
from models.procedure.configuration.settings import EncodingSettings
from tests.patients import feature

REFERENCE = Path(__file__).parents[1] / "reference"
ARMS = Arms("CONTROL", "ADAPTIVE", 0.75)
ENCODING = EncodingSettings(1, 1.0, 0.2)
FEATURES = [feature("x1"), feature("x2")]
SETTINGS: dict[str, Any] = {"folds": 5, "seed": 1, "delta": 0.0, "level": 0.95}


def trial(n: int = 2000, seed: int = 3, missing: float = 0.0) -> tuple[pd.DataFrame, np.ndarray, np.ndarray]:
    """Return rows, outcome, and the true probabilities under both arms (n, 2); x1 modifies the difference."""
    rng = np.random.default_rng(seed)
    x = rng.normal(size=(n, 2))
    treated = rng.random(n) < ARMS.share_treated
    lp = x @ [0.8, -0.4]
    p = 1 / (1 + np.exp(-np.column_stack([lp, lp + 0.3 + 0.9 * x[:, 0]])))
    y = (rng.random(n) < p[np.arange(n), treated.astype(int)]).astype(float)
    # Missing depends on x1: leaving those patients out would be biased.
    y[rng.random(n) < missing / (1 + np.exp(-2 * x[:, 0]))] = np.nan
    rows = pd.DataFrame(x, columns=["x1", "x2"]).assign(arm=np.where(treated, "ADAPTIVE", "CONTROL"))
    return rows, y, p


def model(penalty: float = 0.0005) -> StrategyModel:
    return StrategyModel(FEATURES, ENCODING, penalty)


def test_constant_nuisances_give_the_arm_means_weighted_by_the_known_shares() -> None:
    rows, y, _ = trial()
    treated = (rows["arm"] == "ADAPTIVE").to_numpy()
    nothing = Nuisance(np.zeros(len(y)), np.zeros(len(y)), np.ones(len(y)))
    phi0, phi1 = augmented(y, treated, 0.75, nothing)
    assert phi1.mean() == pytest.approx((y * treated).sum() / (0.75 * len(y)))
    shares = Nuisance(
        np.full(len(y), y[~treated].mean()), np.full(len(y), y[treated].mean()), np.ones(len(y))
    )
    phi0, phi1 = augmented(y, treated, 0.75, shares)
    assert phi0.mean() == pytest.approx(y[~treated].mean())
    assert phi1.mean() == pytest.approx(y[treated].mean())


def test_the_outcome_model_agrees_with_g_computation_by_r() -> None:
    data = pd.read_csv(REFERENCE / "strategy_trial.csv")
    expected = pd.read_csv(REFERENCE / "strategy_expected.csv").set_index("quantity")["value"]
    treated = (data["arm"] == "ADAPTIVE").to_numpy()
    y = data["y"].to_numpy(dtype=float)
    fitted = model(penalty=1e-12).fit(data, treated, y)
    m0, m1 = (fitted.probability(data, treated=arm) for arm in (False, True))
    assert m0.mean() == pytest.approx(expected["g_control"], abs=1e-6)
    assert m1.mean() == pytest.approx(expected["g_adaptive"], abs=1e-6)
    phi0, phi1 = augmented(y, treated, 0.75, Nuisance(m0, m1, np.ones(len(y))))
    for name, phi in {"control": phi0, "adaptive": phi1, "difference": phi1 - phi0}.items():
        found = mean_with_interval(phi, 0.95)
        assert found.value == pytest.approx(expected[f"aipw_{name}"], abs=1e-6)
        assert found.high == pytest.approx(expected[f"aipw_{name}_high"], abs=1e-6)


def test_values_are_near_the_truth_and_missing_outcomes_do_not_bias_them() -> None:
    rows, y, p = trial(n=20_000, missing=0.6)
    assert abs(np.nanmean(y[rows["arm"] == "ADAPTIVE"]) - p[:, 1].mean()) > 0.03
    found = strategy_values(rows, y, ARMS, model(), **SETTINGS).measures
    for name, truth in {"reference": p[:, 0].mean(), "treated": p[:, 1].mean()}.items():
        assert found[name].value == pytest.approx(truth, abs=0.02)
    assert found["difference"].value == pytest.approx(found["treated"].value - found["reference"].value)


def test_the_policy_treats_whom_it_expects_to_gain_and_is_worth_more_than_either_arm() -> None:
    rows, y, p = trial(n=20_000)
    found = strategy_values(rows, y, ARMS, model(), **SETTINGS)
    assert found.measures["policy_share"].value == pytest.approx((p[:, 1] > p[:, 0]).mean(), abs=0.05)
    for place, name in enumerate(("reference", "treated")):
        gain = p.max(axis=1).mean() - p[:, place].mean()
        assert found.measures[f"policy_minus_{name}"].value == pytest.approx(gain, abs=0.02)
    nobody = strategy_values(rows, y, ARMS, model(), **(SETTINGS | {"delta": 1.0})).measures
    assert nobody["policy"] == nobody["reference"]


def test_nobody_is_predicted_by_a_model_that_saw_her() -> None:
    rows, y, _ = trial(n=300)
    treated = (rows["arm"] == "ADAPTIVE").to_numpy()
    before, models = cross_fit(model(), rows, treated, y, 5, 1)
    changed = y.copy()
    changed[7] = 1 - changed[7]
    after, _ = cross_fit(model(), rows, treated, changed, 5, 1)
    assert len(models) == 5
    assert (before.m0[7], before.m1[7]) == (after.m0[7], after.m1[7])
    assert not np.array_equal(before.m1, after.m1)


def test_a_policy_on_later_features_is_refused() -> None:
    later = [*FEATURES, feature("ctdna_c1_state", known_at="c1")]
    with pytest.raises(PolicyError, match=r"known at baseline only.*take out ctdna_c1_state"):
        refuse_later_features(later, "baseline")
    refuse_later_features(FEATURES, "baseline")


def test_other_arms_and_outcomes_of_one_class_are_refused() -> None:
    rows, y, _ = trial(n=100)
    with pytest.raises(PolicyError, match="arm THIRD: strategies are CONTROL and ADAPTIVE"):
        strategy_values(rows.assign(arm="THIRD"), y, ARMS, model(), **SETTINGS)
    with pytest.raises(PolicyError, match="the outcome is the same"):
        strategy_values(rows, np.ones(100), ARMS, model(), **SETTINGS)


def test_a_strategy_is_compared_with_the_other_arm_by_the_share_randomised_to_it() -> None:
    shares = {"CONTROL": 0.25, "ADAPTIVE": 0.75}
    assert arms_of(shares, "ADAPTIVE") == ARMS
    assert arms_of(shares, "CONTROL") == Arms("ADAPTIVE", "CONTROL", 0.25)
