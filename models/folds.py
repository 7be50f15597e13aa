"""Stratified folds."""

from collections.abc import Iterator

import numpy as np


def deal(strata: np.ndarray, folds: int, seed: int) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    """Yield train and test positions of a partition into `folds`, even within every stratum.

    Patients are shuffled, sorted by stratum and dealt out in turn: each fold gets its share of every
    stratum to within one patient, and strata smaller than the number of folds need no special case.

    Parameters
    ----------
    strata : array, shape (n,)
        Stratum of each patient.
    folds : int
        Number of folds.
    seed : int
        Seed of the shuffle.

    Raises
    ------
    ValueError
        If there are fewer patients than folds.
    """
    if len(strata) < folds:
        raise ValueError(f"{len(strata)} patients cannot be divided into {folds} folds")
    order = np.random.default_rng(seed).permutation(len(strata))
    order = order[np.argsort(np.asarray(strata)[order], kind="stable")]
    fold = np.empty(len(strata), dtype=int)
    fold[order] = np.arange(len(strata)) % folds
    for index in range(folds):
        yield np.flatnonzero(fold != index), np.flatnonzero(fold == index)
