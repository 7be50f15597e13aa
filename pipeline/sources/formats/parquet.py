"""Parquet as its columns are declared: text that is stored as bytes, numbers of single precision, lists."""

from pathlib import Path

import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from pipeline.sources.formats.grid import Doubt, Grid


def read_parquet(path: Path) -> Grid:
    """Return the columns of a Parquet file; one without cells to read is a doubt, refused where it is used.

    Raises
    ------
    ValueError
        If bytes are no UTF-8.
    OSError, ArrowException
        If the file is damaged.
    """
    table = pq.ParquetFile(path).read()
    stored = _stored(table)
    refused = [
        Doubt(name, told, len(table), refused=True)
        for name, column in zip(table.column_names, table.columns, strict=True)
        if (told := _no_cell(column.type)) is not None
    ]
    return Grid(as_written(stored), tuple(refused), _frame(stored))


def _no_cell(kind: pa.DataType) -> str | None:
    """Return why a column of this type has no cells to read, or None."""
    if pa.types.is_nested(kind):
        return "nested: lists or records in one cell; give each value a column or a row"
    if pa.types.is_timestamp(kind) and kind.tz is not None:
        return "zoned: moments with a time zone, whose day depends on it; store days without one"
    if pa.types.is_duration(kind):
        return "duration: lengths of time without a unit; store numbers"
    return None


def as_written(table: pa.Table) -> pd.DataFrame:
    """Return a table with bytes as text, and numbers of single precision as they were written."""
    columns = [_as_written(column) for column in _stored(table).columns]
    return _frame(table.from_arrays(columns, table.column_names))


def _stored(table: pa.Table) -> pa.Table:
    return table.from_arrays([_with_text(column) for column in table.columns], table.column_names)


def _with_text(column: pa.ChunkedArray) -> pa.ChunkedArray:
    """Return bytes as text: some programs write every text as bytes."""
    kind = column.type
    if pa.types.is_dictionary(kind):
        return _with_text(column.cast(kind.value_type))
    return column.cast(pa.string()) if pa.types.is_binary(kind) or pa.types.is_large_binary(kind) else column


def _as_written(column: pa.ChunkedArray) -> pa.ChunkedArray:
    """Return numbers of single precision as the shortest text that gives them back.

    0.05 is stored as 0.050000000745; the shortest text is what was meant.
    """
    if not pa.types.is_float32(column.type):
        return column
    return pc.if_else(pc.is_nan(column), None, column.cast(pa.string()))


def _frame(table: pa.Table) -> pd.DataFrame:
    """Return a table without what pandas wrote of its own kinds: damaged, it ends in errors of any kind."""
    frame: pd.DataFrame = table.to_pandas(ignore_metadata=True, integer_object_nulls=True)
    return frame
