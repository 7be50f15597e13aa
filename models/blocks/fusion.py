"""Late fusion: the log-odds of a learner per block, combined by non-negative weights."""

from dataclasses import dataclass

import numpy as np
from scipy.optimize import minimize
from scipy.special import expit, logit

LEAST = 1e-6
"""Least weight: a patient may have one block only, and its weight divides."""


@dataclass(frozen=True)
class Fusion:
    """Intercept and weights (blocks,) of the blocks' log-odds."""

    intercept: float
    weights: np.ndarray

    def margin(self, margins: np.ndarray) -> np.ndarray:
        """Return the log-odds (n,) from those of the blocks (n, blocks), NaN where a patient lacks a block.

        The weights of the blocks that a patient has are scaled to the sum of all. Who has none gets the
        intercept.
        """
        has = ~np.isnan(margins)
        weighted = np.where(has, margins, 0.0) @ self.weights
        here = has @ self.weights
        share = np.divide(weighted, here, out=np.zeros(len(here)), where=here > 0)
        return np.asarray(self.intercept + self.weights.sum() * share)


def learn_fusion(margins: np.ndarray, y: np.ndarray) -> Fusion:
    """Return the intercept and the non-negative weights of least log loss.

    Parameters
    ----------
    margins : array, shape (n, blocks)
        Log-odds by block, of patients whom its learner has not seen (inner folds); NaN without the block.
    y : array, shape (n,)
        Outcome, 0 or 1.
    """
    has = ~np.isnan(margins)
    known = np.where(has, margins, 0.0)

    def loss(parameters: np.ndarray) -> tuple[float, np.ndarray]:
        intercept, weights = parameters[0], parameters[1:]
        here = np.maximum(has @ weights, LEAST)
        share = known @ weights / here
        total = weights.sum()
        margin = intercept + total * share
        error = (expit(margin) - y) / len(y)
        slopes = share[:, None] + total * (known - has * share[:, None]) / here[:, None]
        gradient = np.concatenate([[error.sum()], slopes.T @ error])
        return float(np.mean(np.logaddexp(0.0, margin) - y * margin)), gradient

    blocks = margins.shape[1]
    start = np.concatenate([[0.0], np.full(blocks, 1.0 / blocks)])
    bounds = [(None, None), *[(LEAST, None)] * blocks]
    found = minimize(loss, start, jac=True, method="L-BFGS-B", bounds=bounds)
    flat = np.concatenate([[logit(y.mean())], np.full(blocks, LEAST)])
    best = found.x if found.fun <= loss(flat)[0] else flat
    return Fusion(float(best[0]), np.asarray(best[1:]))
