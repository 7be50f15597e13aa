"""A sheet of an Excel workbook as it is shown: what its cells, formats and frames say, not what pandas keeps.

A cell that has no value of its own to be read (a formula without a result, an error, part of merged cells) is
a doubt with its address; what is stored in another way than shown (per cent, leading zeros) is read as shown.
"""

import datetime as dt
import gc
import re
import warnings
from collections import defaultdict
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from decimal import Decimal
from pathlib import Path
from typing import Any

import openpyxl
import pandas as pd
from openpyxl.utils import get_column_letter
from openpyxl.workbook import Workbook

from pipeline.sources.formats.grid import Doubt, Grid
from pipeline.sources.formats.source_file import SourceFile

MAX_EXACT_NUMBER = 10**15
"""A workbook keeps 15 digits; a longer number has lost its last ones."""
LITERALS = re.compile(r'"[^"]*"|\\.|\[[^\]]*\]|_.|\*.')
"""Parts of a number format that are not digits: texts, escaped characters, colours, fillers."""
UNIT = re.compile(r'"([^"]*\w[^"]*)"')
NUMBER = re.compile(r"[+-]?(?:\d+\.?\d*|\.\d+)(?:[eE][+-]?\d+)?")
CELL_RULES = {
    "formula": "formulas without a result; open the workbook, save it",
    "error_cell": "errors of the workbook, such as #N/A or #REF!",
    "long_number": "numbers of more than 15 digits, whose last digits are lost",
    "decimal_point": "texts with a decimal point, in a file with decimal commas",
    "merged": "merged cells, whose value stands in the first alone",
    "per_cent": "cells shown as per cent",
    "zeros_shown": "leading zeros that are shown, not stored",
    "numbers_as_text": "numbers stored as text, beside others",
    "unit_in_format": "a text is shown beside the number",
    "hidden_column": "a hidden column",
    "hidden_rows": "hidden rows are read like the others",
}  # fmt: skip
REFUSED = ("formula", "error_cell", "long_number", "decimal_point", "merged")


@dataclass
class Book:
    """A workbook; its formulas' results are loaded when one is met."""

    path: Path
    cells: Workbook
    _results: list[Workbook] = field(default_factory=list)

    def result(self, sheet: str, row: int, column: int) -> Any:
        """Return the cell with the result of a formula."""
        if not self._results:
            self._results.append(_load(self.path, results=True))
        return self._results[0][sheet].cell(row, column)

    @property
    def starts_1904(self) -> bool:
        """Whether its days are counted from 1904, as old Macintosh workbooks do."""
        return bool(self.cells.epoch.year == 1904)


@contextmanager
def collection_paused() -> Iterator[None]:
    """Pause the search for garbage: among a workbook's many live cells it takes a third of the time."""
    enabled = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if enabled:
            gc.enable()


def open_book(path: Path) -> Book:
    """Return a workbook.

    Raises
    ------
    ValueError, OSError, LookupError, BadZipFile, ParseError
        If it is damaged or no workbook.
    """
    try:
        return Book(path, _load(path, results=False))
    except (TypeError, AttributeError, EOFError) as error:
        raise ValueError(f"a part of the workbook does not fit another: {error}") from error


def _load(path: Path, *, results: bool) -> Workbook:
    with path.open("rb") as stream, warnings.catch_warnings():
        warnings.filterwarnings("ignore", module="openpyxl")  # they are about styles and drop-down lists
        return openpyxl.load_workbook(stream, data_only=results)


