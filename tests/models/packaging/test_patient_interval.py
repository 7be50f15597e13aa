"""The interval of a patient's risk, learned from the models of bootstrap samples and computed in serving."""

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from scipy.special import expit, logit
from sklearn.linear_model import LogisticRegression

from models.packaging.patient_interval import bootstrap_log_odds, patient_interval
from models.procedure.configuration.settings import IntervalSettings
from models.procedure.response_model import ResponseModel
from models.serving.serving import IntervalDocument, PcrModel
from tests.patients import FEATURES, SETTINGS, feature, patients

SETTING = IntervalSettings(level=0.95, misfit=0.0, small_sample=0.0, min_samples=10, held=0.999)


@pytest.fixture(scope="module")
def model() -> PcrModel:
    frame, y = patients(300)
    return ResponseModel(FEATURES, SETTINGS, 3, 1).fit(frame, y).models_["logistic"]


def learned(
    model: PcrModel, rows: pd.DataFrame, log_odds: np.ndarray, settings: IntervalSettings = SETTING
) -> IntervalDocument:
    y = np.arange(len(rows)) % 2
    interval = patient_interval(model, rows, y, log_odds, settings)
    assert interval is not None
    return interval


def answers(model: PcrModel, interval: IntervalDocument, rows: pd.DataFrame) -> pd.DataFrame:
    served = PcrModel(model.document | {"serving": {"interval": interval}})
    return served.desk.answers(rows[model.features])[["pcr_probability", "lower", "upper"]].astype(float)


def half_widths(answered: pd.DataFrame) -> np.ndarray:
    low, p, high = (logit(answered[name].to_numpy()) for name in ("lower", "pcr_probability", "upper"))
    assert high - p == pytest.approx(p - low)
    return np.asarray(high - p)


def test_the_interval_of_a_new_patient_is_the_spread_of_linear_models_there(model: PcrModel) -> None:
    rows, new = patients(300)[0], patients(50, seed=9)[0]
    rng = np.random.default_rng(2)
    columns = len(model.document["encoding"]["columns"])
    coefficients = rng.normal(0, 0.2, (40, columns + 1))

    def apart(frame: pd.DataFrame) -> np.ndarray:
        standard = model.standardised(model.complete(model.encode(frame)))
        return np.asarray(coefficients @ np.column_stack([np.ones(len(frame)), standard]).T)

    interval = learned(model, rows, model.log_odds(rows) + apart(rows))
    expected = 1.959964 * apart(new).std(axis=0, ddof=1)
    assert half_widths(answers(model, interval, new)) == pytest.approx(expected, rel=0.05)


def test_what_the_columns_do_not_tell_is_the_same_for_everybody(model: PcrModel) -> None:
    rows, new = patients(300)[0], patients(50, seed=9)[0]
    noise = np.random.default_rng(3).normal(0, 0.5, (60, 300))
    half = half_widths(answers(model, learned(model, rows, model.log_odds(rows) + noise), new))
    assert half == pytest.approx(1.96 * 0.5, rel=0.12)


def test_what_all_samples_miss_alike_grows_with_fewer_patients_of_the_rarer_outcome(model: PcrModel) -> None:
    rows, samples = patients(300)[0], np.zeros((20, 1))
    grown = replace(SETTING, misfit=0.3, small_sample=2.0)
    interval = learned(model, rows, model.log_odds(rows) + samples, grown)
    assert interval["rest"] == pytest.approx(np.sqrt(0.3**2 + 2.0**2 / 150))


def test_intervals_hold_the_true_risk_of_as_many_patients_as_they_say() -> None:
    """Plain logistic regression on 400 patients: 3 inputs, 40 trials, 60 bootstrap samples each."""
    inputs = [feature(name) for name in ("a", "b", "c")]
    rng, held = np.random.default_rng(5), []
    for _ in range(40):
        x = rng.normal(size=(500, 3))
        risk = expit(0.2 + x @ [0.8, -0.5, 0.0])
        y = rng.random(500) < risk
        rows = pd.DataFrame(x, columns=["a", "b", "c"])
        fitted = _logistic(x[:400], y[:400])
        samples = [rng.integers(0, 400, 400) for _ in range(60)]
        log_odds = np.array([_logistic(x[s], y[s]).decision_function(x[:400]) for s in samples])
        served = PcrModel(_document(inputs, x[:400], fitted))
        answered = answers(served, learned(served, rows[:400], log_odds), rows[400:])
        held.append(((answered["lower"] <= risk[400:]) & (risk[400:] <= answered["upper"])).mean())
    assert 0.92 <= np.mean(held) <= 0.98


def test_too_few_samples_give_no_interval_and_the_answer_stands_without(model: PcrModel) -> None:
    rows = patients(300)[0]
    few = model.log_odds(rows) + np.random.default_rng(3).normal(size=(9, 300))
    assert patient_interval(model, rows, np.arange(300) % 2, few, SETTING) is None
    answer = PcrModel(model.document | {"serving": {}}).desk.answer(rows[model.features].iloc[0].to_dict())
    assert answer["lower"] is None
    assert answer["pcr_probability"] is not None


def test_samples_without_a_model_are_left_out_and_patients_are_sorted() -> None:
    resampled = pd.DataFrame(
        {
            "scheme": ["bootstrap"] * 4 + ["apparent"],
            "model": "chosen",
            "repeat": [0, 0, 1, 1, 0],
            "usubjid": ["B", "A", "A", "B", "A"],
            "p": [0.6, 0.2, np.nan, 0.5, 0.9],
        }
    )
    assert expit(bootstrap_log_odds(resampled)) == pytest.approx(np.array([[0.2, 0.6]]))


def _logistic(x: np.ndarray, y: np.ndarray) -> LogisticRegression:
    return LogisticRegression(C=1e6).fit(x, y)


def _document(inputs: list, x: np.ndarray, fitted: LogisticRegression) -> dict:
    names = [each.name for each in inputs]
    places = range(len(names))
    return {
        "features": [each.document for each in inputs],
        "encoding": {
            "columns": [{"feature": name} for name in names],
            "mean": x.mean(axis=0).tolist(),
            "scale": x.std(axis=0).tolist(),
            "low": x.min(axis=0).tolist(),
            "high": x.max(axis=0).tolist(),
            "imputation": np.zeros((len(names), len(names))).tolist(),
        },
        "linear": {
            "terms": [{"columns": [place]} for place in places],
            "mean": [0.0 for _ in places],
            "scale": [1.0 for _ in places],
            "intercept": float(fitted.intercept_[0]),
            "coefficients": fitted.coef_[0].tolist(),
        },
        "calibration": {"intercept": 0.0, "slope": 1.0},
    }
