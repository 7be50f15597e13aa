import os
import signal
import subprocess
import sys
import threading
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from features.errors import PipelineFault, UserError
from models.procedure.backends import Backend, side_by_side, workers
from models.procedure.cluster.settings import Cluster, ClusterSettings
from models.procedure.folds import stratified_folds
from models.procedure.resampling import FoldResult, Procedure, TaskResult, cross_validate, run_tasks, tidy
from models.procedure.response_model import ResponseModel
from models.procedure.splits import (
    Split,
    bootstrap_splits,
    leave_one_out_splits,
    outcome_strata,
    rolling_origin_splits,
    stratified_splits,
)
from tests.patients import FEATURES, SETTINGS, patients


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


def response_models(seed: int) -> list[Procedure]:
    return [ResponseModel(FEATURES, SETTINGS, 3, seed)]


def fitted_splits() -> list[Split]:
    frame, y = patients(120)
    return stratified_splits(outcome_strata(y, frame["arm"]), folds=3, repeats=1, seed=11)


def as_bytes(results: list[FoldResult]) -> list[object]:
    return [
        (r.split.key, {model: p.tobytes() for model, p in r.predictions.items()}, repr(r.fits))
        for r in results
    ]


def test_threads_and_processes_give_the_same_bits_and_the_same_documents() -> None:
    frame, y = patients(120)
    splits = fitted_splits()
    found = [
        as_bytes(list(cross_validate(response_models, frame, y, splits, backend=Backend(backend, workers))))
        for workers, backend in [(1, "threading"), (2, "threading"), (2, "fork"), (1, "loky"), (2, "loky")]
    ]
    assert found[1:] == [found[0]] * 4


def test_results_come_in_the_order_of_the_tasks_whichever_ends_first() -> None:
    first_may_end = threading.Event()

    def work(shared: str, task: int) -> TaskResult:
        if task == 0:
            first_may_end.wait(timeout=10)
        elif task == 3:
            first_may_end.set()
        return TaskResult({"answer": f"{shared}{task}"}, {})

    results = run_tasks(work, "x", [0, 1, 2, 3], backend=Backend(workers=2))
    assert [result.document["answer"] for result in results] == ["x0", "x1", "x2", "x3"]


