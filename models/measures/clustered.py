"""Intervals that allow for patients of one centre being alike; the others take patients as independent.

Each measure is written as a sum over patients of what a patient moves it by (its influence). Added up within
a centre, these give the variance ``G / (G - 1) sum_g (sum of the centre's influences)^2`` (Liang and Zeger
1986; for the AUC, Obuchowski, Biometrics 1997;53:567, where every centre has patients of both outcomes), and
the interval has Student's t with G - 1 degrees of freedom. With few centres it is still too narrow.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

import numpy as np
import numpy.typing as npt
from scipy.special import expit, logit
from scipy.stats import t as student

from models.measures.common import (
    FloatArray,
    Measure,
    MeasureError,
    as_outcome,
    as_repeats,
    log_odds,
    require_both_outcomes,
)
from models.measures.definitions import point_value
from models.measures.delong import auc_variance, mean_placements, refuse_perfect
from models.measures.heterogeneity import calibration_line
from models.measures.weighted import negative_log_likelihood, squared_error

MIN_CLUSTERS = 5
"""With fewer the variance between centres is hardly estimated at all."""
Scale = Literal["identity", "logit", "log"]


@dataclass(frozen=True)
class Influence:
    """A measure's value, what each patient moves it by (n,), summing to 0, and the scale of its interval."""

    value: float
    by_patient: FloatArray
    scale: Scale = "identity"

    def __sub__(self, other: "Influence") -> "Influence":
        """Return the difference of the same measure of two models in the same patients."""
        return Influence(self.value - other.value, self.by_patient - other.by_patient)

    def within(self, half: float) -> Measure:
        """Return the value with the interval that is `half` wide to each side, on the scale of the measure.

        To first order: by the delta method, where the scale is another than the measure's own.
        """
        value = self.value
        if self.scale == "logit":
            low, high = expit(logit(value) + np.array([-half, half]) / (value * (1 - value)))
        elif self.scale == "log":
            low, high = value * np.exp(np.array([-half, half]) / value)
        else:
            low, high = value - half, value + half
        return Measure(value, float(low), float(high))


def influence(name: str, y: npt.ArrayLike, p: npt.ArrayLike) -> Influence:
    """Return value and influence of a measure, averaged over repeats.

    Parameters
    ----------
    name : str
        auc, brier, log_loss, calibration_slope or o_e.
    y : array, shape (n,)
        Outcome, 0 or 1.
    p : array, shape (n,) or (repeats, n)
        Predicted probability, strictly between 0 and 1.

    Raises
    ------
    MeasureError
        If no such measure has an influence here, or it cannot be computed.
    """
    outcome = as_outcome(y)
    predictions = as_repeats(p, outcome.size)
    if name not in INFLUENCES:
        raise MeasureError(f"{name}: has no interval by clusters; must be one of {', '.join(INFLUENCES)}")
    return INFLUENCES[name](outcome, predictions)


def clustered_interval(estimate: Influence, clusters: npt.ArrayLike, level: float = 0.95) -> Measure:
    """Return the measure with its interval from the sums of influences within clusters.

    Parameters
    ----------
    estimate : Influence
        Of n patients; a difference of two for the paired difference.
    clusters : array, shape (n,)
        Each patient's cluster, such as the centre.
    level : float
        Confidence level.

    Raises
    ------
    MeasureError
        If there are fewer than 5 clusters, or their number of patients is another.
    """
    labels = np.asarray(clusters)
    if labels.shape != estimate.by_patient.shape:
        raise MeasureError(f"clusters: must have shape {estimate.by_patient.shape}; got {labels.shape}")
    names, member = np.unique(labels, return_inverse=True)
    groups = len(names)
    if groups < MIN_CLUSTERS:
        raise MeasureError(f"clusters: an interval needs at least {MIN_CLUSTERS} of them; got {groups}")
    sums = np.bincount(member, weights=estimate.by_patient)
    se = np.sqrt(groups / (groups - 1) * np.sum(sums**2))
    return estimate.within(float(student.ppf((1 + level) / 2, groups - 1) * se))


def within_clusters_auc(
    y: npt.ArrayLike, p: npt.ArrayLike, clusters: npt.ArrayLike, level: float = 0.95
) -> Measure:
    """Return the AUC among pairs of patients of the same cluster, with its logit interval.

    Weights as those of Mantel and Haenszel: ``sum w_g AUC_g / sum w_g``, ``w_g`` = events x non-events /
    patients of the cluster; DeLong variances add with the squares of the weights. What predictions tell by
    the centre alone has no part in it. Clusters with fewer than two events or non-events have no variance
    and are left out.

    Parameters
    ----------
    y, p
        As in `influence`.
    clusters : array, shape (n,)
        Each patient's cluster.
    level : float
        Confidence level.

    Raises
    ------
    MeasureError
        If no cluster has two events and two non-events, or the AUC is 0 or 1.
    """
    outcome = as_outcome(y)
    predictions = as_repeats(p, outcome.size)
    labels = np.asarray(clusters)
    rows = []
    for name in np.unique(labels):
        inside = labels == name
        events = outcome[inside].sum()
        others = inside.sum() - events
        if min(events, others) >= 2:
            area, variance = auc_variance(outcome[inside], predictions[:, inside])
            rows.append((area, variance, events * others / inside.sum()))
    if not rows:
        raise MeasureError("auc_within_centres: no centre has two events and two non-events")
    areas, variances, weights = np.array(rows).T
    weights /= weights.sum()
    area, variance = float(weights @ areas), float(weights**2 @ variances)
    refuse_perfect(area, "auc_within_centres")
    half = student.ppf((1 + level) / 2, np.inf) * np.sqrt(variance) / (area * (1 - area))
    low, high = expit(logit(area) + np.array([-half, half]))
    return Measure(area, float(low), float(high))


def _auc(y: FloatArray, p: FloatArray) -> Influence:
    v10, v01 = mean_placements(y, p)
    area = float(v10.mean())
    refuse_perfect(area, "auc")
    moved = np.empty(y.size)
    moved[y == 1], moved[y == 0] = (v10 - area) / v10.size, (v01 - area) / v01.size
    return Influence(area, moved, "logit")


def _mean_of(contribution: Callable[[FloatArray, FloatArray], FloatArray]) -> "InfluenceOf":
    def of_mean(y: FloatArray, p: FloatArray) -> Influence:
        each = contribution(y, p).mean(axis=0)
        return Influence(float(each.mean()), (each - each.mean()) / y.size)

    return of_mean


def _slope(y: FloatArray, p: FloatArray) -> Influence:
    slopes, moved = [], []
    for row in p:
        intercept, slope = calibration_line(y, row)
        x = log_odds(row)
        risk = expit(intercept + slope * x)
        information = risk * (1 - risk)
        centred = x - information @ x / information.sum()
        slopes.append(slope)
        moved.append(centred * (y - risk) / (information @ centred**2))
    return Influence(float(np.mean(slopes)), np.mean(moved, axis=0))


def _o_e(y: FloatArray, p: FloatArray) -> Influence:
    require_both_outcomes(y, "o_e")
    expected = p.sum(axis=1, keepdims=True)
    moved = (y / expected - y.sum() * p / expected**2).mean(axis=0)
    return Influence(point_value("o_e", y, p), moved, "log")


InfluenceOf = Callable[[FloatArray, FloatArray], Influence]
INFLUENCES: dict[str, InfluenceOf] = {
    "auc": _auc,
    "brier": _mean_of(squared_error),
    "log_loss": _mean_of(negative_log_likelihood),
    "calibration_slope": _slope,
    "o_e": _o_e,
}
