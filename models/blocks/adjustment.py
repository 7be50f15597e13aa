"""Adjustment of blocks for batch: by location, learned from the training part alone."""

from collections.abc import Mapping, Sequence
from typing import Self

import numpy as np
import pandas as pd

from models.blocks.learning import present
from models.blocks.procedure import BlockProcedure
from models.procedure.configuration.settings import BlocksSettings, EncodingSettings
from models.procedure.landmark_features import LandmarkFeature

Shifts = dict[str, np.ndarray]
"""What is taken from every column (p,) in a batch."""


def learn_shifts(values: np.ndarray, batch: pd.Series, min_patients: int) -> Shifts:
    """Return, for every batch of at least `min_patients` who have the block, its means minus those of all.

    No outcome is used. A column that nobody of a batch has is not shifted there.

    Parameters
    ----------
    values : array, shape (n, p)
        The block in the training part, NaN where missing.
    batch : Series, shape (n,)
        Missing where not recorded.
    """
    has = present(values)
    of = batch.to_numpy(dtype=object)
    overall = _means(values[has])
    shifts = {}
    for name in sorted(set(batch[has & batch.notna().to_numpy()])):
        inside = values[has & (of == name)]
        if len(inside) >= min_patients:
            shifts[str(name)] = np.nan_to_num(_means(inside) - overall, nan=0.0)
    return shifts


def shifted(values: np.ndarray, batch: pd.Series, shifts: Shifts) -> np.ndarray:
    """Return the block without its batches' shifts; patients of another batch stay as they are."""
    result = values.copy()
    of = batch.to_numpy(dtype=object)
    for name, shift in shifts.items():
        result[of == name] -= shift
    return result


class AdjustedBlocks(BlockProcedure):
    """The models of blocks, learned after some blocks were adjusted for batch in the training part.

    The shifts come from the whole training part of an outer fold, so that the inner folds, which choose the
    penalties, share them; the test part teaches nothing.

    Parameters
    ----------
    batches : mapping of str to str
        The column with the batch, by block that is adjusted.
    features, columns, encoding, settings, inner_folds, seed
        See `BlockProcedure`.

    Attributes
    ----------
    shifts_ : dict of str to Shifts
        By block.
    """

    def __init__(
        self,
        features: Sequence[LandmarkFeature],
        columns: Mapping[str, Sequence[str]],
        encoding: EncodingSettings,
        settings: BlocksSettings,
        inner_folds: int = 5,
        seed: int = 0,
        batches: Mapping[str, str] | None = None,
    ) -> None:
        super().__init__(features, columns, encoding, settings, inner_folds, seed)
        self.batches = dict(batches or {})
        self.shifts_: dict[str, Shifts] = {}

    def fit(self, X: pd.DataFrame, y: np.ndarray, groups: np.ndarray | None = None) -> Self:
        """Learn the shifts and then the models, from the training part; see `BlockProcedure.fit`."""
        raw = super()._wide(X)
        self.shifts_ = {
            block: learn_shifts(raw[block], X[column], self.settings.min_batch_patients)
            for block, column in self.batches.items()
        }
        return super().fit(X, y, groups)

    def _wide(self, X: pd.DataFrame) -> dict[str, np.ndarray]:
        wide = super()._wide(X)
        return wide | {
            block: shifted(wide[block], X[self.batches[block]], shifts)
            for block, shifts in self.shifts_.items()
        }


def _means(values: np.ndarray) -> np.ndarray:
    """Return the means of columns (p,) over what is known; NaN where nothing is."""
    known = ~np.isnan(values)
    count = known.sum(axis=0)
    total = np.where(known, values, 0.0).sum(axis=0)
    return np.asarray(np.divide(total, count, out=np.full(len(total), np.nan), where=count > 0))
