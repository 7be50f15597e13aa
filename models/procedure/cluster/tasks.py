"""Tasks on a Dask cluster, any part of which may fail: the client decides which task runs where.

Dask connects, sends and runs. Here a worker is asked first which code it runs, then gets the data once, then
one task for each of its threads, and that is all that is lost with it. Nothing but numbers, seeds and data
decides a result, so that a task that is run twice gives the same bits twice.
"""

import asyncio
import contextlib
import logging
import statistics
import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from queue import Empty, SimpleQueue
from typing import Any, TypedDict

from features.errors import UserError
from models.procedure.cluster.code import code_probe, difference, require_same_code
from models.procedure.cluster.identity import Identity, cluster_identity
from models.procedure.cluster.settings import Cluster

# Seconds between looks at who is there.
LOOK = 0.5
Numbered = tuple[int, Any]


class _Present(TypedDict):
    """What the scheduler says of a worker, in part."""

    local_directory: str
    nthreads: int
    status: str


class _Answer(TypedDict, total=False):
    """A task's result, or why the worker did not run it; a worker's identity; nothing where it was lost."""

    result: Any
    other_code: str
    identity: Identity


WorkerId = tuple[str, str]
log = logging.getLogger(__name__)


class _LostError(Exception):
    """The scheduler is gone, or has forgotten this client: what is not finished is submitted anew."""


class _Book:
    """What is to be done, and what is known of it; it outlives a lost scheduler."""

    def __init__(self, tasks: Sequence[tuple[int, Any]]) -> None:
        self.tasks = dict(tasks)
        self.total = len(tasks)
        self.deaths: Counter[int] = Counter()
        self.deadly: dict[int, str] = {}
        self.durations: list[float] = []

    def finished(self, number: int, seconds: float) -> None:
        """Cross a task off."""
        del self.tasks[number]
        self.durations.append(seconds)

    def left(self) -> str:
        """Say how much is left, and what that means."""
        return (
            f"{len(self.tasks)} of {self.total} tasks are not finished; those that are finished are kept "
            "where the step keeps them, and the same command goes on from there"
        )


@dataclass
class _Worker:
    """A worker process: what it may be used for, its copy of the data, and the keys of what it runs."""

    address: str
    threads: int
    running: bool = True
    refused: bool = False
    data: Any = None
    keys: set[str] = field(default_factory=set)


@dataclass(frozen=True)
class _Run:
    """A task on a worker; without a number it asks which code the worker runs."""

    number: int | None
    worker: WorkerId
    future: Any
    begun: float


def on_cluster(
    function: Callable[[Any, Any], Any], shared: Any, tasks: Sequence[tuple[int, Any]], cluster: Cluster
) -> Iterator[Numbered]:
    """Yield ``number, function(shared, task)`` for every numbered task, in the order in which they end.

    A task of a lost worker runs again on another one. A scheduler that is lost is waited for, and is given
    what is not finished. A worker that joins later gets the data once, and is not used if it runs other code.

    Raises
    ------
    UserError
        If the cluster does not answer in time or runs other code, has no worker for longer than it is waited
        for, or a task has ended as many workers as it may.
    """
    book, settings = _Book(tasks), cluster.settings
    lost = 0
    begun = False
    while book.tasks:
        try:
            with _connected(cluster, settings.reconnect if begun else settings.patience) as client:
                if not begun:
                    require_same_code(client, settings.patience)
                begun = True
                for number, result in _Session(client, cluster, book, (function, shared)).results():
                    lost = 0
                    yield number, result
        except _LostError as error:
            lost += 1
            if lost > settings.attempts:
                raise UserError(
                    f"the Dask scheduler at {cluster.address} was lost {lost} times without a finished task "
                    f"in between ({error}); {book.left()}"
                ) from error
            log.warning("the Dask scheduler at %s was lost: %s", cluster.address, error)


@contextlib.contextmanager
def _connected(cluster: Cluster, seconds: float) -> Iterator[Any]:
    """Connect to the scheduler, waiting for it as long as given."""
    # Optional dependency, and half a second of importing.
    from distributed import Client  # noqa: PLC0415
    from distributed.security import Security  # noqa: PLC0415

    tls = cluster.settings.tls
    security = tls and Security(
        tls_ca_file=tls.authority, tls_client_cert=tls.certificate, tls_client_key=tls.key,
        require_encryption=True,
    )  # fmt: skip
    try:
        client = Client(cluster.address, timeout=seconds, security=security, set_as_default=False)
    except OSError as error:
        raise UserError(
            f"no Dask scheduler answers at {cluster.address} within {seconds:g} s: {error}"
        ) from error
    with client:
        yield client


