"""Where tasks run: forked processes, threads, fresh processes or a Dask cluster; data go to each worker once.

A stage forks: a process is there in a few milliseconds with everything that the stage has read, only results
are sent, and none waits for another's interpreter. What computes here uses one thread (OpenMP's pool, which
would not survive a fork, is never made; Arrow's and OpenBLAS's are made anew in the new process).
"""

import ctypes
import multiprocessing
import os
import signal
import sys
import threading
import warnings
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import Future, ProcessPoolExecutor, as_completed
from concurrent.futures.process import BrokenProcessPool
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import islice
from multiprocessing.connection import Connection
from types import FrameType
from typing import Any, Generic, TypeVar

from joblib import Parallel, delayed, parallel_config
from threadpoolctl import threadpool_limits

from features.errors import UserError
from models.procedure.cluster.settings import Cluster
from models.procedure.cluster.tasks import on_cluster

Task = TypeVar("Task")
Result = TypeVar("Result")
Numbered = tuple[int, Result]

NAMES = ("fork", "threading", "loky", "dask")
_KILL_WITH_PARENT = 1
"""PR_SET_PDEATHSIG of prctl(2)."""
_KILLED = (
    "a process that computed tasks was killed, as happens where memory does not suffice; PCR_WORKERS=1 needs "
    "the least"
)


@dataclass(frozen=True)
class Backend:
    """Where tasks run.

    Parameters
    ----------
    name : str
        ``fork`` (processes forked from this one, on Linux; elsewhere as ``loky``), ``threading``, ``loky``
        (fresh processes on this computer) or ``dask``.
    workers : int
        Threads or processes; a Dask cluster has its own number.
    cluster : Cluster, optional
        The Dask cluster, where the name is ``dask``.

    Raises
    ------
    UserError
        If the name is unknown, there is no worker, or a cluster is missing or not needed.
    """

    name: str = "threading"
    workers: int = 1
    cluster: Cluster | None = None

    def __post_init__(self) -> None:
        if self.name not in NAMES:
            raise UserError(f"backend name is {self.name!r}; it must be one of {', '.join(NAMES)}")
        if self.workers < 1:
            raise UserError(f"backend workers is {self.workers}; it must be at least 1")
        if (self.name == "dask") != (self.cluster is not None):
            address = self.cluster and self.cluster.address
            raise UserError(
                f"backend {self.name} has address {address!r}; "
                "dask needs a scheduler's address, and only dask"
            )


def completed(
    function: Callable[[Any, Task], Result], shared: Any, tasks: Sequence[tuple[int, Task]], backend: Backend
) -> Iterator[Numbered[Result]]:
    """Return ``number, function(shared, task)`` of every numbered task, in the order in which they end.

    Work has begun when this returns: who asks shows progress afterwards, from a thread that no process is
    forked beside.

    `shared` goes to each worker once. On fresh processes and Dask everything must be picklable by
    cloudpickle, and the function must be importable or have no references to a script's own globals; on
    forked ones only results are pickled.

    Raises
    ------
    UserError
        See `on_cluster`; or if a process was killed.
    """
    if backend.cluster is not None:
        return on_cluster(function, shared, tasks, backend.cluster)
    several = min(backend.workers, len(tasks))
    if backend.name == "fork" and several > 1 and sys.platform == "linux":
        return _in_forks(function, shared, tasks, several)
    if backend.name in {"fork", "loky"} and backend.workers > 1:
        return _in_processes(function, shared, tasks, backend.workers)
    pool = Parallel(n_jobs=backend.workers, backend="threading", return_as="generator_unordered")
    done: Iterator[Numbered[Result]] = pool(
        delayed(_numbered)(function, shared, number, task) for number, task in tasks
    )
    return done


def _numbered(
    function: Callable[[Any, Task], Result], shared: Any, number: int, task: Task
) -> Numbered[Result]:
    return number, function(shared, task)


def forks() -> Backend:
    """Return processes forked from this one, on all workers of this computer."""
    return Backend("fork", workers())


def side_by_side(calls: Sequence[Callable[[], Result]]) -> list[Result]:
    """Return what every call gives, in their order, computed on all workers of this computer."""
    found = dict(completed(_called, None, list(enumerate(calls)), forks()))
    return [found[number] for number in range(len(calls))]


def _called(_shared: None, call: Callable[[], Result]) -> Result:
    return call()


# Set once in each worker process when it starts.
_received: list[Any] = []


def _receive(function: Callable[[Any, Any], Any], shared: Any) -> None:
    _received[:] = [function, shared]


def _with_received(number: int, task: Any) -> Numbered[Any]:
    function, shared = _received
    return number, function(shared, task)


def _in_processes(
    function: Callable[[Any, Task], Result], shared: Any, tasks: Sequence[tuple[int, Task]], workers: int
) -> Iterator[Numbered[Result]]:
    with parallel_config(backend="loky", initializer=_receive, initargs=(function, shared)):
        pool = Parallel(n_jobs=workers, return_as="generator_unordered")
    yield from pool(delayed(_with_received)(number, task) for number, task in tasks)


