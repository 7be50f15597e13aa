"""Calibration and decision curves of the bootstrap models: corrected for optimism, and how far they scatter.

Each bootstrap sample of the patients gives a model by the whole procedure. Its curve in its own sample is
more optimistic than its curve in all patients; the mean difference is the optimism at a point, and the curve
of the model of all patients minus it is the corrected one (Harrell, Regression Modeling Strategies, 5.3.4;
`calibrate` of R's rms). The samples' curves in all patients are the instability plots of Riley and Collins
(Biom J 2023;65:2200302).
"""

from collections.abc import Callable, Sequence

import numpy as np
import pandas as pd

from models.measures.common import FloatArray, MeasureError, share_failed_within
from models.measures.loess import smoothed_risk

APPARENT, CORRECTED, SAMPLE = "apparent", "corrected", "sample"
CurveOf = Callable[[FloatArray, FloatArray], FloatArray]
"""(y (n,), p (n,)) -> the curve at fixed points (k,), NaN where it has no value."""


def calibration_curve_at(points: FloatArray) -> CurveOf:
    """Return the loess-smoothed observed risk (`models.measures.loess`) as a curve at these points (k,).

    NaN outside the range of the predictions, and everywhere where they are too few to be smoothed.
    """

    def curve(y: FloatArray, p: FloatArray) -> FloatArray:
        risk = np.full(points.size, np.nan)
        within = (points >= p.min()) & (points <= p.max())
        try:
            risk[within] = smoothed_risk(y, p, points[within])
        except MeasureError:
            # A sample too coarse to smooth says nothing of the curve; `corrected_curve` counts such samples.
            return risk
        return risk

    return curve


def corrected_curve(
    y: FloatArray,
    apparent: FloatArray,
    samples: Sequence[tuple[np.ndarray, FloatArray]],
    points: FloatArray,
    curve: CurveOf,
) -> pd.DataFrame:
    """Return the apparent curve, the one corrected for optimism, and each sample's model in all patients.

    A point that more than 20 % of the samples' curves do not reach has no corrected value.

    Parameters
    ----------
    y : array, shape (n,)
        Outcome, 0 or 1.
    apparent : array, shape (n,)
        Predictions for all patients by the model of all patients.
    samples : sequence of pairs of arrays
        For each bootstrap sample its positions, with repetitions, and the predictions (n,) for all patients
        by the model fitted to it.
    points : array, shape (k,)
        Abscissae of `curve`.
    curve : callable
        What is corrected.

    Returns
    -------
    DataFrame
        line (apparent, corrected, sample), sample (its number from 0; -1 for the first two), at, value; no
        rows without a value.

    Raises
    ------
    MeasureError
        If there are fewer than two samples.
    """
    if len(samples) < 2:
        raise MeasureError(f"samples: a correction needs at least 2 bootstrap samples; got {len(samples)}")
    in_all = np.array([curve(y, p) for _, p in samples])
    gaps = np.array([curve(y[drawn], p[drawn]) for drawn, p in samples]) - in_all
    whole = curve(y, apparent)
    corrected = whole - np.array([_mean_or_nan(gap) for gap in gaps.T])
    parts = [_line(APPARENT, -1, points, whole), _line(CORRECTED, -1, points, corrected)]
    parts += [_line(SAMPLE, number, points, values) for number, values in enumerate(in_all)]
    return pd.concat(parts, ignore_index=True).dropna(subset="value", ignore_index=True)


def _mean_or_nan(gap: FloatArray) -> float:
    try:
        return float(share_failed_within(gap, "corrected curve").mean())
    except MeasureError:
        return np.nan


def _line(name: str, sample: int, points: FloatArray, values: FloatArray) -> pd.DataFrame:
    return pd.DataFrame({"line": name, "sample": sample, "at": points, "value": values})
