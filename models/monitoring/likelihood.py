"""Logistic regression beside an offset: what every update of a model is fitted and compared by."""

import numpy as np
import numpy.typing as npt
from scipy.special import expit

FloatArray = npt.NDArray[np.float64]
TOLERANCE, MAX_STEPS, LARGEST = 1e-9, 100, 30.0


def log_likelihood(y: FloatArray, log_odds: FloatArray) -> float:
    """Return the Bernoulli log-likelihood of outcomes (n,) under log-odds (n,)."""
    return float(y @ log_odds - np.logaddexp(0.0, log_odds).sum())


def fitted(design: FloatArray, y: FloatArray, offset: FloatArray) -> FloatArray | None:
    """Return the coefficients of ``logit P(y = 1) = offset + design b`` by maximum likelihood.

    Parameters
    ----------
    design : array, shape (n, k)
    y, offset : arrays, shape (n,)

    Returns
    -------
    array, shape (k,), or None
        None where the likelihood has no maximum: one outcome only, or columns that separate or repeat.
    """
    spread = np.maximum(np.abs(design).max(axis=0), np.finfo(float).tiny)
    scaled, beta = design / spread, np.zeros(design.shape[1])
    for _ in range(MAX_STEPS):
        p = expit(offset + scaled @ beta)
        information = (scaled * (p * (1 - p))[:, None]).T @ scaled
        if np.linalg.cond(information) > 1 / TOLERANCE or np.abs(beta).max() > LARGEST * len(beta):
            return None
        step = np.linalg.solve(information, scaled.T @ (y - p))
        before = log_likelihood(y, offset + scaled @ beta)
        while log_likelihood(y, offset + scaled @ (beta + step)) < before - TOLERANCE * abs(before):
            step /= 2
        beta = beta + step
        if np.abs(step).max() < TOLERANCE:
            return np.asarray(beta / spread)
    return None
