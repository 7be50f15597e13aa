import os
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

# First of all: it fixes the linear algebra kernels, before numpy chooses those of the processor.
import pipeline  # noqa: F401
from tests.browser import INSTALL, browsing, chromium
from tests.database import write_database
from tests.toy import ToyProject, made_once
from tests.workspace import FirstLine, Workspace, first_line

LONG = (
    "test_wrong_inputs.py", "test_run_safety.py", "test_round_trip.py", "test_served.py",
    "test_experiments.py", "test_tampering.py", "test_dask.py", "test_intake.py",
)  # fmt: skip
"""The longest files that need no run of the whole line, the longest first."""
ISPY2 = Path(__file__).parents[2] / "shared" / "data" / "ispy2"


@pytest.fixture(scope="session")
def ispy2_files() -> Path:
    """The folder with the I-SPY2 files, beside the project; continuous integration must have it."""
    if not ISPY2.is_dir():
        if os.environ.get("CI") == "true":
            pytest.fail(f"{ISPY2} is missing: the real patients' files are part of the checks")
        pytest.skip("the I-SPY2 files are not here; they are fetched from TCIA and GEO")
    return ISPY2


@pytest.fixture(scope="session")
def shared(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of what is made once, however many processes run the tests."""
    own = tmp_path_factory.getbasetemp()
    return own.parent if "PYTEST_XDIST_WORKER" in os.environ else own


@pytest.fixture(scope="session", name="first_line")
def _first_line(shared: Path) -> FirstLine:
    """The simulated trial, run once."""
    return first_line(shared / "first-line")


@pytest.fixture(scope="session")
def finished_toy(shared: Path) -> ToyProject:
    """The small graph of tests/toy.py with the results of both studies; to be copied, not to be changed."""
    return made_once(shared / "toy")


@pytest.fixture(scope="module")
def line(first_line: FirstLine, tmp_path_factory: pytest.TempPathFactory) -> Workspace:
    """A copy of the simulated trial after its run, with records of its own: MLflow's name their folder."""
    folder = tmp_path_factory.mktemp("again") / "line"
    shutil.copytree(first_line.kept, folder, symlinks=True)
    (folder / "mlflow.db").unlink()
    write_database(folder / "mlflow.db")
    shutil.rmtree(folder / "mlartifacts")
    line: Workspace = Workspace.at(folder)
    line.pcr_here("sync")
    return line


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    """A real Chromium; continuous integration must have one."""
    executable = chromium()
    if executable is None:
        if os.environ.get("CI") == "true":
            pytest.fail(INSTALL)
        pytest.skip(INSTALL)
    with browsing(executable) as launched:
        yield launched


@pytest.fixture(autouse=True)
def _no_inherited_tracking_server(monkeypatch: pytest.MonkeyPatch) -> None:
    """MLflow leaves the server that it was told in the environment, where a later test's process finds it."""
    for name in ("MLFLOW_TRACKING_URI", "MLFLOW_REGISTRY_URI"):
        monkeypatch.delenv(name, raising=False)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Begin with what takes longest, which no worker shall be left alone with at the end.

    One worker makes the first line, meanwhile another one runs what needs none.
    """
    users = [item.path for item in items if "first_line" in getattr(item, "fixturenames", ())]

    def place(item: pytest.Item) -> tuple[int, int]:
        if item.path in users[:1]:
            return 0, 0
        if item.path.name in LONG:
            return 1, LONG.index(item.path.name)
        if item.get_closest_marker("line") is None:
            return 4, 0
        return 3 if item.path in users else 2, 0

    items.sort(key=place)
