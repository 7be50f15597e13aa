"""Learn how features become numbers: columns, scales and the regressions that fill what is missing.

Everything here is learned from the training part, without the outcome, and kept as plain data;
`models.serving` applies it, so that training and serving cannot drift apart.
"""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd

from models.serving import PcrModel


def learn_encoding(
    frame: pd.DataFrame,
    features: Sequence[Mapping[str, Any]],
    *,
    rarest_level: int,
    most_missing: float,
    shrinkage: float,
) -> dict[str, Any]:
    """Return the ``encoding`` of a model document, learned from the rows of `frame`.

    A numeric feature is one column. A categorical feature has one column per level that at least
    `rarest_level` rows show, except the most frequent one; rarer levels stand with that one. Columns that do
    not vary are left out, and so are features so seldom known that their values would mostly be imputed:
    other features under their name.

    Parameters
    ----------
    frame : DataFrame, shape (n, >= features)
        Training rows; missing values are NaN.
    features : sequence of mappings
        ``name``, ``kind`` (numeric or categorical) and, for a categorical feature, ``levels``.
    rarest_level : int
        Fewest rows for which a level gets a column.
    most_missing : float in [0, 1]
        Largest share of missing values with which a feature is used.
    shrinkage : float in (0, 1]
        Weight of the identity in the correlation matrix from which values are imputed.

    Returns
    -------
    dict
        ``columns`` and, per column, ``mean``, ``scale``, ``low``, ``high`` of the observed values, and
        ``imputation``, shape (columns, columns): see `imputation_weights`.

    Raises
    ------
    ValueError
        If no column varies.
    """
    known = [feature for feature in features if frame[feature["name"]].isna().mean() <= most_missing]
    columns = [column for feature in known for column in _candidate_columns(frame, feature, rarest_level)]
    encoded = _encode(frame, features, columns)
    varies = np.array([np.unique(c[~np.isnan(c)]).size > 1 for c in encoded.T], dtype=bool)
    if not varies.any():
        raise ValueError(f"no feature varies among the {len(frame)} training patients: nothing to learn from")
    encoded = encoded[:, varies]
    mean = np.nanmean(encoded, axis=0)
    scale = np.nanstd(encoded, axis=0)
    return {
        "columns": [column for column, keep in zip(columns, varies, strict=True) if keep],
        "mean": mean.tolist(),
        "scale": scale.tolist(),
        "low": np.nanmin(encoded, axis=0).tolist(),
        "high": np.nanmax(encoded, axis=0).tolist(),
        "imputation": imputation_weights((encoded - mean) / scale, shrinkage).tolist(),
    }


def imputation_weights(standard: np.ndarray, shrinkage: float) -> np.ndarray:
    """Return the regression of every standardised column on all others, shape (columns, columns).

    Row j predicts column j; the diagonal is 0. With P the inverse of the correlation matrix, the weights of
    column j are -P[j, k] / P[j, j] (Whittaker, Graphical Models in Applied Multivariate Statistics, 5.8).
    Correlations come from the pairs observed together and are shrunken towards the identity; eigenvalues that
    missing data made negative are cut at the shrinkage.

    Parameters
    ----------
    standard : array, shape (n, columns)
        Standardised values, NaN where missing.
    shrinkage : float in (0, 1]
        Weight of the identity.
    """
    seen = ~np.isnan(standard)
    filled = np.where(seen, standard, 0.0)
    together = seen.T.astype(float) @ seen.astype(float)
    correlation = (filled.T @ filled) / np.maximum(together, 1.0)
    spread = np.sqrt(np.diag(correlation))
    correlation /= np.outer(spread, spread)
    np.fill_diagonal(correlation, 1.0)
    values, vectors = np.linalg.eigh((1 - shrinkage) * correlation + shrinkage * np.eye(len(correlation)))
    precision = (vectors / np.maximum(values, shrinkage)) @ vectors.T
    weights = -precision / np.diag(precision)[:, None]
    np.fill_diagonal(weights, 0.0)
    return np.asarray(weights)


def _candidate_columns(
    frame: pd.DataFrame, feature: Mapping[str, Any], rarest_level: int
) -> list[dict[str, str]]:
    name = feature["name"]
    if feature["kind"] == "numeric":
        return [{"feature": name}]
    counts = frame[name].value_counts()
    seen = [level for level in feature["levels"] if counts.get(level, 0) >= rarest_level]
    if not seen:
        return []
    reference = max(seen, key=lambda level: counts[level])
    return [{"feature": name, "level": level} for level in seen if level != reference]


def _encode(
    frame: pd.DataFrame, features: Sequence[Mapping[str, Any]], columns: list[dict[str, str]]
) -> np.ndarray:
    """Encode with the serving code, from a document that has columns and nothing learned yet."""
    blank: list[float] = []
    learned = dict.fromkeys(("mean", "scale", "low", "high", "imputation"), blank)
    return PcrModel({"features": features, "encoding": {"columns": columns, **learned}}).encode(frame)
