"""One engine for all resampling: cross-validation, left-out centres, a temporal split and the bootstrap.

A procedure is anything with ``fit(X, y)`` and ``predictions(X) -> {model: probabilities}``: the modelling
procedure and the comparators are judged on the same splits by the same loop. Every task has a seed of its
own, and results come in the order of the tasks, so that the numbers do not depend on backend, number of
workers, or how often a run was interrupted.
"""

import hashlib
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Protocol, TypeVar, runtime_checkable

import numpy as np
import pandas as pd

from features.errors import PipelineFault, UserError
from models.configuration.plan import ValidationPlan
from models.procedure.backends import Backend, completed
from models.procedure.errors import NotLearnableError
from models.procedure.folds import stratified_folds

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

    def fits(self) -> dict[str, dict[str, Any]]:
        """Return every model's ``document`` and ``booster``."""


@dataclass(frozen=True)
class Split:
    """One task: row positions of the training and the test part, and the task's own seed.

    `repeat` and `fold` number the tasks of one kind of resampling: each bootstrap sample is a repeat,
    left-out groups are folds of one repeat.
    """

    repeat: int
    fold: int
    train: np.ndarray
    test: np.ndarray
    seed: int

    @property
    def key(self) -> str:
        """The sha256 of everything in the split."""
        numbers = np.array([self.repeat, self.fold, self.seed, len(self.train), len(self.test)])
        parts = [np.asarray(part, dtype="<i8").tobytes() for part in (numbers, self.train, self.test)]
        return hashlib.sha256(b"".join(parts)).hexdigest()


@dataclass(frozen=True)
class TaskResult:
    """What a task gives: plain data, which can be stored and sent, and what stays in the process.

    `document` is JSON-able, `arrays` are numeric; `kept` is empty where a result was stored or sent.
    """

    document: dict[str, Any]
    arrays: dict[str, np.ndarray]
    kept: tuple[Any, ...] = ()


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
    fits: dict[str, dict[str, Any]] = field(default_factory=dict)
    passed_over: dict[str, str] = field(default_factory=dict)
    failed: tuple[str, ...] = ()


def stratified_splits(strata: np.ndarray, *, folds: int, repeats: int, seed: int) -> list[Split]:
    """Return `repeats` partitions into `folds`, stratified by `strata` (n,); patients are never split.

    Every split carries a seed of its own, spawned from `seed`, so that a task's randomness does not depend on
    which worker runs it, or when.
    """
    splits = []
    for repeat, sequence in enumerate(np.random.SeedSequence(seed).spawn(repeats)):
        shuffle, *tasks = sequence.generate_state(folds + 1)
        for fold, (train, test) in enumerate(stratified_folds(strata, folds, int(shuffle))):
            splits.append(Split(repeat, fold, train, test, _as_seed(tasks[fold])))
    return splits


def leave_one_out_splits(groups: np.ndarray, *, seed: int) -> list[Split]:
    """Return a split for each group (n,), such as a centre, in sorted order: train on all others, test on it.

    Internal-external cross-validation (Royston, Parmar and Sylvester, Statistics in Medicine 2004;23:907).
    ``groups[split.test][0]`` is the group.

    Raises
    ------
    UserError
        If there are fewer than two groups, or a row has none.
    """
    labels = np.asarray(groups)
    if (unknown := int(pd.isna(labels).sum())) > 0:
        raise UserError(f"groups has {unknown} missing values; every patient must belong to one")
    names = np.unique(labels)
    if len(names) < 2:
        raise UserError(f"groups has {len(names)} group; leaving one out needs at least 2")
    seeds = np.random.SeedSequence(seed).generate_state(len(names))
    return [
        Split(0, fold, np.flatnonzero(labels != name), np.flatnonzero(labels == name), _as_seed(seeds[fold]))
        for fold, name in enumerate(names)
    ]


def temporal_split(dates: np.ndarray | pd.Series, share: float, *, seed: int) -> Split:
    """Return one split: the earliest `share` of the patients trains, those randomised later are tested.

    Patients of the same date are not divided: all of the last training date are in the training part.

    Parameters
    ----------
    dates : array or Series, shape (n,)
        Dates of randomisation, or days.
    share : float in (0, 1)
        Share of patients to train on, before ties.
    seed : int
        The task's seed.

    Raises
    ------
    UserError
        If the share is not between 0 and 1, a date is missing, or no patient is later.
    """
    if not 0 < share < 1:
        raise UserError(f"share is {share}; it must be between 0 and 1")
    when = pd.Series(np.asarray(dates))
    if (unknown := int(when.isna().sum())) > 0:
        raise UserError(f"dates has {unknown} missing values; every patient needs a date")
    last = when.sort_values(ignore_index=True).iloc[max(int(np.ceil(share * len(when))) - 1, 0)]
    late = (when > last).to_numpy()
    if not late.any():
        raise UserError(f"dates leaves no patient later than the earliest {share:.0%} of {len(when)}")
    return Split(0, 0, np.flatnonzero(~late), np.flatnonzero(late), seed)


