"""Ridge logistic regression from a kernel: Newton's method among n dual coefficients, whatever p is.

With Z_b a block's standardised columns, p_b of them vary, and penalty l_b, what is minimised is

    mean log loss + sum_b (l_b p_b / 2) |beta_b|^2,

the intercept unpenalised. The minimum has beta_b = Z_b' a / (l_b p_b) with a = (y - p) / n, so that the
log-odds are intercept + K a with K = sum_b Z_b Z_b' / (l_b p_b) (van de Wiel et al., Fast cross-validation
for multi-penalty high-dimensional ridge regression, J Comput Graph Stat 2021;30:835). A patient who stands c
times in a bootstrap sample of N rows is one with a = c (y - p) / N: the minimum is that of the N rows.
"""

from collections.abc import Callable
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
    kernel: np.ndarray,
    y: np.ndarray,
    copies: np.ndarray | None = None,
    *,
    start: np.ndarray | None = None,
    tolerance: float = EXACT,
) -> DualFit:
    """Return the minimum for the kernel K (n, n) of the training part and its outcome `y` (n,).

    Newton-Raphson with step halving, each step one Cholesky factor of I + W^(1/2) K W^(1/2), whose
    eigenvalues are at least 1 (Rasmussen and Williams, Gaussian Processes for Machine Learning, 3.4.3).

    Parameters
    ----------
    copies : array, shape (n,), optional
        How often each patient stands in the training part; else once.
    start : array, shape (n,), optional
        Log-odds to start from, such as those at the last penalty.
    tolerance : float
        Largest difference, in any patient, between a over the patient's share of the rows and y - p at the
        end.

    Raises
    ------
    NotLearnableError
        If it does not converge: the classes are separated, and next to nothing is penalised.
    """
    copies = np.ones(len(y)) if copies is None else copies
    first = prevalent(y, copies)
    if start is not None:
        first = DualFit(first.dual, first.intercept, start)
    return minimum(lambda last: _newton(kernel, y, copies, last.margin), y, copies, first, tolerance)


def prevalent(y: np.ndarray, copies: np.ndarray) -> DualFit:
    """Return the model of the prevalence."""
    prevalence = float(logit((copies * y).sum() / copies.sum()))
    return DualFit(np.zeros(len(y)), prevalence, np.full(len(y), prevalence))


def minimum(
    newton: Callable[[DualFit], DualFit], y: np.ndarray, copies: np.ndarray, best: DualFit, tolerance: float
) -> DualFit:
    """Repeat a step, halved where it leads up, until a point is as near to the minimum as is tolerated."""
    loss = np.inf
    for step in range(MAX_STEPS):
        proposed = newton(best)
        # The problem is convex: what this says is the minimum is it, also where rounding hides the descent.
        if _furthest(proposed, y, copies) <= tolerance:
            return proposed
        value = _objective(proposed, y, copies)
        # A start from elsewhere is no point of this problem: its first step cannot be compared with it.
        while step > 0 and value > loss + 1e-12 * abs(loss):
            proposed = _between(best, proposed)
            value = _objective(proposed, y, copies)
        best, loss = proposed, value
    raise NotLearnableError(f"ridge regression in the dual has no minimum within {MAX_STEPS} steps")


def _furthest(fit: DualFit, y: np.ndarray, copies: np.ndarray) -> float:
    return float(np.abs(copies.sum() / copies * fit.dual - (y - expit(fit.margin))).max())


def _newton(kernel: np.ndarray, y: np.ndarray, copies: np.ndarray, margin: np.ndarray) -> DualFit:
    """Solve (K + W^-1) a + intercept = working response, with sum(a) = 0."""
    n = len(y)
    root, pull = working(y, copies, margin)
    system = kernel * root
    system *= root[:, None]
    system.flat[:: n + 1] += 1.0
    right = np.array([root * margin + pull / root, root]).T
    # In one call of LAPACK: with few patients the checks of a friendlier one cost as much as the arithmetic.
    _, solved, failed = dposv(system.T, right, overwrite_a=True, overwrite_b=True)
    if failed:
        raise NotLearnableError("ridge regression in the dual: the kernel is not positive definite")
    solved *= root[:, None]
    intercept = float(solved[:, 0].sum() / solved[:, 1].sum())
    dual = solved[:, 0] - intercept * solved[:, 1]
    return DualFit(dual, intercept, intercept + kernel @ dual)


def working(y: np.ndarray, copies: np.ndarray, margin: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return W^(1/2) and what pulls at each patient, c (y - p) / N, both (n,)."""
    p, rows = expit(margin), copies.sum()
    return np.sqrt(copies * np.maximum(p * (1 - p), 1e-12) / rows), copies * (y - p) / rows


def _objective(fit: DualFit, y: np.ndarray, copies: np.ndarray) -> float:
    penalty = float(fit.dual @ (fit.margin - fit.intercept)) / 2
    losses = copies * (np.logaddexp(0.0, fit.margin) - y * fit.margin)
    return float(losses.sum() / copies.sum()) + penalty


def _between(a: DualFit, b: DualFit) -> DualFit:
    """Return the point half way: coefficients, intercept and log-odds are linear."""
    return DualFit((a.dual + b.dual) / 2, (a.intercept + b.intercept) / 2, (a.margin + b.margin) / 2)
