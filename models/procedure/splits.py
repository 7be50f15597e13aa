"""How patients are divided: folds, left-out groups, an earlier part, bootstrap samples; a seed each."""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from features.errors import UserError
from models.procedure.configuration.plan import ValidationPlan
from models.procedure.folds import stratified_folds


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


def stratified_splits(strata: np.ndarray, *, folds: int, repeats: int, seed: int) -> list[Split]:
    """Return `repeats` partitions into `folds`, stratified by `strata` (n,); patients are never split.

    Every split carries a seed of its own, spawned from `seed`, so that a task's randomness does not depend on
    which worker runs it, or when.
    """
    splits = []
    for repeat, sequence in enumerate(np.random.SeedSequence(seed).spawn(repeats)):
        shuffle, *tasks = sequence.generate_state(folds + 1)
        for fold, (train, test) in enumerate(stratified_folds(strata, folds, int(shuffle))):
            splits.append(Split(repeat, fold, train, test, as_seed(tasks[fold])))
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
        Split(0, fold, np.flatnonzero(labels != name), np.flatnonzero(labels == name), as_seed(seeds[fold]))
        for fold, name in enumerate(names)
    ]


def rolling_origin_splits(
    entered: pd.Series, known: pd.Series, shares: Sequence[float], *, seed: int
) -> list[Split]:
    """Return a split for each origin: learn from what was known by then, test on who entered until the next.

    Rolling-origin validation (Tashman, International Journal of Forecasting 2000;16:437): nobody is tested
    twice, and nobody is learned from whose outcome was not there yet. Patients who entered on the same day
    are not divided. An origin after which nobody entered before the next, or at which no outcome was known,
    gives no split.

    Parameters
    ----------
    entered, known : Series of dates, shape (n,)
        When a patient was randomised, and when the outcome was known. A study that does not date its outcomes
        has missing values in `known`: there all who had entered are learned from.
    shares : sequence of float in (0, 1)
        Each origin is the day on which this share of the patients had entered, in increasing order.
    seed : int
        Each split has a seed of its own.

    Raises
    ------
    UserError
        If a date of entry is missing.
    """
    when, outcome = pd.Series(np.asarray(entered)), pd.Series(np.asarray(known))
    if (unknown := int(when.isna().sum())) > 0:
        raise UserError(f"dates has {unknown} missing values; every patient needs a date")
    ordered = when.sort_values(ignore_index=True)
    origins = [ordered.iloc[max(int(np.ceil(share * len(when))) - 1, 0)] for share in shares]
    seeds = np.random.SeedSequence(seed).generate_state(len(origins))
    splits = []
    for fold, (origin, until) in enumerate(zip(origins, [*origins[1:], ordered.iloc[-1]], strict=True)):
        train = np.flatnonzero((when <= origin) & ~(outcome > origin))
        test = np.flatnonzero((when > origin) & (when <= until))
        if len(train) and len(test):
            splits.append(Split(0, fold, train, test, as_seed(seeds[fold])))
    return splits


def bootstrap_splits(patients: int, *, samples: int, seed: int) -> list[Split]:
    """Return bootstrap samples: train on n positions drawn with replacement, sorted; test on everyone.

    The first samples are the same whatever their number, so that more can be added to those already fitted.
    They are not stratified by outcome: the prevalence must vary, or O:E has too narrow an interval.

    Parameters
    ----------
    patients : int
        n, the number of patients.
    samples : int
        Bootstrap samples, each a repeat.
    seed : int
        Seed; each sample has a sequence of its own.
    """
    splits = []
    for sample, sequence in enumerate(np.random.SeedSequence(seed).spawn(samples)):
        draw, task = sequence.spawn(2)
        rng = np.random.default_rng(draw)
        train = rng.choice(patients, patients)
        splits.append(
            Split(sample, 0, np.sort(train), np.arange(patients), as_seed(task.generate_state(1)[0]))
        )
    return splits


def apparent_split(patients: int, *, seed: int) -> Split:
    """Return the split that trains on everyone and tests on everyone, for apparent performance."""
    return Split(0, 0, np.arange(patients), np.arange(patients), seed)


def outer_splits(y: np.ndarray, arm: pd.Series, plan: ValidationPlan) -> list[Split]:
    """Return the folds that candidates and comparators share, stratified by outcome within arm."""
    return stratified_splits(outcome_strata(y, arm), folds=plan.folds, repeats=plan.repeats, seed=plan.seed)


def outcome_strata(y: np.ndarray, arm: pd.Series) -> np.ndarray:
    """Return the strata of the folds: outcome within arm, shape (n,)."""
    return np.array([f"{a}|{int(v)}" for a, v in zip(arm, y, strict=True)])


def as_seed(state: Any) -> int:
    """Return a seed that LightGBM takes: 31 bits."""
    return int(state) % 2**31