def read_sheet(book: Book, file: SourceFile) -> Grid:
    """Return the cells of a sheet as text, as they are shown.

    Raises
    ------
    LookupError
        If the workbook has no such sheet, or it has no header.
    """
    names = [sheet.title for sheet in book.cells.worksheets]
    if file.sheet not in names:
        raise LookupError(f"it has the sheets {', '.join(names)}")
    sheet = book.cells[str(file.sheet)]
    rows = list(sheet.iter_rows(min_row=file.skip_rows + 1, min_col=1))
    rows = rows[next((i for i, row in enumerate(rows) if _filled(row)), len(rows)) :]
    if not rows:
        raise LookupError("it has no header")
    top, header, below = rows[: file.header_rows - 1], rows[file.header_rows - 1], rows[file.header_rows :]
    body = [row for row in below if _filled(row)]
    empty = sum(not _filled(row) for row in below) - _trailing(rows)
    reader = _Cells(book, file)
    groups = [_spread(sheet, row, reader) for row in top]
    names = [reader.heading(cell) for cell in header]
    headings = [" ".join(filter(None, parts)) for parts in zip(*groups, names, strict=True)]
    columns = [[reader.text(row[at]) for row in body] for at in range(len(header))]
    frames = [
        pd.DataFrame(dict(enumerate([c[i] for c in column] for column in columns)), dtype="str").set_axis(
            headings, axis=1
        )
        for i in (0, 1)
    ]
    doubts = [*_frame_doubts(sheet, header, body, headings), *reader.doubts(headings, header, body)]
    if empty:
        doubts.append(Doubt(None, "empty_rows: without any cell, not read", empty))
    return Grid(frames[0], tuple(doubts), frames[1])


def _spread(sheet: Any, row: Sequence[Any], reader: "_Cells") -> list[str]:
    """Return the names in a row above the header, each merged one over all of its columns."""
    names = [reader.heading(cell) for cell in row]
    for area in sheet.merged_cells.ranges:
        if area.min_row <= row[0].row <= area.max_row:
            width = area.max_col - area.min_col + 1
            names[area.min_col - 1 : area.max_col] = [names[area.min_col - 1]] * width
    return names


def _filled(row: Sequence[Any]) -> bool:
    return any(cell.value is not None for cell in row)


def _trailing(rows: Sequence[Sequence[Any]]) -> int:
    """Return how many rows at the end are empty: a sheet's end is only where formats end."""
    return next((i for i, row in enumerate(reversed(rows)) if _filled(row)), len(rows))


@dataclass
class _Cells:
    """Turns cells into text; `marks` are rule -> column -> addresses."""

    book: Book
    file: SourceFile
    marks: dict[tuple[str, int], list[str]] = field(default_factory=lambda: defaultdict(list))

    def heading(self, cell: Any) -> str:
        """Return a column's name."""
        return "" if cell.value is None else self.text(cell)[1].strip()

    def text(self, cell: Any) -> tuple[str, str]:
        """Return a cell as it is shown and as it is stored; both empty where it has no value."""
        if cell.value is None:
            return "", ""
        if cell.data_type == "f":
            result = self.book.result(cell.parent.title, cell.row, cell.column)
            if result.value is None:
                if result.data_type not in {"s", "str"}:
                    self._mark("formula", cell)
                return "", ""
            return self._value(result)
        return self._value(cell)

    def _value(self, cell: Any) -> tuple[str, str]:
        value = cell.value
        if cell.data_type == "e":
            if str(value) not in self.file.missing:
                self._mark("error_cell", cell)
            return str(value), ""  # the second reader has no text for errors
        if isinstance(value, bool):
            return str(value), str(value)
        if isinstance(value, int | float):
            stored = number_text(value)
            return self._shown(cell, value, stored), stored
        if isinstance(value, dt.date | dt.time | dt.timedelta):
            return (moment_text(value),) * 2
        text = str(value)
        return self._number_of_text(cell, text), text

    def _shown(self, cell: Any, value: float, stored: str) -> str:
        if abs(value) >= MAX_EXACT_NUMBER:
            self._mark("long_number", cell)
        if not cell.has_style:  # most cells have none, and to look for a format takes time
            return stored
        form = str(cell.number_format)
        if "%" in LITERALS.sub("", form):
            self._mark("per_cent", cell)
            return f"{(Decimal(stored) * 100).normalize():f}%"
        if re.fullmatch("0{2,}", form) and isinstance(value, int) and value >= 0:
            padded = stored.zfill(len(form))
            if padded != stored:
                self._mark("zeros_shown", cell)
            return padded
        if UNIT.search(form.split(";", maxsplit=1)[0]):
            self._mark("unit_in_format", cell)
        return stored

    def _number_of_text(self, cell: Any, text: str) -> str:
        """Return a text; a number in it is written with a decimal point."""
        number = text.strip()
        if (
            self.file.decimal == ","
            and NUMBER.fullmatch(number)
            and "." in text
            and self.file.thousands != "."
        ):
            self._mark("decimal_point", cell)
            return text
        if self.file.thousands is not None and is_grouped(number, self.file):
            number = number.replace(self.file.thousands, "")
        if self.file.decimal == ",":
            point = number.replace(",", ".")
            number = point if NUMBER.fullmatch(point) else number
        if NUMBER.fullmatch(number):
            self.marks["numbers_as_text", cell.column].append(cell.coordinate)
            return number
        return text

    def _mark(self, rule: str, cell: Any) -> None:
        self.marks[rule, cell.column].append(cell.coordinate)

    def doubts(
        self, headings: Sequence[str], header: Sequence[Any], body: Sequence[Sequence[Any]]
    ) -> Iterator[Doubt]:
        """Yield the doubts of all columns; numbers as text are none in a column without other numbers."""
        for (rule, column), cells in self.marks.items():
            at = column - header[0].column
            numbers = any(row[at].data_type == "n" and row[at].value is not None for row in body)
            if rule != "numbers_as_text" or numbers:
                yield _doubt(headings[at], rule, cells)


