"""Multiple imputation: what is observed stays, what is missing varies, and Rubin's rules."""

import numpy as np
import pandas as pd
import pytest

from models.procedure.configuration.settings import EncodingSettings, LogisticCandidate, ProcedureSettings
from models.procedure.imputation import ImputedModel, draw_missing, drawn_normal, rubin
from models.procedure.response_model import ResponseModel
from tests.patients import feature

FEATURES = [feature("a"), feature("b")]
SETTINGS = ProcedureSettings(
    EncodingSettings(1, 0.9, 0.1), {"logistic": LogisticCandidate("logistic", (0.05, 0.005))}
)


def patients(missing: float, n: int = 200) -> tuple[pd.DataFrame, np.ndarray]:
    rng = np.random.default_rng(5)
    a = rng.normal(size=n)
    frame = pd.DataFrame({"a": a, "b": 0.7 * a + 0.7 * rng.normal(size=n)})
    y = (rng.random(n) < 1 / (1 + np.exp(-frame["b"] * 1.5))).to_numpy().astype(float)
    frame.loc[rng.random(n) < missing, "b"] = np.nan
    return frame, y


def fitted(frame: pd.DataFrame, y: np.ndarray, imputation: int) -> np.ndarray:
    model = ImputedModel(FEATURES, SETTINGS, 4, 1, imputation).fit(frame, y)
    return model.predictions(frame)["chosen"]


def test_without_missing_values_nothing_is_drawn() -> None:
    frame, y = patients(0.0)
    whole = ResponseModel(FEATURES, SETTINGS, 4, 1).fit(frame, y).predict_proba(frame)[:, 1]
    assert np.allclose(fitted(frame, y, 0), whole, atol=1e-12)


def test_imputations_differ_where_values_are_missing_and_the_same_number_gives_the_same() -> None:
    frame, y = patients(0.3)
    one, again, other = (fitted(frame, y, number) for number in (1, 1, 2))
    assert np.array_equal(one, again)
    missing = frame["b"].isna().to_numpy()
    assert np.abs(one - other)[missing].mean() > 3 * np.abs(one - other)[~missing].mean()


def completed(values: np.ndarray, number: int) -> np.ndarray:
    rng = np.random.default_rng(number)
    return draw_missing(values, drawn_normal(values, 1e-3, rng), rng)


def test_drawn_values_spread_as_the_known_ones_do_about_their_regression() -> None:
    frame, _ = patients(0.3, n=4000)
    values, missing = frame.to_numpy(), frame["b"].isna().to_numpy()
    drawn = completed(values, 1)
    assert np.array_equal(drawn[~missing], values[~missing])
    # b given a: 0.7 a, with the standard deviation 0.7.
    left = drawn[missing, 1] - 0.7 * drawn[missing, 0]
    assert (left.mean(), left.std()) == (pytest.approx(0, abs=0.06), pytest.approx(0.7, abs=0.04))


def test_values_of_a_patient_that_are_missing_together_are_drawn_together() -> None:
    rng = np.random.default_rng(2)
    a = rng.normal(size=4000)
    values = np.column_stack([rng.normal(size=4000), a, a + 0.1 * rng.normal(size=4000)])
    values[:1500, 1:] = np.nan
    drawn = completed(values, 3)[:1500]
    assert np.corrcoef(drawn[:, 1], drawn[:, 2])[0, 1] > 0.95


def test_imputations_differ_by_what_the_data_leave_open_about_the_mean_as_rubin_says() -> None:
    # Of 100 patients 50 known, at random: between imputations the mean of all varies by 1/50 - 1/100 of the
    # variance; residuals alone, with means that are taken as known, give half of that.
    values = np.random.default_rng(4).normal(size=(100, 1))
    values[50:] = np.nan
    variance = np.nanvar(values, ddof=1)
    means = [completed(values, number).mean() for number in range(1500)]
    assert np.var(means) == pytest.approx((1 / 50 - 1 / 100) * variance, rel=0.12)


def test_with_the_outcome_beside_them_drawn_values_keep_their_association_with_it() -> None:
    frame, y = patients(0.5, n=6000)
    whole, _ = patients(0.0, n=6000)
    missing = frame["b"].isna().to_numpy()
    with_outcome = completed(np.column_stack([frame, y]), 5)[missing, 1]
    without = completed(frame.to_numpy(), 5)[missing, 1]

    def difference(b: np.ndarray) -> float:
        return float(b[y[missing] == 1].mean() - b[y[missing] == 0].mean())

    true = difference(whole["b"].to_numpy()[missing])
    assert difference(with_outcome) == pytest.approx(true, abs=0.06)
    assert difference(without) < 0.7 * true


def test_rubins_rules_by_hand() -> None:
    found = rubin(np.array([1.0, 2.0, 3.0]), np.array([0.5, 0.5, 0.8]), 0.95)
    total = 0.6 + (1 + 1 / 3) * 1.0
    assert found.value == 2.0
    assert found.high == pytest.approx(2 + 1.959963984540054 * np.sqrt(total))
    with pytest.raises(ValueError, match="at least 2 imputations"):
        rubin(np.array([1.0]), np.array([1.0]), 0.95)
