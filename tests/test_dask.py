"""Cross-validation on a real Dask scheduler with two worker processes; see also tests/cluster_campaign.py."""

import logging
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from distributed import LocalCluster
from distributed.versions import get_versions

from features.errors import UserError
from models.design.settings import design_plan
from models.design.study import Question, answered, questions
from models.procedure.backends import Backend
from models.procedure.cluster.code import require_same_code
from models.procedure.cluster.identity import KERNELS, cluster_identity
from models.procedure.cluster.settings import Cluster, ClusterSettings
from models.procedure.cluster.tasks import on_cluster
from models.procedure.resampling import FoldResult, Procedure, TaskResult, cross_validate, run_tasks
from models.procedure.response_model import ResponseModel
from models.procedure.splits import Split, outcome_strata, stratified_splits
from pipeline.commands.design import read_judge
from pipeline.design import gates
from pipeline.project.files import read_yaml
from pipeline.simulation_checks import coverage
from tests.patients import FEATURES, SETTINGS, patients
from tests.workspace import ROOT

# Workers import the project before they answer: many seconds on a busy machine.
SETTINGS_HERE = ClusterSettings(patience=60, reconnect=60, attempts=2, straggler=4)


def on(address: str, **changes: Any) -> Backend:
    return Backend("dask", cluster=Cluster(address, replace(SETTINGS_HERE, **changes)))


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


def wait_for(cluster: LocalCluster, *, workers: int) -> None:
    deadline = time.monotonic() + 60
    while len(cluster.scheduler.workers) != workers:
        assert time.monotonic() < deadline, "the workers did not come, or did not go"
        time.sleep(0.1)


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
    there = cross_validate(response_models, *data(), backend=on(address))
    assert as_bytes(list(there)) == here


def test_a_design_is_told_by_a_cluster_as_by_one_thread(cluster: LocalCluster) -> None:
    document = read_yaml(ROOT / "configs/design.yaml")
    few = {
        "trials": 100, "sizes": [300], "effects": [0.0], "scenarios": {},
        "forecasts": document["forecasts"] | {"trials": 100, "models": {"a": {"auc": 0.7}}},
        "gates": document["gates"] | {"trials": 20, "sizes": [200]},
    }  # fmt: skip
    plan = design_plan(document | few)
    asked: list[Question] = [*questions(plan), *gates.questions(plan, read_judge(plan))]
    there = dict(answered(asked, on(cluster.scheduler_address)))
    assert there == dict(answered(asked, Backend()))
    assert {row["part"] for rows in there.values() for row in rows} >= {"gates", "forecasts", "interaction"}


def test_killing_a_worker_in_the_middle_changes_nothing(cluster: LocalCluster) -> None:
    def work(shared: np.ndarray, task: int) -> TaskResult:
        time.sleep(0.3)
        total = shared.sum() + np.random.default_rng(task).normal()
        return TaskResult({"pid": os.getpid()}, {"value": np.array([total])})

    shared = np.random.default_rng(0).normal(size=1000)
    tasks = list(range(12))
    backend = on(cluster.scheduler_address)
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

    settings = on(cluster.scheduler_address).cluster
    assert settings is not None
    with pytest.raises(ValueError, match="task 1 has no answer"):
        list(on_cluster(work, None, [(0, 1)], settings))