def bootstrap_splits(
    patients: int, *, samples: int, seed: int, strata: np.ndarray | None = None
) -> list[Split]:
    """Return bootstrap samples: train on n positions drawn with replacement, sorted; test on everyone.

    The first samples are the same whatever their number, so that more can be added to those already fitted.

    Parameters
    ----------
    patients : int
        n, the number of patients.
    samples : int
        Bootstrap samples, each a repeat.
    seed : int
        Seed; each sample has a sequence of its own.
    strata : array, shape (n,), optional
        Draw within strata, which keep their sizes; else from everyone.
    """
    labels = np.zeros(patients) if strata is None else np.asarray(strata)
    members = [np.flatnonzero(labels == level) for level in np.unique(labels)]
    splits = []
    for sample, sequence in enumerate(np.random.SeedSequence(seed).spawn(samples)):
        draw, task = sequence.spawn(2)
        rng = np.random.default_rng(draw)
        train = np.concatenate([rng.choice(part, len(part)) for part in members])
        splits.append(
            Split(sample, 0, np.sort(train), np.arange(patients), _as_seed(task.generate_state(1)[0]))
        )
    return splits


def apparent_split(patients: int, *, seed: int) -> Split:
    """Return the split that trains on everyone and tests on everyone, for apparent performance."""
    return Split(0, 0, np.arange(patients), np.arange(patients), seed)


def run_tasks(
    function: Callable[[Any, Task], TaskResult],
    shared: Any,
    tasks: Sequence[Task],
    *,
    backend: Backend,
    store: Store | None = None,
    keys: Sequence[str] = (),
) -> Iterator[TaskResult]:
    """Yield ``function(shared, task)`` for every task, in the order of `tasks`, as they are ready.

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
    for position in range(len(tasks)):
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
    fits: dict[str, dict[str, Any]] = {}
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
    workers: int,
    backend: str = "threading",
    address: str | None = None,
    store: Store | None = None,
    may_fail: bool = False,
) -> Iterator[FoldResult]:
    """Fit and predict every split, yielding the results in the order of `splits` as they are ready.

    Parameters
    ----------
    procedures : callable
        Makes unfitted procedures from a task's seed.
    X, y : DataFrame (n, columns) and array (n,)
        Patients in canonical order and their outcome, 0 or 1.
    splits : sequence of Split
        From `stratified_splits`, `leave_one_out_splits`, `temporal_split` or `bootstrap_splits`.
    workers, backend, address
        See `Backend`; they decide the time, not the numbers.
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
        backend=Backend(backend, workers, address),
        store=store,
        keys=[split.key for split in splits] if store is not None else (),
    )
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


def outer_splits(y: np.ndarray, arm: pd.Series, plan: ValidationPlan) -> list[Split]:
    """Return the folds that candidates and comparators share, stratified by outcome within arm."""
    return stratified_splits(outcome_strata(y, arm), folds=plan.folds, repeats=plan.repeats, seed=plan.seed)


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
    results = cross_validate(
        procedures, X, y, splits,
        workers=backend.workers, backend=backend.name, address=backend.address, store=store,
        may_fail=may_fail,
    )  # fmt: skip
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


def outcome_strata(y: np.ndarray, arm: pd.Series) -> np.ndarray:
    """Return the strata of the folds: outcome within arm, shape (n,)."""
    return np.array([f"{a}|{int(v)}" for a, v in zip(arm, y, strict=True)])


def _as_seed(state: Any) -> int:
    """Return a seed that LightGBM takes: 31 bits."""
    return int(state) % 2**31


def in_every_split(results: Sequence[FoldResult]) -> list[FoldResult]:
    """Return the results without the models that were passed over in any of the splits."""
    kept = set.intersection(*(set(result.predictions) for result in results))
    return [
        replace(result, predictions={name: p for name, p in result.predictions.items() if name in kept})
        for result in results
    ]


def fold_fits(results: Sequence[FoldResult], candidate: str) -> dict[str, Any]:
    """Return the fits of one candidate in every outer fold, as plain data.

    Where a fold has no prediction of the candidate, the fits of the procedure's own choice in every fold.
    """
    everywhere = all(candidate in result.predictions for result in results)
    fits = []
    for result in results:
        chosen = candidate if everywhere else next(n for n, fit in result.fits.items() if fit["chosen"])
        place = {"repeat": result.split.repeat, "fold": result.split.fold}
        fit = result.fits[chosen]
        fits.append(place | {"document": fit["document"], "booster": fit["booster"]})
    return {"model": candidate if everywhere else "chosen", "fits": fits}


def passed_over(results: Sequence[FoldResult], in_all_patients: Mapping[str, str]) -> dict[str, Any]:
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
