"""Penalties of blocks by inner cross-validation: a coordinate search on a grid of the log scale."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType
from typing import NamedTuple

import numpy as np

from models.blocks.conjugate import fit_by_products
from models.blocks.dual import DualFit, fit_dual
from models.blocks.kernels import EVERY, BlockKernels, block_kernels
from models.procedure.errors import NotLearnableError

Matrices = Callable[[np.ndarray], Mapping[str, np.ndarray]]
"""Every block's columns (n, p) of all patients, encoded by the training part at these positions."""


class Shrinkage(NamedTuple):
    """How a block is shrunk: its penalty per patient and column, and the cut of its columns' weights.

    The penalty of a column is the block's over the column's share (`models.blocks.kernels`).
    """

    penalty: float
    cut: float = EVERY

    @property
    def told(self) -> str:
        """Both, as a point of a grid is called."""
        return f"{self.penalty:g}" if self.cut == EVERY else f"{self.penalty:g} of z2>{self.cut:g}"


Penalties = Mapping[str, Shrinkage]
"""How every block that is used is shrunk; a block that is not named is left out."""
Paths = Sequence[Sequence[Shrinkage]]
"""For each cut of a block its penalties, from the strongest."""
Point = tuple[Shrinkage | None, ...]
"""The same in the order of the blocks; None leaves a block out."""
TUNING = 1e-3
"""Largest residual of a fit that only says how good a point of the grid is."""
MANY = 500
"""Patients of a training part from which products with vectors cost less than factors."""
MAX_STEPS = 8
"""Of the search, one step at a time, after its first pass."""
PATIENCE = 2
"""Weaker penalties in a row that are worse than the best so far; still weaker ones are not tried then."""
MARGIN = 0.5
"""Standard errors of the paired difference by which weighed columns must be better than all alike."""


@dataclass(frozen=True)
class Part:
    """Kernels of a training part; `rows`: positions of the patients, the first `training` of them learn.

    `copies`: how often each of these stands there, in a bootstrap sample.
    """

    rows: np.ndarray
    copies: np.ndarray
    kernels: Mapping[str, BlockKernels]

    @property
    def training(self) -> int:
        """Number of patients who learn."""
        return len(self.copies)

    def least(self, name: str, penalties: Penalties) -> float:
        """Return the penalty of a block's column that is penalised least, infinite where none is used."""
        penalty, cut = penalties[name]
        largest = self.kernels[name].by_cut[cut].largest
        return penalty / largest if largest else np.inf

    def products(self, penalties: Penalties, rows: np.ndarray, columns: np.ndarray) -> np.ndarray:
        """Return the sum of the blocks' kernels over their penalties, for places among `rows`."""
        total = np.zeros((len(rows), len(columns)))
        everyone = len(rows) == len(self.rows) and len(columns) == self.training
        for name, (penalty, cut) in penalties.items():
            products = self.kernels[name].by_cut[cut].products
            chosen = products[:, : self.training] if everyone else products[np.ix_(rows, columns)]
            total += chosen / penalty
        return total

    def times(
        self, penalties: Penalties, rows: np.ndarray, columns: np.ndarray, vector: np.ndarray
    ) -> np.ndarray:
        """Return `products`, for training patients at `columns`, times a vector."""
        spread = np.zeros(self.training)
        spread[columns] = vector
        upto = int(rows.max()) + 1
        total = np.zeros(upto)
        for name, (penalty, cut) in penalties.items():
            total += self.kernels[name].by_cut[cut].times(spread / penalty, upto)
        return np.asarray(total[rows])


@dataclass(frozen=True)
class TunedBlocks:
    """Best penalties, log-odds out of the inner folds (NaN where not asked), mean log loss, points tried."""

    penalties: Penalties
    margin: np.ndarray
    loss: float
    points: int


