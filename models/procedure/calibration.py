"""Logistic recalibration of the log-odds: affine, so that SHAP values stay exactly additive."""

import numpy as np
from scipy.special import expit

from models.procedure.errors import NotLearnableError


def recalibrate(margin: np.ndarray, y: np.ndarray, *, tolerance: float = 1e-10) -> tuple[float, float]:
    """Return intercept and slope of ``logit P(y = 1) = intercept + slope * margin`` by maximum likelihood.

    Platt's method without target smoothing (Cox 1958), by Newton-Raphson with step halving.

    Parameters
    ----------
    margin : array, shape (n,)
        Log-odds of a model for patients it has not seen.
    y : array, shape (n,)
        Outcome, 0 or 1.
    tolerance : float
        Largest change of a coefficient at convergence.

    Raises
    ------
    NotLearnableError
        If the outcome has one class, the margin is constant, or the likelihood has no maximum (the classes
        are separated).
    """
    if len(np.unique(y)) < 2:
        raise NotLearnableError("recalibration needs both outcomes; all patients have the same one")
    if np.ptp(margin) == 0:
        raise NotLearnableError("recalibration needs a margin that varies; it is the same for all patients")
    event, other = margin[y == 1], margin[y == 0]
    # Else Newton's steps may end for want of digits, at a slope that means nothing (Silvapulle 1981).
    if event.min() >= other.max() or other.min() >= event.max():
        raise NotLearnableError("recalibration has no maximum: the margin separates the outcomes")
    centre, spread = float(margin.mean()), float(margin.std())
    design = np.column_stack([np.ones_like(margin), (margin - centre) / spread])
    beta = np.zeros(2)
    for _ in range(100):
        p = expit(design @ beta)
        gradient = design.T @ (y - p)
        information = (design * (p * (1 - p))[:, None]).T @ design
        if np.linalg.cond(information) > 1e12 or np.abs(beta).max() > 1e3:
            break
        step = np.linalg.solve(information, gradient)
        before = _log_likelihood(design, y, beta)
        while _log_likelihood(design, y, beta + step) < before - 1e-9 * abs(before):
            step /= 2
        beta = beta + step
        if np.abs(step).max() < tolerance:
            slope = float(beta[1] / spread)
            return float(beta[0] - slope * centre), slope
    raise NotLearnableError("recalibration did not converge: the margin separates the outcomes")


def _log_likelihood(design: np.ndarray, y: np.ndarray, beta: np.ndarray) -> float:
    linear = design @ beta
    return float(y @ linear - np.logaddexp(0.0, linear).sum())
