"""What the charts of one landmark draw: frames of points, one row per mark."""

from collections.abc import Sequence

import numpy as np
import pandas as pd

from features.documents.feature import LandmarkFeatureEntry
from models.explanation.out_of_fold import rank_scale

MISSING = "missing"


def evenly(frame: pd.DataFrame, max_rows: int) -> pd.DataFrame:
    """Return at most `max_rows` rows of `frame`, evenly spaced in its order, the same ones every time."""
    if len(frame) <= max_rows:
        return frame
    return frame.iloc[np.linspace(0, len(frame) - 1, max_rows).round().astype(int)]


def swarm_points(
    explained: pd.DataFrame, values: pd.DataFrame, features: Sequence[LandmarkFeatureEntry], slots: int = 120
) -> pd.DataFrame:
    """Return one point per patient and feature, for a beeswarm.

    Parameters
    ----------
    explained, values : DataFrame
        Contributions (log-odds) and feature values of the same patients, rows in the same order.
    features : sequence of mappings
        ``name`` and ``kind`` of the features, in the order wanted.
    slots : int
        Points whose contributions fall into the same of so many slots are stacked.

    Returns
    -------
    DataFrame
        feature, contribution, offset (from -1 to 1, where in its row a point stands), kind (numeric,
        categorical, missing), rank (of a numeric value, 0 to 1, else NaN), value (as text).
    """
    parts = []
    for feature in features:
        contribution = explained[feature["name"]].to_numpy()
        value = pd.Series(values[feature["name"]])
        numeric = feature["kind"] == "numeric"
        rank = rank_scale(value.to_numpy()) if numeric else np.full(len(value), np.nan)
        parts.append(
            pd.DataFrame(
                {
                    "feature": feature["name"],
                    "contribution": contribution,
                    "offset": _stacked(contribution, slots),
                    "kind": np.where(value.isna(), MISSING, feature["kind"]),
                    "rank": rank,
                    "value": as_text(value, numeric=numeric),
                }
            )
        )
    return pd.concat(parts, ignore_index=True)


def _stacked(contribution: np.ndarray, slots: int) -> np.ndarray:
    """Return where points stand so that those with like contributions lie beside, not upon each other.

    The width of a slot grows with the root of its number of points: one crowded slot (a value imputed for
    many patients, say) would press all others into a line.
    """
    low, high = contribution.min(), contribution.max()
    slot = np.zeros(len(contribution), dtype=int)
    if high > low:
        slot = np.floor((contribution - low) / (high - low) * (slots - 1)).astype(int)
    place = pd.Series(slot).groupby(slot).cumcount().to_numpy()
    size = np.bincount(slot)
    width = np.sqrt(size / size.max())[slot]
    return np.asarray(width * (2 * place + 1 - size[slot]) / np.maximum(1, size[slot]))


def as_text(value: pd.Series, *, numeric: bool) -> pd.Series:
    """Return values as a reader reads them: numbers to four digits, levels as they stand, or missing."""
    text = value.map(lambda x: f"{x:.4g}") if numeric else value.astype(object)
    return text.astype(object).where(value.notna(), MISSING)
