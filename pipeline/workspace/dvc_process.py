"""DVC as `pcr run` starts it: it ends with its stages, and when the process above it is gone.

`python -m pipeline.workspace.dvc_process LIFELINE REPORT ARGUMENT...` runs `dvc ARGUMENT...`. DVC is the
first of a process group that holds its stages. SIGTERM ends them all: the stages at once, DVC as on Ctrl-C,
with its locks released. Ctrl-C itself would make every stage, and each of its processes, print its stack.

What DVC has to say of a failure goes as JSON to the descriptor REPORT, for one message to be made of it.
"""

import json
import logging
import os
import re
import signal
import sys
from types import FrameType

from pipeline.console import causes, storage_problem
from pipeline.workspace.lifeline import watch
from pipeline.workspace.warm_stages import warm_interpreter

STAGE = re.compile(r"failed to reproduce '([^']+)'")
INTERRUPTED = 130
STATUS = re.compile(r"failed to run: .*, exited with (-?\d+)$", re.DOTALL)


class FailureReport(logging.Handler):
    """Sends what DVC logs as an error to the process above, instead of to the screen.

    Only the first is the cause; what DVC says after it (where to get help) is not shown.
    """

    def __init__(self, descriptor: int) -> None:
        super().__init__(logging.ERROR)
        self._descriptor = descriptor

    def emit(self, record: logging.LogRecord) -> None:
        """Send one record, and silence DVC."""
        error = record.exc_info[1] if record.exc_info else None
        chain = list(causes(error))
        text = ": ".join(dict.fromkeys(str(cause) for cause in chain if str(cause))) or record.getMessage()
        report = {
            "text": text,
            "stage": _group(STAGE, text),
            "status": _group(STATUS, text),
            "storage": next(filter(None, map(storage_problem, chain)), None),
        }
        os.write(self._descriptor, json.dumps(report).encode())
        logging.disable()


def main(arguments: list[str]) -> int:
    """Run DVC, and return its exit code."""
    lifeline, report = int(arguments[0]), int(arguments[1])
    signal.signal(signal.SIGTERM, _end_group)
    watch(lifeline, said=lambda: None, gone=lambda: os.kill(os.getpid(), signal.SIGTERM))
    try:
        with warm_interpreter():
            return _dvc(report, arguments[2:])
    except KeyboardInterrupt:
        return INTERRUPTED


def _dvc(report: int, arguments: list[str]) -> int:
    """Run DVC with its errors going to `report`."""
    from dvc.cli import main as dvc  # noqa: PLC0415 - seconds, in which the process above may end, too

    logger = logging.getLogger("dvc")
    for handler in logger.handlers:
        handler.addFilter(lambda record: record.levelno < logging.ERROR)
    logger.addHandler(FailureReport(report))
    return int(dvc(arguments))


def _end_group(_signal: int, _frame: FrameType | None) -> None:
    """End the stages, and let DVC end as on Ctrl-C."""
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    logging.disable()
    os.killpg(os.getpgrp(), signal.SIGTERM)
    raise KeyboardInterrupt


def _group(pattern: re.Pattern[str], text: str) -> str | None:
    match = pattern.search(text)
    return match.group(1) if match else None


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
