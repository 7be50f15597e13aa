"""Ordered classes compared between two arms: proportional odds, and whether the odds are proportional."""

from dataclasses import dataclass

import numpy as np
from scipy.special import expit, ndtri
from scipy.stats import chi2

from models.measures.common import FloatArray, Measure, MeasureError

TOLERANCE, MAX_STEPS = 1e-11, 100


@dataclass(frozen=True)
class ProportionalOdds:
    """The cumulative odds ratio of a lower class, treated against reference, and the fit of the model.

    `statistic` and `p_value` are of the likelihood ratio against free proportions in both arms, on `freedom`
    degrees of freedom; None for two classes, where the model fits by construction.
    """

    odds_ratio: Measure
    statistic: float | None
    p_value: float | None
    freedom: int


def proportional_odds(treated: FloatArray, reference: FloatArray, level: float) -> ProportionalOdds:
    """Fit ``logit P(class <= k) = theta_k + beta treated`` by maximum likelihood (McCullagh 1980).

    Parameters
    ----------
    treated, reference : arrays, shape (classes,)
        Patients in each class, from the lowest; classes without any patient are left out.

    Raises
    ------
    MeasureError
        If fewer than two classes have patients, an arm has none, or the likelihood has no maximum.
    """
    counts = np.array([treated, reference], dtype=float)
    counts = counts[:, counts.sum(axis=0) > 0]
    if counts.shape[1] < 2 or counts.sum(axis=1).min() == 0:
        raise MeasureError("proportional odds: needs patients of both arms in at least two classes")
    shares = np.cumsum(counts.sum(axis=0))[:-1] / counts.sum()
    parameters = np.append(np.log(shares / (1 - shares)), 0.0)
    for _ in range(MAX_STEPS):
        gradient, information = _derivatives(counts, parameters)
        step = np.linalg.solve(information, gradient)
        before = _log_likelihood(counts, parameters)
        while _log_likelihood(counts, parameters + step) < before - TOLERANCE * abs(before):
            step = step / 2
        parameters = parameters + step
        if np.abs(step).max() < TOLERANCE:
            break
        if np.abs(parameters).max() > 30:
            raise MeasureError("proportional odds: the classes of the arms do not overlap")
    else:
        raise MeasureError("proportional odds: the likelihood has no maximum")
    variance = np.linalg.inv(_derivatives(counts, parameters)[1])[-1, -1]
    half = ndtri((1 + level) / 2) * np.sqrt(variance)
    beta = parameters[-1]
    value, low, high = (float(np.exp(x)) for x in (beta, beta - half, beta + half))
    estimate = Measure(value, low, high)
    freedom = counts.shape[1] - 2
    if not freedom:
        return ProportionalOdds(estimate, None, None, 0)
    statistic = 2 * (_saturated(counts) - _log_likelihood(counts, parameters))
    return ProportionalOdds(estimate, float(statistic), float(chi2.sf(statistic, freedom)), freedom)


def _linear(classes: int) -> FloatArray:
    """Return d eta / d parameters, shape (2 arms, classes - 1, classes)."""
    design = np.zeros((2, classes - 1, classes))
    design[:, np.arange(classes - 1), np.arange(classes - 1)] = 1
    design[0, :, -1] = 1
    return design


def _differences(cumulative: FloatArray, last: float) -> FloatArray:
    """Return the values of the classes (2, classes, ...) from those of their upper ends, the last `last`."""
    ends = np.zeros((2, 1, *cumulative.shape[2:]))
    return np.diff(np.concatenate([ends, cumulative, ends + last], axis=1), axis=1)


def _derivatives(counts: FloatArray, parameters: FloatArray) -> tuple[FloatArray, FloatArray]:
    """Return gradient (k,) and observed information (k, k) of the log-likelihood."""
    design = _linear(counts.shape[1])
    below = expit(design @ parameters)
    density = below * (1 - below)
    curvature = density * (1 - 2 * below)
    p = _differences(below, 1.0)
    first = _differences(density[..., None] * design, 0.0)
    second = _differences(curvature[..., None, None] * design[..., :, None] * design[..., None, :], 0.0)
    share = counts / p
    gradient = np.einsum("gk,gki->i", share, first)
    outer = np.einsum("gk,gki,gkj->ij", share / p, first, first)
    return gradient, outer - np.einsum("gk,gkij->ij", share, second)


def _log_likelihood(counts: FloatArray, parameters: FloatArray) -> float:
    p = _differences(expit(_linear(counts.shape[1]) @ parameters), 1.0)
    if p.min() <= 0:
        return -np.inf
    return float(np.sum(counts * np.log(p)))


def _saturated(counts: FloatArray) -> float:
    shares = counts / counts.sum(axis=1, keepdims=True)
    return float(np.sum(counts[counts > 0] * np.log(shares[counts > 0])))
