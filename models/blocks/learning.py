"""What is learned of blocks in one training part: all together, each alone, without each, and fused late.

All models of a part share its kernels: a block is standardised and multiplied once for each inner fold and
once for the whole part, whatever the number of penalties tried.
"""

import itertools
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from features.errors import UserError
from models.blocks.dual import DualFit, fit_dual
from models.blocks.fusion import Fusion, learn_fusion
from models.blocks.kernels import EVERY, Standard, coefficients, scores
from models.blocks.names import FUSED, TOGETHER, WITHOUT
from models.blocks.tuning import (
    Matrices,
    Part,
    Penalties,
    Shrinkage,
    Trials,
    TunedBlocks,
    part_kernels,
    tune,
)
from models.procedure.errors import NotLearnableError

MAX_BLOCKS = 6
"""A model stands ready for every pattern of missing blocks, which are two to the number of blocks."""


@dataclass(frozen=True)
class LinearScore:
    """A linear model of blocks: which it uses, and the coefficients (p,) of their standardised columns."""

    intercept: float
    penalties: Penalties
    coefficients: Mapping[str, np.ndarray]


@dataclass(frozen=True)
class BlockModels:
    """The models of a training part.

    `standards`: by block. `patterns`: for every combination of blocks that a patient may have, the model of
    all blocks; the key names those present. `single`: each block alone. `left_out`: all but one. `unseen`:
    log-odds (n,) of all blocks and of late fusion for patients of the training part, out of the inner folds.
    """

    standards: Mapping[str, Standard]
    patterns: Mapping[tuple[str, ...], LinearScore]
    single: Mapping[str, LinearScore]
    left_out: Mapping[str, LinearScore]
    fusion: Fusion
    tuned: Mapping[str, TunedBlocks]
    unseen: Mapping[str, np.ndarray]

    def margins(self, values: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
        """Return the log-odds (n,) by every model.

        Parameters
        ----------
        values : mapping of str to array of shape (n, p)
            Every block's columns; a row that is all NaN is a patient without the block.
        """
        has = {name: present(values[name]) for name in self.standards}
        models = [*self.patterns.values(), *self.single.values(), *self.left_out.values()]
        parts = self._parts(values, models)
        together = iter(parts)
        pattern = {key: next(together) for key in self.patterns}
        single = {name: np.where(has[name], next(together), np.nan) for name in self.single}
        left_out = {WITHOUT + name: next(together) for name in self.left_out}
        fused = self.fusion.margin(np.column_stack(list(single.values())))
        return {TOGETHER: _by_pattern(pattern, has), FUSED: fused} | single | left_out

    def contributions(self, values: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
        """Return what every column adds to the log-odds of all blocks together, by block, each (n, p).

        Standardised columns have mean 0 in the training part, so that these are the SHAP values of a linear
        model with independent columns: with the intercept of the patient's pattern they add up exactly.
        """
        has = {name: present(values[name]) for name in self.standards}
        of_pattern = list(_patterns_of(has))
        found = {}
        for name, standard in self.standards.items():
            standardised = np.nan_to_num((values[name] - standard.mean) * standard.weight, nan=0.0)
            weights = np.stack([self.patterns[key].coefficients[name] for key in of_pattern])
            found[name] = standardised * weights
        return found

    def intercepts(self, values: Mapping[str, np.ndarray]) -> np.ndarray:
        """Return the intercept (n,) of each patient's pattern: what `contributions` are added to."""
        has = {name: present(values[name]) for name in self.standards}
        return np.array([self.patterns[key].intercept for key in _patterns_of(has)])

    def _parts(self, values: Mapping[str, np.ndarray], models: Sequence[LinearScore]) -> np.ndarray:
        rows = np.arange(len(next(iter(values.values()))))
        total = np.repeat([[model.intercept] for model in models], len(rows), axis=1)
        for name, standard in self.standards.items():
            together = np.column_stack([model.coefficients[name] for model in models])
            total += scores(values[name], rows, standard, together).T
        return total


def present(values: np.ndarray) -> np.ndarray:
    """Return who has a block: any of its values, shape (n,)."""
    return np.asarray(~np.isnan(values).all(axis=1))


def learn_blocks(
    matrices: Matrices,
    y: np.ndarray,
    folds: Sequence[tuple[np.ndarray, np.ndarray]],
    grid: Sequence[float],
    protected: str,
    *,
    copies: np.ndarray | None = None,
    cuts: Sequence[float] = (),
    leave_out: bool = True,
) -> BlockModels:
    """Tune and fit every model of the blocks on all patients given.

    Parameters
    ----------
    matrices : callable
        See `models.blocks.tuning.Matrices`.
    y : array, shape (n,)
        Outcome, 0 or 1.
    folds : sequence of (train, test)
        The inner folds.
    grid : sequence of float
        Penalties per patient and column, from the strongest.
    protected : str
        The block that is always used, and penalised least.
    copies : array, shape (n,), optional
        How often each patient stands in a bootstrap sample: what is learned is what its rows teach. Folds
        are of patients. Else each stands once.
    cuts : sequence of float
        Of z^2, at which the columns of the other blocks may be weighed (`models.blocks.kernels`).
    leave_out : bool
        Whether the models without each of the blocks are learned.

    Raises
    ------
    NotLearnableError
        If a block has no column that varies, or too few patients have it, or a fit does not converge.
    UserError
        If there are more than `MAX_BLOCKS` blocks.
    """
    everyone = np.arange(len(y))
    copies = np.ones(len(y)) if copies is None else np.asarray(copies, dtype=float)
    # Not held while the inner folds have theirs: columns may be made anew for every part.
    there = {name: present(values) for name, values in matrices(everyone).items()}
    names = [protected, *(name for name in there if name != protected)]
    if len(names) > MAX_BLOCKS:
        raise UserError(f"{len(names)} blocks: at most {MAX_BLOCKS} can be learned together")
    has = {name: there[name] for name in names}
    for name in names:
        _require_learnable(name, y, has[name], folds)
    weighed = dict.fromkeys(names[1:], (EVERY, *cuts))
    parts = [part_kernels(matrices, y, copies, train, test, weighed) for train, test in folds]
    for name in names:
        if any(part.kernels[name].standard.size == 0 for part in parts):
            raise NotLearnableError(f"block {name}: no column varies in a training part")

    trials = Trials(parts, y, copies)

    def tuned(chosen: Sequence[str], patients: np.ndarray | None = None) -> TunedBlocks:
        guard = protected if len(chosen) > 1 and protected in chosen else None
        return tune(trials, chosen, grid, protected=guard, patients=patients)

    alone = {name: tuned([name], has[name]) for name in names}
    # Of two blocks, one left out is the other alone.
    droppable = names[1:] if leave_out and len(names) > 2 else []
    without = {name: tuned([other for other in names if other != name]) for name in droppable}
    together = tuned(names)
    values = matrices(everyone)
    used = _used([*alone.values(), *without.values(), together])
    whole = part_kernels(lambda _: values, y, copies, everyone, everyone[:0], used)
    fits = _Fits(whole, y, values)
    margins = np.column_stack([alone[name].margin for name in names])
    fusion = learn_fusion(*_rows(copies, everyone, margins, y))
    return BlockModels(
        {name: whole.kernels[name].standard for name in names},
        {key: fits.linear(_restricted(together.penalties, key)) for key in _combinations(names)},
        {name: fits.linear(each.penalties, has[name]) for name, each in alone.items()},
        {name: fits.linear(each.penalties) for name, each in without.items()},
        fusion,
        {TOGETHER: together} | alone | {WITHOUT + name: each for name, each in without.items()},
        {
            TOGETHER: _unseen_by_pattern(trials, together, has),
            FUSED: _unseen_fused(margins, y, copies, folds),
        },
    )


def _used(tuned: Sequence[TunedBlocks]) -> dict[str, list[float]]:
    """Return at which cuts a block is used by any of the models."""
    points = [point for each in tuned for point in each.penalties.items()]
    return {name: sorted({each.cut for other, each in points if other == name}) for name, _ in points}


def _rows(
    copies: np.ndarray, patients: np.ndarray, margins: np.ndarray, y: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Return log-odds and outcome of `patients`, as often as each stands in the sample."""
    rows = np.repeat(patients, copies[patients].astype(int))
    return margins[rows], y[rows]


def _unseen_by_pattern(trials: Trials, together: TunedBlocks, has: Mapping[str, np.ndarray]) -> np.ndarray:
    """Return the log-odds of the inner test parts (n,) by the model of the blocks that each patient has."""
    of_patient = list(_patterns_of(has))
    unseen = together.margin.copy()
    for key in set(of_patient):
        restricted = _restricted(together.penalties, key)
        if len(restricted) < len(together.penalties):
            rows = [row for row, each in enumerate(of_patient) if each == key]
            unseen[rows] = trials.margin(restricted)[rows]
    return unseen


def _unseen_fused(
    margins: np.ndarray,
    y: np.ndarray,
    copies: np.ndarray,
    folds: Sequence[tuple[np.ndarray, np.ndarray]],
) -> np.ndarray:
    """Return the fused log-odds (n,) by weights that other inner folds teach than the patient's."""
    fused = np.empty(len(y))
    for train, test in folds:
        fused[test] = learn_fusion(*_rows(copies, train, margins, y)).margin(margins[test])
    return fused


class _Fits:
    """Fits on the whole part, as coefficients of columns; equal penalties are fitted once."""

    def __init__(self, part: Part, y: np.ndarray, values: Mapping[str, np.ndarray]) -> None:
        self._part, self._y, self._values = part, y, values
        self._fitted: dict[tuple[object, ...], LinearScore] = {}

    def linear(self, penalties: Penalties, patients: np.ndarray | None = None) -> LinearScore:
        """Fit those of `patients` (all, if none are named) at these penalties."""
        key = (*sorted(penalties.items()), None if patients is None else patients.tobytes())
        if key not in self._fitted:
            self._fitted[key] = self._fit(penalties, patients)
        return self._fitted[key]

    def _fit(self, penalties: Penalties, patients: np.ndarray | None) -> LinearScore:
        rows = np.arange(len(self._y)) if patients is None else np.flatnonzero(patients)
        products = self._part.products(penalties, rows, rows)
        fit: DualFit = fit_dual(products, self._y[rows], self._part.copies[rows])
        primal = {}
        for name, block in self._part.kernels.items():
            if name not in penalties:
                primal[name] = np.zeros(len(block.standard.mean))
                continue
            penalty, cut = penalties[name]
            shares = block.by_cut[cut].shares
            primal[name] = coefficients(self._values[name], rows, block.standard, shares, fit.dual / penalty)
        return LinearScore(fit.intercept, penalties, primal)


def _restricted(penalties: Penalties, blocks: Sequence[str]) -> dict[str, Shrinkage]:
    return {name: penalty for name, penalty in penalties.items() if name in blocks}


def _combinations(names: Sequence[str]) -> Iterator[tuple[str, ...]]:
    """Yield every combination of blocks that a patient may have, even none."""
    for count in range(len(names), -1, -1):
        yield from itertools.combinations(names, count)


def _patterns_of(has: Mapping[str, np.ndarray]) -> Iterator[tuple[str, ...]]:
    for row in zip(*has.values(), strict=True):
        yield tuple(name for name, there in zip(has, row, strict=True) if there)


def _by_pattern(margins: Mapping[tuple[str, ...], np.ndarray], has: Mapping[str, np.ndarray]) -> np.ndarray:
    """Return for each patient the log-odds by the model of the blocks that the patient has."""
    chosen = np.empty(len(next(iter(has.values()))))
    for row, key in enumerate(_patterns_of(has)):
        chosen[row] = margins[key][row]
    return chosen


def _require_learnable(
    name: str, y: np.ndarray, has: np.ndarray, folds: Sequence[tuple[np.ndarray, np.ndarray]]
) -> None:
    """Refuse a block that an inner training part cannot learn: both outcomes must be there."""
    for train, test in folds:
        learning = train[has[train]]
        if len(np.unique(y[learning])) < 2 or not has[test].any():
            raise NotLearnableError(
                f"block {name}: {int(has.sum())} of {len(y)} patients have it, too few for the inner folds"
            )
