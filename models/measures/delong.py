"""The area under the ROC curve by placement values: variance, interval, paired difference (DeLong 1988)."""

import numpy as np
import numpy.typing as npt
from scipy.special import expit, logit, ndtri

from models.measures.common import (
    FloatArray,
    Measure,
    MeasureError,
    as_outcome,
    as_probability,
    as_repeats,
    require_both_outcomes,
)


def placements(y: npt.ArrayLike, p: npt.ArrayLike) -> tuple[FloatArray, FloatArray]:
    """Return each patient's placement value, in O(n log n) (DeLong, DeLong and Clarke-Pearson 1988).

    Parameters
    ----------
    y : array, shape (n,)
        Outcome, 0 or 1.
    p : array, shape (n,)
        Predicted probability, strictly between 0 and 1.

    Returns
    -------
    V10 : array, shape (events,)
        For each event, in the order of y, the share of non-events with a smaller p; ties count half.
    V01 : array, shape (non-events,)
        For each non-event the share of events with a larger p; ties count half. Both have the AUC as mean.

    Raises
    ------
    MeasureError
        If y has one class only, or y or p is out of range.
    """
    outcome = as_outcome(y)
    probability = as_probability(p, outcome.size)
    require_both_outcomes(outcome, "auc")
    events, non_events = np.sort(probability[outcome == 1]), np.sort(probability[outcome == 0])
    return (
        _share_below(probability[outcome == 1], non_events),
        1 - _share_below(probability[outcome == 0], events),
    )


def _share_below(values: FloatArray, others: FloatArray) -> FloatArray:
    """Return for each value the share of the sorted ``others`` below it, ties counted half."""
    below = np.searchsorted(others, values, side="left")
    not_above = np.searchsorted(others, values, side="right")
    share: FloatArray = (below + not_above) / (2 * others.size)
    return share


def mean_placements(y: npt.ArrayLike, p: npt.ArrayLike) -> tuple[FloatArray, FloatArray]:
    """Return each patient's placement values averaged over repeats; p (repeats, n). Raises as ``placements``.

    Their mean is the mean AUC of the repeats. Their variance over patients is that of this mean: the repeats
    share the patients, so they do not add information as independent studies would.
    """
    outcome = as_outcome(y)
    by_repeat = [placements(outcome, row) for row in as_repeats(p, outcome.size)]
    v10, v01 = zip(*by_repeat, strict=True)
    return np.mean(v10, axis=0), np.mean(v01, axis=0)


def auc_variance(y: npt.ArrayLike, p: npt.ArrayLike) -> tuple[float, float]:
    """Return the AUC, averaged over repeats, and its DeLong variance.

    The variance is ``var(V10) / events + var(V01) / non-events`` of the averaged placement values.

    Raises
    ------
    MeasureError
        If there are fewer than two events or non-events, and as ``placements``.
    """
    v10, v01 = mean_placements(y, p)
    return float(v10.mean()), _variance(v10, v01)


def _variance(v10: FloatArray, v01: FloatArray) -> float:
    if min(v10.size, v01.size) < 2:
        raise MeasureError(
            f"auc: its variance needs two events and two non-events; got {v10.size} and {v01.size}"
        )
    return float(v10.var(ddof=1) / v10.size + v01.var(ddof=1) / v01.size)


def auc_interval(y: npt.ArrayLike, p: npt.ArrayLike, level: float = 0.95) -> Measure:
    """Return the AUC with its logit interval.

    ``logit(AUC) +- z sqrt(variance) / (AUC (1 - AUC))``, transformed back (Pepe 2003, section 5.2): it stays
    inside (0, 1) and covers better than the symmetric interval near 1.

    Parameters
    ----------
    y : array, shape (n,)
        Outcome, 0 or 1.
    p : array, shape (n,) or (repeats, n)
        Predicted probability; the AUC is averaged over repeats, with the variance of that average.
    level : float
        Confidence level.

    Raises
    ------
    MeasureError
        If the AUC is 0 or 1: its logit is infinite, and the DeLong variance 0 however many patients.
        If there are fewer than two events or non-events, and as ``placements``.
    """
    area, variance = auc_variance(y, p)
    refuse_perfect(area, "auc")
    half_width = ndtri((1 + level) / 2) * np.sqrt(variance) / (area * (1 - area))
    return Measure(area, float(expit(logit(area) - half_width)), float(expit(logit(area) + half_width)))


def refuse_perfect(area: float, measure: str) -> None:
    """Raise MeasureError for an AUC of 0 or 1, which has no interval."""
    if area in {0.0, 1.0}:
        raise MeasureError(
            f"{measure}: no interval for an AUC of exactly {area:g}: the outcomes are separated"
        )


def auc_difference(
    y: npt.ArrayLike, p_a: npt.ArrayLike, p_b: npt.ArrayLike, level: float = 0.95
) -> tuple[Measure, float]:
    """Return AUC of a minus AUC of b on the same patients, with interval, and its variance.

    The variance is that of the differences of the two models' placement values, averaged over repeats; the
    interval is ``difference +- z sqrt(variance)``.

    Parameters
    ----------
    y : array, shape (n,)
        Outcome, 0 or 1.
    p_a, p_b : array, shape (n,) or (repeats, n)
        Predicted probabilities of the two models for the same patients.
    level : float
        Confidence level.

    Raises
    ------
    MeasureError
        If either AUC is 0 or 1, if there are fewer than two events or non-events, and as ``placements``.
    """
    v10_a, v01_a = mean_placements(y, p_a)
    v10_b, v01_b = mean_placements(y, p_b)
    for area in (float(v10_a.mean()), float(v10_b.mean())):
        refuse_perfect(area, "delta_auc")
    difference = float(v10_a.mean() - v10_b.mean())
    variance = _variance(v10_a - v10_b, v01_a - v01_b)
    half_width = float(ndtri((1 + level) / 2) * np.sqrt(variance))
    return Measure(difference, difference - half_width, difference + half_width), variance
