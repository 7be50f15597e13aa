"""Ridge logistic regression along a path of penalties: the fit that the procedure makes most often."""

from collections.abc import Iterator, Sequence
from typing import NamedTuple

import numpy as np
from scipy.linalg.lapack import dpotrf, dpotrs
from scipy.special import expit, logit

# Of the gradient of the mean penalised loss; every parameter then is within 1e-8 of its value.
TOLERANCE = 1e-11
MAX_ITERATIONS = 200
# A step that leaves more of the gradient than this is taken with a new Hessian instead.
CONTRACTION = 0.2
# Armijo's condition (Nocedal and Wright, Numerical Optimization, 2nd ed., 3.1).
SUFFICIENT_DECREASE = 1e-4
SMALLEST_STEP = 2.0**-30


class RidgeFit(NamedTuple):
    """Intercept and coefficients, shape (terms,), of one penalty."""

    intercept: float
    coefficients: np.ndarray


class _Point(NamedTuple):
    """Parameters (intercept first), the margins and probabilities that they give, and the gradient there.

    `distance` is the largest of the gradient, 0 at the minimum.
    """

    parameters: np.ndarray
    margin: np.ndarray
    p: np.ndarray
    gradient: np.ndarray
    distance: float


def ridge_path(terms: np.ndarray, y: np.ndarray, penalties: Sequence[float]) -> Iterator[RidgeFit | None]:
    """Yield the fit of every penalty, each started from the last; None where it does not converge.

    Minimises ``mean(log(1 + exp(m)) - y m) + penalty / 2 * sum(coefficients ** 2)`` with
    ``m = intercept + terms @ coefficients`` by Newton's method: glmnet's objective with alpha 0, and
    scikit-learn's with ``C = 1 / (n penalty)``. A Hessian is kept while steps with it still reduce the
    gradient well (the chord method; Kelley, Iterative Methods for Linear and Nonlinear Equations, 5.4.1): a
    new one costs n terms^2, a step with one at hand n terms. With more terms than patients the same minimum
    is found in the n dimensions that the patients span: coefficients have no part outside them (Hastie and
    Tibshirani, Biostatistics 2004;5:329).

    Parameters
    ----------
    terms : array, shape (n, terms)
        Standardised.
    y : array, shape (n,)
        Outcome, 0 or 1, with both values.
    penalties : sequence of float
        Positive, per patient; from strong to weak is fastest.
    """
    patients, count = terms.shape
    basis = None
    if count > patients:
        basis, triangle = np.linalg.qr(terms.T)
        terms = triangle.T
    path = _Path(terms, np.asarray(y, dtype=float))
    for penalty in penalties:
        try:
            fit = path.fit(penalty)
        except _NoCurvatureError:
            fit = None
        yield fit if fit is None or basis is None else RidgeFit(fit.intercept, basis @ fit.coefficients)


class _NoCurvatureError(Exception):
    """Probabilities are so near 0 and 1 that the Hessian has no Cholesky factor."""


class _Path:
    """The fit of the last penalty, and the last Hessian without its penalty."""

    def __init__(self, terms: np.ndarray, y: np.ndarray) -> None:
        self.design = np.column_stack([np.ones(len(y)), terms])
        self.y = y
        self.start = np.zeros(self.design.shape[1])
        self.start[0] = logit(y.mean())
        self.hessian: np.ndarray | None = None

    def fit(self, penalty: float) -> RidgeFit | None:
        at = self._point(self.start, penalty)
        fresh = self.hessian is None
        factor = self._factor(at, penalty, new=fresh)
        for _ in range(MAX_ITERATIONS):
            if at.distance <= TOLERANCE:
                self.start = at.parameters
                return RidgeFit(float(at.parameters[0]), at.parameters[1:])
            direction = -dpotrs(factor, at.gradient, lower=True)[0]
            reached = self._point(at.parameters + direction, penalty)
            if reached.distance <= CONTRACTION * at.distance:
                at, fresh = reached, False
                continue
            if fresh:
                searched = self._searched(at, direction, reached, penalty)
                if searched is None:
                    return None
                at = searched
            factor, fresh = self._factor(at, penalty, new=True), True
        return None

    def _point(self, parameters: np.ndarray, penalty: float) -> _Point:
        margin = self.design @ parameters
        p = expit(margin)
        shrunken = penalty * parameters
        shrunken[0] = 0.0
        gradient = self.design.T @ (p - self.y) / len(self.y) + shrunken
        return _Point(parameters, margin, p, gradient, float(np.abs(gradient).max()))

    def _loss(self, at: _Point, penalty: float) -> float:
        """Return the penalised loss; only a step that may be too long needs it."""
        shrunken = penalty * at.parameters
        shrunken[0] = 0.0
        loss = np.mean(np.logaddexp(0.0, at.margin) - self.y * at.margin)
        return float(loss + 0.5 * (shrunken @ at.parameters))

    def _factor(self, at: _Point, penalty: float, *, new: bool) -> np.ndarray:
        """Return the Cholesky factor of the Hessian with its penalty; `new`: of the Hessian at this point.

        LAPACK itself: what scipy.linalg.cho_factor does around it takes longer than a small factor.
        """
        if new or self.hessian is None:
            weighted = self.design * np.sqrt(at.p * (1 - at.p) / len(self.y))[:, None]
            self.hessian = weighted.T @ weighted
        penalised = self.hessian.copy()
        np.einsum("ii->i", penalised)[1:] += penalty
        factor, failed = dpotrf(penalised, lower=True, clean=False)
        if failed:
            raise _NoCurvatureError
        return np.asarray(factor)

    def _searched(self, at: _Point, direction: np.ndarray, reached: _Point, penalty: float) -> _Point | None:
        """Return the first of the halved Newton steps that reduces the loss enough, or None."""
        slope, loss = float(at.gradient @ direction), self._loss(at, penalty)
        step = 1.0
        while self._loss(reached, penalty) > loss + SUFFICIENT_DECREASE * step * slope:
            step /= 2
            if step < SMALLEST_STEP:
                return None
            reached = self._point(at.parameters + step * direction, penalty)
        return reached
