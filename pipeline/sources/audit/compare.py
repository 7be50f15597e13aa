"""Every mapped cell, read by two ways that share no code, compared as text."""

from collections.abc import Callable, Collection, Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd

from pipeline.sources.formats.errors import SourceError
from pipeline.sources.formats.source_file import SourceFile

MAX_BYTES_ALWAYS = 5_000_000
"""Files below this size are always read twice; larger ones where an audit is asked for."""

SecondReader = Callable[[Path, SourceFile, Collection[str]], pd.DataFrame]
"""Path, how it is read, columns wanted -> those columns, one row for each of the file in its order.

Cells are text as `cells.as_text` has it (stripped, whole numbers without .0), empty ones "".
"""


@dataclass(frozen=True)
class Audit:
    """The comparison of a column: cells compared, and how many the two readers read differently."""

    file: str
    column: str
    cells: int
    differences: int
    rows: tuple[int, ...] = ()
    """The first rows of the file, the header not counted, that differ."""


def compare(
    label: str, first: pd.DataFrame, second: pd.DataFrame, columns: Collection[str]
) -> Iterator[Audit]:
    """Yield the comparison of every column that both have; cells of `first` are text, missing if empty.

    Raises
    ------
    SourceError
        If one reader sees more rows than the other.
    """
    if len(first) != len(second):
        raise SourceError(
            f"{label}: {len(first)} rows by one reader, {len(second)} by the second; the file is not plain: "
            f"look for stray quotation marks, line ends and damaged rows"
        )
    for column in sorted(set(columns) & set(second.columns)):
        one = first[column].fillna("").to_numpy(dtype="object")
        other = second[column].fillna("").to_numpy(dtype="object")
        at = np.flatnonzero(one != other)
        yield Audit(label, column, len(one), len(at), tuple(int(i) + 1 for i in at[:3]))


def require_agreement(audits: Collection[Audit]) -> None:
    """Refuse what two readers read differently.

    Raises
    ------
    SourceError
        With file, columns and the first rows, never a value.
    """
    differing = [audit for audit in audits if audit.differences]
    if differing:
        told = "; ".join(
            f"{audit.file}, column {audit.column!r}: {audit.differences} of {audit.cells} cells "
            f"(rows {', '.join(map(str, audit.rows))})"
            for audit in differing[:3]
        )
        raise SourceError(
            f"two readers read differently {told}; look at these cells, and report it if they are plain"
        )
