"""One engine for all resampling: every procedure is fitted and judged on the same splits by the same loop.

A procedure is anything with ``fit(X, y)`` and ``predictions(X) -> {model: probabilities}``. Every task has a
seed of its own, and results come in the order of the tasks, so that the numbers do not depend on backend,
number of workers, or how often a run was interrupted.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Protocol, TypedDict, TypeVar, runtime_checkable

import numpy as np
import pandas as pd

from features.errors import PipelineFault
from models.procedure.backends import Backend, completed
from models.procedure.errors import NotLearnableError
from models.procedure.fold_fits import CandidateFit, FoldFit, FoldFits
from models.procedure.splits import Split

Task = TypeVar("Task")
T = TypeVar("T")


class Progress(Protocol):
    """Shows how far an iteration is; the results pass through unchanged."""

    def __call__(self, results: Iterable[T], total: int, /) -> Iterable[T]:
        """Return `results`, of which there are `total`, and show each as it comes."""


def silently(results: Iterable[T], total: int, /) -> Iterable[T]:
    """Show nothing."""
    del total
    return results


class Procedure(Protocol):
    """What can be resampled. For bootstrap samples ``fit`` must also take `groups`, see `fit_split`."""

    def fit(self, X: pd.DataFrame, y: np.ndarray) -> Any:
        """Learn from the training part only."""

    def predictions(self, X: pd.DataFrame) -> dict[str, np.ndarray]:
        """Return probabilities of pCR by model, each of shape (n,)."""


@runtime_checkable
class Documented(Protocol):
    """A procedure whose fitted models are plain data."""

    def fits(self) -> dict[str, CandidateFit]:
        """Return every model's ``document`` and ``booster``."""


@dataclass(frozen=True)
class TaskResult:
    """What a task gives: plain data, which can be stored and sent, and what stays in the process.

    `document` is JSON-able, `arrays` are numeric; `kept` is empty where a result was stored or sent.
    """

    document: dict[str, Any]
    arrays: dict[str, np.ndarray]
    kept: tuple[Any, ...] = ()


class PassedOver(TypedDict):
    """A candidate, or a point of its grid, that was not learned: why (`error`), and in how many splits."""

    error: str
    splits: int
    of: int
    in_all_patients: bool


class Store(Protocol):
    """Where results of finished tasks are kept; a dict is one."""

    def get(self, key: str, /) -> TaskResult | None:
        """Return the result with this key, or None."""

    def __setitem__(self, key: str, result: TaskResult, /) -> None:
        """Keep a result; afterwards it is not lost."""


@dataclass(frozen=True)
class FoldResult:
    """Predictions of a split's test part by model, and what was fitted for it.

    `fits` holds fitted models as plain data (see `Documented`). `fitted` holds the procedures themselves
    where the split was fitted by a thread of this process and not stored; else it is empty. `passed_over`:
    candidates that could not be learned, with the reason; `failed`: why procedures have no predictions.
    """

    split: Split
    predictions: dict[str, np.ndarray]
    fitted: tuple[Procedure, ...] = ()
    fits: dict[str, CandidateFit] = field(default_factory=dict)
    passed_over: dict[str, str] = field(default_factory=dict)
    failed: tuple[str, ...] = ()


def run_tasks(
    function: Callable[[Any, Task], TaskResult],
    shared: Any,
    tasks: Sequence[Task],
    *,
    backend: Backend,
    store: Store | None = None,
    keys: Sequence[str] = (),
) -> Iterator[TaskResult]:
    """Return ``function(shared, task)`` of every task, in the order of `tasks`, as they are ready.

    Work has begun when this returns (see `completed`).

    Parameters
    ----------
    function : callable
        Must depend on nothing but its two arguments; a task carries its seed.
    shared : object
        Data and settings, sent to each worker once.
    tasks : sequence
        Small values.
    backend : Backend
        Where to run.
    store : Store, optional
        Results of earlier runs by key. What is there is not computed again; what is not is put there as soon
        as it arrives, so that an interrupted run loses the tasks in flight.
    keys : sequence of str
        Key of each task in the store: a digest of everything that decides its result.

    Raises
    ------
    PipelineFault
        If a store is given and keys are not one a task and distinct.
    """
    if store is not None and len(set(keys)) != len(tasks):
        raise PipelineFault(
            f"keys has {len(set(keys))} distinct keys; a store needs one for each of {len(tasks)} tasks"
        )
    recalled = [] if store is None else [store.get(key) for key in keys]
    results = {number: result for number, result in enumerate(recalled) if result is not None}
    missing = [(number, task) for number, task in enumerate(tasks) if number not in results]
    local = store is None and backend.name == "threading"
    arriving = completed(function if local else _WithoutClient(function), shared, missing, backend)
    return _in_order(arriving, results, len(tasks), store, keys)


