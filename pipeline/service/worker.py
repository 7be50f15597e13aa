"""A process that answers requests, one at a time: what takes too long or too much ends it, not the service.

Workers are forked from a small process that has imported everything and runs no thread, so that a new one is
there in a fraction of a second.
"""

import ctypes
import gc
import json
import multiprocessing
import os
import resource
import sys
from bisect import bisect
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from multiprocessing.connection import Connection
from multiprocessing.process import BaseProcess
from pathlib import Path
from typing import Any

from models.serving.serving import Reason
from pipeline.service.fhir import answers_of, bundle
from pipeline.service.settings import MB, ServiceSettings
from pipeline.service.tables import RefusedError, Table, read_table

CONTEXT = multiprocessing.get_context("forkserver")
CONTEXT.set_forkserver_preload(["pipeline.service.worker", "models.serving.registry", "lightgbm", "pandas"])
READY_SECONDS = 120.0
EDGES = (-0.2, -0.1, -0.05, -0.02, 0.02, 0.05, 0.1, 0.2)
"""Differences of two models' probabilities are counted between these: none is kept as it is."""
BETWEEN = [f"{low:g} to {high:g}" for low, high in zip((-1, *EDGES), (*EDGES, 1), strict=True)]


@dataclass(frozen=True)
class Answer:
    """Status and body of an answer, and what may be kept of it.

    `statuses`: how many rows had which status; `reasons`: how many had which, as code and input. `refusal`:
    why the whole request was not answered. `differences`: of how many rows the probability differed by how
    much from that of another model; `statuses` has the other's then, and this one's.
    """

    status: int
    body: bytes = b""
    rows: int = 0
    statuses: dict[str, int] = field(default_factory=dict)
    reasons: dict[str, int] = field(default_factory=dict)
    refusal: Reason | None = None
    differences: dict[str, int] = field(default_factory=dict)


TOO_MUCH = Answer(
    413, refusal={"code": "too_costly", "input": None, "rule": "an answer within the time and memory allowed"}
)


def answer_request(
    model: Any, kind: str, body: bytes, limits: ServiceSettings, *, other: bytes = b"", fhir: bool = False
) -> Answer:
    """Return the answer to the body of a request; `model` is a `PcrModel`, of whatever version.

    With `other`, the body of another model's answer to the request, the two are compared; there is no body.
    """
    try:
        predictions = _predictions(model, read_table(kind, body, limits))
        if other:
            return _compared(answers_of(json.loads(other)), predictions)
        content = bundle(predictions, model.document) if fhir else {"predictions": predictions}
        return _told(content, predictions, limits)
    except RefusedError as refusal:
        return Answer(refusal.status, refusal=refusal.reason)
    except MemoryError:
        return TOO_MUCH


def _predictions(model: Any, table: Table) -> list[Any]:
    _check_units(model, table.units)
    if table.rows == 1:
        row = {name: column[0] for name, column in table.columns.items()}
        return [model.desk.answer(row, explain=table.explain)]
    return as_rows(model.desk.answers(dict(table.columns), explain=table.explain))


def as_rows(answers: Any) -> list[Any]:
    """Return the rows of a frame of answers, each by column."""
    columns = {name: answers[name].tolist() for name in answers}
    return [dict(zip(columns, row, strict=True)) for row in zip(*columns.values(), strict=True)]


def _told(content: object, predictions: list[Any], limits: ServiceSettings) -> Answer:
    body = json.dumps(content, allow_nan=False).encode()
    if len(body) > limits.max_answer_mb * MB:
        raise RefusedError(413, "answer_too_large", f"at most {limits.max_answer_mb} MB")
    statuses = Counter(row["status"] for row in predictions)
    return Answer(200, body, len(predictions), dict(statuses), _reason_counts(predictions))


def _compared(theirs: list[Any], ours: list[Any]) -> Answer:
    """Count the rows by both statuses, and by the difference of both probabilities where there are two."""
    pairs = [*zip(theirs, ours, strict=True)]
    statuses = Counter(f"{their['status']} / {our['status']}" for their, our in pairs)
    differences = Counter(
        BETWEEN[bisect(EDGES, our["pcr_probability"] - their["pcr_probability"])]
        for their, our in pairs
        if our["pcr_probability"] is not None and their["pcr_probability"] is not None
    )
    return Answer(200, b"", len(ours), dict(statuses), differences=dict(differences))


def _check_units(model: Any, units: Mapping[str, str]) -> None:
    """Refuse a request whose sender has an input in another unit than the model."""
    inputs = {feature["name"]: feature.get("unit") or "" for feature in model.document["features"]}
    if not units.keys() <= inputs.keys():
        raise RefusedError(400, "unknown_input", "units are of inputs of the model: /schema.json has them")
    for name, unit in units.items():
        if unit.strip() != inputs[name]:
            raise RefusedError(400, "wrong_unit", inputs[name] or "no unit", name)