def part_kernels(
    matrices: Matrices,
    y: np.ndarray,
    copies: np.ndarray,
    train: np.ndarray,
    test: np.ndarray,
    cuts: Mapping[str, Sequence[float]] = MappingProxyType({}),
) -> Part:
    """Return the kernels of patients `train` and `test`, encoded, standardised and weighed by `train`.

    Where there are patients to test, they only say how good a point of a grid is: in single precision.

    Parameters
    ----------
    y : array, shape (n,)
        Outcome of all patients.
    copies : array, shape (n,)
        How often each of them stands among those who learn.
    cuts : mapping of str to sequence of float
        Of z^2, by block; `EVERY` of a block that is not named.
    """
    rows = np.concatenate([train, test])
    precision = np.float32 if len(test) else np.float64
    kernels = {
        name: block_kernels(values, rows, y[train], copies[train], cuts.get(name, (EVERY,)), precision)
        for name, values in matrices(train).items()
    }
    return Part(rows, copies[train], kernels)


class Trials:
    """Points that were tried in the inner folds of a training part, each once, whichever search asks.

    Parameters
    ----------
    parts : sequence of Part
        The inner folds.
    y, copies : array, shape (n,)
        Outcome of all patients, and how often each stands in the sample.
    """

    def __init__(self, parts: Sequence[Part], y: np.ndarray, copies: np.ndarray) -> None:
        self.parts, self._y, self._copies = parts, y, copies.astype(int)
        self._folds: dict[bytes, list[_Fold]] = {}
        self._margins: dict[tuple[object, ...], np.ndarray] = {}

    def margin(self, penalties: Penalties, patients: np.ndarray | None = None) -> np.ndarray:
        """Return the log-odds (n,) of `patients` by the inner fold that does not learn from them; else NaN.

        Parameters
        ----------
        patients : array of bool, shape (n,), optional
            Who learns and is predicted; else all.
        """
        chosen = np.ones(len(self._y), dtype=bool) if patients is None else patients
        who = chosen.tobytes()
        point = (who, *sorted(penalties.items()))
        if point not in self._margins:
            if who not in self._folds:
                self._folds[who] = [_Fold(part, self._y, chosen) for part in self.parts]
            margin = np.full(len(self._y), np.nan)
            for fold in self._folds[who]:
                margin[fold.test] = fold.margin(penalties)
            self._margins[point] = margin
        return self._margins[point]

    def losses(self, penalties: Penalties, patients: np.ndarray | None = None) -> np.ndarray:
        """Return the log loss of each of `patients`, as often as they stand in the sample."""
        margin = self.margin(penalties, patients)
        asked = ~np.isnan(margin)
        each = np.logaddexp(0.0, margin[asked]) - self._y[asked] * margin[asked]
        return np.asarray(np.repeat(each, self._copies[asked]))

    def protects(self, protected: str, penalties: Penalties) -> bool:
        """Tell whether a block is there, and no column is penalised less than its in any inner fold."""
        return protected in penalties and all(
            part.least(name, penalties) >= part.least(protected, penalties)
            for part in self.parts
            for name in penalties
        )


def tune(
    trials: Trials,
    blocks: Sequence[str],
    grid: Sequence[float],
    *,
    protected: str | None = None,
    patients: np.ndarray | None = None,
) -> TunedBlocks:
    """Return the penalties of `blocks` of least mean log loss in the inner folds.

    The search starts with the first block alone, adds the others one by one, and changes one penalty at a
    time until none improves the loss, from the strongest on, until `PATIENCE` weaker ones are worse. From
    where it ends it goes on with the columns weighed at every cut. What that finds is taken if it is better
    by more than `MARGIN` standard errors of the paired difference, so that a signal in many columns, for
    which all alike is best, is not lost to chance. A block may stay out. The `protected` block may not, and
    none of its columns is penalised more than one of another block.

    Parameters
    ----------
    blocks : sequence of str
        Names; the protected one first.
    grid : sequence of float
        Penalties per patient and column, from the strongest.
    patients : array of bool, shape (n,), optional
        Who learns and is predicted; else all.
    """
    asked: dict[Point, float] = {}

    def loss(point: Point) -> float:
        if point not in asked:
            penalties = _penalties(blocks, point)
            allowed = penalties and (protected is None or trials.protects(protected, penalties))
            asked[point] = float(trials.losses(penalties, patients).mean()) if allowed else np.inf
        return asked[point]

    cuts = [trials.parts[0].kernels[name].by_cut for name in blocks]
    paths = [[[Shrinkage(penalty, cut) for penalty in grid] for cut in of_block] for of_block in cuts]
    alike, weighed = [each[:1] for each in paths], [each[1:] for each in paths]
    must = 0 if protected or len(blocks) == 1 else None
    point = _search(loss, alike, alike, must, (paths[0][0][0], *[None] * (len(blocks) - 1)))
    best = _penalties(blocks, point)
    other = _penalties(blocks, _search(loss, weighed, paths, must, point))
    gain = trials.losses(best, patients) - trials.losses(other, patients)
    if gain.mean() > MARGIN * gain.std(ddof=1) / np.sqrt(len(gain)):
        best = other
    tried = int(np.isfinite([*asked.values()]).sum())
    return TunedBlocks(
        best, trials.margin(best, patients), float(trials.losses(best, patients).mean()), tried
    )


