"""Real workers: what takes too long or dies ends one request, and the next is answered."""

import json
import shutil
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import pytest

from models.serving.records import Release
from models.serving.registry import write_package
from pipeline.service.server import Service
from pipeline.service.tables import JSON
from pipeline.service.worker import Worker
from tests.malformed import GOOD
from tests.pipeline.test_service import SETTINGS, asked, records
from tests.serving import write_served_model

pytestmark = pytest.mark.filterwarnings(
    "ignore::DeprecationWarning", "ignore::FutureWarning", "ignore::UserWarning"
)
RUN = SimpleNamespace(info=SimpleNamespace(run_id="r", start_time=0))


@pytest.fixture(scope="module")
def package(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("worker")
    write_served_model(folder / "model", "logistic")
    write_package(Release("made-up", folder / "model", {}, GOOD), folder / "package", RUN, "m-1")
    return folder / "package"


@pytest.fixture
def worker(package: Path) -> Iterator[Worker]:
    started = Worker(package, SETTINGS, 60.0)
    started.start()
    yield started
    started.stop()


def test_a_worker_that_was_killed_is_replaced_and_answers(worker: Worker) -> None:
    before = worker.ask(JSON, records(GOOD))
    assert before.statuses == {"ok": 1}
    assert worker._process is not None
    worker._process.kill()
    assert worker.ask(JSON, records(GOOD)) == before
    assert worker.restarts == 1


def test_a_service_whose_checked_files_are_gone_is_not_ready(package: Path, tmp_path: Path) -> None:
    folder = Path(shutil.copytree(package, tmp_path / "package"))
    large = Worker(folder, SETTINGS, 60.0)
    of = Service((large, large), SETTINGS, "abc", {})
    of._ready = True
    large.start()
    assert asked(of, b"", path="/ready", method="GET")[0] == 200
    shutil.rmtree(folder)
    assert large.ask(JSON, records(GOOD)).status == 200
    large.stop()
    assert large.ask(JSON, records(GOOD)).status == 500
    assert asked(of, b"", path="/ready", method="GET")[0] == 503
    shutil.copytree(package, folder)
    assert large.ask(JSON, records(GOOD)).status == 200
    assert asked(of, b"", path="/ready", method="GET")[0] == 200
    large.close()


def test_what_takes_too_long_is_given_up_and_the_next_request_is_answered(package: Path) -> None:
    worker = Worker(package, SETTINGS, 0.001)
    worker.start()
    assert worker.ask(JSON, records(*[GOOD] * 20_000)).status == 413
    worker._seconds = 60.0
    assert worker.ask(JSON, records(GOOD)).status == 200
    worker.close()
    assert (worker.ask(JSON, records(GOOD)).status, worker._process) == (503, None)


def test_what_takes_too_much_memory_is_refused_and_given_back(package: Path) -> None:
    worker = Worker(package, replace(SETTINGS, worker_max_mb=60, max_rows=10**6, max_cells=10**8), 60.0)
    worker.start()
    answer = worker.ask(JSON, records(*[GOOD] * 100_000))
    assert answer.status == 413
    assert json.loads(worker.ask(JSON, records(GOOD)).body)["predictions"][0]["status"] == "ok"
    worker.stop()


def test_a_package_made_again_has_the_same_bytes(package: Path, tmp_path: Path) -> None:
    release = Release("made-up", package.parent / "model", {}, GOOD)
    write_package(release, tmp_path / "again", RUN, "m-1")
    # Loading the package may have left the interpreter's own files beside it.
    files = sorted(p.relative_to(package) for p in package.rglob("*") if p.is_file() and p.suffix != ".pyc")
    assert [(tmp_path / "again" / f).read_bytes() for f in files] == [
        (package / f).read_bytes() for f in files
    ]