def _doubt(column: str | None, rule: str, cells: Sequence[str], rows: int | None = None) -> Doubt:
    said = f"{rule}: {CELL_RULES[rule]}"
    return Doubt(column, said, len(cells) if rows is None else rows, tuple(cells[:3]), rule in REFUSED)


def _frame_doubts(
    sheet: Any, header: Sequence[Any], body: Sequence[Sequence[Any]], headings: Sequence[str]
) -> Iterator[Doubt]:
    """Yield merged cells from the header on, hidden columns, and hidden rows."""
    top = header[0].row
    for area in sheet.merged_cells.ranges:
        if area.max_row >= top and (area.max_row > top or area.max_col > area.min_col):
            for column in range(area.min_col, min(area.max_col, len(headings)) + 1):
                yield _doubt(headings[column - 1], "merged", [area.coord], area.max_row - area.min_row + 1)
    hidden = {
        column
        for dimension in sheet.column_dimensions.values()
        if dimension.hidden
        for column in range(dimension.min or 0, (dimension.max or 0) + 1)
    }
    for column in sorted(hidden):
        if 1 <= column <= len(headings):
            yield _doubt(headings[column - 1], "hidden_column", [get_column_letter(column)], len(body))
    hidden_rows = {at for at, dimension in sheet.row_dimensions.items() if dimension.hidden}
    rows = [row[0].row for row in body if row[0].row in hidden_rows]
    if rows:
        yield _doubt(None, "hidden_rows", [str(row) for row in rows])


def number_text(value: float) -> str:
    """Return a number as the shortest text that gives it back; whole numbers without a point."""
    if isinstance(value, float) and value.is_integer() and abs(value) < MAX_EXACT_NUMBER:
        return str(int(value))
    return repr(value)


def moment_text(value: dt.date | dt.time | dt.timedelta) -> str:
    """Return a date as YYYY-MM-DD, with its time if it has one; a time or a duration as Python writes it."""
    if isinstance(value, dt.datetime):
        whole = (value + dt.timedelta(microseconds=500_000)).replace(microsecond=0)
        return whole.date().isoformat() if whole.time() == dt.time() else whole.isoformat(sep=" ")
    return value.isoformat() if isinstance(value, dt.date) else str(value)


def is_grouped(text: str, file: SourceFile) -> bool:
    """Tell whether a text is a number whose digits `thousands` groups by three."""
    mark, decimal = re.escape(file.thousands or ""), re.escape(file.decimal)
    return re.fullmatch(rf"[+-]?\d{{1,3}}(?:{mark}\d{{3}})+(?:{decimal}\d+)?", text) is not None
