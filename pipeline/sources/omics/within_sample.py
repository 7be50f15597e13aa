"""What is computed of an assay inside one sample, from ranks alone; nothing comes from other patients."""

import numpy as np
import pandas as pd


def rank_scores(values: np.ndarray, places: np.ndarray, min_genes: int) -> np.ndarray:
    """Return how high a gene set stands in each sample, from 0 (all at the bottom) to 1; shape (n,).

    singscore for a set of one direction, not centred (Foroutan et al., BMC Bioinformatics 2018;19:404): genes
    are ranked in the sample from the lowest, of ties the least rank; with N genes, k of them in the set and
    their mean rank m, the score is (m - (k + 1) / 2) / (N - k), as (k + 1) / 2 and (2 N - k + 1) / 2 are the
    least and the largest possible mean.

    Parameters
    ----------
    values : array, shape (n, genes)
        NaN where a gene was not measured in the sample: it is neither ranked nor counted.
    places : array of int
        The genes of the set.
    min_genes : int
        Samples with fewer genes of the set, or with no other gene, have no score (NaN).

    Examples
    --------
    >>> rank_scores(np.array([[1.0, 5.0, 3.0, 9.0]]), np.array([1, 3]), 2).tolist()
    [1.0]
    """
    return scores_of_ranks(least_ranks(values), places, min_genes)


def least_ranks(values: np.ndarray) -> np.ndarray:
    """Return the ranks of features in each sample from 1, the least rank of ties; NaN stays NaN."""
    return pd.DataFrame(values).rank(axis=1, method="min").to_numpy()


def scores_of_ranks(ranks: np.ndarray, places: np.ndarray, min_genes: int) -> np.ndarray:
    """Return `rank_scores` from the ranks of `least_ranks`, which several sets share."""
    members = ranks[:, places]
    known = ~np.isnan(members)
    size, total = known.sum(axis=1), np.count_nonzero(~np.isnan(ranks), axis=1)
    mean = np.where(known, members, 0.0).sum(axis=1) / np.maximum(size, 1)
    others = total - size
    score = (mean - (size + 1) / 2) / np.maximum(others, 1)
    return np.where((size >= max(min_genes, 1)) & (others > 0), score, np.nan)


def shares_below(values: np.ndarray) -> np.ndarray:
    """Return where each feature stands in its sample: (mean rank - 1/2) / features, in (0, 1); shape (n, p).

    Any platform whose values rise with the truth gives the same numbers, as long as the features are the
    same; NaN stays NaN.

    Examples
    --------
    >>> shares_below(np.array([[10.0, 30.0, 20.0, np.nan]])).round(3).tolist()
    [[0.167, 0.833, 0.5, nan]]
    """
    ranks = pd.DataFrame(values).rank(axis=1, method="average").to_numpy()
    total = np.count_nonzero(~np.isnan(values), axis=1)[:, None]
    return np.asarray((ranks - 0.5) / np.maximum(total, 1))
