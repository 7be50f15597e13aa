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
from scipy.linalg import get_blas_funcs

PIECE = 2_000_000
"""Cells of a block that are standardised at once."""
ROUNDING = 1e-13
"""Standard deviation, as a share of the mean, up to which a column is constant."""
FEW = 0.1
"""Columns per patient up to which products with a vector cost less by columns than by patients."""
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
    ten and of ten thousand columns alike. If no column has a share, all products are 0. `factor` (n, columns)
    is there where few columns have a share: the products are its own with its transpose.
    """

    products: np.ndarray
    shares: np.ndarray
    factor: np.ndarray | None = None

    def times(self, vector: np.ndarray, rows: int) -> np.ndarray:
        """Return the products of the first `rows` patients with the first ones, times a vector of these."""
        n = len(vector)
        if self.factor is not None:
            return np.asarray(self.factor[:rows] @ (vector.astype(self.factor.dtype) @ self.factor[:n]))
        return np.asarray(self.products[:rows, :n] @ vector.astype(self.products.dtype))

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
    alike, nothing = np.ones(len(rows)), np.zeros(len(rows))
    return block_kernels(values, rows, nothing, alike, (EVERY,)).by_cut[EVERY].products


def block_kernels(
    values: np.ndarray,
    rows: np.ndarray,
    y: np.ndarray,
    copies: np.ndarray,
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
    copies : array, shape (training,)
        How often each of its patients stands there.
    cuts : sequence of float
        Of z^2, or `EVERY`.
    precision : type
        Of the products; single precision costs half.
    """
    n, p = len(rows), values.shape[1]
    mean, weight = np.zeros(p), np.zeros(p)
    products = {cut: np.zeros((n, n), dtype=precision, order="F") for cut in cuts}
    shares = {cut: np.zeros(p) for cut in cuts}
    factors: dict[float, list[np.ndarray]] = {cut: [] for cut in cuts}
    for piece in pieces(n, p):
        columns = values[rows, piece]
        mean[piece], weight[piece], count = _standardise(columns, copies)
        squares = _squares(columns[: len(y)], y, copies, count)
        for cut in cuts:
            share = (weight[piece] > 0) * (1.0 if cut == EVERY else np.maximum(squares - cut, 0.0))
            shares[cut][piece] = share
            weighed = columns if cut == EVERY else columns[:, share > 0] * np.sqrt(share[share > 0])
            weighed = weighed.astype(precision, copy=False)
            if weighed.size:
                _add_products(products[cut], weighed)
                if np.count_nonzero(shares[cut]) <= n * FEW:
                    factors[cut].append(weighed)
    kernels = {
        cut: _divided(products[cut], shares[cut], _joined(factors[cut], shares[cut], n)) for cut in cuts
    }
    return BlockKernels(Standard(mean, weight), kernels)


def _joined(pieces: Sequence[np.ndarray], shares: np.ndarray, n: int) -> np.ndarray | None:
    """Return the columns that have a share as one array, where they are few."""
    few = 0 < np.count_nonzero(shares) <= n * FEW
    return np.hstack(pieces) if few else None


def _add_products(total: np.ndarray, columns: np.ndarray) -> None:
    """Add those between the rows of `columns` to the upper half of `total`, in place, without a copy."""
    (multiplied,) = get_blas_funcs(("syrk",), (columns,))
    multiplied(1.0, columns.T, beta=1.0, c=total, trans=1, overwrite_c=1)


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


def _divided(products: np.ndarray, shares: np.ndarray, few: np.ndarray | None) -> Kernel:
    total = float(shares.sum()) or 1.0
    products /= total
    # The lower half was not computed, and is 0.
    diagonal = products.diagonal().copy()
    products = products + products.T
    np.fill_diagonal(products, diagonal)
    return Kernel(products, shares / total, None if few is None else few / np.sqrt(total))


def _squares(part: np.ndarray, y: np.ndarray, copies: np.ndarray, count: np.ndarray) -> np.ndarray:
    """Return z^2 of every column, the score test of logistic regression: (sum x y)^2 / (known var(y)).

    Columns have mean 0 and variance 1 over the `count` known values, and are 0 elsewhere.
    """
    prevalence = (copies * y).sum() / copies.sum()
    spread = count * (prevalence * (1.0 - prevalence))
    return np.asarray(
        np.divide(((copies * y) @ part) ** 2, spread, out=np.zeros(len(count)), where=spread > 0)
    )


def _standardise(columns: np.ndarray, copies: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Standardise `columns` (n, width) in place; return mean and weight of each, and how many rows have it.

    The first rows are the training part, where each stands as often as `copies` says.
    """
    part = columns[: len(copies)]
    missing = np.isnan(columns)
    some = bool(missing.any())
    if some:
        count = np.maximum(copies @ ~missing[: len(copies)], 1.0)
        mean = copies @ np.where(missing[: len(copies)], 0.0, part) / count
    else:
        count = np.full(columns.shape[1], copies.sum())
        mean = copies @ part / count
    columns -= mean
    if some:
        columns[missing] = 0.0
    spread = np.sqrt(copies @ np.square(part) / count)
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
