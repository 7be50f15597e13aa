"""Direct identifiers in raw tables: found by the name of a column, or by what its cells look like."""

import re
from collections.abc import Collection, Iterator, Mapping
from typing import Any

import pandas as pd
from pandas.api import types

from features.cells import as_text


def find_identifiers(
    frame: pd.DataFrame,
    patterns: Mapping[str, Any],
    known: Collection[str],
    searched: Collection[str],
    keys: Collection[str],
) -> Iterator[tuple[str, str, pd.Series]]:
    """Yield the columns that seem to hold direct identifiers.

    Parameters
    ----------
    frame : DataFrame
        Raw table.
    patterns : mapping
        configs/identifiers.yaml: ``names`` (kind -> regular expressions for a column's name) and ``values``
        (kind -> ``pattern`` for the cells, and ``not_in_keys``).
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
        kind = None if column in known else _suspected_name(column, patterns["names"])
        if kind is not None:
            yield column, kind, frame[column].notna()
        elif column not in known or column in searched:
            wanted = {
                k: v["pattern"]
                for k, v in patterns["values"].items()
                if not (v["not_in_keys"] and column in keys)
            }
            yield from ((column, kind, rows) for kind, rows in _suspected_cells(frame[column], wanted))


def _suspected_name(column: str, names: Mapping[str, list[str]]) -> str | None:
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
