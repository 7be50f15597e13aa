"""What the operator sees: a decision log without values or names, and counts for Prometheus."""

import fcntl
import json
import logging
from bisect import bisect_left
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass
from logging.handlers import RotatingFileHandler
from pathlib import Path

from features.errors import UserError
from pipeline.console import stderr
from pipeline.service.settings import MB, ServiceSettings

SECONDS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0)


@dataclass(frozen=True)
class Handled:
    """One request to /invocations as it is kept: no value and no name that was sent.

    `reasons` counts rows by code and input of a reason, or has the code that refused the request.
    """

    time: str
    request_id: str
    model_version: str
    http_status: int
    rows: int
    statuses: dict[str, int]
    reasons: dict[str, int]
    milliseconds: float


class _KeptLines(RotatingFileHandler):
    """Says once that it cannot be written, and goes on: no request fails of it, and no trace is shown."""

    _told = False

    def handleError(self, record: logging.LogRecord) -> None:  # noqa: N802, ARG002 - logging's own name
        if not self._told:
            stderr().print(
                f"[yellow]Warning.[/] {self.baseFilename} cannot be written: nothing is kept in it"
            )
        self._told = True


class KeptLog:
    """A file with a line of JSON for each entry, rotated as the decision log is.

    It is one service's: two that rotate one file lose lines.

    Raises
    ------
    UserError
        If the file cannot be opened, or another service writes to it.
    """

    def __init__(self, path: str, settings: ServiceSettings) -> None:
        self._log = logging.Logger(path, logging.INFO)  # of its own: nobody else writes to it
        size, files = settings.decision_log_mb * MB, settings.decision_log_files
        try:
            self._lock = Path(f"{path}.lock").open("w", encoding="utf-8")  # noqa: SIM115 - until `close`
            fcntl.flock(self._lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            self._handler = _KeptLines(path, maxBytes=size, backupCount=files, encoding="utf-8")
        except BlockingIOError:
            self._lock.close()
            raise UserError(
                f"{path} is written by another service: give each a file of its own (configs/service.yaml)"
            ) from None
        except OSError as error:
            raise UserError(f"{path} cannot be written: {error.strerror} (configs/service.yaml)") from error
        self._log.addHandler(self._handler)

    def add(self, entry: Mapping[str, object]) -> None:
        """Write a line."""
        self._log.info(json.dumps(entry, separators=(",", ":")))

    def close(self) -> None:
        """Close the file, and let others write to it."""
        self._handler.close()
        self._lock.close()


class Observer:
    """Counts requests and rows, and writes the decision log where there is to be one."""

    def __init__(self, settings: ServiceSettings) -> None:
        self._requests: Counter[int] = Counter()
        self._rows: Counter[str] = Counter()
        self._buckets = [0] * (len(SECONDS) + 1)
        self._seconds = 0.0
        self._log = KeptLog(settings.decision_log, settings) if settings.decision_log else None

    def keep(self, handled: Handled) -> None:
        """Count a request, and write its line."""
        seconds = handled.milliseconds / 1000
        self._requests[handled.http_status] += 1
        self._rows.update(handled.statuses)
        self._buckets[bisect_left(SECONDS, seconds)] += 1
        self._seconds += seconds
        if self._log is not None:
            self._log.add(asdict(handled))

    def close(self) -> None:
        """Close the decision log."""
        if self._log is not None:
            self._log.close()

    def exposition(self, restarts: int, in_progress: int) -> str:
        """Return the counts in the text format of Prometheus, version 0.0.4."""
        return "\n".join(self._lines(restarts, in_progress)) + "\n"

    def _lines(self, restarts: int, in_progress: int) -> Iterator[str]:
        yield from _head("pcr_requests_total", "counter", "Requests to /invocations by HTTP status.")
        for status, count in sorted(self._requests.items()):
            yield f'pcr_requests_total{{status="{status}"}} {count}'
        yield from _head("pcr_rows_total", "counter", "Rows answered by status.")
        for name, count in sorted(self._rows.items()):
            yield f'pcr_rows_total{{status="{name}"}} {count}'
        yield from _head("pcr_request_seconds", "histogram", "Time from the whole request to its answer.")
        total = 0
        for bound, count in zip([*map(str, SECONDS), "+Inf"], self._buckets, strict=True):
            total += count
            yield f'pcr_request_seconds_bucket{{le="{bound}"}} {total}'
        yield f"pcr_request_seconds_sum {self._seconds:.6f}"
        yield f"pcr_request_seconds_count {total}"
        yield from _head("pcr_worker_restarts_total", "counter", "Workers that were replaced.")
        yield f"pcr_worker_restarts_total {restarts}"
        yield from _head("pcr_requests_in_progress", "gauge", "Requests at work or waiting.")
        yield f"pcr_requests_in_progress {in_progress}"


def _head(name: str, kind: str, text: str) -> Iterator[str]:
    yield f"# HELP {name} {text}"
    yield f"# TYPE {name} {kind}"