class _Session:
    """The time between a connection to the scheduler and its loss.

    Parameters
    ----------
    work : tuple
        Function and data, which every worker gets once.
    """

    def __init__(self, client: Any, cluster: Cluster, book: _Book, work: tuple[Any, Any]) -> None:
        self.client, self.cluster, self.settings, self.book = client, cluster, cluster.settings, book
        self.work = [work]
        self.scheduler: str | None = None
        self.workers: dict[WorkerId, _Worker] = {}
        self.runs: dict[str, _Run] = {}
        self.pending = sorted(book.tasks.keys() - book.deadly.keys())
        self.events: SimpleQueue[Callable[[], Iterator[Numbered]]] = SimpleQueue()
        self.next_look = self.idle_since = time.monotonic()

    def results(self) -> Iterator[Numbered]:
        """Yield the result of every task that is not finished.

        Raises
        ------
        _LostError
            If the scheduler is lost.
        """
        while len(self.book.tasks) > len(self.book.deadly):
            self._look()
            self._hand_out()
            with contextlib.suppress(Empty):
                event = self.events.get(timeout=LOOK)
                yield from event()
        for number, address in self.book.deadly.items():
            raise UserError(
                f"task {number + 1} of {self.book.total} has ended {self.book.deaths[number]} workers of the "
                f"Dask cluster, the last one at {address}; it is not tried again. Has a worker enough memory "
                f"for it (its log says why it ended)? {self.book.left()}"
            )

    def _look(self) -> None:
        """See which workers there are: bury the lost, ask the new."""
        now = time.monotonic()
        if now < self.next_look:
            return
        self.next_look = now + LOOK
        present = self._present()
        for lost in self.workers.keys() - present.keys():
            self._bury(lost)
        for worker, told in present.items():
            if worker not in self.workers:
                self.workers[worker] = _Worker(worker[0], told["nthreads"])
                self._start(None, worker)
            self.workers[worker].running = told["status"] == "running"
        computing = any(run.number is not None for run in self.runs.values())
        if computing or any(worker.running and not worker.refused for worker in self.workers.values()):
            self.idle_since = now
        elif now - self.idle_since > self.settings.reconnect:
            refused = sum(worker.refused for worker in self.workers.values())
            raise UserError(
                f"the Dask cluster at {self.cluster.address} has had no worker that runs this code for "
                f"{self.settings.reconnect:g} s ({refused} that run other code); {self.book.left()}"
            )

    def _present(self) -> dict[WorkerId, _Present]:
        """Return what the scheduler says of every worker process, by its address and folder."""
        try:
            told = self.client.sync(
                self.client.scheduler.identity, n_workers=-1, callback_timeout=self.settings.patience
            )
        except (OSError, RuntimeError) as error:
            raise _LostError(f"it does not answer: {error or type(error).__name__}") from error
        self.scheduler = self.scheduler or told["id"]
        if told["id"] != self.scheduler:
            raise _LostError("another one has taken its place")
        # A process that comes back at the same address has another folder.
        return {(address, worker["local_directory"]): worker for address, worker in told["workers"].items()}

    def _bury(self, lost: WorkerId) -> None:
        """Take back what a lost worker ran."""
        worker = self.workers.pop(lost)
        log.warning("worker %s of the Dask cluster is lost", worker.address)
        for key in tuple(worker.keys):
            self._died(self.runs.pop(key), worker.address)

    def _died(self, run: _Run, address: str) -> None:
        """Note that a task's worker ended while it ran, and let it run again, unless that was too often."""
        run.future.cancel()
        number = run.number
        if number not in self.book.tasks:
            return
        self.book.deaths[number] += 1
        if self.book.deaths[number] >= self.settings.attempts:
            # All others are finished before it is told.
            self.book.deadly[number] = address
            return
        self._take_back(number)

    def _take_back(self, number: int) -> None:
        """Put a task among those to be handed out, unless it runs elsewhere."""
        if number not in self.pending and all(run.number != number for run in self.runs.values()):
            self.pending.append(number)

    def _hand_out(self) -> None:
        """Give every free thread a task."""
        # Those that have ended a worker come last and alone, so that no other is taken for the culprit.
        self.pending.sort(key=lambda number: (self.book.deaths[number] > 0, number), reverse=True)
        for identifier, worker in sorted(self.workers.items(), key=lambda item: len(item[1].keys)):
            while worker.data is not None and worker.running and len(worker.keys) < worker.threads:
                numbers = [self.runs[key].number for key in worker.keys]
                if any(self.book.deaths[number] for number in numbers if number is not None):
                    break
                if self.pending and not (worker.keys and self.book.deaths[self.pending[-1]]):
                    self._start(self.pending.pop(), identifier)
                elif not self.pending and (straggler := self._straggler(identifier)) is not None:
                    self._start(straggler, identifier)
                else:
                    break

    def _straggler(self, idle: WorkerId) -> int | None:
        """Return the task that has run too long on another worker, if there is one that runs but once."""
        if not self.book.durations:
            return None
        limit = time.monotonic() - self.settings.straggler * statistics.median(self.book.durations)
        copies = Counter(run.number for run in self.runs.values())
        for run in self.runs.values():
            number = run.number
            if number is None or copies[number] > 1 or self.book.deaths[number] or run.worker == idle:
                continue
            if run.begun < limit:
                return number
        return None

    def _start(self, number: int | None, worker: WorkerId) -> None:
        """Run a task on a worker, or ask the worker which code it runs."""
        from cloudpickle import dumps  # noqa: PLC0415

        where = self.workers[worker]
        if number is None:
            asked: tuple[Any, ...] = (code_probe(),)
        else:
            asked = (_remote(), cluster_identity(), where.data, dumps(self.book.tasks[number]))
        future = self.client.submit(*asked, workers=[where.address], allow_other_workers=False, pure=False)
        self.runs[future.key] = _Run(number, worker, future, time.monotonic())
        where.keys.add(future.key)
        future.add_done_callback(lambda ended: self.events.put(lambda: self._ended(ended.key)))

    def _ended(self, key: str) -> Iterator[Numbered]:
        """Take the result of what has ended, unless it is of no interest any more."""
        if key not in self.runs:
            return
        run = self.runs[key]
        answer = self._answer(run)
        if key not in self.runs:
            return
        worker = self.workers[run.worker]
        self._forget(run)
        if run.number is None:
            self._judge(run.worker, answer["identity"])
        elif "other_code" in answer:
            self._refuse(worker, answer["other_code"])
            self._take_back(run.number)
        else:
            for copy in [one for one in self.runs.values() if one.number == run.number]:
                self._forget(copy)
            self.book.finished(run.number, time.monotonic() - run.begun)
            yield run.number, answer["result"]

    def _answer(self, run: _Run) -> _Answer:
        """Return what a worker answers; nothing where the run was lost with its worker."""
        from distributed import CancelledError, KilledWorker  # noqa: PLC0415

        if run.future.status == "error":
            error = run.future.exception()
            if isinstance(error, KilledWorker):
                self._forget(run)
                self._died(run, self.workers[run.worker].address)
            elif run.number is None:
                return {"identity": {"error": f"it cannot say which code it runs: {error}"}}
            else:
                raise error
            return {}
        try:
            result = run.future.result(timeout=self.settings.patience)
        except (OSError, RuntimeError, CancelledError) as error:
            # Lost with its worker, or with the scheduler.
            self.next_look = 0.0
            self._look()
            if run.future.key in self.runs:
                raise _LostError(f"a result cannot be had ({type(error).__name__})") from error
            return {}
        answer: _Answer = {"identity": result} if run.number is None else result
        return answer

    def _forget(self, run: _Run) -> None:
        """Wait no longer for a run."""
        del self.runs[run.future.key]
        self.workers[run.worker].keys.discard(run.future.key)
        run.future.release()

    def _judge(self, identifier: WorkerId, identity: Identity) -> None:
        """Send the data to a worker that runs this code; use no other."""
        worker = self.workers[identifier]
        if reason := difference(identity, cluster_identity()):
            self._refuse(worker, reason)
            return
        sent = asyncio.run_coroutine_threadsafe(
            self.client.scatter(self.work, workers=[worker.address], hash=False, asynchronous=True),
            self.client.loop.asyncio_loop,
        )
        sent.add_done_callback(lambda done: self.events.put(lambda: self._sent(identifier, done)))

    def _sent(self, identifier: WorkerId, done: Any) -> Iterator[Numbered]:
        """Use a worker that has its data; one that could not be sent them is asked again."""
        yield from ()
        if identifier not in self.workers or done.cancelled():
            return
        error = done.exception()
        if isinstance(error, OSError):
            del self.workers[identifier]
        elif error is not None:
            raise error
        else:
            [self.workers[identifier].data] = done.result()

    def _refuse(self, worker: _Worker, reason: str) -> None:
        worker.refused, worker.data = True, None
        log.warning("worker %s of the Dask cluster is not used: %s", worker.address, reason)


def _remote() -> Callable[[Identity, tuple[Any, Any], bytes], _Answer]:
    # No annotation that the scheduler, which reads this function, could not import.
    def remote(expected, work, task):  # type: ignore[no-untyped-def]
        # A process that was restarted at the same address has not been asked.
        from pickle import loads  # noqa: PLC0415

        from models.procedure.cluster.identity import cluster_identity as identity  # noqa: PLC0415

        if identity() != expected:
            return {"other_code": "it was restarted with other code"}
        function, shared = work
        return {"result": function(shared, loads(task))}  # noqa: S301 - from this client alone

    return remote
