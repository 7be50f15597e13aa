"""What MLflow's store says when it cannot be used, in a sentence with the command that helps."""

import contextlib
import errno
import re
import socket
from collections.abc import Iterator
from urllib.parse import urlsplit

from sqlalchemy.engine import make_url
from sqlalchemy.exc import SQLAlchemyError

from features.errors import UserError

CONNECT_SECONDS = 5.0
SERVERS = ("http://", "https://")
ADDRESSES = "sqlite:////PATH/mlflow.db, postgresql+psycopg://USER@HOST/NAME or http(s)://HOST:PORT"
# What the text of an error holds, and what is told of the store {uri}; the first that fits.
_ABSENT = "does not answer: start it, or take MLFLOW_TRACKING_URI away to use the database of this checkout"
_TOLD = {
    "database is locked": "is locked by another program: end it (`fuser {path}` shows which), then try again",
    "code 401|unauthorized": "asks for a login: set MLFLOW_TRACKING_USERNAME and MLFLOW_TRACKING_PASSWORD",
    "code 403|permission_denied": "does not let this user do that: ask its administrator for permission",
    "readonly database|read-only file system|permission denied": (
        "cannot be written by this user: `chmod u+w {path}`, and its folder, too"
    ),
    "database or disk is full|no space left": "is on a full disk: free some space, then try again",
    "out-of-date database schema": (
        "was made by another version of MLflow: after a backup, `mlflow db upgrade {uri}` if that was an "
        "older one, else `uv pip install --upgrade mlflow`"
    ),
    "file is not a database|malformed|unable to open database": (
        "is damaged, or no database: put a backup in its place, or move it away, and `pcr sync` makes "
        "everything of this study again"
    ),
    "connection refused|could not connect|connection failed|max retries|failed to establish": _ABSENT,
}
_OF_THE_DISK = {errno.ENOSPC, errno.EROFS, errno.EDQUOT}


class StoreError(UserError):
    """A store that cannot be used as it is."""


def store_error(uri: str, error: Exception) -> StoreError | None:
    """Return what to tell of an error of the store at `uri`; None where it is not the store's."""
    text = str(error).lower()
    plain = without_password(uri)
    for pattern, told in _TOLD.items():
        if re.search(pattern, text):
            return StoreError(f"{plain} {told.format(uri=plain, path=plain.removeprefix('sqlite:///'))}")
    return None


def deleted_experiment(uri: str, name: str, number: str) -> StoreError:
    """Return what to tell of an experiment that was deleted."""
    return StoreError(
        f"the experiment {name} was deleted: {_command(uri)} restore --experiment-id {number}` brings it back"
    )


def unshared_files(uri: str, name: str, number: str) -> StoreError:
    """Return what to tell of a server whose users would each keep the files on a computer of their own."""
    return StoreError(
        f"{without_password(uri)} has every user keep the files of {name} on a computer of their own: "
        "start it with --serve-artifacts, then "
        f"{_command(uri)} rename --experiment-id {number} --new-name former-{name}`"
    )


def moved_files(uri: str, location: str) -> StoreError:
    """Return what to tell of a checkout's own database whose files are not beside it."""
    return StoreError(
        f"{uri} was moved or copied here: it still names the files at {location}; `pcr sync` lets it name "
        "those of this checkout"
    )


def _command(uri: str) -> str:
    return f"`MLFLOW_TRACKING_URI={without_password(uri)} mlflow experiments"


def without_password(uri: str) -> str:
    """Return an address without the password in it, if any."""
    return re.sub(r"(://[^:/@]+):[^@/]*@", r"\1@", uri)


def require_address(uri: str) -> None:
    """Refuse what is no address of a server or database, before anything is looked for or made there.

    Raises
    ------
    StoreError
        If so; what was given is not repeated, as it may hold a password.
    """
    why = ""
    try:
        if uri.startswith(SERVERS):
            _ = urlsplit(uri).port
        else:
            address = make_url(uri)
            address.get_dialect().import_dbapi()
            # Without a file it would be gone with the process; locks and moves go by the plain path.
            is_path = uri.startswith("sqlite:///") and address.database not in {"", None, ":memory:"}
            is_path &= not address.query
            why = "" if is_path or address.get_backend_name() != "sqlite" else "no plain path of a file"
    except ImportError as error:
        why = f"its driver is not installed: {error.name}"
    except (SQLAlchemyError, ValueError) as error:
        why = type(error).__name__
    if why or uri != uri.strip():
        raise StoreError(
            f"MLFLOW_TRACKING_URI is no address of a store ({why or 'spaces'}): give {ADDRESSES}"
        )


def require_answer(uri: str) -> None:
    """Refuse a server that does not take a connection, at once: MLflow would try for minutes.

    Raises
    ------
    StoreError
        If `uri` is no address, or that of a server where nothing listens.
    """
    require_address(uri)
    if not uri.startswith(SERVERS):
        return
    parts = urlsplit(uri)
    port = parts.port or (443 if parts.scheme == "https" else 80)
    try:
        socket.create_connection((parts.hostname or "", port), CONNECT_SECONDS).close()
    except OSError as error:
        raise StoreError(f"{without_password(uri)} {_ABSENT} ({type(error).__name__})") from None


@contextlib.contextmanager
def told_errors(uri: str, *kinds: type[Exception]) -> Iterator[None]:
    """Tell errors of some kinds as `store_error` does; others pass.

    Raises
    ------
    StoreError
        For an error that is the store's.
    """
    try:
        yield
    except kinds as error:
        if (told := store_error(uri, error)) is None:
            raise
        raise told from error
    except OSError as error:
        if error.errno not in _OF_THE_DISK or (told := store_error(uri, error)) is None:
            raise
        raise told from error
