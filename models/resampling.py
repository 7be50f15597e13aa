"""Repeated, stratified cross-validation of whole procedures, the same on any number of workers.

A procedure is anything with ``fit(X, y)`` and ``predictions(X) -> {model: probabilities}``: the modelling
procedure and the comparators are judged on the same folds by the same loop.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
import pandas as pd
from joblib import Parallel, delayed

from models.folds import deal


class Procedure(Protocol):
    """What can be cross-validated."""

    def fit(self, X: pd.DataFrame, y: np.ndarray) -> Any:
        """Learn from the training part only."""

    def predictions(self, X: pd.DataFrame) -> dict[str, np.ndarray]:
        """Return probabilities of pCR by model, each of shape (n,)."""


@dataclass(frozen=True)
class Split:
    """One fold of one repeat: row positions of the training and the test part, and the task's own seed."""

    repeat: int
    fold: int
    train: np.ndarray
    test: np.ndarray
    seed: int


@dataclass(frozen=True)
class FoldResult:
    """Predictions of a fold's test part by model, and the procedures that were fitted for it."""

    split: Split
    predictions: dict[str, np.ndarray]
    fitted: tuple[Procedure, ...]


def stratified_splits(strata: np.ndarray, *, folds: int, repeats: int, seed: int) -> list[Split]:
    """Return `repeats` partitions into `folds`, stratified by `strata` (n,); patients are never split.

    Every split carries a seed of its own, spawned from `seed`, so that a task's randomness does not depend on
    which worker runs it, or when.
    """
    splits = []
    for repeat, sequence in enumerate(np.random.SeedSequence(seed).spawn(repeats)):
        shuffle, *tasks = sequence.generate_state(folds + 1)
        for fold, (train, test) in enumerate(deal(strata, folds, int(shuffle))):
            splits.append(Split(repeat, fold, train, test, int(tasks[fold] % 2**31)))
    return splits


def cross_validate(
    procedures: Callable[[int], Sequence[Procedure]],
    X: pd.DataFrame,
    y: np.ndarray,
    splits: Sequence[Split],
    *,
    workers: int,
) -> Iterator[FoldResult]:
    """Fit and predict every split, yielding the results in the order of `splits` as they are ready.

    Parameters
    ----------
    procedures : callable
        Makes unfitted procedures from a task's seed.
    X, y : DataFrame (n, columns) and array (n,)
        Patients in canonical order and their outcome, 0 or 1.
    splits : sequence of Split
        From `stratified_splits`.
    workers : int
        Threads (LightGBM and the linear algebra release the interpreter's lock).
    """

    def run(split: Split) -> FoldResult:
        fitted: list[Procedure] = []
        predictions: dict[str, np.ndarray] = {}
        for procedure in procedures(split.seed):
            procedure.fit(X.iloc[split.train], y[split.train])
            predictions |= procedure.predictions(X.iloc[split.test])
            fitted.append(procedure)
        return FoldResult(split, predictions, tuple(fitted))

    pool = Parallel(n_jobs=workers, backend="threading", return_as="generator")
    yield from pool(delayed(run)(split) for split in splits)


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
    frame = pd.concat(parts, ignore_index=True).astype({"usubjid": "str", "model": "str"})
    return frame.sort_values(["model", "repeat", "usubjid"], ignore_index=True)


def outcome_strata(y: np.ndarray, arm: pd.Series) -> np.ndarray:
    """Return the strata of the folds: outcome within arm, shape (n,)."""
    return np.array([f"{a}|{int(v)}" for a, v in zip(arm, y, strict=True)])
