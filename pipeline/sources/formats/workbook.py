"""A sheet of an Excel workbook as it is shown: what its cells, formats and frames say, not what pandas keeps.

A cell that has no value of its own to be read (a formula without a result, an error, part of merged cells) is
a doubt with its address; what is stored in another way than shown (per cent, leading zeros) is read as shown.
"""

import datetime as dt
import gc
import re
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from decimal import Decimal
from typing import NamedTuple

import pandas as pd
from openpyxl.styles.numbers import is_date_format, is_timedelta_format
from openpyxl.utils import get_column_letter
from openpyxl.utils.datetime import MAC_EPOCH, WINDOWS_EPOCH, from_excel, from_ISO8601

from pipeline.sources.formats.grid import Doubt, Grid
from pipeline.sources.formats.ooxml import Package, SheetCells, Stored, unescaped
from pipeline.sources.formats.source_file import SourceFile

MAX_EXACT_NUMBER = 10**15
"""A workbook keeps 15 digits; a longer number has lost its last ones."""
MAX_AREA, MAX_AREA_PER_CELL = 20_000_000, 50
"""Cells of the area that a sheet's cells span, and how many more than cells that are there."""
LITERALS = re.compile(r'"[^"]*"|\\.|\[[^\]]*\]|_.|\*.')
"""Parts of a number format that are not digits: texts, escaped characters, colours, fillers."""
SCALED = re.compile(r"[0#?],+(?:[^0#?,]|$)")
"""Commas behind the last digit of a number format: each divides what is shown by a thousand."""
UNIT = re.compile(r'"([^"]*[\w‰%°][^"]*)"')
NUMBER = re.compile(r"[+-]?(?:[0-9]+(?:\.[0-9]*)?|\.[0-9]+)(?:[eE][+-]?[0-9]+)?")
FIRST_DAY = re.compile(r"\d{4}-\d{2}-01")
CELL_RULES = {
    "formula": "formulas without a result; open the workbook, save it",
    "error_cell": "errors of the workbook, such as #N/A or #REF!",
    "long_number": "numbers of more than 15 digits, whose last digits are lost",
    "decimal_point": "texts with a decimal point, in a file with decimal commas",
    "run_together": "texts with raised, lowered or struck-through parts that would run together",
    "merged": "merged cells, whose value stands in the first alone",
    "per_cent": "cells shown as per cent",
    "zeros_shown": "leading zeros that are shown, not stored",
    "numbers_as_text": "numbers stored as text, beside others",
    "scaled_format": "a number is shown in thousands or millions, and read as it is stored",
    "hidden_value": "a format that shows nothing",
    "zero_as_text": "zeros are shown as another text, such as a dash",
    "day_not_shown": "dates shown without a day, read as partial dates",
    "unit_in_format": "a text is shown beside the number",
    "struck_through": "cells are struck through and read like the others",
    "cell_comments": "cells have a comment, which is not read",
    "hidden_column": "a hidden column",
    "hidden_rows": "hidden rows are read like the others",
    "hidden_sheet": "the sheet is hidden",
}  # fmt: skip
REFUSED = ("formula", "error_cell", "long_number", "decimal_point", "merged", "run_together")
Row = tuple[int, Mapping[int, Stored]]
"""A row's number, and its cells by column."""


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


def read_sheet(book: Package, file: SourceFile) -> Grid:
    """Return the cells of a sheet as text, as they are shown.

    Raises
    ------
    LookupError
        If the workbook has no such sheet, or it has no header.
    ValueError, OSError, BadZipFile
        If the sheet is damaged.
    """
    if file.sheet not in book.sheets:
        raise LookupError(f"it has the sheets {', '.join(book.sheets)}")
    sheet = book.cells(str(file.sheet))
    filled = [
        (at, cells)
        for at, cells in sorted(sheet.rows.items())
        if at > file.skip_rows and any(map(_has_value, cells.values()))
    ]
    if not filled:
        raise LookupError("it has no header")
    width = max(at for _, cells in filled for at, cell in cells.items() if _has_value(cell))
    _require_no_stray_cell(filled, width)
    header = filled[0][0] + file.header_rows - 1
    body = [row for row in filled if row[0] > header]
    empty = filled[-1][0] - header - len(body) if body else 0
    reader = _Cells(book, file)
    names = _headings(sheet, (filled[0][0], header), width, reader)
    columns = [reader.column(at, body) for at in range(1, width + 1)]
    frames = [
        pd.DataFrame(dict(enumerate([c[i] for c in column] for column in columns)), dtype="str").set_axis(
            names, axis=1
        )
        for i in (0, 1)
    ]
    doubts = [*_frame_doubts(sheet, header, body, names), *reader.doubts(names)]
    if empty:
        doubts.append(Doubt(None, "empty_rows: without any cell, not read", empty))
    if book.sheets[str(file.sheet)].hidden:
        doubts.append(_doubt(None, "hidden_sheet", [], len(body)))
    return Grid(frames[0], tuple(doubts), frames[1])


