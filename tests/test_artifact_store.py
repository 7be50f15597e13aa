"""A tracking server as docs/registry.md starts it gives no file outside its store, and takes none there."""

import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from mlflow import MlflowClient

from tests.serving import send, server

pytestmark = pytest.mark.filterwarnings(
    "ignore::DeprecationWarning", "ignore::FutureWarning", "ignore::UserWarning"
)
OUTSIDE = "not for the store's readers"
UP = ["../", "%2e%2e/", "%252e%252e/", "..%2f", "a/../../", "./../"]


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a store in it, and files beside the store."""
    folder = tmp_path_factory.mktemp("server")
    (folder / "store").mkdir()
    for name in ("secret.txt", "beside.txt"):
        (folder / name).write_text(OUTSIDE)
    return folder


@pytest.fixture(scope="module")
def address(home: Path) -> Iterator[int]:
    """`mlflow server`, really running."""
    uri = f"sqlite:///{home / 'mlflow.db'}"
    command = [
        sys.executable, "-m", "mlflow", "server", "--host", "127.0.0.1", "--port", "{port}", "--workers", "1",
        "--backend-store-uri", uri, "--serve-artifacts", "--artifacts-destination", str(home / "store"),
    ]  # fmt: skip
    with server(command, home, uri, home / "server.log", ready="/health") as port:
        yield port


@pytest.fixture(scope="module")
def run(home: Path, address: int) -> str:
    """A run with one artifact, tracked through the server."""
    (home / "inside.txt").write_text("for everybody")
    client = MlflowClient(f"http://127.0.0.1:{address}")
    run_id = str(client.create_run("0").info.run_id)
    client.log_artifact(run_id, str(home / "inside.txt"))
    return run_id


@pytest.mark.parametrize("up", UP)
@pytest.mark.parametrize("steps", [1, 4])
def test_nothing_outside_the_store_is_read_or_written(
    home: Path, address: int, run: str, up: str, steps: int
) -> None:
    wanted = f"{up * steps}secret.txt"
    for path in (
        f"/api/2.0/mlflow-artifacts/artifacts/{wanted}",
        f"/get-artifact?run_uuid={run}&path={wanted}",
        f"/api/2.0/mlflow/artifacts/list?run_id={run}&path={up * steps}",
        f"/api/2.0/mlflow-artifacts/artifacts?path={up * steps}",
    ):
        status, answer = send(address, b"", "", path=path, method="GET")
        assert 400 <= status < 500, path
        assert OUTSIDE.encode() not in answer
        assert b"beside.txt" not in answer, "not even names"
    status, _ = send(
        address, b"changed", "text/plain", f"/api/2.0/mlflow-artifacts/artifacts/{wanted}", "PUT"
    )
    assert 400 <= status < 500
    assert (home / "secret.txt").read_text() == OUTSIDE


def test_what_is_in_the_store_is_given(address: int, run: str) -> None:
    status, answer = send(
        address, b"", "", path=f"/get-artifact?run_uuid={run}&path=inside.txt", method="GET"
    )
    assert (status, answer) == (200, b"for everybody")
