"""The columns of assays, adjusted for batch where a study asks: by location, learned from a training part."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
import pandas as pd

from models.blocks.learning import present
from models.serving.serving import batch_names, take_shifts

Shifts = dict[str, np.ndarray]
"""What is taken from every column (p,) in a batch."""
EVERYONE = slice(None)


@dataclass(frozen=True)
class AssayColumns:
    """The columns of every assay, sorted, and which assays are adjusted for batch.

    Sums depend on the order of columns in their last bits, and so would everything after. `batches`: the
    column with the batch, by assay that is adjusted; `min_patients`: of a batch whose location is learned.
    """

    names: Mapping[str, list[str]]
    batches: Mapping[str, str] = field(default_factory=dict)
    min_patients: int = 1

    @classmethod
    def of(
        cls, columns: Mapping[str, Sequence[str]], batches: Mapping[str, str] | None, min_patients: int
    ) -> "AssayColumns":
        """Return them, of columns in any order."""
        return cls({name: sorted(names) for name, names in columns.items()}, batches or {}, min_patients)

    def values(self, X: pd.DataFrame, shifts: Mapping[str, Shifts]) -> dict[str, np.ndarray]:
        """Return every assay (n, p), without the `shifts` that were learned."""
        values = {name: self._raw(X, name) for name in self.names}
        for name, learned in shifts.items():
            take_shifts(values[name], batch_names(X[self.batches[name]].tolist()), learned)
        return values

    def shifts(self, X: pd.DataFrame, train: np.ndarray | slice = EVERYONE) -> dict[str, Shifts]:
        """Return what the rows `train` teach of the batches of every assay that is adjusted."""
        return {
            name: learn_shifts(self._raw(X, name)[train], X[column].iloc[train], self.min_patients)
            for name, column in self.batches.items()
        }

    def by_part(
        self, X: pd.DataFrame, copies: np.ndarray | None = None
    ) -> Callable[[np.ndarray], dict[str, np.ndarray]]:
        """Return what gives every assay of all rows, adjusted by the training part at some positions.

        `copies`: how often each row counts there; else once.
        An assay that is adjusted is read anew for each part, so that no copy of it stays.
        """
        plain = {name: self._raw(X, name) for name in self.names if name not in self.batches}

        def adjusted(name: str, train: np.ndarray) -> np.ndarray:
            values, batch = self._raw(X, name), X[self.batches[name]]
            learning = train if copies is None else np.repeat(train, copies[train])
            shifts = learn_shifts(values[learning], batch.iloc[learning], self.min_patients)
            take_shifts(values, batch_names(batch.tolist()), shifts)
            return values

        return lambda train: {
            name: plain[name] if name in plain else adjusted(name, train) for name in self.names
        }

    def _raw(self, X: pd.DataFrame, name: str) -> np.ndarray:
        return np.array(X[self.names[name]], dtype=float, order="C")


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
    of = batch_names(batch.tolist())
    overall = _means(values[has])
    shifts = {}
    for name in sorted(set(of[has]) - {""}):
        inside = values[has & (of == name)]
        if len(inside) >= min_patients:
            shifts[name] = np.nan_to_num(_means(inside) - overall, nan=0.0)
    return shifts


def _means(values: np.ndarray) -> np.ndarray:
    """Return the means of columns (p,) over what is known; NaN where nothing is."""
    known = ~np.isnan(values)
    count = known.sum(axis=0)
    total = np.where(known, values, 0.0).sum(axis=0)
    return np.asarray(np.divide(total, count, out=np.full(len(total), np.nan), where=count > 0))
