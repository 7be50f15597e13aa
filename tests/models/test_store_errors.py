"""A store that cannot be used is told in a sentence with the command that helps."""

import shutil
import sqlite3
from contextlib import closing
from pathlib import Path

import pytest
from filelock import FileLock, Timeout

from models.serving.registry import Store
from models.serving.store_errors import StoreError, store_error, without_password
from models.serving.store_lock import file_lock
from models.serving.store_place import StorePlace
from tests.serving import free_port

pytestmark = pytest.mark.filterwarnings(
    "ignore::DeprecationWarning", "ignore::FutureWarning", "ignore::UserWarning"
)


@pytest.fixture(scope="module")
def template(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("store")
    with Store(f"sqlite:///{folder / 'mlflow.db'}", "pcr-test", tmp_path_factory.mktemp("files")).locked():
        return folder / "mlflow.db"


def opened(database: Path, root: Path) -> None:
    with Store(f"sqlite:///{database}", "pcr-test", root).locked():
        pass


def test_a_damaged_database_and_one_of_another_mlflow_are_told_apart(template: Path, tmp_path: Path) -> None:
    (tmp_path / "damaged.db").write_bytes(b"no database, but long enough to look like one" * 100)
    with pytest.raises(StoreError, match=r"is damaged, or no database: .*`pcr sync` makes"):
        opened(tmp_path / "damaged.db", tmp_path)
    newer = Path(shutil.copy(template, tmp_path / "newer.db"))
    with closing(sqlite3.connect(newer)) as rows, rows:
        rows.execute("update alembic_version set version_num = 'from the future'")
    with pytest.raises(
        StoreError, match=r"another version of MLflow: .*`mlflow db upgrade .*install --upgrade"
    ):
        opened(newer, tmp_path)


def test_a_server_that_is_down_is_told_at_once(tmp_path: Path) -> None:
    with (
        pytest.raises(StoreError, match="does not answer: start it, or take MLFLOW_TRACKING_URI away"),
        Store(f"http://127.0.0.1:{free_port()}", "pcr-test", tmp_path).locked(),
    ):
        pass


@pytest.mark.parametrize(
    ("uri", "why"),
    [
        ("mlruns", "ArgumentError"), ("file:///mlruns", "NoSuchModule"), ("databricks", "ArgumentError"),
        ("SQLITE:///mlflow.db", "NoSuchModule"), ("sqlite:mlflow.db", "ArgumentError"),
        ("  ", "ArgumentError"),
        ("sqlite:///mlflow.db?timeout=30", "no plain path"), ("sqlite://", "no plain path"),
        ("sqlite:///:memory:", "no plain path"), ("sqlite+pysqlite:///mlflow.db", "no plain path"),
        ("sqlite:///mlflow.db ", "spaces"), ("http://user:secret@host:port", "ValueError"),
        ("http://[::1", "ValueError"),
        ("postgresql+asyncpg://u:secret@h/n", "driver is not installed: asyncpg"),
        ("postgresql://u:secret@h:port/n", "ValueError"),
    ],
)  # fmt: skip
def test_what_is_no_address_is_refused_before_anything_is_made_there(
    uri: str, why: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    with (
        pytest.raises(StoreError, match=f"no address of a store .*{why}.*: give sqlite:////PATH") as told,
        Store(uri, "pcr-test", tmp_path / "files").locked(),
    ):
        pass
    assert "secret" not in str(told.value)
    assert not list(tmp_path.iterdir())


def test_a_folder_that_cannot_be_made_is_told(tmp_path: Path) -> None:
    (tmp_path / "mlartifacts").write_text("a file")
    with pytest.raises(StoreError, match=r"mlartifacts cannot be written .*chmod"):
        opened(tmp_path / "mlflow.db", tmp_path / "mlartifacts")


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("(sqlite3.OperationalError) database is locked", "`fuser /x/mlflow.db` shows which"),
        ("(sqlite3.OperationalError) attempt to write a readonly database", "`chmod u+w /x/mlflow.db`"),
        ("database or disk is full", "free some space"),
        (
            "Detected out-of-date database schema (found a, expected b)",
            "`mlflow db upgrade sqlite",
        ),
        ("API request to endpoint failed with error code 401", "MLFLOW_TRACKING_USERNAME"),
        ("API request failed with error code 403 != 200. Permission denied", "administrator"),
    ],
)
def test_errors_of_the_store_are_told_with_what_to_do(text: str, told: str) -> None:
    assert told in str(store_error("sqlite:////x/mlflow.db", RuntimeError(text)))


def test_the_database_beside_its_artifacts_belongs_to_the_checkout_and_a_server_keeps_files_itself() -> None:
    own = StorePlace("sqlite:////x/mlflow.db", "pcr-a", Path("/x/mlartifacts"))
    assert (own.own_database, own.own_location) == (Path("/x/mlflow.db"), "file:///x/mlartifacts/pcr-a")
    assert StorePlace("sqlite:////y/mlflow.db", "pcr-a", Path("/x/mlartifacts")).own_database is None
    assert StorePlace("https://mlflow.example", "pcr-a", Path("/x")).is_served


def test_a_lock_file_is_one_processs_at_a_time(tmp_path: Path) -> None:
    with file_lock("sqlite:///x", tmp_path / "a"):
        other = FileLock(tmp_path / "a/.lock")
        with pytest.raises(Timeout):
            other.acquire(timeout=0.01)
    other.acquire(timeout=1)
    other.release()


def test_what_is_not_the_stores_fault_is_no_error_of_it_and_passwords_are_not_told() -> None:
    assert store_error("sqlite:///x", RuntimeError("a run of this name exists")) is None
    assert without_password("postgresql://me:secret@host/db") == "postgresql://me@host/db"
