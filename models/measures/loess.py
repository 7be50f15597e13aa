"""Smoothed calibration: from predicted to loess-smoothed observed risk (Austin and Steyerberg 2019).

The smoother is R's ``loess(y ~ p)`` with its defaults: degree 2, span 0.75, fitted on a k-d tree and
interpolated between its vertices. An exact local regression gives other values.
"""

import numpy as np
import numpy.typing as npt
from skmisc.loess import loess

from models.measures.common import (
    FloatArray,
    MeasureError,
    as_outcome,
    as_probability,
    as_repeats,
)

DEGREE = 2
SPAN = 0.75
# With fewer, observed minus expected per group says more than a curve through so few points.
MIN_DISTINCT = 10
LOESS_MEASURES = ("ici", "e50", "e90", "emax")
PERFECT_MODEL = ("ici_mean0", "ici_null95")
"""What the ICI is where every prediction is the true risk: its mean, and its 95th centile."""


def distinct_predictions(p: npt.ArrayLike) -> int:
    """Return the number of distinct predictions, the smallest over repeats; p (n,) or (repeats, n)."""
    return min(np.unique(row).size for row in np.atleast_2d(np.asarray(p, dtype=np.float64)))


def smoothed_risk(y: npt.ArrayLike, p: npt.ArrayLike, at: npt.ArrayLike | None = None) -> FloatArray:
    """Return the loess-smoothed observed risk.

    Parameters
    ----------
    y, p : array, shape (n,)
        Outcome, 0 or 1, and predicted probability.
    at : array, shape (k,), optional
        Where the curve is read, inside the range of p; by default at every patient's p.

    Returns
    -------
    array, shape (k,) or (n,)
        May leave [0, 1]: loess does not know that it smooths a risk.

    Raises
    ------
    MeasureError
        If p has fewer than 10 distinct values, if ``at`` leaves the range of p, or if a neighbourhood of the
        smoother holds too few distinct values (R warns there and uses a pseudoinverse).
    """
    outcome = as_outcome(y)
    probability = as_probability(p, outcome.size)
    _refuse_few(probability)
    points = probability if at is None else np.asarray(at, dtype=np.float64)
    outside = int(np.sum((points < probability.min()) | (points > probability.max())))
    if outside:
        raise MeasureError(f"at: {outside} of {points.size} values lie outside the range of p")
    try:
        curve = _fit(outcome, probability)
        return np.array(curve.outputs.fitted_values if at is None else curve.predict(points).values)
    except ValueError as error:
        raise MeasureError(
            f"loess: a neighbourhood holds too few distinct values ({distinct_predictions(probability)} "
            f"distinct predictions for {outcome.size} patients)"
        ) from error


def _refuse_few(probability: FloatArray) -> None:
    distinct = distinct_predictions(probability)
    if distinct < MIN_DISTINCT:
        raise MeasureError(
            f"ici: the smoothed curve needs {MIN_DISTINCT} distinct predictions, got {distinct}: "
            "use observed minus expected per group"
        )


def _fit(y: FloatArray, p: FloatArray) -> loess:
    curve = loess(p, y, degree=DEGREE, span=SPAN)
    curve.control.trace_hat = "approximate"  # of the standard errors, which nobody reads; the fit is the same
    curve.fit()
    return curve


def calibration_errors(y: npt.ArrayLike, p: npt.ArrayLike) -> dict[str, float]:
    """Return mean ``ici``, median ``e50``, 90th centile ``e90`` and maximum ``emax`` of |smoothed - p|.

    Parameters
    ----------
    y, p : array, shape (n,)
        Outcome, 0 or 1, and predicted probability.

    Raises
    ------
    MeasureError
        As ``smoothed_risk``.
    """
    probability = np.asarray(p, dtype=np.float64)
    errors = _summary(np.abs(smoothed_risk(y, probability) - probability))
    return dict(zip(LOESS_MEASURES, map(float, errors), strict=True))


def _summary(distance: FloatArray) -> FloatArray:
    """Return mean, median, 90th centile and maximum over the last axis."""
    median, ninetieth = np.quantile(distance, [0.5, 0.9], axis=-1)
    return np.stack([distance.mean(axis=-1), median, ninetieth, distance.max(axis=-1)], axis=-1)


def _distance_or_nan(y: FloatArray, p: FloatArray) -> FloatArray:
    """Return |smoothed - p| of a resample, shape (n,), NaN where loess cannot be fitted to it."""
    try:
        return np.abs(np.asarray(_fit(y, p).outputs.fitted_values) - p)
    except ValueError:
        return np.full(p.size, np.nan)


def ici_of_perfect_model(p: npt.ArrayLike, simulations: int, rng: np.random.Generator) -> dict[str, float]:
    """Return the ICI of a perfect model, y ~ Bernoulli(p): mean ``ici_mean0``, 95th centile ``ici_null95``.

    The ICI is positive also where the predictions are the true risks (mean 0.033 at 500 patients), so an
    observed ICI is read beside these values.

    Parameters
    ----------
    p : array, shape (n,) or (repeats, n)
        Predicted probability; mean and centile are computed per repeat and averaged.
    simulations : int
        Outcomes drawn per repeat.
    rng : Generator
        Source of the outcomes.

    Raises
    ------
    MeasureError
        If p has fewer than 10 distinct values, or loess cannot be fitted to the predictions.
    """
    predictions = as_repeats(p, np.asarray(p).shape[-1])
    _refuse_few(predictions)
    by_repeat = []
    for row in predictions:
        outcomes = (rng.random((simulations, row.size)) < row).astype(np.float64)
        errors = np.array([_distance_or_nan(outcome, row).mean() for outcome in outcomes])
        if np.isnan(errors).any():
            raise MeasureError("ici_null95: loess could not be fitted to the predictions")
        by_repeat.append((errors.mean(), np.quantile(errors, 0.95)))
    return dict(zip(PERFECT_MODEL, map(float, np.mean(by_repeat, axis=0)), strict=True))
