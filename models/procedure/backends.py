"""Where tasks run: threads, processes or a Dask cluster, with the data sent to each worker once.

Threads are the default: LightGBM and the linear algebra release the interpreter's lock, and nothing is
copied. Processes are started afresh (loky), never forked: a fork after LightGBM has used threads hangs.
"""

import hashlib
import importlib
import os
import pkgutil
import platform
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from importlib.metadata import version
from typing import Any, TypeVar

from joblib import Parallel, delayed, parallel_config

from features.errors import UserError

Task = TypeVar("Task")
Result = TypeVar("Result")
Numbered = tuple[int, Result]

NAMES = ("threading", "loky", "dask")
PACKAGES = ("numpy", "pandas", "scipy", "scikit-learn", "lightgbm")
# What decides the last bits of sums; see pipeline/__init__.py.
KERNELS = ("OPENBLAS_CORETYPE", "NPY_DISABLE_CPU_FEATURES")


@dataclass(frozen=True)
class Backend:
    """Where tasks run.

    Parameters
    ----------
    name : str
        ``threading``, ``loky`` (processes on this computer) or ``dask``.
    workers : int
        Threads or processes; a Dask cluster has its own number.
    address : str, optional
        Address of the Dask scheduler, such as ``tcp://host:8786``.
    patience : float
        Seconds to wait for each answer of the Dask cluster before the tasks begin.

    Raises
    ------
    UserError
        If the name is unknown, there is no worker, or a scheduler's address is missing or not needed.
    """

    name: str = "threading"
    workers: int = 1
    address: str | None = None
    patience: float = 30.0

    def __post_init__(self) -> None:
        if self.name not in NAMES:
            raise UserError(f"backend name is {self.name!r}; it must be one of {', '.join(NAMES)}")
        if self.workers < 1:
            raise UserError(f"backend workers is {self.workers}; it must be at least 1")
        if (self.name == "dask") != (self.address is not None):
            raise UserError(
                f"backend {self.name} has address {self.address!r}; "
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
        If the Dask cluster does not answer in time, has no workers, or runs other code.
    """
    if backend.name == "dask":
        yield from _on_dask(function, shared, tasks, backend)
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


def _on_dask(
    function: Callable[[Any, Task], Result], shared: Any, tasks: Sequence[tuple[int, Task]], backend: Backend
) -> Iterator[Numbered[Result]]:
    # Optional dependency, and half a second of importing.
    from distributed import Client, as_completed  # noqa: PLC0415

    try:
        client = Client(backend.address, timeout=backend.patience, set_as_default=False)
    except OSError as error:
        raise UserError(
            f"no Dask scheduler answers at {backend.address} within {backend.patience:g} s: {error}"
        ) from error
    with client:
        require_same_code(client, backend.patience)
        [data] = client.scatter([shared], broadcast=True, hash=False)
        futures = [client.submit(_numbered, function, data, *task, pure=False) for task in tasks]
        # A task that was on a lost worker is run again elsewhere by the scheduler, with the same seed.
        for _, result in as_completed(futures, loop=client.loop, with_results=True):
            yield result


def require_same_code(client: Any, patience: float) -> None:
    """Refuse a Dask cluster whose scheduler or workers cannot import this code, or have loaded other code.

    A scheduler that cannot import the code would wait for ever, and workers that were started before an edit
    would compute with what they loaded then.

    Parameters
    ----------
    client : distributed.Client
        Connected to the scheduler.
    patience : float
        Seconds to wait for workers, and then for the answers of scheduler and workers.

    Raises
    ------
    UserError
        Naming who differs and in what, or who did not answer.
    """
    probe = _probe()
    try:
        client.wait_for_workers(1, timeout=patience)
        answers = {"the scheduler": client.run_on_scheduler(probe, callback_timeout=patience)}
        answers |= {f"worker {name}": a for name, a in client.run(probe, callback_timeout=patience).items()}
    except TimeoutError as error:
        raise UserError(
            f"the Dask cluster at {client.scheduler.address} did not say within {patience:g} s "
            "which code it runs: is a worker running, and can scheduler and workers import this project?"
        ) from error
    here = code_identity()
    for name, answer in answers.items():
        # The scheduler computes nothing: its kernels do not matter.
        ours = {k: v for k, v in here.items() if name != "the scheduler" or k not in KERNELS}
        if differing := [key for key in ours if answer.get(key) != ours[key]]:
            reason = answer.get("error") or "; ".join(
                f"{key} is {answer.get(key)}, here {ours[key]}" for key in differing
            )
            raise UserError(
                f"{name} of the Dask cluster does not run this code ({reason}). "
                "Start scheduler and workers again from this version, with the same packages and the same "
                f"values of {' and '.join(KERNELS)} in their environment"
            )


def _probe() -> Callable[[], Mapping[str, str | None]]:
    def probe() -> Mapping[str, str | None]:
        # A nested function travels by value: whoever cannot import the project can still say so.
        try:
            from models.procedure.backends import code_identity as identity  # noqa: PLC0415
        except ImportError as error:
            return {"error": f"it cannot import the project: {error}"}
        return identity()

    return probe


def code_identity() -> dict[str, str | None]:
    """Return what decides the numbers beside data and parameters: sources, versions, processor kernels."""
    return {
        "source": _LOADED,
        "python": platform.python_version(),
        "machine": platform.machine(),
        **{package: version(package) for package in PACKAGES},
        **{name: os.environ.get(name) for name in KERNELS},
    }


def _source_digest() -> str:
    """Return the sha256 of the source of every module of this package."""
    package = importlib.import_module(__name__.partition(".")[0])
    total = hashlib.sha256()
    for module in pkgutil.walk_packages(package.__path__, f"{package.__name__}."):
        spec = module.module_finder.find_spec(module.name, None)
        source = spec.loader.get_source(module.name) if spec else ""  # type: ignore[union-attr]
        total.update(f"{module.name}\n{source}\n".encode())
    return total.hexdigest()


# Taken at import: it is the code that this process runs, whatever happens to the files later.
_LOADED = _source_digest()


def workers() -> int:
    """Return the number of parallel workers: PCR_WORKERS, or one per processor that this process may use."""
    asked = os.environ.get("PCR_WORKERS")
    if asked is None:
        return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    if not asked.isdigit() or int(asked) < 1:
        raise UserError(f"PCR_WORKERS is {asked!r}; it must be a whole number of at least 1")
    return int(asked)
