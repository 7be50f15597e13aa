"""Batch, platform and centre: how much of a block they explain, and whether they go with the outcome."""

from collections.abc import Mapping
from typing import TypedDict

import numpy as np
import pandas as pd

from models.blocks.kernels import kernel
from models.blocks.learning import present


class NuisanceDocument(TypedDict, total=False):
    """A grouping of the patients who have a block; `error`: why nothing can be said.

    `share` of the block's variance between groups, `by_chance` its mean over permutations, `p` of as large a
    share; `outcome` is Cramér's V of group and outcome, `outcome_p` of as large a V.
    """

    groups: int
    patients: int
    share: float
    by_chance: float
    p: float
    outcome: float
    outcome_p: float
    error: str


def nuisance(
    values: np.ndarray, groups: pd.Series, y: np.ndarray, permutations: int, seed: int
) -> NuisanceDocument:
    """Return what a grouping has to do with a block and with the outcome.

    The share is that of the sums of squares between groups over all columns, standardised: R2 of a
    permutational analysis of variance by Euclidean distances (Anderson, Austral Ecology 2001;26:32). It grows
    with the number of groups alone, so that its mean over permutations stands beside it. Both p values are
    of permutations, (1 + as large) / (1 + all).

    Parameters
    ----------
    values : array, shape (n, columns)
        A block; a row that is all NaN is a patient without it, a single missing value stands at the mean.
    groups : Series, shape (n,)
        Group of each patient, missing where not recorded.
    y : array, shape (n,)
        Outcome, 0 or 1.
    permutations, seed : int
    """
    chosen = np.flatnonzero(present(values) & groups.notna().to_numpy())
    names, member = np.unique(groups.to_numpy(dtype=object)[chosen].astype(str), return_inverse=True)
    document: NuisanceDocument = {"groups": len(names), "patients": len(chosen)}
    if len(names) < 2 or len(names) == len(chosen):
        return document | {"error": "every patient is a group" if len(names) > 1 else "there is one group"}
    products = kernel(values, chosen)
    rng = np.random.default_rng(seed)
    drawn = [rng.permutation(member) for _ in range(permutations)]
    share = _between(products, member)
    by_chance = np.array([_between(products, each) for each in drawn])
    outcome = y[chosen]
    association = _cramer(member, outcome)
    chance = np.array([_cramer(each, outcome) for each in drawn])
    return document | {
        "share": share,
        "by_chance": float(by_chance.mean()),
        "p": _p(share, by_chance),
        "outcome": association,
        "outcome_p": _p(association, chance),
    }


def nuisances(
    values: Mapping[str, np.ndarray],
    groupings: Mapping[str, Mapping[str, pd.Series]],
    y: np.ndarray,
    permutations: int,
    seed: int,
) -> dict[str, dict[str, NuisanceDocument]]:
    """Return `nuisance` by block and name of the grouping."""
    return {
        block: {
            name: nuisance(values[block], groups, y, permutations, seed) for name, groups in named.items()
        }
        for block, named in groupings.items()
    }


def _between(products: np.ndarray, member: np.ndarray) -> float:
    """Return the share of the trace that lies between groups: columns have mean 0, missing values too."""
    groups = [np.flatnonzero(member == group) for group in range(member.max() + 1)]
    between = sum(products[np.ix_(rows, rows)].sum() / len(rows) for rows in groups)
    total = float(np.trace(products))
    return float(between / total) if total else 0.0


def _cramer(member: np.ndarray, outcome: np.ndarray) -> float:
    """Return Cramér's V of a grouping and a binary outcome: sqrt(chi2 / n); 0 where there is one outcome."""
    counts = np.bincount(member)
    events = np.bincount(member, weights=outcome)
    rate = outcome.mean()
    if rate in {0.0, 1.0}:
        return 0.0
    return float(np.sqrt(((events - counts * rate) ** 2 / counts).sum() / (rate * (1 - rate)) / len(member)))


def _p(value: float, by_chance: np.ndarray) -> float:
    # Equal but for the order of summation is as large.
    return float((1 + (by_chance >= value - 1e-12).sum()) / (1 + len(by_chance)))
