"""Groups of features that carry the same information, and what they contribute together."""

from collections.abc import Sequence

import numpy as np
import pandas as pd
from scipy.cluster.hierarchy import fcluster, linkage
from scipy.spatial.distance import squareform

from models.explanation.documents import Cluster
from models.procedure.landmark_features import LandmarkFeature

MIN_CORRELATED = 10
"""Fewest patients of whom a correlation says anything."""


def clusters(
    explained: pd.DataFrame,
    values: pd.DataFrame,
    features: Sequence[LandmarkFeature],
    from_correlation: float,
    min_share: float,
) -> list[Cluster]:
    """Return the groups of features that carry the same information, the most moving first.

    Levels are scored by their mean contribution; Spearman correlation on patients who have both values, where
    they are at least the share `min_share` of all: what is known of few says nothing of the others. Average
    linkage on 1 - |rho|, cut at ``1 - from_correlation``.

    Parameters
    ----------
    explained, values : DataFrame
        Contributions of all repeats with usubjid, and the feature values of the same rows.

    Returns
    -------
    list of Cluster
        features (two or more), correlation (mean |rho| inside), patients (smallest number who have both
        values of a pair), together (mean |summed contribution|), apart (sum of the mean |contributions|).
    """
    once = ~explained["usubjid"].duplicated().to_numpy()
    scored = {}
    for feature in features:
        column = pd.Series(values[feature.name]).reset_index(drop=True)
        if not feature.is_numeric:
            column = column.map(explained[feature.name].reset_index(drop=True).groupby(column).mean())
        column = column[once].astype(float)
        if column.notna().sum() > 1 and column.min() < column.max():
            scored[feature.name] = column
    names = list(scored)
    if len(names) < 2:
        return []
    frame = pd.DataFrame(scored)
    known = frame.notna().to_numpy(dtype=float)
    both = known.T @ known
    fewest = max(MIN_CORRELATED, min_share * len(frame))
    correlation = frame.corr(method="spearman", min_periods=MIN_CORRELATED).abs().fillna(0.0).clip(0.0, 1.0)
    rho = np.where(both >= fewest, correlation.to_numpy(), 0.0)
    np.fill_diagonal(rho, 1.0)
    labels = fcluster(linkage(squareform(1 - rho, checks=False), "average"), 1 - from_correlation, "distance")
    groups: list[Cluster] = []
    for label in sorted(set(labels)):
        inside = np.flatnonzero(labels == label)
        if len(inside) > 1:
            columns = explained[[names[i] for i in inside]]
            pair = np.triu_indices(len(inside), 1)
            groups.append(
                {
                    "features": [str(name) for name in columns.columns],
                    "correlation": float(rho[np.ix_(inside, inside)][pair].mean()),
                    "patients": int(both[np.ix_(inside, inside)][pair].min()),
                    "together": float(columns.sum(axis=1).abs().mean()),
                    "apart": float(columns.abs().mean().sum()),
                }
            )
    return sorted(groups, key=lambda cluster: (-cluster["together"], cluster["features"]))
