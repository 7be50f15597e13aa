"""One run at a time in a checkout: configs/study.yaml, dvc.lock and DVC's own state are there only once.

The lock is the operating system's, on an open file (flock). It ends with the last process that has the file
open, however that process ended, so a dead lock cannot be; and the processes that work for a run have the
file open too, so that no other run begins before the last of them is gone.
"""

import fcntl
import getpass
import json
import os
import socket
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from features.errors import UserError
from pipeline.console import stderr

LOCK = Path(".pcr/run.lock")
DVC_LOCKS = Path(".dvc/tmp/rwlock")
"""DVC's list of what its processes read and write; one that was killed leaves its entries there."""


class RunLockError(UserError):
    """Another run, or DVC, is at work in this checkout."""


@contextmanager
def run_lock(study: str, *, wait: bool) -> Iterator[int]:
    """Hold the checkout's run lock; give its descriptor, for the processes that work for the run.

    Parameters
    ----------
    study : str
        Name of the study, told to whoever finds the lock held.
    wait : bool
        Wait for the end of another run, instead of being refused.

    Raises
    ------
    RunLockError
        If another run holds the lock and `wait` is false; the message says who, which study and since when.
    OSError
        If the checkout cannot be written.
    """
    LOCK.parent.mkdir(exist_ok=True)
    descriptor = os.open(LOCK, os.O_RDWR | os.O_CREAT, 0o666)
    try:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            if not wait:
                raise RunLockError(
                    f"another run is at work in this checkout: {_holder()}; wait for its end "
                    "(pcr run --wait), stop it (Ctrl-C where it was started), or run in a second checkout"
                ) from None
            stderr().print(f"Waiting for another run of this checkout: {_holder()}.", highlight=False)
            fcntl.flock(descriptor, fcntl.LOCK_EX)
        os.ftruncate(descriptor, 0)
        since = datetime.now(UTC).astimezone().isoformat(sep=" ", timespec="seconds")
        holder = {
            "process": os.getpid(),
            "host": socket.gethostname(),
            "user": _user(),
            "study": study,
            "since": since,
        }
        os.pwrite(descriptor, json.dumps(holder).encode(), 0)
        yield descriptor
    finally:
        os.close(descriptor)


def require_idle_dvc() -> None:
    """Make sure that no DVC command is at work here; remove what killed ones left in DVC's list.

    Raises
    ------
    RunLockError
        If a process that DVC lists is alive; the message has its number and command.
    """
    try:
        listed = _dvc_processes()
    except FileNotFoundError:
        return
    except ValueError:
        # DVC writes the list in place: a half one is being written, or its writer was killed.
        time.sleep(0.5)
        try:
            listed = _dvc_processes()
        except ValueError:
            listed = []
    alive = {entry["pid"]: entry["cmd"] for entry in listed if _is_alive(entry["pid"])}
    if alive:
        pid, command = next(iter(alive.items()))
        raise RunLockError(
            f"DVC is at work in this checkout (process {pid}: {command}): wait for its end; if process {pid} "
            f"is something else, remove {DVC_LOCKS}"
        )
    DVC_LOCKS.unlink(missing_ok=True)


def _holder() -> str:
    """Return who holds the lock, as a sentence's part."""
    try:
        told = json.loads(LOCK.read_text(encoding="utf-8"))
    except ValueError:
        return "one that has just begun"
    return (
        f"study {told['study']}, since {told['since']}, by {told['user']} on {told['host']} "
        f"(process {told['process']})"
    )


def _dvc_processes() -> list[dict[str, Any]]:
    """Return the entries of DVC's list: process and command."""
    content = json.loads(DVC_LOCKS.read_text(encoding="utf-8"))
    readers = [entry for entries in content.get("read", {}).values() for entry in entries]
    return [*content.get("write", {}).values(), *readers]


def _is_alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True


def _user() -> str:
    try:
        return getpass.getuser()
    except (KeyError, OSError):
        # A container may run under a number that has no name.
        return str(os.getuid())
