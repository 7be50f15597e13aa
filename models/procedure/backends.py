"""Where tasks run: threads, processes or a Dask cluster, with the data sent to each worker once.

Threads are the default: LightGBM and the linear algebra release the interpreter's lock, and nothing is
copied. Processes are started afresh (loky), never forked: a fork after LightGBM has used threads hangs.
"""

import os
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, TypeVar

from joblib import Parallel, delayed, parallel_config

from features.errors import UserError
from models.procedure.cluster.settings import Cluster
from models.procedure.cluster.tasks import on_cluster

Task = TypeVar("Task")
Result = TypeVar("Result")
Numbered = tuple[int, Result]

NAMES = ("threading", "loky", "dask")


@dataclass(frozen=True)
class Backend:
    """Where tasks run.

    Parameters
    ----------
    name : str
        ``threading``, ``loky`` (processes on this computer) or ``dask``.
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
    """Yield ``number, function(shared, task)`` for every numbered task, in the order in which they end.

    `shared` goes to each worker once. On processes and Dask everything must be picklable by cloudpickle, and
    the function must be importable or have no references to a script's own globals.

    Raises
    ------
    UserError
        See `on_cluster`.
    """
    if backend.cluster is not None:
        yield from on_cluster(function, shared, tasks, backend.cluster)
    elif backend.name == "loky" and backend.workers > 1:
        yield from _in_processes(function, shared, tasks, backend.workers)
    else:
        pool = Parallel(n_jobs=backend.workers, backend="threading", return_as="generator_unordered")
        yield from pool(delayed(_numbered)(function, shared, number, task) for number, task in tasks)


def _numbered(
    function: Callable[[Any, Task], Result], shared: Any, number: int, task: Task
) -> Numbered[Result]:
    return number, function(shared, task)


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


def workers() -> int:
    """Return the number of parallel workers: PCR_WORKERS, or one per processor that this process may use."""
    asked = os.environ.get("PCR_WORKERS")
    if asked is None:
        return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    if not asked.isdigit() or int(asked) < 1:
        raise UserError(f"PCR_WORKERS is {asked!r}; it must be a whole number of at least 1")
    return int(asked)
