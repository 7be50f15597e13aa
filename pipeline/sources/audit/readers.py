"""Second readers, by the ending of a file's name; a format without one is not audited."""

import csv
import datetime as dt
import gzip
import json
from collections.abc import Collection, Iterable, Iterator, Sequence
from itertools import islice
from pathlib import Path
from typing import Any, TextIO

import pandas as pd

from pipeline.sources.audit.compare import SecondReader
from pipeline.sources.audit.xpt import xpt_rows
from pipeline.sources.formats.source_file import TEXT_SUFFIXES, WORKBOOK_SUFFIXES, SourceFile


def second_reader(file: SourceFile) -> SecondReader | None:
    """Return the second reader of a file; None where its format has none."""
    path = file.path.lower()
    if path.endswith(TEXT_SUFFIXES):
        return text_cells
    if path.endswith(WORKBOOK_SUFFIXES):
        return workbook_cells
    readers: dict[str, SecondReader] = {
        ".xpt": xpt_cells,
        ".json": dataset_json_cells,
        ".ndjson": dataset_lines_cells,
        ".parquet": parquet_cells,
    }
    return next((reader for ending, reader in readers.items() if path.endswith(ending)), None)


def text_cells(path: Path, file: SourceFile, columns: Collection[str]) -> pd.DataFrame:
    """Read a text file with the csv module, row by row."""
    utf8 = file.encoding.lower().replace("-", "") == "utf8"
    open_text: Any = gzip.open if path.suffix.lower() == ".gz" else open
    with open_text(path, mode="rt", encoding="utf-8-sig" if utf8 else file.encoding) as lines:
        table = _table_lines(lines, file)
        rows = (
            csv.reader(table, delimiter=file.delimiter)
            if file.has_quotes
            else csv.reader(table, delimiter=file.delimiter, quoting=csv.QUOTE_NONE)
        )
        filled = (row for row in rows if any(cell.strip() for cell in row))
        return _chosen(_one_header(filled, file.header_rows), columns)


def _table_lines(lines: TextIO, file: SourceFile) -> Iterator[str]:
    """Yield the lines from the header on."""
    begun = False
    for line in islice(lines, file.skip_rows, None):
        begun = begun or not ((file.has_comments and line.startswith("#")) or not line.strip())
        if begun:
            yield line


def workbook_cells(path: Path, file: SourceFile, columns: Collection[str]) -> pd.DataFrame:
    """Read a sheet with calamine, an engine of its own."""
    import python_calamine  # noqa: PLC0415 - only workbooks need it

    try:
        with python_calamine.CalamineWorkbook.from_path(str(path)) as book:
            sheet = book.get_sheet_by_name(str(file.sheet))
            rows, merged = sheet.to_python(skip_empty_area=False), sheet.merged_cell_ranges or []
    except python_calamine.CalamineError as error:
        raise ValueError(str(error)) from error
    if file.header_rows > 1:
        for (top, left), (_, right) in merged:
            rows[top][left : right + 1] = [rows[top][left]] * (right + 1 - left)
    filled = (row for row in rows[file.skip_rows :] if any(cell != "" for cell in row))
    return _chosen(_one_header(filled, file.header_rows), columns)


def dataset_json_cells(path: Path, file: SourceFile, columns: Collection[str]) -> pd.DataFrame:
    """Read a Dataset-JSON file as JSON, numbers as written."""
    del file
    content = json.loads(path.read_text(encoding="utf-8-sig"))
    for part in ("clinicalData", "referenceData"):  # version 1.0
        for group in content.get(part, {}).get("itemGroupData", {}).values():
            content = {"columns": group["items"], "rows": group.get("itemData", [])}
    names = [column["name"] for column in content["columns"]]
    return _chosen([names, *content.get("rows", [])], columns)


def dataset_lines_cells(path: Path, file: SourceFile, columns: Collection[str]) -> pd.DataFrame:
    """Read a Dataset-JSON file in lines: what its first line says of the columns, then a row on each line."""
    del file
    with path.open(encoding="utf-8-sig") as lines:
        first, *rows = (json.loads(line) for line in lines if line.strip())
    return _chosen([[column["name"] for column in first["columns"]], *rows], columns)


def xpt_cells(path: Path, file: SourceFile, columns: Collection[str]) -> pd.DataFrame:
    """Read a SAS transport file byte by byte (SAS technical note TS-140)."""
    return _chosen(xpt_rows(path.read_bytes(), file.encoding), columns)


def parquet_cells(path: Path, file: SourceFile, columns: Collection[str]) -> pd.DataFrame:
    """Read a Parquet file with pyarrow, without pandas in between."""
    import pyarrow.parquet  # noqa: PLC0415 - only Parquet files need it

    del file
    table = pyarrow.parquet.read_table(path)
    rows = zip(*(column.to_pylist() for column in table.columns), strict=True)
    return _chosen([table.column_names, *rows], columns)


def _one_header(rows: Iterator[Sequence[Any]], n: int) -> Iterator[Sequence[Any]]:
    """Yield the rows, the first `n` as one header."""
    header = list(islice(rows, n))
    if header:
        yield [" ".join(filter(None, map(_text, cells))) for cells in zip(*header, strict=True)]
    yield from rows


def _chosen(rows: Iterable[Sequence[Any]], columns: Collection[str]) -> pd.DataFrame:
    """Return the columns wanted of rows of cells, the first of which is the header, as text."""
    iterator = iter(rows)
    names = [_text(name) for name in next(iterator, [])]
    at = {name: names.index(name) for name in sorted(set(columns)) if names.count(name) == 1}
    cells: dict[str, list[str]] = {name: [] for name in at}
    columns_at = [(cells[name].append, position) for name, position in at.items()]
    for row in iterator:
        for append, position in columns_at:
            append(_text(row[position]) if position < len(row) else "")
    return pd.DataFrame(cells, dtype="object")


def _text(cell: Any) -> str:
    """Return a cell as text: empty for none, whole numbers without a point, dates without midnight."""
    if isinstance(cell, str):
        return cell.strip()
    if isinstance(cell, bytes):
        return cell.decode("utf-8").strip()
    if cell is None or cell != cell:  # noqa: PLR0124 - NaN differs from itself
        return ""
    if isinstance(cell, float) and cell.is_integer():
        return str(int(cell))
    if isinstance(cell, dt.datetime):
        whole = dt.datetime.fromtimestamp(round(cell.replace(tzinfo=dt.UTC).timestamp()), dt.UTC)
        return f"{whole:%Y-%m-%d}" if f"{whole:%H%M%S}" == "000000" else f"{whole:%Y-%m-%d %H:%M:%S}"
    return str(cell).strip()