def _has_value(cell: Stored) -> bool:
    """Tell whether a cell is more than a format without content."""
    return cell.text is not None or cell.formula


def _require_no_stray_cell(filled: Sequence[Row], width: int) -> None:
    """Refuse a sheet that one cell far from the others makes too large for any reader that fills its area."""
    height, count = filled[-1][0], sum(len(cells) for _, cells in filled)
    if width * height > max(MAX_AREA, MAX_AREA_PER_CELL * count):
        raise ValueError(
            f"its {count} cells lie in an area of {height} rows and {width} columns: look for a stray cell "
            f"in row {height} or column {get_column_letter(width)}, and delete what lies beyond the table"
        )


def _headings(sheet: SheetCells, rows: tuple[int, int], width: int, reader: "_Cells") -> list[str]:
    """Return the columns' names; a merged name in an upper row of the header is that of all its columns."""
    parts = []
    for at in range(rows[0], rows[1] + 1):
        cells = sheet.rows.get(at, {})
        names = [reader.heading(cells.get(column)) for column in range(1, width + 1)]
        for merged in sheet.merged if at < rows[1] else ():
            if merged.min_row <= at <= merged.max_row:
                count = len(names[merged.min_col - 1 : merged.max_col])
                names[merged.min_col - 1 : merged.max_col] = [names[merged.min_col - 1]] * count
        parts.append(names)
    return [" ".join(filter(None, names)) for names in zip(*parts, strict=True)]


class Shown(NamedTuple):
    """A cell as it is shown and as it is stored, both text, and the rules that were applied."""

    shown: str
    stored: str
    rules: tuple[str, ...] = ()
    is_number: bool = False

    @property
    def both(self) -> tuple[str, str]:
        """The two texts."""
        return self.shown, self.stored


EMPTY = Shown("", "")


def _plain(text: str) -> Shown:
    return Shown(text, text)


@dataclass
class _Cells:
    """Turns cells into text; `marks` are rule -> column -> addresses, `numeric` the columns with numbers."""

    book: Package
    file: SourceFile
    marks: dict[tuple[str, int], list[str]] = field(default_factory=lambda: defaultdict(list))
    numeric: set[int] = field(default_factory=set)
    _shown: dict[Stored, Shown] = field(default_factory=dict)

    def heading(self, cell: Stored | None) -> str:
        """Return a column's name."""
        return "" if cell is None else self._value(cell).stored.strip()

    def column(self, column: int, rows: Sequence[Row]) -> list[tuple[str, str]]:
        """Return a column's cells as they are shown and stored."""
        result, known, letter = [], self._shown, get_column_letter(column)
        for at, cells in rows:
            cell = cells.get(column)
            if cell is None:
                result.append(EMPTY.both)
                continue
            shown = known.get(cell)
            if shown is None:
                shown = known[cell] = self._value(cell)
            if shown.is_number:
                self.numeric.add(column)
            for rule in shown.rules:
                self.marks[rule, column].append(f"{letter}{at}")
            result.append(shown[:2])
        return result

    def _value(self, cell: Stored) -> Shown:
        """Return what a cell shows; what it is stored as decides."""
        if cell.text is None:
            return Shown("", "", ("formula",)) if cell.formula and cell.kind != "str" else EMPTY
        style = self.book.styles[cell.style]
        shown = self._by_kind(cell, style.number_format)
        rule = self.book.text_rules[int(cell.text)] if cell.kind == "s" else cell.rule
        marks = {rule, "struck_through" if style.struck else ""} - {""}
        return shown._replace(rules=(*shown.rules, *sorted(marks))) if marks else shown

    def _by_kind(self, cell: Stored, form: str) -> Shown:
        text = str(cell.text)
        if cell.kind == "n":
            return self._number(text, form)
        if cell.kind == "e":
            return self._error(text)
        if cell.kind == "b":
            return _plain(str(text.strip() in {"1", "true"}))
        if cell.kind == "d":
            return _plain(moment_text(from_ISO8601(text)))
        if cell.kind == "s":
            if not (text.isascii() and text.isdigit()):
                raise ValueError("a cell refers to no text of the workbook")
            text = self.book.texts[int(text)]
        elif cell.kind in {"str", "inlineStr"}:
            text = unescaped(text)
        else:
            raise ValueError("a cell is of an unknown type")
        return self._number_of_text(text)

    def _error(self, text: str) -> Shown:
        # The second reader has no text for errors.
        return Shown(text, "", () if text in self.file.missing else ("error_cell",))

    def _number(self, text: str, form: str) -> Shown:
        if not NUMBER.fullmatch(text):
            raise ValueError("a cell of numbers holds another text")
        value = float(text) if set(text) & set(".eE") else int(text)
        if is_date_format(form):
            epoch = MAC_EPOCH if self.book.starts_1904 else WINDOWS_EPOCH
            try:
                moment = from_excel(value, epoch, timedelta=is_timedelta_format(form))
            except (OverflowError, ValueError):
                return self._error("#VALUE!")
            return _as_far_as_shown(moment_text(moment), form)
        stored = number_text(value)
        rules: tuple[str, ...] = ("long_number",) if abs(value) >= MAX_EXACT_NUMBER else ()
        if "%" in LITERALS.sub("", form):
            shown = f"{(Decimal(stored) * 100).normalize():f}%"
            return Shown(shown, stored, (*rules, "per_cent"), is_number=True)
        if re.fullmatch("0{2,}", form) and stored.isdigit():
            padded = stored.zfill(len(form))
            rules += ("zeros_shown",) if padded != stored else ()
            return Shown(padded, stored, rules, is_number=True)
        first = form.split(";", maxsplit=1)[0]
        if UNIT.search(first):
            rules += ("unit_in_format",)
        if SCALED.search(LITERALS.sub("", first)):
            rules += ("scaled_format",)
        if set(form) == {";"}:
            rules += ("hidden_value",)
        elif value == 0 and _shows_text_for_zero(form):
            rules += ("zero_as_text",)
        return Shown(stored, stored, rules, is_number=True)

    def _number_of_text(self, text: str) -> Shown:
        """Return a text; a number in it is written with a decimal point."""
        number = text.strip()
        if (
            self.file.decimal == ","
            and NUMBER.fullmatch(number)
            and "." in text
            and self.file.thousands != "."
        ):
            return Shown(text, text, ("decimal_point",))
        if self.file.thousands is not None and is_grouped(number, self.file):
            number = number.replace(self.file.thousands, "")
        if self.file.decimal == ",":
            point = number.replace(",", ".")
            number = point if NUMBER.fullmatch(point) else number
        if NUMBER.fullmatch(number):
            return Shown(number, text, ("numbers_as_text",))
        return _plain(text)

    def doubts(self, headings: Sequence[str]) -> Iterator[Doubt]:
        """Yield the doubts of all columns; numbers as text are none in a column without other numbers."""
        for (rule, column), cells in self.marks.items():
            if rule != "numbers_as_text" or column in self.numeric:
                yield _doubt(headings[column - 1], rule, cells)


