"""What single features tell of the outcome, before any model: a feature that tells it all knows it."""

from collections.abc import Mapping, Sequence
from typing import TypedDict

import numpy as np
import pandas as pd
from scipy.special import ndtri
from scipy.stats import rankdata

from features.errors import UserError
from models.procedure.landmark_features import LandmarkFeature

LOOK = (
    "look for a feature that knows the outcome. If it is true, write why into leakage_acknowledged of the "
    "study file"
)
MAX_NAMED = 5


class Count(TypedDict):
    """A number of patients."""

    value: int


class SingleAuc(TypedDict, total=False):
    """The AUC of a feature alone, or why there is none."""

    value: float
    error: str


class SingleFeature(TypedDict):
    """What a feature alone tells, among the patients in whom it is known."""

    n: Count
    events: Count
    auc: SingleAuc


class LeakageAlarmError(UserError):
    """A performance that is too good to be true."""


def single_feature_aucs(
    rows: pd.DataFrame, y: np.ndarray, features: Sequence[LandmarkFeature]
) -> dict[str, SingleFeature]:
    """Return by feature how well it alone tells the outcome, among the patients in whom it is known.

    Each has ``n``, ``events`` and ``auc``, from 0.5: the larger of AUC and 1 - AUC of a number, and of a
    category the largest of its levels, each against all others; or ``error``. Nothing is fitted.

    Parameters
    ----------
    rows : DataFrame (n, >= features)
        Analysis rows.
    y : array, shape (n,)
        Outcome, 0 or 1.
    """
    singles: dict[str, SingleFeature] = {}
    for feature in features:
        known = rows[feature.name].notna().to_numpy()
        values, outcome = rows.loc[known, feature.name], y[known]
        if len(np.unique(outcome)) < 2:
            auc: SingleAuc = {"error": "known in patients of one outcome only, or in none"}
        elif values.nunique() < 2:
            auc = {"error": "does not vary"}
        else:
            auc = {"value": _auc(values, outcome, numeric=feature.is_numeric)}
        singles[feature.name] = {
            "n": {"value": int(known.sum())}, "events": {"value": int(outcome.sum())}, "auc": auc,
        }  # fmt: skip
    return singles


def _auc(values: pd.Series, y: np.ndarray, *, numeric: bool) -> float:
    columns = [values] if numeric else [values == level for level in values.unique()]
    events = y.sum()
    aucs = []
    for column in columns:
        # Mann-Whitney: ties share their mean rank.
        ranks = rankdata(column.to_numpy(dtype=float))
        aucs.append((ranks[y == 1].mean() - (events + 1) / 2) / (len(y) - events))
    return float(max(max(auc, 1 - auc) for auc in aucs))


def suspects(singles: Mapping[str, SingleFeature], limit: float, level: float) -> dict[str, float]:
    """Return the features that alone tell the outcome better than `limit`, and than chance lets one of all.

    By chance, an AUC has the standard error sqrt((n + 1) / (12 events non-events)) (Mann-Whitney); the
    quantile is that of the largest of so many features, at `level` (Bonferroni).

    Parameters
    ----------
    singles : mapping
        As `single_feature_aucs` returns it.

    Returns
    -------
    dict
        The AUC by feature, the largest first.
    """
    quantile = ndtri(1 - (1 - level) / (2 * max(len(singles), 1)))
    aucs = {}
    for name, single in singles.items():
        n, events, auc = single["n"]["value"], single["events"]["value"], single["auc"].get("value", 0.5)
        if auc > limit and auc - 0.5 > quantile * np.sqrt((n + 1) / (12 * events * (n - events))):
            aucs[name] = auc
    return dict(sorted(aucs.items(), key=lambda item: (-item[1], item[0])))


def check_single_features(
    singles: Mapping[str, SingleFeature], limit: float, level: float, acknowledged: str
) -> None:
    """Raise if a feature is suspect (`suspects`), unless the study acknowledges it.

    Raises
    ------
    LeakageAlarmError
        Naming the features and what to do.
    """
    aucs = suspects(singles, limit, level)
    if aucs and not acknowledged:
        raise LeakageAlarmError(f"AUC above {limit} by a single feature: {listed(aucs)}: {LOOK}")


def listed(aucs: Mapping[str, float]) -> str:
    """Return the first few features with their AUC, in words."""
    named = ", ".join(f"{name} ({auc:.2f})" for name, auc in list(aucs.items())[:MAX_NAMED])
    return f"{named} and {len(aucs) - MAX_NAMED} more" if len(aucs) > MAX_NAMED else named
