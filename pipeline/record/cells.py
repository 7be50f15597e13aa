"""Two versions of a file, cell by cell: how many are the same to the bit, to nine digits, or differ."""

import json
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from pipeline.project.files import read_json

CLOSE = 1e-9
"""Relative difference up to which two numbers are the same but for rounding."""
SOFTWARE = ("used/versions/", "used/key")
"""What a document says of the versions that computed it is not compared: it differs because they do."""
TABLES: dict[str, Callable[[Path], pd.DataFrame]] = {".parquet": pd.read_parquet, ".csv": pd.read_csv}
DOCUMENTS = (".json", ".json.gz")


@dataclass(frozen=True)
class Cells:
    """Cells of two versions of a file, or of several.

    Attributes
    ----------
    same, close, different : int
        Cells that are the same to the bit; numbers with a relative difference up to `CLOSE`; all others.
    where : tuple of str
        Columns or paths with different cells, or what is only in one of the two; never a value.
    """

    same: int = 0
    close: int = 0
    different: int = 0
    where: tuple[str, ...] = field(default=())

    @property
    def total(self) -> int:
        """All cells."""
        return self.same + self.close + self.different

    def __add__(self, other: "Cells") -> "Cells":
        """Return the cells of both."""
        return Cells(
            self.same + other.same,
            self.close + other.close,
            self.different + other.different,
            (*self.where, *other.where),
        )


def compare_files(stored: Path, again: Path) -> Cells:
    """Compare the cells of a table, the leaves of a JSON document, or the bytes of anything else."""
    if not (stored.is_file() and again.is_file()):
        return Cells(different=1, where=("not in both",))
    if stored.read_bytes() == again.read_bytes():
        return Cells(same=_count(stored))
    if read := TABLES.get(stored.suffix):
        return compare_tables(read(stored), read(again))
    if stored.name.endswith(DOCUMENTS):
        return compare_documents(read_json(stored), read_json(again))
    return Cells(different=1, where=("content",))


def _count(path: Path) -> int:
    if read := TABLES.get(path.suffix):
        return int(read(path).size)
    return sum(1 for _ in _leaves(read_json(path), "")) if path.name.endswith(DOCUMENTS) else 1


def compare_tables(stored: pd.DataFrame, again: pd.DataFrame) -> Cells:
    """Compare two tables by column and row; a column or all rows that only one has are different."""
    if len(stored) != len(again):
        return Cells(different=int(stored.size), where=("number of rows",))
    alone = [str(name) for name in stored.columns.symmetric_difference(again.columns)]
    cells = Cells(different=len(alone) * len(stored), where=tuple(alone))
    for name in stored.columns.intersection(again.columns, sort=False):
        cells += _column(str(name), stored[name], again[name])
    return cells


def _column(name: str, stored: pd.Series, again: pd.Series) -> Cells:
    missing = (stored.isna() & again.isna()).to_numpy()
    if all(pd.api.types.is_numeric_dtype(part.dtype) for part in (stored, again)):
        one, other = (part.to_numpy("float64", na_value=np.nan) for part in (stored, again))
        same = missing | (one == other)
        with np.errstate(invalid="ignore"):
            scale = np.maximum(np.abs(one), np.abs(other))
            close = ~same & np.isfinite(scale) & (np.abs(one - other) <= CLOSE * scale)
    else:
        texts = [part.astype("object").map(_text).to_numpy() for part in (stored, again)]
        same = missing | (texts[0] == texts[1])
        close = np.zeros_like(same)
    different = int((~same & ~close).sum())
    return Cells(int(same.sum()), int(close.sum()), different, (name,) if different else ())


def _text(value: object) -> str:
    return json.dumps(value.tolist()) if isinstance(value, np.ndarray) else str(value)


def compare_documents(stored: Any, again: Any) -> Cells:
    """Compare two JSON documents leaf by leaf, by their paths."""
    one, other = (
        {path: leaf for path, leaf in _leaves(document, "") if not path.startswith(SOFTWARE)}
        for document in (stored, again)
    )
    cells = Cells()
    for path in [*one, *(path for path in other if path not in one)]:
        pair: Sequence[Any] = (one.get(path), other.get(path))
        if path in one and path in other and pair[0] == pair[1]:
            cells += Cells(same=1)
        elif all(isinstance(value, float) for value in pair) and _is_close(pair[0], pair[1]):
            cells += Cells(close=1)
        else:
            cells += Cells(different=1, where=(path,))
    return cells


def _is_close(one: float, other: float) -> bool:
    return abs(one - other) <= CLOSE * max(abs(one), abs(other))


def _leaves(content: Any, path: str) -> Iterator[tuple[str, Any]]:
    """Yield every text and number with its path; an empty list or object is one, too."""
    items = (
        content.items()
        if isinstance(content, dict)
        else enumerate(content)
        if isinstance(content, list)
        else ()
    )
    parts = list(items)
    if not parts:
        yield path, content
    for key, part in parts:
        yield from _leaves(part, f"{path}/{key}" if path else str(key))


def compare_outputs(stored: Path, again: Path) -> Cells:
    """Compare a file, or a folder's files by their names; a file that only one has is different."""
    if stored.is_file():
        return _named(stored.name, compare_files(stored, again))
    names = sorted(
        {path.relative_to(top) for top in (stored, again) for path in top.rglob("*") if path.is_file()}
    )
    return sum(
        (_named(name.as_posix(), compare_files(stored / name, again / name)) for name in names), Cells()
    )


def _named(file: str, cells: Cells) -> Cells:
    return Cells(cells.same, cells.close, cells.different, tuple(f"{file}: {where}" for where in cells.where))
