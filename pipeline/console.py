"""Where people read what happens: progress and messages on standard error, results on standard output."""

import errno
import os
import sqlite3
import sys
import traceback
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from types import TracebackType
from typing import TypeVar

from rich.console import Console
from rich.markup import escape
from rich.progress import track

from features.errors import UserError

ROOT = Path(__file__).parents[1]
Result = TypeVar("Result")
PACKAGES = ("features", "models", "pipeline")
TRACEBACK = "PCR_TRACEBACK"
PIPE_WIDTH = 110
FAULT = 70
"""Exit code of a fault of the pipeline (EX_SOFTWARE of sysexits)."""
INTERRUPTED = 130
"""A shell's exit code of a command that Ctrl-C ended."""
FAULT_TEXT = (
    "a fault of the pipeline, not of its input; please report it. PCR_TRACEBACK=1 before the command shows "
    "the whole trace, which may hold patients' values."
)


def stderr() -> Console:
    """Return a console on standard error."""
    return Console(stderr=True)


def stdout() -> Console:
    """Return a console on standard output; a file or a pipe has no width, and gets one that holds a table."""
    return Console() if sys.stdout.isatty() else Console(width=PIPE_WIDTH)


def progress(label: str) -> Callable[[Iterable[Result], int], Iterable[Result]]:
    """Return what shows on standard error how many of `total` results have come."""
    return lambda results, total: track(results, description=label, total=total, console=stderr())


@contextmanager
def reported_errors() -> Iterator[None]:
    """Turn what the pipeline refuses into one message and exit code 1, and a fault of its own into 70."""
    try:
        yield
    except KeyboardInterrupt:
        stderr().print("[bold red]Stopped[/] by Ctrl-C.")
        sys.exit(INTERRUPTED)
    except Exception as error:
        if os.environ.get(TRACEBACK):
            raise
        sys.exit(tell(error))


def storage_problem(error: BaseException) -> str | None:
    """Return what is wrong with the disk and what to do, if that is what an error is about."""
    full = isinstance(error, OSError) and error.errno in {errno.ENOSPC, errno.EDQUOT}
    full |= getattr(error, "sqlite_errorcode", None) == sqlite3.SQLITE_FULL
    denied = isinstance(error, OSError) and error.errno in {errno.EROFS, errno.EACCES, errno.EPERM}
    denied |= getattr(error, "sqlite_errorcode", None) == sqlite3.SQLITE_READONLY
    name = getattr(error, "filename", None)
    where = f" ({name})" if name else ""
    if full:
        return f"the disk is full{where}: make room, then run again"
    if denied:
        return f"permission denied{where}: may you read and write there, and is the disk mounted read-only?"
    return None


def causes(error: BaseException | None) -> Iterator[BaseException]:
    """Give an error and, one after the other, what it was caused by."""
    while error is not None:
        yield error
        error = error.__cause__ or error.__context__


def tell(error: BaseException) -> int:
    """Say what was refused, or where the pipeline itself failed, and return the exit code.

    Of a fault only kind and place are told: its message may hold patients' values.
    """
    if isinstance(error, UserError | FileNotFoundError):
        told = _absent(error) if isinstance(error, FileNotFoundError) else str(error)
        stderr().print(f"[bold red]Error:[/] {escape(told)}", highlight=False)
        return 1
    if problem := next(filter(None, map(storage_problem, causes(error))), None):
        stderr().print(f"[bold red]Error:[/] {escape(problem)}", highlight=False)
        return 1
    what = f"{type(error).__name__} at {escape(_place(error))}"
    stderr().print(f"[bold red]Failed.[/] {what}: {FAULT_TEXT}", highlight=False)
    return FAULT


def _absent(error: FileNotFoundError) -> str:
    """Return what is not there and what to do, where a reader of files names nothing but the path."""
    path = str(error.filename or error)
    if error.filename is None and " " in path:
        return path
    made = "; `pcr run` makes it" if path.startswith("artifacts/") else ""
    return f"{path} does not exist{made}"


def hide_values_of_faults() -> None:
    """Let an error that nothing catches be told by `tell`, in this process; Python's own would quote it."""

    def hook(kind: type[BaseException], error: BaseException, trace: TracebackType | None) -> None:
        if os.environ.get(TRACEBACK) or not isinstance(error, Exception):
            sys.__excepthook__(kind, error, trace)
        else:
            sys.exit(tell(error))

    sys.excepthook = hook


def _place(error: BaseException) -> str:
    """Return file and line of the project where an error arose, such as pipeline/stages/judge.py:40."""
    frames = [(Path(frame.filename), frame.lineno) for frame in traceback.extract_tb(error.__traceback__)]
    own = [(path.relative_to(ROOT), line) for path, line in frames if path.is_relative_to(ROOT)]
    path, line = next((at for at in reversed(own) if at[0].parts[0] in PACKAGES), frames[-1])
    return f"{path}:{line}"
