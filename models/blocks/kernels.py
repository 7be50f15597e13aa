"""Kernels of blocks: products between patients of one block's columns, standardised in the training part.

A block of p columns is used through its n x n kernel alone, so that what a fit costs does not grow with p,
and no p x p matrix exists. Columns are walked in pieces that stay in the processor's cache.
"""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

PIECE = 2_000_000
"""Cells of a block that are standardised at once."""
ROUNDING = 1e-13
"""Standard deviation, as a share of the mean, up to which a column is constant."""


@dataclass(frozen=True)
class Standard:
    """What a training part says of a block's columns: their means, and 1 / standard deviation, each (p,).

    A column that does not vary there, or that nobody has, weighs 0 and gets no coefficient.
    """

    mean: np.ndarray
    weight: np.ndarray

    @property
    def size(self) -> int:
        """Number of columns that vary."""
        return int(np.count_nonzero(self.weight))


@dataclass(frozen=True)
class Kernel:
    """The products between patients, shape (n, n), divided by the number of columns that vary.

    The mean of its diagonal is 1 over patients who have every value, so that one penalty shrinks blocks of
    ten and of ten thousand columns alike.
    """

    products: np.ndarray
    standard: Standard


def kernel(values: np.ndarray, rows: np.ndarray, training: int) -> Kernel:
    """Return the kernel of the patients `rows`, standardised by the first `training` of them.

    Parameters
    ----------
    values : array, shape (patients, p)
        A block's columns, NaN where missing: a missing value stands at the mean of the training part, so
        that a patient without the block has products of 0.
    rows : array of int, shape (n,)
        Positions of patients: the training part first.
    training : int
        Size of the training part.
    """
    n, p = len(rows), values.shape[1]
    mean, weight = np.zeros(p), np.zeros(p)
    products = np.zeros((n, n))
    for piece in pieces(n, p):
        columns = values[rows, piece]
        mean[piece], weight[piece] = _standardise(columns, training)
        products += columns @ columns.T
    standard = Standard(mean, weight)
    return Kernel(products / max(standard.size, 1), standard)


def scores(values: np.ndarray, rows: np.ndarray, standard: Standard, coefficients: np.ndarray) -> np.ndarray:
    """Return the sums of standardised columns times `coefficients` (p, models), shape (n, models)."""
    total = np.zeros((len(rows), coefficients.shape[1]))
    for piece in pieces(len(rows), values.shape[1]):
        total += _standardised(values[rows, piece], standard, piece) @ coefficients[piece]
    return total


def coefficients(values: np.ndarray, rows: np.ndarray, standard: Standard, dual: np.ndarray) -> np.ndarray:
    """Return Z' `dual` / size, shape (p, models): coefficients of standardised columns from dual ones.

    Parameters
    ----------
    dual : array, shape (n, models)
        Dual coefficients of the patients `rows`, divided by the block's penalty.
    """
    primal = np.zeros((values.shape[1], dual.shape[1]))
    for piece in pieces(len(rows), values.shape[1]):
        primal[piece] = _standardised(values[rows, piece], standard, piece).T @ dual
    return primal / max(standard.size, 1)


def pieces(n: int, p: int) -> Iterator[slice]:
    """Yield the columns in pieces of about `PIECE` cells; they depend on the shape alone."""
    width = max(PIECE // max(n, 1), 64)
    for first in range(0, p, width):
        yield slice(first, min(first + width, p))


def _standardise(columns: np.ndarray, training: int) -> tuple[np.ndarray, np.ndarray]:
    """Standardise `columns` (n, width) in place; return mean and weight of each."""
    part = columns[:training]
    missing = np.isnan(columns)
    some = bool(missing.any())
    if some:
        known = training - np.count_nonzero(missing[:training], axis=0)
        count = np.maximum(known, 1)
        mean = np.where(missing[:training], 0.0, part).sum(axis=0) / count
    else:
        count = np.full(columns.shape[1], training)
        mean = part.mean(axis=0)
    columns -= mean
    if some:
        columns[missing] = 0.0
    spread = np.sqrt(np.einsum("ij,ij->j", part, part) / count)
    # What rounding leaves of a constant column is no spread.
    varies = spread > ROUNDING * np.abs(mean)
    weight = np.divide(1.0, spread, out=np.zeros(len(spread)), where=varies)
    columns *= weight
    return mean, weight


def _standardised(columns: np.ndarray, standard: Standard, piece: slice) -> np.ndarray:
    columns -= standard.mean[piece]
    columns *= standard.weight[piece]
    columns[np.isnan(columns)] = 0.0
    return columns
