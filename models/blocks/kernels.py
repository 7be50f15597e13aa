"""Kernels of blocks: products between patients of one block's columns, standardised in the training part.

A block of p columns is used through its n x n kernels alone, so that what a fit costs does not grow with p,
and no p x p matrix exists. Columns are walked in pieces that stay in the processor's cache.

A kernel may weigh the columns by how they go with the outcome in the training part, one by one: of a column
with the score statistic z the weight is max(z^2 - cut, 0). A penalty divided by these weights shrinks a
column that tells little more, or leaves it out, as in ridge regression with co-data (van de Wiel et al., Stat
Med 2016;35:368) whose co-data are the marginal tests of the training part (sure independence screening, Fan
and Lv, J R Stat Soc B 2008;70:849). Every training part weighs anew.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np

PIECE = 2_000_000
"""Cells of a block that are standardised at once."""
ROUNDING = 1e-13
"""Standard deviation, as a share of the mean, up to which a column is constant."""
EVERY = -1.0
"""The cut at which all columns that vary weigh alike."""


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
    """The sum over columns of their `shares` (p,), which add up to 1, times products between patients (n, n).

    The mean of its diagonal is 1 over patients who have every value, so that one penalty shrinks blocks of
    ten and of ten thousand columns alike. If no column has a share, all products are 0.
    """

    products: np.ndarray
    shares: np.ndarray

    @cached_property
    def largest(self) -> float:
        """The largest share of a column, 0 if none has one."""
        return float(self.shares.max(initial=0.0))


@dataclass(frozen=True)
class BlockKernels:
    """How a block is standardised in a training part, and its kernel at every cut."""

    standard: Standard
    by_cut: dict[float, Kernel]


def kernel(values: np.ndarray, rows: np.ndarray) -> np.ndarray:
    """Return the products (n, n) of the patients `rows`, all columns alike; see `block_kernels`."""
    return block_kernels(values, rows, np.zeros(len(rows)), (EVERY,)).by_cut[EVERY].products


def block_kernels(
    values: np.ndarray,
    rows: np.ndarray,
    y: np.ndarray,
    cuts: Sequence[float],
    precision: type[np.floating] = np.float64,
) -> BlockKernels:
    """Return the kernels of the patients `rows`, standardised and weighed by the training part.

    Parameters
    ----------
    values : array, shape (patients, p)
        A block's columns, NaN where missing: a missing value stands at the mean of the training part, so
        that a patient without the block has products of 0.
    rows : array of int, shape (n,)
        Positions of patients: the training part first.
    y : array, shape (training,)
        Outcome of the training part, 0 or 1.
    cuts : sequence of float
        Of z^2, or `EVERY`.
    precision : type
        Of the products; single precision costs half.
    """
    n, p = len(rows), values.shape[1]
    mean, weight = np.zeros(p), np.zeros(p)
    products = {cut: np.zeros((n, n), dtype=precision) for cut in cuts}
    shares = {cut: np.zeros(p) for cut in cuts}
    for piece in pieces(n, p):
        columns = values[rows, piece]
        mean[piece], weight[piece], count = _standardise(columns, len(y))
        squares = _squares(columns[: len(y)], y, count)
        for cut in cuts:
            share = (weight[piece] > 0) * (1.0 if cut == EVERY else np.maximum(squares - cut, 0.0))
            shares[cut][piece] = share
            weighed = columns if cut == EVERY else columns[:, share > 0] * np.sqrt(share[share > 0])
            weighed = weighed.astype(precision, copy=False)
            products[cut] += weighed @ weighed.T
    return BlockKernels(Standard(mean, weight), {cut: _divided(products[cut], shares[cut]) for cut in cuts})


def scores(values: np.ndarray, rows: np.ndarray, standard: Standard, coefficients: np.ndarray) -> np.ndarray:
    """Return the sums of standardised columns times `coefficients` (p, models), shape (n, models)."""
    total = np.zeros((len(rows), coefficients.shape[1]))
    for piece in pieces(len(rows), values.shape[1]):
        total += _standardised(values[rows, piece], standard, piece) @ coefficients[piece]
    return total


def coefficients(
    values: np.ndarray, rows: np.ndarray, standard: Standard, shares: np.ndarray, dual: np.ndarray
) -> np.ndarray:
    """Return `shares` times Z' `dual`, shape (p,): coefficients of standardised columns from dual ones.

    Parameters
    ----------
    shares : array, shape (p,)
        Of the kernel that was fitted.
    dual : array, shape (n,)
        Dual coefficients of the patients `rows`, divided by the block's penalty.
    """
    primal = np.zeros(values.shape[1])
    for piece in pieces(len(rows), values.shape[1]):
        primal[piece] = dual @ _standardised(values[rows, piece], standard, piece)
    return np.asarray(primal * shares)


def pieces(n: int, p: int) -> Iterator[slice]:
    """Yield the columns in pieces of about `PIECE` cells; they depend on the shape alone."""
    width = max(PIECE // max(n, 1), 64)
    for first in range(0, p, width):
        yield slice(first, min(first + width, p))


def _divided(products: np.ndarray, shares: np.ndarray) -> Kernel:
    total = float(shares.sum()) or 1.0
    products /= total
    return Kernel(products, shares / total)


def _squares(part: np.ndarray, y: np.ndarray, count: np.ndarray) -> np.ndarray:
    """Return z^2 of every column, the score test of logistic regression: (sum x y)^2 / (known var(y)).

    Columns have mean 0 and variance 1 over the `count` known values, and are 0 elsewhere.
    """
    spread = count * y.var()
    return np.asarray(np.divide((y @ part) ** 2, spread, out=np.zeros(len(count)), where=spread > 0))


def _standardise(columns: np.ndarray, training: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Standardise `columns` (n, width) in place; return mean and weight of each, and how many have it."""
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
    return mean, weight, count


def _standardised(columns: np.ndarray, standard: Standard, piece: slice) -> np.ndarray:
    columns -= standard.mean[piece]
    columns *= standard.weight[piece]
    columns[np.isnan(columns)] = 0.0
    return columns
