"""Latency of single rows over HTTP: `mlflow models serve` from an environment of its own, and `pcr serve`.

Needs the artifacts and the registry of a run (`make run`). The environment has what the model requires and
MLflow, nothing of this project. Clients ask for 30 s, each on one connection, one row after the other.
"""

import json
import os
import subprocess
import sys
import tempfile
import time
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from http.client import HTTPConnection
from importlib.metadata import version
from pathlib import Path

import numpy as np
import pandas as pd

from models.serving.serving import read_model
from pipeline.registry.runs import input_example, tracking_store
from tests.serving import server

STUDY, LANDMARK = "nct07239271", "c2"
MODEL = f"models:/pcr-{STUDY}-{LANDMARK}@candidate"
SECONDS = 30
CLIENTS = (1, 8)


def asked(port: int, body: str, until: float, expected: float) -> tuple[list[float], int]:
    """Ask until a time; return the seconds of each answer, and how many were not the expected one."""
    connection, taken, failed = HTTPConnection("127.0.0.1", port, timeout=30), [], 0
    while time.perf_counter() < until:
        started = time.perf_counter()
        connection.request("POST", "/invocations", body, {"Content-Type": "application/json"})
        answer = connection.getresponse()
        content = answer.read()
        taken.append(time.perf_counter() - started)
        found = json.loads(content)["predictions"][0]["pcr_probability"] if answer.status == 200 else None
        failed += found is None or abs(found - expected) > 1e-9
    return taken, failed


def measure(name: str, port: int, body: str, expected: float) -> None:
    """Print the latency under every number of clients."""
    for clients in CLIENTS:
        until = time.perf_counter() + SECONDS
        with ThreadPoolExecutor(clients) as pool:
            ask = partial(asked, port, body, until)
            answers = list(pool.map(ask, [expected] * clients))
        taken = 1e3 * np.concatenate([times for times, _ in answers])
        failed = sum(failures for _, failures in answers)
        p50, p99 = np.quantile(taken, [0.5, 0.99])
        print(
            f"{name}, {clients} client{'s' if clients > 1 else ''}: p50 {p50:.1f} ms, p99 {p99:.1f} ms, "
            f"{len(taken) / SECONDS:.0f} rows a second, {failed} of {len(taken):,} failed"
        )


def environment(folder: Path) -> Path:
    """Make an environment with the model's requirements alone, and return its python."""
    document = json.loads(Path(f"artifacts/{STUDY}/models/{LANDMARK}/model.json").read_text())
    packages = [*document["requirements"], f"mlflow=={version('mlflow')}"]
    python = folder / "bin" / "python"
    subprocess.run(["uv", "venv", "-q", "-p", sys.executable, str(folder)], check=True)
    install = ["uv", "pip", "install", "-q", "--compile-bytecode", "-p", str(python), *packages]
    subprocess.run(install, check=True)
    return python


def main() -> None:
    """Start each server, ask it, print."""
    folder = Path(f"artifacts/{STUDY}/models/{LANDMARK}")
    features = pd.read_parquet(f"artifacts/{STUDY}/features/{LANDMARK}.parquet")
    row = input_example(features, read_model(folder).document["features"])
    body = json.dumps({"dataframe_records": [row]})
    expected = float(read_model(folder).probability(pd.DataFrame([row]))[0])
    uri = tracking_store(STUDY).uri
    with tempfile.TemporaryDirectory() as scratch:
        python = environment(Path(scratch) / "env")
        own = {"PYTHONPATH": "", "PATH": f"{python.parent}{os.pathsep}/usr/bin{os.pathsep}/bin"}
        served = [str(python), "-m", "mlflow", "models", "serve", "-m", MODEL, "--env-manager", "local"]
        ours = [str(Path(sys.executable).parent / "pcr"), "serve", "--model", MODEL]
        for name, command, variables in (("mlflow models serve", served, own), ("pcr serve", ours, {})):
            words = [*command, "--host", "127.0.0.1", "--port", "{port}"]
            with server(words, Path.cwd(), uri, Path(scratch) / "log", **variables) as port:
                measure(name, port, body, expected)


if __name__ == "__main__":
    main()
