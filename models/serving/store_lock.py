"""What keeps two processes from writing into one store: a lock file, and on PostgreSQL an advisory lock."""

import contextlib
from collections.abc import Iterator
from pathlib import Path

from filelock import FileLock
from sqlalchemy import create_engine, text

from models.serving.store_errors import StoreError, without_password

# Any number that no other application on the database uses.
ADVISORY_KEY = 7239271


@contextlib.contextmanager
def advisory_lock(uri: str) -> Iterator[None]:
    """Hold PostgreSQL's advisory lock of the project; nothing to do for other stores."""
    if not uri.startswith("postgresql"):
        yield
        return
    engine = create_engine(uri)
    with engine.connect() as connection:
        connection.execute(text("select pg_advisory_lock(:key)"), {"key": ADVISORY_KEY})
        connection.commit()
        try:
            yield
        finally:
            connection.execute(text("select pg_advisory_unlock(:key)"), {"key": ADVISORY_KEY})
            connection.commit()
    engine.dispose()


@contextlib.contextmanager
def file_lock(uri: str, folder: Path) -> Iterator[None]:
    """Hold the lock file of a folder, which is made if it does not exist.

    Raises
    ------
    StoreError
        If the folder cannot be written.
    """
    lock = FileLock(folder / ".lock")
    try:
        folder.mkdir(parents=True, exist_ok=True)
        lock.acquire()
    except OSError as error:
        raise StoreError(
            f"{folder} cannot be written ({error.strerror}), where the files of {without_password(uri)} are: "
            f"`chmod u+w {folder}`, or free some space"
        ) from None
    try:
        yield
    finally:
        lock.release()