def _in_order(
    arriving: Iterator[tuple[int, TaskResult]],
    results: dict[int, TaskResult],
    tasks: int,
    store: Store | None,
    keys: Sequence[str],
) -> Iterator[TaskResult]:
    """Yield results by number, from those at hand and those that arrive; the latter are stored."""
    for position in range(tasks):
        while position not in results:
            number, result = next(arriving)
            if store is not None:
                store[keys[number]] = result
            results[number] = result
        yield results.pop(position)


@dataclass(frozen=True)
class _WithoutClient:
    """The same function, without what should stay in its process."""

    function: Callable[[Any, Any], TaskResult]

    def __call__(self, shared: Any, task: Any) -> TaskResult:
        return replace(self.function(shared, task), kept=())


@dataclass(frozen=True)
class _SplitTask:
    """What all splits share."""

    procedures: Callable[[int], Sequence[Procedure]]
    X: pd.DataFrame
    y: np.ndarray


def fit_split(work: _SplitTask, split: Split) -> TaskResult:
    """Fit every procedure on the split's training part and predict its test part.

    In a bootstrap sample patients stand several times: the procedure is told who is who (`groups`), so that
    its own folds do not separate copies of a patient. One that cannot be told is an error, not a silent leak.
    """
    fitted: list[Procedure] = []
    predictions: dict[str, np.ndarray] = {}
    fits: dict[str, CandidateFit] = {}
    passed_over: dict[str, str] = {}
    failed: list[str] = []
    copies = len(np.unique(split.train)) < len(split.train)
    known = {"groups": split.train} if copies else {}
    for procedure in work.procedures(split.seed):
        try:
            procedure.fit(work.X.iloc[split.train], work.y[split.train], **known)
        except NotLearnableError as error:
            failed.append(str(error))
            continue
        passed_over |= getattr(procedure, "passed_over_", {})
        predictions |= procedure.predictions(work.X.iloc[split.test])
        fits |= procedure.fits() if isinstance(procedure, Documented) else {}
        fitted.append(procedure)
    document = {"fits": fits, "passed_over": passed_over, "failed": failed}
    return TaskResult(document, predictions, tuple(fitted))


def cross_validate(
    procedures: Callable[[int], Sequence[Procedure]],
    X: pd.DataFrame,
    y: np.ndarray,
    splits: Sequence[Split],
    *,
    workers: int = 1,
    backend: Backend | None = None,
    store: Store | None = None,
    may_fail: bool = False,
) -> Iterator[FoldResult]:
    """Fit and predict every split, and return the results in the order of `splits`, as they are ready.

    Parameters
    ----------
    procedures : callable
        Makes unfitted procedures from a task's seed.
    X, y : DataFrame (n, columns) and array (n,)
        Patients in canonical order and their outcome, 0 or 1.
    splits : sequence of Split
        From `stratified_splits`, `leave_one_out_splits`, `rolling_origin_splits` or `bootstrap_splits`.
    workers, backend
        So many threads, or a `Backend`; they decide the time, not the numbers.
    store : Store, optional
        See `run_tasks`; keys are `Split.key`, so that a store must be for these procedures and data only.
    may_fail : bool
        Whether a procedure that cannot be learned in a training part is left out of its result.

    Raises
    ------
    NotLearnableError
        If a procedure cannot be learned in a training part, and may not fail.
    """
    results = run_tasks(
        fit_split,
        _SplitTask(procedures, X, y),
        splits,
        backend=backend or Backend(workers=workers),
        store=store,
        keys=[split.key for split in splits] if store is not None else (),
    )
    return _fold_results(splits, results, may_fail=may_fail)


