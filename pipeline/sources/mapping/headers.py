"""A file's header: every column that is used stands there once, and the header itself stands once."""

import re
from collections import Counter
from collections.abc import Collection
from difflib import get_close_matches

import pandas as pd

from pipeline.sources.formats.errors import SourceError
from pipeline.sources.formats.plain_text import plain_words
from pipeline.sources.formats.source_file import SourceFile

MIN_HEADER_CELLS = 2
"""Names of columns that a row must hold in their columns to repeat the header: one alone may be a value."""
SEPARATORS = (";", "\t", "|", ",")


def require_one_header(frame: pd.DataFrame, columns: Collection[str], file: SourceFile) -> None:
    """Refuse rows that repeat the header, as files have that were joined one below the other.

    Raises
    ------
    SourceError
        With the first such row.
    """
    times = Counter(frame.columns)
    names = [name for name in sorted(columns) if times[name] == 1]
    if len(names) < MIN_HEADER_CELLS or not (file.is_text or file.is_workbook):
        return
    rows = frame.index[(frame[names[0]] == names[0]).to_numpy(dtype=bool, na_value=False)]
    repeated = [i for i, cells in frame.loc[rows, names].iterrows() if cells.tolist() == names]
    if repeated:
        at = list(frame.index).index(repeated[0]) + 1
        raise SourceError(
            f"{file.label}: {len(repeated)} rows repeat the header (first: row {at} below it), as where "
            f"files were joined; remove them, or give the files apart, by a pattern as `path`"
        )


def require_columns(frame: pd.DataFrame, columns: Collection[str], file: SourceFile) -> None:
    """Refuse a file without one of the columns, or with two of its name.

    Raises
    ------
    SourceError
        With similar names, or the separator that may be meant.
    """
    times = Counter(frame.columns)
    for column in sorted(columns):
        found = times[column]
        if found != 1:
            names = [str(name) for name in frame.columns]
            hint = "" if found else _hint(column, names, file)
            raise SourceError(
                f"{file.label}: {found or 'none'} of its {len(names)} columns named {column!r}{hint}; "
                f"correct column, separator or skip_rows in the study file"
            )


def _key(name: str) -> str:
    """Return a name as it is compared: without case, spaces and what joins words."""
    return re.sub(r"[\W_]+", "", plain_words(name).casefold()) or name


def _hint(column: str, names: list[str], file: SourceFile) -> str:
    """Return what may have been meant, in brackets; else empty."""
    if file.is_text and len(names) == 1:
        marks = [mark for mark in SEPARATORS if mark in names[0] and mark != file.delimiter]
        return f" (its one name holds {marks[0]!r}: a separator?)" if marks else ""
    by_key = {_key(name): name for name in names}
    similar = [by_key[key] for key in get_close_matches(_key(column), list(by_key))]
    return f" (similar: {', '.join(similar)})" if similar else ""
