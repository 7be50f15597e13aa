"""Calibration in windows of so many outcomes, and what a window of that size could show."""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from models.measures.common import log_odds
from models.monitoring.likelihood import fitted

FloatArray = npt.NDArray[np.float64]
Z, POWER = 1.959964, 0.841621
"""Quantiles of the normal distribution at 97.5 % and 80 %."""


@dataclass(frozen=True)
class Window:
    """Patients from `first` to `last` (from 1), observed and expected events, and calibration.

    `o_e_low`, `o_e_high`: 95 % interval. `intercept`, `slope`: NaN where the likelihood has no maximum.
    `detectable`: the shift of the intercept that so many patients show with a power of 80 % at 5 %.
    """

    first: int
    last: int
    observed: int
    expected: float
    o_e: float
    o_e_low: float
    o_e_high: float
    intercept: float
    slope: float
    detectable: float


def calibration_windows(y: FloatArray, p: FloatArray, size: int) -> list[Window]:
    """Return calibration in successive windows of `size` outcomes, the last one smaller.

    Parameters
    ----------
    y, p : arrays, shape (n,)
        Outcomes and predictions, in the order of time.
    """
    return [_window(y, p, first, min(first + size, len(y))) for first in range(0, len(y), size)]


def _window(y: FloatArray, p: FloatArray, first: int, end: int) -> Window:
    y, p = y[first:end], p[first:end]
    observed, expected, variance = float(y.sum()), float(p.sum()), float((p * (1 - p)).sum())
    # On the log scale, with the variance that the predictions give.
    width = Z * np.sqrt(variance) / max(observed, 1.0)
    ratio = observed / expected
    lp, ones = log_odds(p), np.ones((len(y), 1))
    alone, both = fitted(ones, y, lp), fitted(np.column_stack([ones, lp]), y, lp)
    return Window(
        first + 1, end, int(observed), expected, ratio, ratio * float(np.exp(-width)),
        ratio * float(np.exp(width)), float(alone[0]) if alone is not None else np.nan,
        float(1 + both[1]) if both is not None else np.nan, float((Z + POWER) / np.sqrt(variance)),
    )  # fmt: skip