def _search(
    loss: Callable[[Point], float],
    first: Sequence[Paths],
    paths: Sequence[Paths],
    must: int | None,
    point: Point,
) -> Point:
    """Return the best point of a coordinate search from a point on.

    The first pass walks along the paths `first` of each block, later ones one step along all its `paths`.
    """
    for walked in (first, *[paths] * MAX_STEPS):
        before = point
        for place, of_block in enumerate(walked):
            candidates = [point]
            if place != must:
                candidates.append(_moved(point, place, None))
            for path in of_block if walked is first else [_near(path, point[place]) for path in of_block]:
                candidates += _walked(loss, [_moved(point, place, value) for value in path])
            # Of equals the first, the stronger penalty of more columns, wins.
            point = min(candidates, key=loss)
        if point == before:
            break
    return point


def _near(path: Sequence[Shrinkage], value: Shrinkage | None) -> Sequence[Shrinkage]:
    """Return the part of a path within one step of a penalty; all of it for a block that is out."""
    if value is None:
        return path
    place = [each.penalty for each in path].index(value.penalty)
    return path[max(place - 1, 0) : place + 2]


def _moved(point: Point, place: int, value: Shrinkage | None) -> Point:
    return (*point[:place], value, *point[place + 1 :])


def _walked(loss: Callable[[Point], float], path: Sequence[Point]) -> Sequence[Point]:
    """Return the points of a path up to where `PATIENCE` of them in a row were worse than the best."""
    best, worse = np.inf, 0
    for count, point in enumerate(path, start=1):
        found = loss(point)
        worse = worse + 1 if found > best else 0
        best = min(best, found)
        if worse == PATIENCE:
            return path[:count]
    return path


class _Fold:
    """An inner fold, whose fits start where the last one ended."""

    def __init__(self, part: Part, y: np.ndarray, patients: np.ndarray) -> None:
        chosen = np.flatnonzero(patients[part.rows])
        self._part, self._rows, self._columns = part, chosen, chosen[chosen < part.training]
        self.test = part.rows[chosen[len(self._columns) :]]
        self._y = y[part.rows[self._columns]]
        self._copies = part.copies[self._columns]
        self._last: DualFit | None = None

    def margin(self, penalties: Penalties) -> np.ndarray:
        """Return the log-odds of the test part."""
        training = len(self._columns)
        fit = self._by_products(penalties) if training >= MANY else None
        if fit is None:
            products = self._part.products(penalties, self._rows, self._columns)
            start = None if self._last is None else self._last.margin
            fit = fit_dual(products[:training], self._y, self._copies, start=start, tolerance=TUNING)
            pulled = products[training:] @ fit.dual
        else:
            pulled = self._part.times(penalties, self._rows[training:], self._columns, fit.dual)
        self._last = fit
        return np.asarray(fit.intercept + pulled)

    def _by_products(self, penalties: Penalties) -> DualFit | None:
        """Return the fit, or None where single precision does not reach it."""

        def product(vector: np.ndarray) -> np.ndarray:
            return self._part.times(penalties, self._columns, self._columns, vector)

        try:
            return fit_by_products(product, self._y, self._copies, start=self._last, tolerance=TUNING)
        except NotLearnableError:
            return None


def _penalties(blocks: Sequence[str], point: Point) -> dict[str, Shrinkage]:
    return {name: value for name, value in zip(blocks, point, strict=True) if value is not None}
