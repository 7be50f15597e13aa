"""Stratified folds."""

from collections.abc import Iterator

import numpy as np

from features.errors import PipelineFault, UserError


def stratified_folds(
    strata: np.ndarray, folds: int, seed: int, groups: np.ndarray | None = None
) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    """Yield train and test positions of a partition into `folds`, even within every stratum.

    Patients are shuffled, sorted by stratum and dealt out in turn: each fold gets its share of every
    stratum to within one patient, and strata smaller than the number of folds need no special case. Rows of
    one group are dealt together, larger groups first, so that the folds have about the same number of rows.

    Parameters
    ----------
    strata : array, shape (n,)
        Stratum of each row.
    folds : int
        Number of folds.
    seed : int
        Seed of the shuffle.
    groups : array, shape (n,), optional
        Patient of each row, where a patient may have several (a bootstrap sample); else every row is one.

    Raises
    ------
    UserError
        If there are fewer patients than folds.
    PipelineFault
        If the rows of a patient are in different strata.
    """
    labels = np.arange(len(strata)) if groups is None else np.asarray(groups)
    _, first, group, sizes = np.unique(labels, return_index=True, return_inverse=True, return_counts=True)
    if len(first) < folds:
        raise UserError(f"{len(first)} patients cannot be divided into {folds} folds")
    levels = np.unique(np.asarray(strata), return_inverse=True)[1]
    if (split := np.count_nonzero(levels != levels[first][group])) > 0:
        raise PipelineFault(f"rows of one patient must be in one stratum; {split} rows are in another")
    order = np.random.default_rng(seed).permutation(len(first))
    order = order[np.lexsort((-sizes[order], levels[first][order]))]
    dealt = np.empty(len(first), dtype=int)
    dealt[order] = np.arange(len(first)) % folds
    fold = dealt[group]
    for index in range(folds):
        yield np.flatnonzero(fold != index), np.flatnonzero(fold == index)
