"""A registered model of made-up patients, and real servers that answer with it."""

import json
import os
import shutil
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from http.client import HTTPConnection
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from models.packaging.patient_interval import patient_interval
from models.packaging.training_summary import support
from models.procedure.configuration.settings import IntervalSettings, ServingSettings
from models.procedure.response_model import ResponseModel
from models.serving import serving
from models.serving.records import Record, Release
from models.serving.registry import Store, ensure_run, ensure_version, finish_run
from models.serving.serving import IntervalDocument
from tests.database import write_database
from tests.malformed import GOOD
from tests.patients import FEATURES, SETTINGS, patients

ROOT = Path(__file__).parents[1]
NAME = "pcr-made-up-c1"
REQUIREMENTS = [f"{name}=={version(name)}" for name in ("numpy", "pandas", "lightgbm")]
INTERVAL = IntervalSettings(level=0.95, misfit=0.0, small_sample=0.0, min_samples=5, held=0.99)
SUPPORT = ServingSettings(INTERVAL, 0.99, 3.0, ("arm",))


def made_up_interval(
    fitted: ResponseModel, candidate: str, frame: pd.DataFrame, y: np.ndarray
) -> IntervalDocument | None:
    """Return an interval of a candidate, as if 20 samples' models had been that candidate with noise."""
    noise = np.random.default_rng(1).normal(0, 0.3, (20, len(frame)))
    model = fitted.models_[candidate]
    return patient_interval(model, frame, y, model.log_odds(frame) + noise, INTERVAL)


def write_served_model(folder: Path, candidate: str = "lightgbm", seed: int = 1) -> None:
    """Write the files of a served model learned from made-up patients."""
    frame, y = patients(300, seed=seed)
    fitted = ResponseModel(FEATURES, SETTINGS, inner_folds=3, seed=1).fit(frame, y)
    part = {
        "required": ["arm"],
        "refused": {"outcome": ["pcr", "rcb_class"], "later": ["c2", "presurgery"]},
        "interval": made_up_interval(fitted, candidate, frame, y),
        "support": support(
            fitted.models_[candidate], frame, y, SUPPORT, min_level_patients=5, folds=3, seed=1
        ),
    }
    document = fitted.documents_[candidate] | {
        "landmark": "c1",
        "requirements": REQUIREMENTS,
        "serving": part,
    }
    folder.mkdir()
    (folder / "model.json").write_text(json.dumps(document))
    if fitted.boosters_[candidate]:
        (folder / "booster.txt").write_text(str(fitted.boosters_[candidate]))
    shutil.copy(serving.__file__, folder / "serving.py")


@dataclass(frozen=True)
class Registered:
    """A folder with configs/study.yaml, the store beside it, and the model's own folder."""

    home: Path
    uri: str
    folder: Path


def registered(home: Path) -> Registered:
    """Register a model as the pipeline does."""
    (home / "configs").mkdir(parents=True)
    (home / "configs" / "study.yaml").write_text("study: made-up\n")
    for name in ("trust.yaml", "service.yaml"):
        shutil.copy(ROOT / "configs" / name, home / "configs")
    write_served_model(home / "model")
    uri = f"sqlite:///{home / 'mlflow.db'}"
    write_database(home / "mlflow.db")
    register(Store(uri, "pcr-made-up", home / "mlartifacts"), NAME, home / "model")
    return Registered(home, uri, home / "model")


def register(store: Store, name: str, folder: Path) -> str:
    """Make a version of a model from its files, with a run of its own, and return its number."""
    with store.locked() as client:
        run, _ = ensure_run(client, store, Record("k", "run", {}, {}, {}))
        version, _ = ensure_version(client, run, Release(name, folder, tags={}, example=GOOD))
        finish_run(client, run, "k")
    return version


def free_port() -> int:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return int(listener.getsockname()[1])


@contextmanager
def server(
    command: list[str], home: Path, uri: str, log: Path, *, ready: str = "/ping", **environment: str
) -> Iterator[int]:
    """Run a server on a free port until the block ends; `{port}` in the command is filled in.

    It has started when it answers at the address `ready`.
    """
    port = free_port()
    words = [word.replace("{port}", str(port)) for word in command]
    own = {"MLFLOW_TRACKING_URI": uri, "PYTHONPATH": str(ROOT)} | environment
    with log.open("wb") as file:
        process = subprocess.Popen(
            words, cwd=home, env={**os.environ, **own}, stdout=file, stderr=file, start_new_session=True
        )
        try:
            _wait(port, ready, process, log)
            yield port
        finally:
            # One that did not start is gone; its own error says why.
            with suppress(ProcessLookupError):
                os.killpg(process.pid, 15)
            process.wait(60)


def _wait(port: int, ready: str, process: "subprocess.Popen[bytes]", log: Path) -> None:
    # Beside other work a server starts slowly.
    end = time.monotonic() + 300
    while time.monotonic() < end:
        try:
            urllib.request.urlopen(f"http://127.0.0.1:{port}{ready}", timeout=5).close()
        except (urllib.error.URLError, OSError):
            assert process.poll() is None, log.read_text()
            time.sleep(0.3)
        else:
            return
    raise AssertionError(f"the server did not start: {log.read_text()}")


def send(
    port: int, body: bytes, kind: str, path: str = "/invocations", method: str = "POST", seconds: float = 60
) -> tuple[int, bytes]:
    """Send one request, whatever it is, and return status and body of the answer, if it comes in time."""
    connection = HTTPConnection("127.0.0.1", port, timeout=seconds)
    try:
        connection.putrequest(method, path, skip_accept_encoding=True)
        connection.putheader("content-length", str(len(body)))
        if kind:
            connection.putheader("content-type", kind)
        connection.endheaders(body)
        answer = connection.getresponse()
        return answer.status, answer.read()
    finally:
        connection.close()


def ask(port: int, table: dict[str, Any]) -> list[dict[str, Any]]:
    """Send a table as JSON and return the answers."""
    status, body = send(port, json.dumps(table).encode(), "application/json")
    assert status == 200, body
    found: list[dict[str, Any]] = json.loads(body)["predictions"]
    return found


def pcr_serve(model: str = f"models:/{NAME}@candidate") -> list[str]:
    return [sys.executable, "-m", "pipeline.cli", "serve", "--model", model, "--port", "{port}"]
