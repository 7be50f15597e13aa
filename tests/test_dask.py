"""Cross-validation on a real Dask scheduler with two worker processes."""

import logging
import os
import signal
import time
from collections.abc import Iterator

import numpy as np
import pandas as pd
import pytest
from distributed import Client, LocalCluster

from models.procedure import backends
from models.procedure.backends import Backend, code_identity, require_same_code
from models.procedure.resampling import FoldResult, Procedure, TaskResult, cross_validate, run_tasks
from models.procedure.response_model import ResponseModel
from models.procedure.splits import Split, outcome_strata, stratified_splits
from tests.patients import FEATURES, SETTINGS, patients


@pytest.fixture(scope="module")
def cluster() -> Iterator[LocalCluster]:
    with LocalCluster(
        n_workers=2,
        threads_per_worker=1,
        processes=True,
        dashboard_address=":0",
        silence_logs=logging.CRITICAL,
    ) as running:
        yield running


def response_models(seed: int) -> list[Procedure]:
    return [ResponseModel(FEATURES, SETTINGS, 3, seed)]


def nothing(shared: None, task: int) -> TaskResult:
    return TaskResult({}, {})


def data() -> tuple[pd.DataFrame, np.ndarray, list[Split]]:
    frame, y = patients(120)
    return frame, y, stratified_splits(outcome_strata(y, frame["arm"]), folds=3, repeats=2, seed=11)


def as_bytes(results: list[FoldResult]) -> list[object]:
    return [
        (r.split.key, {model: p.tobytes() for model, p in r.predictions.items()}, repr(r.fits))
        for r in results
    ]


def test_two_dask_workers_give_the_bits_of_one_thread(cluster: LocalCluster) -> None:
    address = cluster.scheduler_address
    here = as_bytes(list(cross_validate(response_models, *data(), workers=1)))
    there = cross_validate(response_models, *data(), workers=2, backend="dask", address=address)
    assert as_bytes(list(there)) == here


def test_killing_a_worker_in_the_middle_changes_nothing(cluster: LocalCluster) -> None:
    def work(shared: np.ndarray, task: int) -> TaskResult:
        time.sleep(0.3)
        total = shared.sum() + np.random.default_rng(task).normal()
        return TaskResult({"pid": os.getpid()}, {"value": np.array([total])})

    shared = np.random.default_rng(0).normal(size=1000)
    tasks = list(range(12))
    backend = Backend("dask", address=cluster.scheduler_address)
    results = []
    for result in run_tasks(work, shared, tasks, backend=backend):
        if not results:
            os.kill(result.document["pid"], signal.SIGKILL)
        results.append(result)
    alone = list(run_tasks(work, shared, tasks, backend=Backend(workers=12)))
    assert [r.arrays["value"].tobytes() for r in results] == [r.arrays["value"].tobytes() for r in alone]
    assert len({r.document["pid"] for r in results}) >= 2


def test_an_error_in_a_task_comes_back(cluster: LocalCluster) -> None:
    def work(shared: None, task: int) -> TaskResult:
        raise ValueError(f"task {task} has no answer")

    with pytest.raises(ValueError, match="task 1 has no answer"):
        list(run_tasks(work, None, [1], backend=Backend("dask", address=cluster.scheduler_address)))


def test_workers_that_run_other_code_are_refused(
    cluster: LocalCluster, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(backends, "_LOADED", "edited since")
    tasks = run_tasks(
        nothing,
        None,
        [1],
        backend=Backend("dask", address=cluster.scheduler_address),
    )
    with pytest.raises(ValueError, match=r"does not run this code \(source is .*, here edited since\)"):
        list(tasks)


class Answering:
    """A client of a cluster whose scheduler or workers answer as told."""

    def __init__(self, scheduler: object, worker: object) -> None:
        self.scheduler = type("Address", (), {"address": "tcp://there:8786"})
        self.answers = {"scheduler": scheduler, "worker": worker}

    def wait_for_workers(self, count: int, timeout: float) -> None:
        pass

    def run_on_scheduler(self, _probe: object, **_patience: float) -> object:
        if self.answers["scheduler"] is TimeoutError:
            raise TimeoutError
        return self.answers["scheduler"]

    def run(self, _probe: object, **_patience: float) -> dict[str, object]:
        return {"tcp://w1": code_identity(), "tcp://w2": self.answers["worker"]}


def test_who_cannot_import_the_code_or_differs_is_named() -> None:
    same = code_identity()
    without_kernels = same | dict.fromkeys(backends.KERNELS, "other")
    require_same_code(Answering(without_kernels, same), 1.0)
    with pytest.raises(ValueError, match=r"the scheduler .* cannot import the project: No module"):
        require_same_code(Answering({"error": "it cannot import the project: No module"}, same), 1.0)
    with pytest.raises(ValueError, match=r"worker tcp://w2 .* \(lightgbm is 4\.6\.0, here"):
        require_same_code(Answering(same, same | {"lightgbm": "4.6.0"}), 1.0)
    with pytest.raises(ValueError, match="OPENBLAS_CORETYPE is other"):
        require_same_code(Answering(same, without_kernels), 1.0)
    with pytest.raises(ValueError, match="did not say within 1 s"):
        require_same_code(Answering(TimeoutError, same), 1.0)


def test_a_scheduler_that_is_not_there_is_refused_in_time() -> None:
    backend = Backend("dask", address="tcp://127.0.0.1:9", patience=0.5)
    with pytest.raises(ValueError, match=r"no Dask scheduler answers at tcp://127\.0\.0\.1:9"):
        list(run_tasks(nothing, None, [1], backend=backend))


def test_a_cluster_without_workers_is_refused_in_time() -> None:
    with (
        LocalCluster(n_workers=0, dashboard_address=":0", silence_logs=logging.CRITICAL) as empty,
        Client(empty.scheduler_address, set_as_default=False) as client,
        pytest.raises(ValueError, match=r"did not say within 0\.3 s"),
    ):
        require_same_code(client, 0.3)
