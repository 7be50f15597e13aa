"""Power by formula: what simulation is checked against."""

import numpy as np
from scipy.optimize import brentq
from scipy.special import ndtr, ndtri

from models.measures.common import MeasureError


def power(p: float, p0: float, n: float, n0: float, alpha: float) -> float:
    """Return the power of the two-sided test of two proportions with pooled variance.

    Fleiss, Levin and Paik, Statistical Methods for Rates and Proportions (2003), chapter 4, without
    continuity correction, for unequal arms, and with the side on which nobody counts.
    """
    mean = (n * p + n0 * p0) / (n + n0)
    null = np.sqrt(mean * (1 - mean) * (1 / n + 1 / n0))
    error = np.sqrt(p * (1 - p) / n + p0 * (1 - p0) / n0)
    far = ndtri(1 - alpha / 2) * null
    return float(ndtr((p - p0 - far) / error) + ndtr((p0 - p - far) / error))


def detectable(p0: float, n: float, n0: float, alpha: float, wanted: float) -> float:
    """Return the smallest gain over `p0` that is found with the power `wanted`.

    Raises
    ------
    MeasureError
        If no gain is found with that power.
    """
    most = 1 - p0 - 1e-9
    if power(p0 + most, p0, n, n0, alpha) < wanted:
        raise MeasureError(f"no gain over {p0:.3g} is found with a power of {wanted:.0%}")
    return float(brentq(lambda gain: power(p0 + gain, p0, n, n0, alpha) - wanted, 0.0, most))


def power_of_mean(shift: float, sd: float, n: float, alpha: float) -> float:
    """Return how often the two-sided interval of a mean lies wholly above 0, by normal theory.

    Parameters
    ----------
    shift, sd : float
        Expectation, and standard deviation of the estimate times the square root of `n`.
    """
    if sd == 0:
        return float(shift > 0)
    return float(ndtr(shift * np.sqrt(n) / sd - ndtri(1 - alpha / 2)))


def detectable_mean(sd: float, n: float, alpha: float, wanted: float) -> float:
    """Return the expectation above 0 that `power_of_mean` finds with the power `wanted`."""
    return float((ndtri(1 - alpha / 2) + ndtri(wanted)) * sd / np.sqrt(n))
