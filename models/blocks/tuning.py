"""Penalties of blocks by inner cross-validation: a coordinate search on a grid of the log scale."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from models.blocks.dual import fit_dual
from models.blocks.kernels import Kernel, kernel

Matrices = Callable[[np.ndarray], Mapping[str, np.ndarray]]
"""Every block's columns (n, p) of all patients, encoded by the training part at these positions."""
Penalties = Mapping[str, float]
"""The penalty of every block that is used, per patient and column; a block that is not named is left out."""
TUNING = 1e-5
"""Largest residual of a fit that only says how good a point of the grid is."""
MAX_PASSES = 4


@dataclass(frozen=True)
class Part:
    """Kernels of a training part; `rows`: positions of the patients, the first `training` of them learn."""

    rows: np.ndarray
    training: int
    kernels: Mapping[str, Kernel]

    def products(self, penalties: Penalties, rows: np.ndarray, columns: np.ndarray) -> np.ndarray:
        """Return the sum of the blocks' kernels over their penalties, for places among `rows`."""
        total = np.zeros((len(rows), len(columns)))
        everyone = len(rows) == len(self.rows) and len(columns) == self.training
        for name, penalty in penalties.items():
            products = self.kernels[name].products
            chosen = products[:, : self.training] if everyone else products[np.ix_(rows, columns)]
            total += chosen / penalty
        return total


@dataclass(frozen=True)
class TunedBlocks:
    """Best penalties, log-odds out of the inner folds (NaN where not asked), mean log loss, points tried."""

    penalties: Penalties
    margin: np.ndarray
    loss: float
    points: int


def part_kernels(matrices: Matrices, train: np.ndarray, test: np.ndarray) -> Part:
    """Return the kernels of patients `train` and `test`, encoded and standardised by `train`."""
    rows = np.concatenate([train, test])
    kernels = {name: kernel(values, rows, len(train)) for name, values in matrices(train).items()}
    return Part(rows, len(train), kernels)


def tune(
    parts: Sequence[Part],
    y: np.ndarray,
    blocks: Sequence[str],
    grid: Sequence[float],
    *,
    protected: str | None = None,
    patients: np.ndarray | None = None,
) -> TunedBlocks:
    """Return the penalties of `blocks` of least mean log loss in the inner folds.

    The search starts with the first block alone, adds the others one by one, and changes one penalty at a
    time until none improves the loss. A block may stay out. The `protected` block may not, and is never
    penalised more than another.

    Parameters
    ----------
    parts : sequence of Part
        The inner folds.
    y : array, shape (n,)
        Outcome of all patients.
    blocks : sequence of str
        Names; the protected one first.
    grid : sequence of float
        Penalties per patient and column, from the strongest.
    patients : array of bool, shape (n,), optional
        Who learns and is predicted; else all.
    """
    folds = [_Fold(part, y, patients) for part in parts]
    sizes = {name: parts[0].kernels[name].standard.size for name in blocks}
    tried: dict[tuple[float | None, ...], tuple[float, np.ndarray]] = {}

    def loss(point: tuple[float | None, ...]) -> float:
        penalties = _penalties(blocks, point)
        if not penalties or not _protects(penalties, sizes, protected):
            return np.inf
        if point not in tried:
            margin = np.full(len(y), np.nan)
            for fold in folds:
                margin[fold.test] = fold.margin(penalties)
            asked = ~np.isnan(margin)
            each = np.logaddexp(0.0, margin[asked]) - y[asked] * margin[asked]
            tried[point] = (float(each.mean()), margin)
        return tried[point][0]

    best = _search(loss, blocks, grid, must=0 if protected or len(blocks) == 1 else None)
    return TunedBlocks(_penalties(blocks, best), tried[best][1], tried[best][0], len(tried))


def inner_margin(parts: Sequence[Part], y: np.ndarray, penalties: Penalties) -> np.ndarray:
    """Return the log-odds (n,) of every patient, predicted by the inner fold that does not learn from it."""
    margin = np.empty(len(y))
    for part in parts:
        fold = _Fold(part, y, None)
        margin[fold.test] = fold.margin(penalties)
    return margin


def _search(
    loss: Callable[[tuple[float | None, ...]], float],
    blocks: Sequence[str],
    grid: Sequence[float],
    must: int | None,
) -> tuple[float | None, ...]:
    """Return the best point of a coordinate search; a penalty of None leaves a block out."""
    point: tuple[float | None, ...] = (grid[0], *[None] * (len(blocks) - 1))
    for _ in range(MAX_PASSES):
        before = point
        for place in range(len(blocks)):
            values: Iterable[float | None] = grid if place == must else (None, *grid)
            # Of equals the first, the stronger penalty, wins.
            candidates = [(*point[:place], value, *point[place + 1 :]) for value in values]
            point = min([point, *candidates], key=loss)
        if point == before:
            break
    return point


class _Fold:
    """An inner fold, whose fits start where the last one ended."""

    def __init__(self, part: Part, y: np.ndarray, patients: np.ndarray | None) -> None:
        chosen = np.arange(len(part.rows))
        if patients is not None:
            chosen = chosen[patients[part.rows]]
        self._part, self._rows, self._columns = part, chosen, chosen[chosen < part.training]
        self.test = part.rows[chosen[len(self._columns) :]]
        self._y = y[part.rows[self._columns]]
        self._last: np.ndarray | None = None

    def margin(self, penalties: Penalties) -> np.ndarray:
        """Return the log-odds of the test part."""
        products = self._part.products(penalties, self._rows, self._columns)
        training = len(self._columns)
        fit = fit_dual(products[:training], self._y, start=self._last, tolerance=TUNING)
        self._last = fit.margin
        return np.asarray(fit.intercept + products[training:] @ fit.dual)


def _penalties(blocks: Sequence[str], point: Sequence[float | None]) -> dict[str, float]:
    return {name: value for name, value in zip(blocks, point, strict=True) if value is not None}


def _protects(penalties: Penalties, sizes: Mapping[str, int], protected: str | None) -> bool:
    """Tell whether the protected block is there, and no coefficient is penalised less than its."""
    if protected is None:
        return True
    if protected not in penalties:
        return False
    of = {name: penalty * sizes[name] for name, penalty in penalties.items()}
    return all(of[protected] <= other for other in of.values())
