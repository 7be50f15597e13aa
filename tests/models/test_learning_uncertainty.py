"""Intervals that allow for who was learned from: by hand, against the truth, in a study's tables."""

from typing import Any

import numpy as np
import pandas as pd
import pytest

from models.evaluation.learning_uncertainty import learning_uncertainty
from models.measures.clustered import Influence, influence
from models.measures.common import MeasureError
from models.measures.learning_uncertainty import SEEN, allowing_for_learning, learning_variance
from models.procedure.configuration.plan import validation_plan
from models.procedure.ridge import ridge_path
from models.procedure.splits import bootstrap_splits

PLAN = validation_plan({"min_events": 5, "bootstrap": 50, "level": 0.95, "seed": 1})


def of(value: float, *moved: float) -> Influence:
    return Influence(value, np.array(moved))


def test_the_variance_is_that_between_samples_less_that_of_the_patients_left_out() -> None:
    left_out = [of(0.50, 0.01, -0.01), of(0.60, 0.02, -0.01, -0.01), None, of(0.64, 0.0, 0.0), of(0.5, 0.01)]
    patients = [(1 - 2 / 10) * 0.0002, (1 - 3 / 10) * 0.0006, 0.0, (1 - 1 / 10) * 0.0001]
    expected = np.var([0.50, 0.60, 0.64, 0.5], ddof=1) - np.mean(patients)
    assert learning_variance(left_out, 10, 0.8) == pytest.approx(expected * (SEEN / 0.8) ** 2)
    interval = allowing_for_learning(of(0.6, 0.03, -0.04), 0.0144, 0.95)
    assert (interval.low, interval.high) == pytest.approx((0.6 - 1.959964 * 0.13, 0.6 + 1.959964 * 0.13))


def test_samples_that_agree_up_to_their_patients_add_nothing_and_too_few_are_an_error() -> None:
    assert learning_variance([of(0.5, 0.2, -0.2), of(0.51, 0.2, -0.2)], 10, 0.8) == 0
    with pytest.raises(MeasureError, match="only 1 of 1 bootstrap samples"):
        learning_variance([of(0.5, 0.1)], 10, 0.8)
    with pytest.raises(MeasureError, match="only 2 of 3 bootstrap samples"):
        learning_variance([of(0.5, 0.1), None, of(0.6, 0.1)], 10, 0.8)


def learned(X: np.ndarray, y: np.ndarray, new: np.ndarray) -> np.ndarray:
    fit = next(ridge_path(X, y, [0.01]))
    assert fit is not None
    return 1 / (1 + np.exp(-fit.intercept - new @ fit.coefficients))


def test_it_estimates_how_much_models_of_other_patients_differ_in_the_population() -> None:
    rng = np.random.default_rng(8)
    columns = 12

    def drawn(n: int) -> tuple[np.ndarray, np.ndarray]:
        X = rng.normal(size=(n, columns))
        return X, (rng.random(n) < 1 / (1 + np.exp(-X[:, 0] - X[:, 1] / 2))).astype(float)

    everybody = drawn(20_000)
    true, estimated = [], []
    for trial in range(30):
        X, y = drawn(150)
        true.append(influence("log_loss", everybody[1], learned(X, y, everybody[0])).value)
        left_out: list[Influence | None] = []
        for split in bootstrap_splits(len(y), samples=40, seed=trial):
            others = np.setdiff1d(np.arange(len(y)), split.train)
            p = learned(X[split.train], y[split.train], X[others])
            left_out.append(influence("log_loss", y[others], p))
        estimated.append(learning_variance(left_out, len(y), 1.0))
    ratio = np.mean(estimated) / np.var(true, ddof=1)
    # The true variance has a relative standard error of .26; copies of patients make models vary more.
    assert 0.5 < ratio < 2.5


N = 200
IDS = [f"P{i:03}" for i in range(N)]
RNG = np.random.default_rng(5)
RISK = RNG.uniform(0.1, 0.9, N)
Y = (RNG.random(N) < RISK).astype(float)
ARM = pd.Series(np.where(np.arange(N) < 150, "B", "A"), IDS)


def study(noise: float, *, samples: int = 30, unlearned: int = 0) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Return predictions and resampled models; `noise` moves the log-odds of all patients alike."""
    base: dict[str, Any] = {"usubjid": IDS, "y": Y}
    folds = np.arange(N) % 5
    rules = np.where(RISK > 0.5, 0.6, 0.4)
    predictions = [
        pd.DataFrame(base | {"repeat": 0, "fold": folds, "model": name, "p": p})
        for name, p in (("chosen", RISK), ("rules", rules))
    ]
    resampled = []
    for sample in range(samples):
        drawn = np.bincount(RNG.integers(N, size=N), minlength=N)
        moved = 1 / (1 + np.exp(-np.log(RISK / (1 - RISK)) - RNG.normal(0, noise)))
        chosen = np.full(N, np.nan) if sample < unlearned else moved
        for name, p in (("chosen", chosen), ("rules", rules)):
            of_sample = {"repeat": sample, "fold": 0, "scheme": "bootstrap", "drawn": drawn}
            resampled.append(pd.DataFrame(base | of_sample | {"model": name, "p": p}))
    return pd.concat(predictions, ignore_index=True), pd.concat(resampled, ignore_index=True)


def width(found: dict[str, Any], name: str, measure: str) -> float:
    return float(found[name][measure]["high"] - found[name][measure]["low"])


def test_models_that_differ_widen_the_intervals_of_the_model_and_of_its_difference_in_every_arm() -> None:
    steady = learning_uncertainty(*study(0.0), ARM, PLAN)
    unsteady = learning_uncertainty(*study(1.0), ARM, PLAN)
    assert set(steady) == {f"{name}{arm}" for name in ("chosen", "chosen-rules") for arm in ("", "@A", "@B")}
    for name, measure in (
        ("chosen", "log_loss"),
        ("chosen-rules", "delta_log_loss"),
        ("chosen-rules@B", "delta_log_loss"),
    ):
        assert steady[name][measure]["value"] == pytest.approx(unsteady[name][measure]["value"])
        assert width(unsteady, name, measure) > 1.2 * width(steady, name, measure)
    assert width(unsteady, "chosen", "auc") == pytest.approx(width(steady, "chosen", "auc"), rel=0.15)


def test_without_rules_there_is_no_difference_and_what_cannot_be_computed_says_why() -> None:
    predictions, resampled = study(0.5, unlearned=8)
    alone = learning_uncertainty(
        predictions[predictions["model"] == "chosen"], resampled, pd.Series("B", IDS), PLAN
    )
    assert list(alone) == ["chosen"]
    assert "only 22 of 30" in alone["chosen"]["auc"]["error"]
    few = learning_uncertainty(predictions, resampled, ARM.mask(ARM.index < "P004", "C"), PLAN)
    assert few["chosen@C"] == {"n": {"value": 4}, "events": few["chosen@C"]["events"]}
    nothing = learning_uncertainty(predictions, resampled.iloc[:0], ARM, PLAN)
    assert "only 0 of 0" in nothing["chosen"]["brier"]["error"]
