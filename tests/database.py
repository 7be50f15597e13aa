"""MLflow's SQLite database without content: its migrations take a second, so each process makes it once."""

import functools
import tempfile
from pathlib import Path

from models.serving.registry import _make_database


@functools.cache
def _migrated() -> bytes:
    """Return the database as the registry makes it."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "mlflow.db"
        _make_database(f"sqlite:///{path}")
        return path.read_bytes()


def write_database(path: Path) -> None:
    """Write the database that the registry would make at `path`, where there is none."""
    if not path.exists():
        path.write_bytes(_migrated())
