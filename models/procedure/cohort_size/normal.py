"""Integrals over the normal distribution, and what all sample sizes refuse."""

from collections.abc import Callable, Mapping

import numpy as np
import numpy.typing as npt
import pandas as pd
from scipy.special import ndtri

from features.errors import UserError

FloatArray = npt.NDArray[np.float64]

# Beyond 10 standard deviations the normal distribution holds 1e-23; 400 nodes integrate to 1e-10 for a
# linear predictor with a standard deviation up to 8 (a C statistic of 0.98).
REACH = 10.0
NODES, NODE_WEIGHTS = np.polynomial.legendre.leggauss(400)


class SampleSizeError(UserError):
    """A sample size that cannot be computed from what is anticipated, and why."""


def normal_rule(low: float, high: float) -> tuple[FloatArray, FloatArray]:
    """Return nodes and weights with which ``sum w f(z)`` is the normal integral of f from low to high."""
    z = low + (high - low) * (NODES + 1) / 2
    weights: FloatArray = NODE_WEIGHTS * (high - low) / 2 * np.exp(-(z**2) / 2) / np.sqrt(2 * np.pi)
    return z, weights


def normal_mean(f: Callable[[FloatArray], FloatArray], low: float = -REACH, high: float = REACH) -> float:
    """Return ``E[f(Z) 1(low <= Z <= high)]`` for standard normal Z."""
    ends = np.clip([low, high], -REACH, REACH)
    z, weights = normal_rule(float(ends[0]), float(ends[1]))
    return float(weights @ f(z))


def quantile(level: float) -> float:
    """Return the normal quantile of a two-sided interval of the level."""
    refuse_outside("level", level, 0, 1)
    return float(ndtri((1 + level) / 2))


def rounded_up(name: str, exact: Mapping[str, float]) -> pd.DataFrame:
    """Return the criteria as a frame: their name, exact numbers, and these rounded up."""
    values = list(exact.values())
    return pd.DataFrame({name: list(exact), "exact": values, "n": np.ceil(values).astype(np.int64)})


def refuse_lp(lp_mean: float, lp_sd: float) -> None:
    """Refuse a distribution of the linear predictor that is none."""
    refuse_outside("lp_mean", lp_mean, -np.inf, np.inf)
    refuse_outside("lp_sd", lp_sd, 0, np.inf)


def refuse_outside(name: str, value: float, low: float, high: float) -> None:
    """Refuse a value that does not lie strictly between two limits."""
    if not low < value < high:
        raise SampleSizeError(f"{name}: must lie strictly between {low:g} and {high:g}; got {value:g}")
