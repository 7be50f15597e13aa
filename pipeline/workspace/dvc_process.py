"""DVC as `pcr run` starts it: it ends with its stages, and when the process above it is gone.

`python -m pipeline.workspace.dvc_process LIFELINE REPORT ARGUMENT...` runs `dvc ARGUMENT...`. DVC is the
first of a process group that holds its stages. SIGTERM ends them all: the stages at once, DVC as on Ctrl-C,
with its locks released. Ctrl-C itself would make every stage, and each of its processes, print its stack.

What DVC has to say of a failure goes as JSON to the descriptor REPORT, for one message to be made of it.
"""

import contextlib
import io
import json
import logging
import os
import re
import signal
import sys
from pathlib import Path
from types import FrameType

from features.errors import UserError
from pipeline.console import causes, storage_problem
from pipeline.project import paths
from pipeline.project.files import read_yaml
from pipeline.workspace.lifeline import watch
from pipeline.workspace.stage_lines import VERBOSE, StageLines, count_stages
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
    """Run DVC with its errors going to `report`, and with a line for each stage unless all is to be shown."""
    from dvc.cli import main as dvc  # noqa: PLC0415 - seconds, in which the process above may end, too

    logger = logging.getLogger("dvc")
    lines = None if os.environ.get(VERBOSE) else StageLines(_stages(), sys.stdout)
    for handler in logger.handlers:
        handler.addFilter(lines or (lambda record: record.levelno < logging.ERROR))
    logger.addHandler(FailureReport(report))
    if lines is None:
        return int(dvc(arguments))
    # What DVC itself prints; stages have the descriptor, and lines the stream.
    with contextlib.redirect_stdout(io.StringIO()):
        code = int(dvc(arguments))
    lines.close(failed=code != 0)
    return code


def _stages() -> int:
    """Return how many stages the active study has; 0 for files that are not valid: DVC says why."""
    with contextlib.suppress(UserError):
        return count_stages(read_yaml(Path("dvc.yaml")), read_yaml(Path(paths.STUDY)))
    return 0


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