def _in_forks(
    function: Callable[[Any, Task], Result], shared: Any, tasks: Sequence[tuple[int, Task]], workers: int
) -> Iterator[Numbered[Result]]:
    context = multiprocessing.get_context("fork")
    received = function, shared, tasks, os.getpid()
    pool = ProcessPoolExecutor(workers, context, initializer=_receive_fork, initargs=received)
    with warnings.catch_warnings():
        # From Python 3.12 on, where there are threads: here Arrow's, which are made anew after a fork.
        warnings.filterwarnings("ignore", "This process .* is multi-threaded", DeprecationWarning)
        done = [pool.submit(_with_received_at, place) for place in range(len(tasks))]
    return _as_they_end(pool, done)


def _as_they_end(
    pool: ProcessPoolExecutor, done: Sequence[Future[Numbered[Result]]]
) -> Iterator[Numbered[Result]]:
    try:
        for each in as_completed(done):
            yield each.result()
    except BrokenProcessPool as error:
        raise UserError(_KILLED) from error
    finally:
        pool.shutdown(cancel_futures=True)


def _receive_fork(function: Callable[[Any, Any], Any], shared: Any, tasks: Any, parent: int) -> None:
    _begin(parent)
    _received[:] = [function, shared, tasks]


def _begin(parent: int) -> None:
    """Begin a forked process: one that outlived its parent would wait for tasks for ever."""
    ctypes.CDLL(None).prctl(_KILL_WITH_PARENT, signal.SIGKILL)
    if os.getppid() != parent:
        os._exit(1)
    os.environ["PCR_WORKERS"] = "1"
    # Where the user allows more (OMP_NUM_THREADS): the parent's threads are not here, and are waited for.
    threadpool_limits(1)


def _with_received_at(place: int) -> Numbered[Any]:
    function, shared, tasks = _received
    number, task = tasks[place]
    return number, function(shared, task)


def in_order(function: Callable[[Task], Result], items: Iterable[Task], several: int) -> Iterator[Result]:
    """Yield `function` of every item, in their order, of `several` at once in a process forked for each.

    Items need not be there before: one more than are at work is taken, so that few are held. A single item,
    and what one process is asked for, is computed in this one.

    Raises
    ------
    Exception
        What the function raises; UserError if a process was killed.
    """
    items = iter(items)
    ahead = deque(islice(items, 2))
    if several < 2 or len(ahead) < 2 or sys.platform != "linux":
        while ahead:
            yield function(ahead.popleft())
            ahead.extend(islice(items, 1))
        return
    at_work: deque[_Forked[Result]] = deque()

    def begin() -> None:
        while ahead and len(at_work) < several:
            at_work.append(_Forked(function, ahead.popleft()))
            # It computes while the next item is read.
            ahead.extend(islice(items, 0 if ahead else 1))

    try:
        begin()
        while at_work:
            result = at_work.popleft().result()
            begin()
            yield result
    finally:
        for each in at_work:
            each.end()


class _Forked(Generic[Result]):
    """A process that was forked for one item."""

    def __init__(self, function: Callable[[Any], Result], item: object) -> None:
        context = multiprocessing.get_context("fork")
        self._results, results = context.Pipe(duplex=False)
        self._process = context.Process(
            target=_send_result, args=(results, function, item, os.getpid()), daemon=True
        )
        with _interrupted_after(), warnings.catch_warnings():
            warnings.filterwarnings("ignore", "This process .* is multi-threaded", DeprecationWarning)
            self._process.start()
        # Whose other end is the process's alone tells when that is gone.
        results.close()

    def result(self) -> Result:
        """Wait for the result; raise what the function raised."""
        try:
            error, result = self._results.recv()
        except EOFError:
            raise UserError(_KILLED) from None
        finally:
            self.end()
        if error is not None:
            raise error
        found: Result = result
        return found

    def end(self) -> None:
        """End the process, whatever it is doing."""
        self._process.kill()
        self._process.join()
        self._results.close()


@contextmanager
def _interrupted_after() -> Iterator[None]:
    """Let a Ctrl-C of the time of a fork interrupt after it: what runs at a fork swallows exceptions."""
    former = signal.getsignal(signal.SIGINT)
    if not callable(former) or threading.current_thread() is not threading.main_thread():
        yield
        return
    noted: list[tuple[int, FrameType | None]] = []
    signal.signal(signal.SIGINT, lambda number, frame: noted.append((number, frame)))
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, former)
    if noted:
        former(*noted[0])


def _send_result(results: Connection, function: Callable[[Any], Any], item: object, parent: int) -> None:
    # Ctrl-C reaches every process of a terminal: the one that forked this ends it, and tells.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    _begin(parent)
    raised, result = None, None
    try:
        result = function(item)
    except Exception as error:  # noqa: BLE001 - raised where it was asked for
        raised = error
    results.send((raised, result))


def workers() -> int:
    """Return the number of parallel workers: PCR_WORKERS, or one per processor that this process may use.

    A forked process has one.
    """
    asked = os.environ.get("PCR_WORKERS")
    if asked is None:
        return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    if not asked.isdigit() or int(asked) < 1:
        raise UserError(f"PCR_WORKERS is {asked!r}; it must be a whole number of at least 1")
    return int(asked)
