"""MLflow on a real PostgreSQL: two runs tracking at the same time leave one run and one version."""

import json
import os
import pwd
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.serving import NAME, ROOT, free_port, write_served_model

pytestmark = pytest.mark.filterwarnings(
    "ignore::DeprecationWarning", "ignore::FutureWarning", "ignore::UserWarning"
)
TRACK = """
import sys
from pathlib import Path
from models.serving.records import Record, Release
from models.serving.registry import Store, ensure_run, ensure_version, finish_run
from tests.malformed import GOOD
uri, home, key = sys.argv[1], Path(sys.argv[2]), sys.argv[3]
store = Store(uri, "pcr-made-up", home)
with store.locked() as client:
    parent, made = ensure_run(client, store, Record(key, "state", {"a": "1"}, {"auc": 0.7}, {}))
    name, folder, card = sys.argv[4], Path(sys.argv[5]), "x" * 5000
    ensure_version(client, parent, Release(name, folder, {}, GOOD, card, card))
    if made:
        finish_run(client, parent, key)
"""

FOUND = """
import json, sys
import mlflow
mlflow.set_tracking_uri(sys.argv[1])
client = mlflow.MlflowClient()
runs = client.search_runs([e.experiment_id for e in client.search_experiments()])
versions = client.search_model_versions(f"name = '{sys.argv[2]}'")
model = mlflow.pyfunc.load_model(f"models:/{sys.argv[2]}@candidate")
print(json.dumps({
    "keys": [run.data.tags["pcr.key"] for run in runs],
    "digests": [version.tags["pcr.model_digest"] for version in versions],
    "descriptions": [version.description for version in versions],
    "status": model.predict([{"arm": "A", "age_years": 50.0}])["status"].tolist(),
}))
"""


def program(name: str) -> str:
    """Return where a program of PostgreSQL is; continuous integration must have it."""
    places = [shutil.which(name), *sorted(map(str, Path("/usr/lib/postgresql").glob(f"*/bin/{name}")))]
    found = next((place for place in places if place), None)
    if found is None:
        if os.environ.get("CI") == "true":
            pytest.fail(f"{name} is missing: install the Debian package postgresql")
        pytest.skip(f"{name} is not here: install the Debian package postgresql")
    return found


@pytest.fixture(scope="module")
def uri() -> Iterator[str]:
    with postgresql() as address:
        yield address


@contextmanager
def postgresql() -> Iterator[str]:
    """Run a real server on a free port, in a folder of its own; it refuses to run as root."""
    with tempfile.TemporaryDirectory() as scratch:
        data, port = Path(scratch) / "data", free_port()
        as_user: list[str] = []
        if os.geteuid() == 0:
            nobody = pwd.getpwnam("nobody")
            os.chown(scratch, nobody.pw_uid, nobody.pw_gid)
            as_user = ["setpriv", f"--reuid={nobody.pw_uid}", f"--regid={nobody.pw_gid}", "--clear-groups"]
        initdb, server = program("initdb"), program("postgres")
        make = [*as_user, initdb, "-D", str(data), "-U", "pcr", "-A", "trust"]
        subprocess.run(make, cwd=scratch, check=True, capture_output=True)
        command = [*as_user, server, "-D", str(data), "-p", str(port), "-k", scratch, "-h", "127.0.0.1"]
        with (Path(scratch) / "log").open("wb") as log:
            process = subprocess.Popen(command, cwd=scratch, stdout=log, stderr=log)
            try:
                _wait_for(port, process)
                yield f"postgresql+psycopg://pcr@127.0.0.1:{port}/postgres"
            finally:
                process.terminate()
                process.wait(30)


def _wait_for(port: int, process: "subprocess.Popen[bytes]") -> None:
    import time  # noqa: PLC0415

    import psycopg  # noqa: PLC0415

    for _ in range(150):
        assert process.poll() is None
        try:
            psycopg.connect(host="127.0.0.1", port=port, user="pcr", dbname="postgres").close()
        except psycopg.OperationalError:
            time.sleep(0.2)
        else:
            return
    pytest.fail("PostgreSQL did not start")


def track(uri: str, home: Path, key: str, model: Path) -> "subprocess.Popen[str]":
    return subprocess.Popen(
        [sys.executable, "-c", TRACK, uri, str(home), key, NAME, str(model)],
        env={**os.environ, "PYTHONPATH": str(ROOT)}, text=True,
        stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
    )  # fmt: skip


def test_two_at_once_on_an_empty_database_make_one_run_and_one_version(uri: str, tmp_path: Path) -> None:
    """From two computers: no lock file in common, only the database's own lock."""
    write_served_model(tmp_path / "model", "logistic")
    homes = [tmp_path / name for name in ("one", "other")]
    both = [track(uri, home, "k1", tmp_path / "model") for home in homes]
    for process in both:
        told, _ = process.communicate(timeout=300)
        assert process.returncode == 0, told
    # In a process of its own: MLflow keeps its connections for as long as it lives.
    done = subprocess.run(
        [sys.executable, "-c", FOUND, uri, NAME], capture_output=True, text=True, check=True, cwd=tmp_path
    )
    found = json.loads(done.stdout.splitlines()[-1])
    assert found["keys"] == ["k1"]
    assert [len(digest) for digest in found["digests"]] == [64]
    assert found["descriptions"] == ["x" * 5000]
    assert found["status"] == ["missing_inputs"]
