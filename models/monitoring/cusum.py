"""Observed against expected events, patient by patient: the risk-adjusted CUSUM of Steiner et al. (2000).

Steiner SH, Cook RJ, Farewell VT, Treasure T. Monitoring surgical performance using risk-adjusted cumulative
sum charts. Biostatistics 2000;1:441-452. Two charts are kept, for odds of the event that are `ratio` times
those predicted and for odds that many times lower.
"""

import numpy as np
import numpy.typing as npt
from scipy.special import expit, logit

FloatArray = npt.NDArray[np.float64]


def cusum(y: FloatArray, p: FloatArray, ratio: float) -> FloatArray:
    """Return both charts, for more events and for fewer, shape (2, n), in the order of the outcomes.

    A patient adds the log-likelihood ratio ``y log R - log(1 - p + R p)``; a chart never falls below 0.

    Examples
    --------
    >>> cusum(np.array([1.0, 0.0]), np.array([0.5, 0.5]), 2.0).round(4).tolist()
    [[0.2877, 0.0], [0.0, 0.2877]]
    """
    return np.stack([_charts(y[None], p[None], r)[0] for r in (ratio, 1 / ratio)])


def _charts(y: FloatArray, p: FloatArray, ratio: float) -> FloatArray:
    """Return the chart of every stream, shape (streams, n); p may have one row for all."""
    added = y * np.log(ratio) - np.log1p(p * (ratio - 1))
    chart: FloatArray = np.empty(added.shape)
    level = np.zeros(len(added))
    for place in range(added.shape[1]):
        level = np.maximum(level + added[:, place], 0.0)
        chart[:, place] = level
    return chart


def cusum_limit(
    p: FloatArray, ratio: float, error: float, samples: int, seed: int, intercept_se: float = 0.0
) -> float:
    """Return the limit that a share `error` of drift-free streams with these predictions ever reaches.

    Parameters
    ----------
    p : array, shape (n,)
        Predictions, as many as the stream will have.
    samples : int
        Streams that are simulated.
    intercept_se : float
        How far the model's intercept is known from its training patients: a drift-free stream is not exactly
        calibrated, and each is simulated with an intercept of its own.
    """
    rng = np.random.default_rng(seed)
    shifted = expit(logit(p) + rng.normal(0.0, intercept_se, (samples, 1)))
    y = (rng.random(shifted.shape) < shifted).astype(float)
    highest: FloatArray = np.max([_charts(y, p[None], r).max(axis=1) for r in (ratio, 1 / ratio)], axis=0)
    return float(np.quantile(highest, 1 - error, method="higher"))


def intercept_se(patients: int, events: int) -> float:
    """Return the standard error of the log-odds of so many events, as training patients fix the intercept."""
    share = (events + 0.5) / (patients + 1)
    return float(1 / np.sqrt(patients * share * (1 - share)))
