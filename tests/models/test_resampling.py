from typing import Any

import numpy as np
import pandas as pd
import pytest

from models.resampling import cross_validate, outcome_strata, stratified_splits, tidy
from tests.patients import patients


class Remembering:
    """A procedure that predicts the training prevalence, jittered by its seed, and remembers whom it saw."""

    def __init__(self, seed: int) -> None:
        self.seed = seed

    def fit(self, X: pd.DataFrame, y: np.ndarray) -> Any:
        self.seen = set(X["usubjid"])
        self.prevalence = float(y.mean())
        return self

    def predictions(self, X: pd.DataFrame) -> dict[str, np.ndarray]:
        assert not self.seen & set(X["usubjid"]), "a test patient was in the training part"
        jitter = np.random.default_rng(self.seed).normal(0, 0.01, len(X))
        return {"flat": np.full(len(X), self.prevalence) + jitter}


def run(workers: int) -> pd.DataFrame:
    frame, y = patients(60)
    splits = stratified_splits(outcome_strata(y, frame["arm"]), folds=4, repeats=3, seed=11)
    results = list(cross_validate(lambda seed: [Remembering(seed)], frame, y, splits, workers=workers))
    return tidy(results, frame["usubjid"].tolist(), y)


def test_every_patient_is_predicted_once_per_repeat_by_a_model_that_did_not_see_her() -> None:
    predictions = run(workers=1)
    assert len(predictions) == 3 * 60
    assert not predictions.duplicated(["usubjid", "repeat", "model"]).any()


def test_one_worker_and_two_give_identical_predictions() -> None:
    pd.testing.assert_frame_equal(run(workers=1), run(workers=2), check_exact=True)


def test_repeats_differ_and_the_seed_decides_them() -> None:
    strata = np.repeat(["a", "b"], 20)
    first = stratified_splits(strata, folds=4, repeats=2, seed=1)
    again = stratified_splits(strata, folds=4, repeats=2, seed=1)
    assert all(np.array_equal(a.test, b.test) and a.seed == b.seed for a, b in zip(first, again, strict=True))
    assert not np.array_equal(first[0].test, first[4].test)
    assert len({split.seed for split in first}) == 8


def test_more_folds_than_patients_are_refused() -> None:
    with pytest.raises(ValueError, match="3 patients cannot be divided into 5 folds"):
        stratified_splits(np.array(["a", "b", "a"]), folds=5, repeats=1, seed=1)