def _fold_results(
    splits: Sequence[Split], results: Iterator[TaskResult], *, may_fail: bool
) -> Iterator[FoldResult]:
    """Yield the result of every split; raises as `cross_validate`."""
    for split, result in zip(splits, results, strict=True):
        document = result.document
        if document["failed"] and not may_fail:
            raise NotLearnableError(
                f"{document['failed'][0]} (in a training part of {len(split.train)} patients)"
            )
        yield FoldResult(
            split, result.arrays, result.kept, document["fits"], document["passed_over"],
            tuple(document["failed"]),
        )  # fmt: skip


def cross_validated(
    procedures: Callable[[int], Sequence[Procedure]],
    X: pd.DataFrame,
    y: np.ndarray,
    splits: Sequence[Split],
    backend: Backend,
    *,
    store: Store | None = None,
    progress: Progress = silently,
    may_fail: bool = False,
) -> list[FoldResult]:
    """Return the results of every split in order; those that `store` holds are not fitted again."""
    results = cross_validate(procedures, X, y, splits, backend=backend, store=store, may_fail=may_fail)
    return list(progress(results, len(splits)))


def tidy(results: Sequence[FoldResult], patients: Sequence[str], y: np.ndarray) -> pd.DataFrame:
    """Return usubjid, repeat, fold, model, y, p: a row per out-of-fold prediction, in canonical order."""
    ids = np.asarray(patients, dtype=object)
    parts = [
        pd.DataFrame(
            {
                "usubjid": ids[result.split.test],
                "repeat": result.split.repeat,
                "fold": result.split.fold,
                "model": model,
                "y": y[result.split.test].astype(int),
                "p": p,
            }
        )
        for result in results
        for model, p in result.predictions.items()
    ]
    return tidied(parts)


def no_predictions() -> pd.DataFrame:
    """Return the tidy frame of a landmark at which nothing was learned."""
    kinds = {
        "usubjid": "str",
        "repeat": "int64",
        "fold": "int64",
        "model": "str",
        "y": "int64",
        "p": "float64",
    }
    return pd.DataFrame({name: pd.Series(dtype=kind) for name, kind in kinds.items()})


def tidied(frames: Sequence[pd.DataFrame]) -> pd.DataFrame:
    """Return frames of predictions as one, in canonical order."""
    frame = pd.concat(frames, ignore_index=True).astype({"usubjid": "str", "model": "str"})
    return frame.sort_values(["model", "repeat", "usubjid"], ignore_index=True)


def in_every_split(results: Sequence[FoldResult]) -> list[FoldResult]:
    """Return the results without the models that were passed over in any of the splits."""
    kept = set.intersection(*(set(result.predictions) for result in results))
    return [
        replace(result, predictions={name: p for name, p in result.predictions.items() if name in kept})
        for result in results
    ]


def fold_fits(results: Sequence[FoldResult], candidate: str) -> FoldFits:
    """Return the fits of one candidate in every outer fold, as plain data.

    Where a fold has no prediction of the candidate, the fits of the procedure's own choice in every fold.
    """
    everywhere = all(candidate in result.predictions for result in results)
    fits: list[FoldFit] = []
    for result in results:
        chosen = candidate if everywhere else next(n for n, fit in result.fits.items() if fit["chosen"])
        fit = result.fits[chosen]
        fits.append(
            {
                "repeat": result.split.repeat, "fold": result.split.fold,
                "document": fit["document"], "booster": fit["booster"],
            }
        )  # fmt: skip
    return {"model": candidate if everywhere else "chosen", "fits": fits}


def passed_over(results: Sequence[FoldResult], in_all_patients: Mapping[str, str]) -> dict[str, PassedOver]:
    """Return, by candidate, why it was passed over, in how many splits, and whether in all patients."""
    reasons: dict[str, str] = dict(in_all_patients)
    for result in results:
        reasons = result.passed_over | reasons
    return {
        name: {
            "error": reason,
            "splits": sum(name in result.passed_over for result in results),
            "of": len(results),
            "in_all_patients": name in in_all_patients,
        }
        for name, reason in sorted(reasons.items())
    }
