"""Ridge logistic regression from a kernel: Newton's method among n dual coefficients, whatever p is.

With Z_b a block's standardised columns, p_b of them vary, and penalty l_b, what is minimised is

    mean log loss + sum_b (l_b p_b / 2) |beta_b|^2,

the intercept unpenalised. The minimum has beta_b = Z_b' a / (l_b p_b) with a = (y - p) / n, so that the
log-odds are intercept + K a with K = sum_b Z_b Z_b' / (l_b p_b) (van de Wiel et al., Fast cross-validation
for multi-penalty high-dimensional ridge regression, J Comput Graph Stat 2021;30:835).
"""

from dataclasses import dataclass

import numpy as np
from scipy.linalg.lapack import dposv
from scipy.special import expit, logit

from models.procedure.errors import NotLearnableError

MAX_STEPS = 100
EXACT = 1e-12
"""Largest residual of a fit that is kept, in probability."""


@dataclass(frozen=True)
class DualFit:
    """Dual coefficients (n,), the intercept, and the log-odds of the training part (n,)."""

    dual: np.ndarray
    intercept: float
    margin: np.ndarray


def fit_dual(
    kernel: np.ndarray, y: np.ndarray, *, start: np.ndarray | None = None, tolerance: float = EXACT
) -> DualFit:
    """Return the minimum for the kernel K (n, n) of the training part and its outcome `y` (n,).

    Newton-Raphson with step halving, each step one Cholesky factor of I + W^(1/2) K W^(1/2), whose
    eigenvalues are at least 1 (Rasmussen and Williams, Gaussian Processes for Machine Learning, 3.4.3).

    Parameters
    ----------
    start : array, shape (n,), optional
        Log-odds to start from, such as those at the last penalty.
    tolerance : float
        Largest difference, in any patient, between n a and y - p at the end.

    Raises
    ------
    NotLearnableError
        If it does not converge: the classes are separated, and next to nothing is penalised.
    """
    n = len(y)
    best = DualFit(np.zeros(n), prevalence := float(logit(y.mean())), np.full(n, prevalence))
    loss = _objective(best, y)
    margin = best.margin if start is None else start
    for step in range(MAX_STEPS):
        proposed = _newton(kernel, y, margin)
        value = _objective(proposed, y)
        # A start from elsewhere is no point of this problem: its first step cannot be compared with it.
        while step > 0 and value > loss + 1e-12 * abs(loss):
            proposed = _between(best, proposed)
            value = _objective(proposed, y)
        best, loss, margin = proposed, value, proposed.margin
        if np.abs(n * best.dual - (y - expit(margin))).max() <= tolerance:
            return best
    raise NotLearnableError(f"ridge regression in the dual has no minimum within {MAX_STEPS} steps")


def _newton(kernel: np.ndarray, y: np.ndarray, margin: np.ndarray) -> DualFit:
    """Solve (K + W^-1) a + intercept = working response, with sum(a) = 0."""
    n = len(y)
    p = expit(margin)
    weight = np.maximum(p * (1 - p), 1e-12) / n
    root = np.sqrt(weight)
    system = kernel * root
    system *= root[:, None]
    system.flat[:: n + 1] += 1.0
    right = np.array([weight * margin + (y - p) / n, weight]).T
    right /= root[:, None]
    # In one call of LAPACK: with few patients the checks of a friendlier one cost as much as the arithmetic.
    _, solved, failed = dposv(system.T, right, overwrite_a=True, overwrite_b=True)
    if failed:
        raise NotLearnableError("ridge regression in the dual: the kernel is not positive definite")
    solved *= root[:, None]
    intercept = float(solved[:, 0].sum() / solved[:, 1].sum())
    dual = solved[:, 0] - intercept * solved[:, 1]
    return DualFit(dual, intercept, intercept + kernel @ dual)


def _objective(fit: DualFit, y: np.ndarray) -> float:
    penalty = float(fit.dual @ (fit.margin - fit.intercept)) / 2
    return float(np.mean(np.logaddexp(0.0, fit.margin) - y * fit.margin)) + penalty


def _between(a: DualFit, b: DualFit) -> DualFit:
    """Return the point half way: coefficients, intercept and log-odds are linear."""
    return DualFit((a.dual + b.dual) / 2, (a.intercept + b.intercept) / 2, (a.margin + b.margin) / 2)