def test_trials_of_a_check_are_the_same_on_the_cluster_as_in_processes(
    cluster: LocalCluster, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    scale = 3.0

    def trial(number: int) -> dict[str, Any]:
        return {"auc": np.random.default_rng(number).normal(0, scale, 3).tolist()}

    found = {}
    for name, backend in {"loky": Backend("loky", 2), "dask": on(cluster.scheduler_address)}.items():
        monkeypatch.setattr(coverage, "read_process_backend", lambda backend=backend: backend)
        coverage.run_trials("auc", tmp_path / name, 7, trial, per_task=2)
        found[name] = {path.name: path.read_bytes() for path in (tmp_path / name).iterdir()}
    assert found["loky"] == found["dask"]
    assert sorted(found["dask"]) == ["auc-0-2.json", "auc-2-4.json", "auc-4-6.json", "auc-6-7.json"]


class Travelling:
    """Data that note in a file which process has received them."""

    def __init__(self, log: Path) -> None:
        self.log = log

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.__dict__ = state
        with self.log.open("a") as log:
            log.write(f"{os.getpid()}\n")


def test_data_go_once_to_each_worker_and_to_one_that_joins_later(
    cluster: LocalCluster, tmp_path: Path
) -> None:
    def work(shared: Any, task: int) -> TaskResult:
        deadline = time.monotonic() + 60
        while task and len(shared.log.read_text().split()) < 3 and time.monotonic() < deadline:
            time.sleep(0.05)
        time.sleep(0.2)
        return TaskResult({"pid": os.getpid()}, {})

    travelling = by_value(Travelling)(tmp_path / "received.txt")
    pids = set()
    for result in run_tasks(work, travelling, list(range(20)), backend=on(cluster.scheduler_address)):
        if not pids:
            cluster.scale(3)
        pids.add(str(result.document["pid"]))
    received = travelling.log.read_text().split()
    assert len(received) == len(set(received)) == 3
    assert pids == set(received)
    cluster.scale(2)
    wait_for(cluster, workers=2)


def by_value(kind: type) -> Any:
    """Return the class as one that travels by value: workers cannot import this file."""
    return type(
        kind.__name__,
        (),
        {k: v for k, v in vars(kind).items() if k not in {"__dict__", "__weakref__"}}
        | {"__module__": "__main__"},
    )


def test_a_task_that_ends_every_worker_is_named_and_the_others_are_finished(cluster: LocalCluster) -> None:
    def work(shared: None, task: int) -> TaskResult:
        if task == 2:
            os.kill(os.getpid(), signal.SIGKILL)
        return TaskResult({"task": task}, {})

    store: dict[str, TaskResult] = {}
    tasks = run_tasks(
        work, None, list(range(8)), backend=on(cluster.scheduler_address), store=store, keys=list("abcdefgh")
    )
    with pytest.raises(UserError, match=r"task 3 of 8 has ended 2 workers .* 1 of 8 tasks are not finished"):
        list(tasks)
    assert sorted(store) == list("abdefgh")


def test_a_task_that_hangs_on_one_worker_is_finished_by_another(
    cluster: LocalCluster, tmp_path: Path
) -> None:
    def work(shared: Path, task: int) -> TaskResult:
        if task == 0 and not shared.exists():
            shared.touch()
            time.sleep(60)
        time.sleep(0.05)
        return TaskResult({"task": task}, {})

    begun = time.monotonic()
    done = list(run_tasks(work, tmp_path / "hung", list(range(6)), backend=on(cluster.scheduler_address)))
    assert [result.document["task"] for result in done] == list(range(6))
    assert time.monotonic() - begun < 30


def test_workers_that_run_other_code_are_refused(
    cluster: LocalCluster, monkeypatch: pytest.MonkeyPatch
) -> None:
    other = cluster_identity() | {"source": "edited since"}
    monkeypatch.setattr("models.procedure.cluster.code.cluster_identity", lambda: other)
    tasks = run_tasks(nothing, None, [1], backend=on(cluster.scheduler_address))
    with pytest.raises(UserError, match=r"does not run this code \(source is .*, here edited since\)"):
        list(tasks)


class Touching(logging.Handler):
    """Makes a file when a worker is said not to be used."""

    def __init__(self, file: Path) -> None:
        super().__init__()
        self.file = file

    def emit(self, record: logging.LogRecord) -> None:
        if "is not used" in record.getMessage():
            self.file.touch()


def test_a_worker_of_another_version_that_joins_later_is_not_used(
    cluster: LocalCluster, caplog: pytest.LogCaptureFixture, tmp_path: Path
) -> None:
    def work(shared: Path, task: int) -> TaskResult:
        deadline = time.monotonic() + 60
        while task and not shared.exists() and time.monotonic() < deadline:
            time.sleep(0.05)
        time.sleep(0.1)
        return TaskResult({"pid": os.getpid()}, {})

    noticed = tmp_path / "noticed"
    logging.getLogger("models.procedure.cluster.tasks").addHandler(handler := Touching(noticed))
    pids = set()
    command = [sys.executable, "-m", "distributed.cli.dask_worker", "--no-nanny", "--no-dashboard"]
    command += ["--local-directory", str(tmp_path), cluster.scheduler_address]
    for result in run_tasks(work, noticed, list(range(10)), backend=on(cluster.scheduler_address)):
        if not pids:
            environment = os.environ | {KERNELS[0]: "other", "PYTHONPATH": str(ROOT)}
            other = subprocess.Popen(command, env=environment, stderr=subprocess.DEVNULL)
        pids.add(result.document["pid"])
    logging.getLogger("models.procedure.cluster.tasks").removeHandler(handler)
    other.terminate()
    other.wait(20)
    assert f"{KERNELS[0]} is other" in caplog.text

    assert other.pid not in pids


class Answering:
    """A client of a cluster whose scheduler or workers answer as told."""

    def __init__(self, worker: object, **scheduler: object) -> None:
        versions = get_versions()
        versions["packages"] |= scheduler
        self.scheduler = type("Scheduler", (), {"address": "tcp://there:8786", "versions": versions})
        self.worker = worker

    def wait_for_workers(self, count: int, timeout: float) -> None:
        pass

    def sync(self, answer: object, **_patience: float) -> object:
        return answer

    def run(self, _probe: object, **_patience: object) -> dict[str, object]:
        if self.worker is TimeoutError:
            raise TimeoutError
        return {"tcp://w1": cluster_identity(), "tcp://w2": self.worker}


def test_who_cannot_import_the_code_or_differs_is_named() -> None:
    same = cluster_identity()
    require_same_code(Answering(same), 1.0)
    faulty = {
        r"the scheduler .* \(cloudpickle is 0\.1, here": Answering(same, cloudpickle="0.1"),
        r"worker tcp://w2 .*cannot import the project: No": Answering(
            {"error": "cannot import the project: No"}
        ),
        r"worker tcp://w2 .* \(lightgbm is 4\.6\.0, here": Answering(same | {"lightgbm": "4.6.0"}),
        r"worker tcp://w2 .* \(source of pipeline is None": Answering(same | {"source of pipeline": None}),
        "worker tcp://w2 .*bad code": Answering(TypeError("bad code")),
        "OPENBLAS_CORETYPE is other": Answering(same | {KERNELS[0]: "other"}),
        "did not say within 1 s": Answering(TimeoutError),
    }
    for reason, client in faulty.items():
        with pytest.raises(UserError, match=reason):
            require_same_code(client, 1.0)


def test_a_scheduler_that_is_not_there_is_refused_in_time() -> None:
    backend = on("tcp://127.0.0.1:9", patience=0.5)
    with pytest.raises(UserError, match=r"no Dask scheduler answers at tcp://127\.0\.0\.1:9"):
        list(run_tasks(nothing, None, [1], backend=backend))


def test_a_cluster_without_workers_is_refused_in_time() -> None:
    with (
        LocalCluster(n_workers=0, dashboard_address=":0", silence_logs=logging.CRITICAL) as empty,
        pytest.raises(UserError, match=r"did not say within 0\.3 s"),
    ):
        list(run_tasks(nothing, None, [1], backend=on(empty.scheduler_address, patience=0.3)))
