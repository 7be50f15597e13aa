"""Direct identifiers in raw tables: found by the name of a column, or by what its cells look like."""

import re
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import pandas as pd
from pandas.api import types

from features.contract.cells import as_text
from features.errors import UserError
from features.keys import checked_fields, refuse_unknown_keys


@dataclass(frozen=True)
class CellPattern:
    """A regular expression for cells; `not_in_keys`: not searched in key columns, which may look like it."""

    pattern: str
    not_in_keys: bool


@dataclass(frozen=True)
class IdentifierPatterns:
    """What direct identifiers look like, by kind: regular expressions for column names, and for cells."""

    names: Mapping[str, tuple[str, ...]]
    cells: Mapping[str, CellPattern]


def parse_identifiers(document: Any, where: str = "identifiers.yaml") -> IdentifierPatterns:
    """Read configs/identifiers.yaml.

    Raises
    ------
    UserError
        If a key is unknown or missing, or a pattern is no regular expression.
    """
    sections = ("names", "values")
    refuse_unknown_keys(document, sections, where, required=sections)
    names = {kind: tuple(patterns) for kind, patterns in document["names"].items()}
    cells = {
        kind: CellPattern(**checked_fields(CellPattern, content, f"{where}, values, {kind}"))
        for kind, content in document["values"].items()
    }
    for kind, patterns in [*names.items(), *((kind, (cell.pattern,)) for kind, cell in cells.items())]:
        for pattern in patterns:
            try:
                re.compile(pattern)
            except re.error as error:
                raise UserError(f"{where}, {kind}: {pattern} is no regular expression ({error})") from error
    return IdentifierPatterns(names, cells)


def find_identifiers(
    frame: pd.DataFrame,
    patterns: IdentifierPatterns,
    known: Collection[str],
    searched: Collection[str],
    keys: Collection[str],
) -> Iterator[tuple[str, str, pd.Series]]:
    """Yield the columns that seem to hold direct identifiers.

    Parameters
    ----------
    frame : DataFrame
        Raw table.
    patterns : IdentifierPatterns
        configs/identifiers.yaml.
    known : collection of str
        Columns of the contract; their names are not suspected.
    searched : collection of str
        Those of them with free text; only their cells are searched, and those of columns not `known`.
    keys : collection of str
        Key columns, in whose cells the patterns with ``not_in_keys`` are not searched.

    Yields
    ------
    tuple
        Column, kind of identifier, and True for the rows concerned. One kind at most for each column.
    """
    for column in sorted(map(str, frame.columns)):
        kind = None if column in known else _suspected_name(column, patterns.names)
        if kind is not None:
            yield column, kind, frame[column].notna()
        elif column not in known or column in searched:
            wanted = {
                k: v.pattern for k, v in patterns.cells.items() if not (v.not_in_keys and column in keys)
            }
            yield from ((column, kind, rows) for kind, rows in _suspected_cells(frame[column], wanted))


def _suspected_name(column: str, names: Mapping[str, Sequence[str]]) -> str | None:
    parts = re.sub(r"([a-z0-9])([A-Z])", r"\1_\2", column)
    plain = re.sub(r"[\W_]+", "_", parts).strip("_").lower()
    return next((kind for kind, regexes in names.items() if any(re.search(r, plain) for r in regexes)), None)


def _suspected_cells(cells: pd.Series, wanted: Mapping[str, str]) -> Iterator[tuple[str, pd.Series]]:
    """Yield the first kind found in the cells, with its rows; each distinct text is searched once."""
    if types.is_bool_dtype(cells.dtype) or types.is_datetime64_any_dtype(cells.dtype):
        return
    if types.is_numeric_dtype(cells.dtype) and not (cells >= _TEN_DIGITS).any():
        return
    text = as_text(cells)
    distinct = text.drop_duplicates().dropna()
    for kind, pattern in wanted.items():
        hits = distinct[distinct.str.contains(pattern)]
        if len(hits):
            yield kind, text.isin(hits)
            return


_TEN_DIGITS = 10**10
