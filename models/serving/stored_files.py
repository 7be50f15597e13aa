"""Whether what a store on this computer holds can be copied at all, before any of it is.

MLflow copies from wherever links lead, and as much as there is: what a registered model or a run cannot hold
is refused by its kind, number, size or name. Of other stores nothing is known before it is downloaded.
"""

import os
import re
import stat
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlparse

from features.errors import UserError

MOST_FILES, MOST_BYTES = 20_000, 20 * 1024**3
"""Files and folders that a run has at most, and what they hold together."""
MODEL_FILES, MODEL_BYTES = 200, 4 * 1024**3
STORED = re.compile(r"models:/m-[0-9a-f]{32}")
"""How MLflow names the files of a model that it stored."""


ANEW = "delete the version in MLflow, too, then `pcr sync` registers its model anew"


class GoneError(UserError):
    """A version of which MLflow no longer has the run, or the entry of its files."""


class NotPlainError(ValueError):
    """A place that holds what is none of a model's or a run's files."""


def require_stored(source: str, location: str) -> None:
    """Refuse a version whose files are not stored as a model's; see `require_plain`."""
    if not STORED.fullmatch(source):
        raise NotPlainError("a source that is no stored model")
    require_plain(location, MODEL_FILES, MODEL_BYTES)


def require_plain(location: str, most_files: int = MOST_FILES, most_bytes: int = MOST_BYTES) -> None:
    """Refuse a place on this computer that holds more than files and folders of plain names.

    Raises
    ------
    NotPlainError
        If there are links, devices, sockets or pipes, names that cannot be shown, or too much.
    """
    files = size = 0
    place = local_place(location)
    for folder, folders, names in os.walk(place) if place else ():
        for name in [*folders, *names]:
            found = Path(folder, name).lstat()
            if not (stat.S_ISREG(found.st_mode) or stat.S_ISDIR(found.st_mode)):
                raise NotPlainError("what is neither a file nor a folder")
            if not name.isprintable():
                raise NotPlainError("a name that cannot be shown")
            files, size = files + 1, size + found.st_size
            if files > most_files or size > most_bytes:
                raise NotPlainError("more than a model or a run has")


def entry_place(client: Any, version: Any, *gone: type[Exception]) -> str:
    """Return where a version's files are by MLflow's entry of them, which was found with the version's run.

    Raises
    ------
    GoneError
        If either was deleted, which `client` tells by an error of the kinds `gone`.
    """
    try:
        client.get_run(version.run_id)
        return str(client.get_logged_model(version.source.removeprefix("models:/")).artifact_location)
    except gone as error:
        told = f"{version.name} version {version.version}"
        raise GoneError(f"MLflow's entry of the files of {told}, or its run, was deleted: {ANEW}") from error


def local_place(location: str) -> Path | None:
    """Return the path of a place that MLflow names, if it is on this computer."""
    address = urlparse(location)
    return Path(unquote(address.path)) if address.scheme in {"", "file"} else None
