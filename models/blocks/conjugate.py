"""The same minimum as `models.blocks.dual`, to a tolerance, from products of the kernel with vectors alone.

Newton's method whose steps are solved by conjugate gradients, less exactly while far off (Nocedal and Wright,
Numerical Optimization, 7.1). I + W^(1/2) K W^(1/2) has eigenvalues of at least 1, most of them near it where
columns are many, so that some ten products are enough, which for a thousand patients cost a small part of a
factor. The sum of the coefficients is held at 0, which gives the intercept.
"""

from collections.abc import Callable

import numpy as np

from models.blocks.dual import DualFit, minimum, prevalent, working

Product = Callable[[np.ndarray], np.ndarray]
"""Kernel (n, n) times a vector (n,)."""
MAX_PRODUCTS = 200
"""In a step of Newton's."""
FORCED = 0.05
"""Part of the residual that a step may leave."""
WITHIN = 0.3
"""Part of the tolerance that a step need not go below."""


def fit_by_products(
    product: Product, y: np.ndarray, copies: np.ndarray, *, start: DualFit | None, tolerance: float
) -> DualFit:
    """Return the minimum for a kernel of the training part and its outcome `y` (n,).

    Parameters
    ----------
    product : callable
        The kernel, in whatever precision, times a vector.
    copies : array, shape (n,)
        How often each patient stands in the training part.
    start : DualFit or None
        A fit to start from, such as that at the last penalty.
    tolerance : float
        As of `models.blocks.dual.fit_dual`.

    Raises
    ------
    NotLearnableError
        If it does not converge.
    """

    def newton(last: DualFit) -> DualFit:
        return _newton(product, y, copies, last, tolerance)

    return minimum(newton, y, copies, prevalent(y, copies) if start is None else start, tolerance)


def _newton(product: Product, y: np.ndarray, copies: np.ndarray, last: DualFit, tolerance: float) -> DualFit:
    """Solve (I + R K R) u + R intercept = R times the working response, a = R u, sum(a) = 0, R = W^(1/2)."""
    root, pull = working(y, copies, last.margin)
    target = root * last.margin + pull / root
    ones = root / np.linalg.norm(root)

    def summing_to_nothing(vector: np.ndarray) -> np.ndarray:
        return np.asarray(vector - ones * (ones @ vector))

    def left(found: np.ndarray) -> float:
        """Return the residual as the tolerance has it, in probability."""
        return float(np.abs(found * root * (copies.sum() / copies)).max())

    solved = summing_to_nothing(last.dual / root)
    residual = summing_to_nothing(target - solved - root * product(root * solved))
    enough = max(WITHIN * tolerance, FORCED * left(residual))
    direction, length = residual, residual @ residual
    for _ in range(MAX_PRODUCTS):
        if left(residual) <= enough:
            break
        moved = summing_to_nothing(direction + root * product(root * direction))
        step = length / (direction @ moved)
        solved = solved + step * direction
        residual = residual - step * moved
        direction, length = residual + residual @ residual / length * direction, residual @ residual
    dual = root * solved
    pulled = product(dual)
    intercept = float(root @ (target - solved - root * pulled) / (root @ root))
    return DualFit(dual, intercept, intercept + pulled)