def test_what_a_forked_process_refuses_is_refused_here_and_it_forks_no_further(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("PCR_WORKERS", "2")
    assert side_by_side([workers, os.getpid, workers])[::2] == [1, 1]
    assert side_by_side([workers]) == [2], "one call needs no process"
    with pytest.raises(UserError, match="cannot be divided into 3 folds"):
        side_by_side([workers, lambda: list(stratified_folds(np.zeros(2), 3, 1))])


def test_a_forked_process_that_is_killed_is_told_with_what_to_do(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PCR_WORKERS", "2")
    with pytest.raises(
        UserError, match="was killed, as happens where memory does not suffice; PCR_WORKERS=1"
    ):
        side_by_side([workers, lambda: os.kill(os.getpid(), signal.SIGKILL)])


def _runs(pid: str) -> bool:
    """Whether a process is there, and not only waits for somebody to take note of its end."""
    status = Path("/proc", pid, "stat")
    return status.exists() and status.read_text().rpartition(")")[2].split()[0] != "Z"


def test_forked_processes_end_with_the_one_that_forked_them(tmp_path: Path) -> None:
    program = f"""
import os, pathlib, time
from models.procedure.backends import side_by_side

def sleep():
    pathlib.Path({str(tmp_path)!r}, str(os.getpid())).touch()
    time.sleep(60)

side_by_side([sleep, sleep])
"""
    environment = os.environ | {"PCR_WORKERS": "2"}
    process = subprocess.Popen([sys.executable, "-c", program], env=environment)
    until = time.monotonic() + 30
    while len(list(tmp_path.iterdir())) < 2:
        assert time.monotonic() < until
        time.sleep(0.05)
    process.kill()
    process.wait()
    while any(_runs(file.name) for file in tmp_path.iterdir()):
        assert time.monotonic() < until
        time.sleep(0.05)


def test_what_a_store_holds_is_not_computed_again() -> None:
    frame, y = patients(60)
    splits = stratified_splits(outcome_strata(y, frame["arm"]), folds=4, repeats=1, seed=11)
    fitted: list[int] = []

    def procedures(seed: int) -> list[Procedure]:
        fitted.append(seed)
        return [Remembering(seed)]

    store: dict[str, TaskResult] = {}
    whole = list(cross_validate(procedures, frame, y, splits, workers=2, store=store))
    del store[splits[2].key]
    again = list(cross_validate(procedures, frame, y, splits, workers=1, store=store))
    assert as_bytes(again) == as_bytes(whole)
    assert fitted[4:] == [splits[2].seed]


def test_a_store_without_a_key_for_every_task_is_refused() -> None:
    def nothing(shared: None, task: int) -> TaskResult:
        return TaskResult({}, {})

    with pytest.raises(
        PipelineFault, match="keys has 1 distinct keys; a store needs one for each of 2 tasks"
    ):
        list(run_tasks(nothing, None, [1, 2], backend=Backend(), store={}, keys=["a"]))


HERE = Cluster("tcp://127.0.0.1:8786", ClusterSettings(1, 1, 1, 4))


@pytest.mark.parametrize(
    ("values", "reason"),
    [
        ({"name": "thread"}, "must be one of fork, threading, loky, dask"),
        ({"name": "dask"}, "dask needs a scheduler's address"),
        ({"cluster": HERE}, "and only dask"),
        ({"workers": 0}, "must be at least 1"),
    ],
)
def test_a_backend_that_cannot_be_is_refused(values: dict[str, Any], reason: str) -> None:
    with pytest.raises(ValueError, match=reason):
        Backend(**values)


def test_the_key_of_a_split_changes_with_everything_in_it() -> None:
    split = Split(0, 1, np.array([0, 1]), np.array([2]), 5)
    others = [
        replace(split, repeat=1),
        replace(split, fold=2),
        replace(split, seed=6),
        replace(split, train=np.array([1, 0])),
        replace(split, train=np.array([0]), test=np.array([1, 2])),
    ]
    assert len({s.key for s in [split, *others]}) == 6


def test_every_centre_is_left_out_once_and_trained_on_otherwise() -> None:
    centres = np.array(["b", "a", "b", "c", "a"])
    splits = leave_one_out_splits(centres, seed=1)
    assert [sorted(set(centres[s.test])) for s in splits] == [["a"], ["b"], ["c"]]
    assert all(not set(centres[s.train]) & set(centres[s.test]) for s in splits)
    assert all(len(s.train) + len(s.test) == 5 for s in splits)
    assert len({s.seed for s in splits}) == 3


@pytest.mark.parametrize(
    ("centres", "reason"), [(["a", "a"], "at least 2"), (["a", None, "b"], "1 missing values")]
)
def test_centres_that_cannot_be_left_out_are_refused(centres: list[str | None], reason: str) -> None:
    with pytest.raises(ValueError, match=reason):
        leave_one_out_splits(np.array(centres, dtype=object), seed=1)


DAYS = pd.Series(pd.to_datetime(["2025-03-01", "2025-01-01", "2025-02-01", "2025-02-01", "2025-04-01"]))


def test_an_origin_learns_from_outcomes_known_by_then_and_tests_who_enters_until_the_next() -> None:
    known = DAYS + pd.to_timedelta([10, 10, 40, 0, 10], "D")
    first, second = rolling_origin_splits(DAYS, known, [0.4, 0.8], seed=3)
    assert first.train.tolist() == [1, 3], "the outcome of patient 2 came after the origin, 1 February"
    assert first.test.tolist() == [0], "who entered on the day of the origin is not divided"
    assert second.train.tolist() == [1, 3], "on 1 March the outcomes of 0 and 2 were not there yet"
    assert second.test.tolist() == [4]
    assert first.seed != second.seed


def test_without_dates_of_outcome_all_who_had_entered_are_learned_from() -> None:
    (split,) = rolling_origin_splits(DAYS, pd.Series([pd.NaT] * 5), [0.4], seed=3)
    assert (split.train.tolist(), split.test.tolist()) == ([1, 2, 3], [0, 4])


def test_an_origin_without_later_patients_or_known_outcomes_gives_no_split() -> None:
    one_day = pd.Series([DAYS[0]] * 3)
    assert rolling_origin_splits(one_day, one_day, [0.5, 0.8], seed=1) == []
    assert rolling_origin_splits(DAYS, DAYS + pd.Timedelta(days=999), [0.5], seed=1) == []


def test_a_missing_date_of_entry_is_refused() -> None:
    with pytest.raises(UserError, match="1 missing values"):
        rolling_origin_splits(DAYS.mask(DAYS.index == 2), DAYS, [0.5], seed=1)


def test_bootstrap_samples_draw_as_many_patients_and_test_everyone() -> None:
    splits = bootstrap_splits(200, samples=3, seed=4)
    assert all(len(s.train) == 200 and np.array_equal(s.test, np.arange(200)) for s in splits)
    assert all(0.55 < len(np.unique(s.train)) / 200 < 0.72 for s in splits)
    assert all(np.all(np.diff(s.train) >= 0) for s in splits)
    assert not np.array_equal(splits[0].train, splits[1].train)


def test_more_bootstrap_samples_begin_with_the_same_ones() -> None:
    few, many = (bootstrap_splits(50, samples=samples, seed=4) for samples in (2, 5))
    assert [s.key for s in many[:2]] == [s.key for s in few]


def test_the_prevalence_varies_from_bootstrap_sample_to_sample() -> None:
    y = np.repeat([0.0, 1.0], 20)
    prevalences = [y[split.train].mean() for split in bootstrap_splits(40, samples=20, seed=4)]
    assert np.std(prevalences) == pytest.approx(0.5 / np.sqrt(40), rel=0.5)


def test_a_procedure_that_cannot_be_told_who_is_who_is_not_fitted_to_a_bootstrap_sample() -> None:
    frame, y = patients(60)
    with pytest.raises(TypeError, match="groups"):
        list(
            cross_validate(
                lambda s: [Remembering(s)], frame, y, bootstrap_splits(60, samples=1, seed=1), workers=1
            )
        )


def test_a_process_forked_after_threads_of_openmp_had_worked_does_not_wait_for_them() -> None:
    program = """
import numpy as np
from sklearn.ensemble import HistGradientBoostingClassifier
from models.procedure.backends import side_by_side

X = np.random.default_rng(1).normal(size=(400, 5))

def fit():
    return HistGradientBoostingClassifier(max_iter=3).fit(X, X[:, 0] > 0).predict_proba(X)[0, 0]

here = fit()
assert side_by_side([fit, fit]) == [here, here]
"""
    environment = os.environ | {"PCR_WORKERS": "2", "OMP_NUM_THREADS": "2"}
    subprocess.run([sys.executable, "-c", program], env=environment, check=True, timeout=120)