def _as_far_as_shown(text: str, form: str) -> Shown:
    """Return a date; of 1 March shown as Mar-26 the day was not entered, the workbook added it."""
    parts = LITERALS.sub("", form.split(";", maxsplit=1)[0]).lower()
    if "d" in parts or "h" in parts or "y" not in parts or not FIRST_DAY.fullmatch(text):
        return _plain(text)
    if "m" in parts:
        return Shown(text[:7], text, ("day_not_shown",))
    return Shown(text[:4], text, ("day_not_shown",)) if text[5:7] == "01" else _plain(text)


def _shows_text_for_zero(form: str) -> bool:
    """Tell whether the third part of a format, that of zeros, has no digit, as in 0;-0;"-"."""
    parts = form.split(";")
    return len(parts) > 2 and not re.search(r"[0#?]", re.sub(r'"[^"]*"', "", parts[2]).replace("?", ""))


def _doubt(column: str | None, rule: str, cells: Sequence[str], rows: int | None = None) -> Doubt:
    said = f"{rule}: {CELL_RULES[rule]}"
    return Doubt(column, said, len(cells) if rows is None else rows, tuple(cells[:3]), rule in REFUSED)


def _frame_doubts(
    sheet: SheetCells, header: int, body: Sequence[Row], headings: Sequence[str]
) -> Iterator[Doubt]:
    """Yield merged cells from the header on, hidden columns and rows, and comments."""
    for area in sheet.merged:
        if area.max_row >= header and (area.max_row > header or area.max_col > area.min_col):
            for column in range(area.min_col, min(area.max_col, len(headings)) + 1):
                yield _doubt(headings[column - 1], "merged", [area.coord], area.max_row - area.min_row + 1)
    for column in sorted(sheet.hidden_columns):
        if column <= len(headings):
            yield _doubt(headings[column - 1], "hidden_column", [get_column_letter(column)], len(body))
    rows = [at for at, _ in body if at in sheet.hidden_rows]
    if rows:
        yield _doubt(None, "hidden_rows", [str(row) for row in rows])
    for column, name in enumerate(headings, start=1):
        letter = get_column_letter(column)
        commented = [
            c for c in sheet.commented if c.rstrip("0123456789") == letter and c != f"{letter}{header}"
        ]
        if commented:
            yield _doubt(name, "cell_comments", commented)


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
