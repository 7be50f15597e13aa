"""A checkout that was moved or copied: MLflow's database follows, and finds its files beside it again.

MLflow stores whole paths. Where the database of a checkout names files elsewhere, no command goes on (another
checkout's files would be read and overwritten) until `pcr sync` has let the paths follow.
"""

import contextlib
import shutil
import sqlite3
from pathlib import Path
from urllib.parse import unquote, urlsplit

from models.serving.registry import Store
from models.serving.store_lock import file_lock

# Where MLflow stores the path of files, by table.
COLUMNS = (
    ("experiments", "artifact_location"),
    ("runs", "artifact_uri"),
    ("logged_models", "artifact_location"),
    ("model_versions", "source"),
    ("model_versions", "storage_location"),
)


def relocate(store: Store) -> list[str]:
    """Let the paths in a checkout's own database follow it; return what was done, a line each.

    Files that are still where the database says are copied here if they are missing; nothing is removed
    there.
    """
    database = store.own_database
    if database is None or not database.is_file():
        return []
    with file_lock(store.uri, store.artifact_root), contextlib.closing(sqlite3.connect(database)) as rows:
        row = rows.execute(
            "select artifact_location from experiments where name = ?", (store.experiment,)
        ).fetchone()
        if row is None or row[0] == store.own_location:
            return []
        before = str(row[0]).removesuffix(f"/{store.experiment}")
        after = store.own_location.removesuffix(f"/{store.experiment}")
        copied = _copy_missing(Path(unquote(urlsplit(before).path)), store.artifact_root)
        with rows:
            for table, column in COLUMNS:
                rows.execute(
                    f"update {table} set {column} = ? || substr({column}, ?) "  # noqa: S608 - our own names
                    f"where substr({column}, 1, ?) = ?",
                    (after, len(before) + 1, len(before) + 1, f"{before}/"),
                )
    return [f"moved: {database} names the files in {store.artifact_root} now; {copied} copied from {before}"]


def _copy_missing(source: Path, target: Path) -> int:
    """Copy the files of a folder that another lacks, if the folder exists; return how many."""
    copied = 0
    for file in sorted(path for path in source.rglob("*") if path.is_file() and not path.is_symlink()):
        place = target / file.relative_to(source)
        if not place.exists():
            place.parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(file, place)
            copied += 1
    return copied
