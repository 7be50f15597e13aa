import numpy as np
import pytest
from sklearn.linear_model import LogisticRegression

from models.measures.common import MeasureError
from models.measures.evaluate import auc, brier, calibration_slope, log_loss
from models.measures.optimism import optimism, optimism_frame
from models.procedure.resampling import cross_validate
from models.procedure.response_model import ResponseModel
from models.procedure.splits import apparent_split, bootstrap_splits
from tests.patients import FEATURES, SETTINGS, patients

MEASURES = {"auc": auc, "brier": brier, "log_loss": log_loss, "calibration_slope": calibration_slope}


def logistic_samples(n: int, columns: int, samples: int) -> tuple[np.ndarray, np.ndarray, list]:
    rng = np.random.default_rng(3)
    X = rng.normal(size=(n, columns))
    y = (rng.random(n) < 1 / (1 + np.exp(-X[:, 0]))).astype(float)

    def fitted(rows: np.ndarray) -> np.ndarray:
        return LogisticRegression(C=100.0).fit(X[rows], y[rows]).predict_proba(X)[:, 1]

    splits = bootstrap_splits(n, samples=samples, seed=1)
    return y, fitted(np.arange(n)), [(split.train, fitted(split.train)) for split in splits]


def test_optimism_is_the_mean_gap_between_sample_and_everyone_computed_by_hand() -> None:
    y = np.array([0.0, 1.0, 0.0, 1.0])
    apparent = np.array([0.2, 0.7, 0.4, 0.9])
    samples = [
        (np.array([0, 0, 1, 3]), np.array([0.1, 0.8, 0.5, 0.9])),
        (np.array([1, 2, 2, 3]), np.array([0.3, 0.6, 0.4, 0.6])),
    ]
    found = optimism(y, apparent, samples, {"brier": brier})["brier"]
    inside = [(0.01 + 0.01 + 0.04 + 0.01) / 4, (0.16 + 0.16 + 0.16 + 0.16) / 4]
    outside = [(0.01 + 0.04 + 0.25 + 0.01) / 4, (0.09 + 0.16 + 0.16 + 0.16) / 4]
    gaps = np.subtract(inside, outside)
    assert found.apparent == pytest.approx((0.04 + 0.09 + 0.16 + 0.01) / 4)
    assert found.optimism == pytest.approx(gaps.mean())
    assert found.corrected == pytest.approx(found.apparent - gaps.mean())
    assert found.optimism_error == pytest.approx(gaps.std(ddof=1) / np.sqrt(2))
    assert found.left_out == pytest.approx(np.mean([0.25, 0.09])), "patient 2, then patient 0"


def test_a_model_that_learns_nothing_has_no_optimism_on_average() -> None:
    rng = np.random.default_rng(0)
    y = (rng.random(300) < 0.4).astype(float)
    p = rng.uniform(0.1, 0.9, 300)
    samples = [(split.train, p) for split in bootstrap_splits(300, samples=200, seed=2)]
    found = optimism(y, p, samples, {"auc": auc, "brier": brier})
    for value in found.values():
        assert abs(value.optimism) < 4 * value.optimism_error


def test_a_model_with_too_many_columns_is_brought_down_in_every_measure() -> None:
    y, apparent, samples = logistic_samples(150, 15, 40)
    found = optimism(y, apparent, samples, MEASURES)
    assert found["auc"].corrected < found["auc"].apparent
    assert found["brier"].corrected > found["brier"].apparent
    assert found["log_loss"].corrected > found["log_loss"].apparent
    assert found["calibration_slope"].apparent == pytest.approx(1.0, abs=0.02)
    assert found["calibration_slope"].corrected < 0.9
    assert all(v.approximate_low < v.corrected < v.approximate_high for v in found.values())


def test_the_frame_has_a_row_a_measure() -> None:
    y, apparent, samples = logistic_samples(80, 2, 5)
    frame = optimism_frame(optimism(y, apparent, samples, MEASURES))
    assert frame["measure"].tolist() == list(MEASURES)
    assert set(frame["samples"]) == {5}


def test_a_measure_that_fails_in_many_samples_is_an_error_with_its_count() -> None:
    y = np.array([1.0, 0.0, 0.0, 0.0])
    p = np.array([0.6, 0.2, 0.3, 0.4])
    samples = [(np.array([1, 2, 3, 3]), p)] * 3
    with pytest.raises(MeasureError, match="auc: could not be computed in 3 of 3 bootstrap samples"):
        optimism(y, p, samples, {"auc": auc})


def test_one_sample_is_too_few() -> None:
    y = np.array([1.0, 0.0])
    with pytest.raises(MeasureError, match="at least 2 bootstrap samples, got 1"):
        optimism(y, y * 0.5 + 0.2, [(np.arange(2), y * 0.5 + 0.2)], {"auc": auc})


def test_the_whole_procedure_is_resampled_with_copies_of_a_patient_kept_together() -> None:
    frame, y = patients(120)
    splits = [apparent_split(120, seed=1), *bootstrap_splits(120, samples=4, seed=5)]
    whole, *results = cross_validate(
        lambda seed: [ResponseModel(FEATURES, SETTINGS, 3, seed)], frame, y, splits, workers=2
    )
    samples = [(r.split.train, r.predictions["lightgbm"]) for r in results]
    found = optimism(y, whole.predictions["lightgbm"], samples, MEASURES)
    assert found["auc"].optimism > 0
