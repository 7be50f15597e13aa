"""Where people read what happens: progress and messages on standard error, results on standard output."""

import sys
from collections.abc import Iterator
from contextlib import contextmanager

from rich.console import Console
from rich.markup import escape

PIPE_WIDTH = 110


def stderr() -> Console:
    """Return a console on standard error."""
    return Console(stderr=True)


def stdout() -> Console:
    """Return a console on standard output; a file or a pipe has no width, and gets one that holds a table."""
    return Console() if sys.stdout.isatty() else Console(width=PIPE_WIDTH)


@contextmanager
def refusals() -> Iterator[None]:
    """Turn what the pipeline refuses into one message and exit code 1; any other error is a bug.

    Refusals are ValueErrors with a message written for people (what, where, what to do), and missing files.
    """
    try:
        yield
    except (ValueError, FileNotFoundError) as error:
        stderr().print(f"[bold red]Refused.[/] {escape(str(error))}", highlight=False)
        sys.exit(1)