def _reason_counts(predictions: list[dict[str, Any]]) -> dict[str, int]:
    """Count reasons by code and input; rows with the same reasons share one list."""
    lists = {id(row["reasons"]): row["reasons"] for row in predictions}
    rows = Counter(id(row["reasons"]) for row in predictions)
    counts: Counter[str] = Counter()
    for key, reasons in lists.items():
        for reason in reasons if isinstance(reasons, list) else ():  # text in models of before
            counts[f"{reason['code']} {reason['input'] or ''}".strip()] += rows[key]
    return dict(counts)


def work(pipe: Connection, folder: Path, limits: ServiceSettings, niceness: int) -> None:
    """Load the model, say so, and answer until told to stop, or until the memory taken is not given back."""
    os.nice(niceness)
    from models.serving.registry import load_package  # noqa: PLC0415 - the parent needs no MLflow

    try:
        model = load_package(folder).unwrap_python_model().model
    except Exception as error:  # noqa: BLE001 - whatever it is, the service tells of it, and a trace helps nobody
        kind = type(error).__name__
        sys.stderr.write(f"A worker cannot load the model in {folder} ({kind}): start the service again\n")
        return
    # Collecting garbage would write to every page that is shared with the other workers, and copy it.
    gc.freeze()
    pages, resident = _pages()
    ceiling = limits.worker_max_mb * MB + pages
    resource.setrlimit(resource.RLIMIT_AS, (ceiling, ceiling))
    pipe.send_bytes(b"ready")
    while (asked := pipe.recv()) is not None:
        kind, body, other, fhir = asked
        pipe.send(answer_request(model, kind, body, limits, other=other, fhir=fhir))
        del asked, body, other
        if _pages()[1] - resident > limits.worker_keep_mb * MB:
            give_back_memory()
            if _pages()[1] - resident > limits.worker_keep_mb * MB:
                return


def _pages() -> tuple[int, int]:
    """Return the address space of this process and what of it is in memory, in bytes."""
    size, resident = Path("/proc/self/statm").read_text(encoding="ascii").split()[:2]
    return int(size) * resource.getpagesize(), int(resident) * resource.getpagesize()


def give_back_memory() -> None:
    """Give free memory back to the system, where the C library can (glibc keeps it otherwise)."""
    trim = getattr(ctypes.CDLL(None), "malloc_trim", None)
    if trim is not None:
        trim(0)


class StartError(RuntimeError):
    """A worker that did not load its model."""


class Worker:
    """The service's end of a worker, which is started anew whenever it is gone.

    `is_lost`: it could not be started the last time, such as when the folder of the checked files is gone.
    """

    def __init__(self, folder: Path, limits: ServiceSettings, seconds: float, niceness: int = 0) -> None:
        self._folder = folder
        self._limits = limits
        self._seconds = seconds
        self._niceness = niceness
        self._process: BaseProcess | None = None
        self._pipe: Connection | None = None
        self.restarts = -1
        self.is_lost = False
        self._closed = False

    def start(self) -> None:
        """Start the process, and wait until it has loaded the model."""
        try:
            self._load()
        except (EOFError, OSError, StartError):
            self.is_lost = True
            raise
        self.is_lost = False

    def _load(self) -> None:
        self._pipe, other = CONTEXT.Pipe()
        process = CONTEXT.Process(
            target=work, args=(other, self._folder, self._limits, self._niceness), daemon=True
        )
        process.start()
        self._process = process
        other.close()
        self.restarts += 1
        if not self._pipe.poll(READY_SECONDS) or self._pipe.recv_bytes() != b"ready":
            self.stop()
            raise StartError("a worker did not start")

    def ask(self, kind: str, body: bytes, *, other: bytes = b"", fhir: bool = False) -> Answer:
        """Return the answer to a request, or how it differs from the `other` (`answer_request`).

        What takes too long is ended, and the worker with it.
        """
        for _ in range(2):
            if self._closed:
                return Answer(503)
            try:
                if self._process is None or not self._process.is_alive():
                    self.start()
                assert self._pipe is not None  # noqa: S101 - `start` makes it
                self._pipe.send((kind, body, other, fhir))
                if not self._pipe.poll(self._seconds):
                    self.stop()
                    return TOO_MUCH
                answer: Answer = self._pipe.recv()
            except (EOFError, OSError, StartError):
                # It was replaced after the request before, died of this one, or finds no room to start in.
                self.stop()
                continue
            return answer
        return Answer(500)

    def close(self) -> None:
        """End the process for good."""
        self._closed = True
        self.stop()

    def stop(self) -> None:
        """End the process, whatever it is doing."""
        if self._process is not None:
            self._process.kill()
            self._process.join()
        if self._pipe is not None:
            self._pipe.close()
        self._process = self._pipe = None
