"""What `pcr run` shows of DVC at work: a line for each stage that is computed, with place and time."""

import logging
import math
import time
from collections.abc import Callable, Mapping
from typing import Any, TextIO

VERBOSE = "PCR_VERBOSE"
"""The environment variable that lets DVC show all that it says instead."""
RUNNING, COMMAND = "Running stage '%s':", "%s %s"
CACHED, UNCHANGED = "is cached - skipping run", "Stage '%s' didn't change, skipping"


class StageLines(logging.Filter):
    """Turns DVC's messages into lines such as ``[9/26] train c2 ... 11 s``; its commands are not shown.

    In a terminal the line is there from the start, and its time is added at the end; what a stage itself says
    stands between. Warnings pass.

    Parameters
    ----------
    total : int
        How many stages there are.
    out : TextIO
    clock : callable
        Seconds.
    """

    def __init__(self, total: int, out: TextIO, clock: Callable[[], float] = time.monotonic) -> None:
        super().__init__()
        self._total, self._out, self._clock = total, out, clock
        self._begun = self._stage_begun = clock()
        self._number = self._computed = self._cached = 0
        self._line = self._command = ""

    def filter(self, record: logging.LogRecord) -> bool:
        """Take a message in; return whether DVC is to show it itself."""
        if record.levelno > logging.INFO:
            return record.levelno < logging.ERROR
        message = str(record.msg)
        arguments = record.args if isinstance(record.args, tuple) else ()
        if message == RUNNING:
            self._next(str(arguments[0]))
        elif message == COMMAND and arguments[:1] == (">",):
            self._command = str(arguments[1])
        elif CACHED in message:
            self._end()
            self._number += 1
            self._cached += 1
            self._write(f"{self._label(str(arguments[0]))} ... as computed before\n")
        elif message == UNCHANGED:
            self._end()
            self._number += 1
        return False

    def close(self, *, failed: bool) -> None:
        """End the last line: with the command of a stage that failed, or with what was done and how long."""
        if failed:
            if self._line:
                self._write(f"{self._begin_again()}{self._line} failed: {self._command}\n")
            return
        self._end()
        done = f"{self._number} stages: {self._computed} computed"
        done += f", {self._cached} computed before" if self._cached else ""
        unchanged = self._number - self._computed - self._cached
        self._write(f"{done}, {unchanged} unchanged; {duration(self._clock() - self._begun)}\n")

    def _next(self, stage: str) -> None:
        self._end()
        self._number += 1
        self._computed += 1
        self._line, self._command, self._stage_begun = f"{self._label(stage)} ...", "", self._clock()
        if self._out.isatty():
            self._write(self._line)

    def _end(self) -> None:
        if self._line:
            self._write(f"{self._begin_again()}{self._line} {duration(self._clock() - self._stage_begun)}\n")
        self._line = ""

    def _begin_again(self) -> str:
        return "\r" if self._out.isatty() else ""

    def _label(self, stage: str) -> str:
        return f"[{self._number}/{max(self._total, self._number)}] {stage.replace('@', ' ')}"

    def _write(self, text: str) -> None:
        self._out.write(text)
        self._out.flush()


def duration(seconds: float) -> str:
    """Return seconds in words, such as ``11 s`` or ``3 min 5 s``."""
    minutes, rest = divmod(round(seconds), 60)
    return f"{minutes} min {rest} s" if minutes else f"{rest} s"


def count_stages(pipeline: Mapping[str, Any], variables: Mapping[str, Any]) -> int:
    """Return how many stages a dvc.yaml describes, those of a matrix each for itself.

    `variables` are what its templates, such as ``${landmarks}``, stand for.
    """

    def size(values: object) -> int:
        if isinstance(values, str):
            values = variables.get(values.removeprefix("${").removesuffix("}"), ())
        return len(values) if isinstance(values, list) else 1

    stages = pipeline.get("stages", {}).values()
    return sum(math.prod(map(size, stage.get("matrix", {}).values())) for stage in stages)
