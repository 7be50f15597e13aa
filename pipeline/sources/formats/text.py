"""Tables as text: CSV by RFC 4180, and tab-separated text, which has no quoting and may begin with comments.

pandas fills rows that are too short and joins lines between stray quotation marks without a word; so the
bytes are checked first, and every row has as many cells as the header, or the file is refused.
"""

import csv
import io
import re
from pathlib import Path
from typing import Protocol

import numpy as np
import pandas as pd

from features.contract.cells import as_text
from pipeline.sources.formats.errors import SourceError
from pipeline.sources.formats.grid import Doubt, Grid
from pipeline.sources.formats.packed import unpacked
from pipeline.sources.formats.source_file import SourceFile

EMPTY_ROWS = "empty_rows: without any cell, not read"
LINE_END, QUOTE, COMMENT, NUL = 10, 34, b"#", b"\0"
OTHER_KINDS = {
    b"PK\x03\x04": "a workbook or an archive",
    b"\xd0\xcf\x11\xe0": "an old workbook (.xls)",
    b"%PDF": "a PDF",
    b"\x1f\x8b": "gzipped",
    b"PAR1": "a Parquet file",
    b"SQLite format": "a database",
}
"""First bytes of files that are sometimes given under the name of a text file."""
SEPARATOR_LINE = re.compile(rb"(?:sep|SEP)=[^\n]?\n")
csv.field_size_limit(2**31 - 1)
"""The csv module refuses cells of more than 131,072 characters; a cell of any length is one here."""
SINGLE_BYTE = ("latin", "iso8859", "iso-8859", "cp125", "windows-125", "mac")
"""Encodings in which any bytes can be read, so that a wrong one is not noticed by decoding."""


class TextTable(Protocol):
    """What a study file says of a table as text, whatever the table is of."""

    @property
    def delimiter(self) -> str:
        """The character between cells."""

    @property
    def has_quotes(self) -> bool:
        """Whether quotation marks enclose cells."""

    @property
    def has_comments(self) -> bool:
        """Whether lines that begin with # above the header are comments."""

    @property
    def skip_rows(self) -> int:
        """Lines above the header."""

    @property
    def final_newline(self) -> bool:
        """Whether a whole file ends with a line end."""


def read_text(path: Path, file: SourceFile, label: str) -> Grid:
    """Return the cells of a text file, plain or gzipped, as text.

    Raises
    ------
    SourceError
        If the encoding is another one, a row has more or fewer cells than the header, a quoted cell swallows
        rows, or the file ends within a line.
    """
    content, _ = whole_table(text_bytes(path, file.encoding, label), file, label)
    rows = pd.read_csv(
        io.BytesIO(content), sep=file.delimiter, header=None, dtype=str, keep_default_na=False,
        quoting=csv.QUOTE_MINIMAL if file.has_quotes else csv.QUOTE_NONE, lineterminator="\n",
        encoding="utf-8", skip_blank_lines=False, low_memory=False,
    )  # fmt: skip
    header = [as_text(rows.iloc[i]).fillna("").tolist() for i in range(min(file.header_rows, len(rows)))]
    names = [" ".join(filter(None, parts)) for parts in zip(*header, strict=True)]
    frame = rows.iloc[file.header_rows :].set_axis(names, axis=1)
    empty = _empty_rows(frame)
    if not empty.any():
        return Grid(frame)
    return Grid(frame[~empty], (Doubt(None, EMPTY_ROWS, int(empty.sum())),))


def whole_table(content: bytes, file: TextTable, label: str, above: int = 0) -> tuple[bytes, int]:
    """Return text from the header on, and how many lines stand above it, `above` among them.

    Raises
    ------
    SourceError
        If it is no table, ends within a line, or has a row with more or fewer cells than the header.
    """
    _refuse_other_kinds(content, file, label)
    content, more = table_part(content, file)
    if not content.strip():
        raise SourceError(f"{label}: it has no header; check the file, and skip_rows in the study file")
    content = _ended(content, file, label)
    _require_equal_rows(content, file, label, above + more)
    return content, above + more


def _refuse_other_kinds(content: bytes, file: TextTable, label: str) -> None:
    """Refuse content that is no table: by how it begins."""
    start = content[:200].lstrip().lower()
    if start.startswith((b"<!doctype html", b"<html", b"<?xml")):
        raise SourceError(f"{label}: it is a web page or XML, as a failed download is; get the table again")
    if start.startswith(b"version https://git-lfs"):
        raise SourceError(f"{label}: it is a pointer of Git LFS, not the file; fetch the file (git lfs pull)")
    stated = SEPARATOR_LINE.match(content)
    if stated and file.skip_rows == 0:
        raise SourceError(
            f"{label}: its first line, {stated[0].decode().strip()}, is for a spreadsheet; say skip_rows: 1, "
            f"and that separator, in the study file"
        )


def text_bytes(path: Path, encoding: str, label: str) -> bytes:
    """Return a text file in UTF-8, lines ending in a line feed, without byte order mark.

    Raises
    ------
    SourceError
        If the file is empty, damaged, or in another encoding.
    """
    content = path.read_bytes()
    if path.suffix.lower() == ".gz":
        content = unpacked(content, label)
    if not content:
        raise SourceError(f"{label}: the file is empty, 0 bytes; copy it again")
    kind = next((name for start, name in OTHER_KINDS.items() if content.startswith(start)), None)
    if kind is not None:
        raise SourceError(
            f"{label}: it is {kind}, not text; give the file its own ending, or save it as text"
        )
    content = _as_utf8(content, encoding, label)
    at = content.find(NUL)
    if at >= 0:
        line = content.count(b"\n", 0, at) + 1
        raise SourceError(
            f"{label}, line {line}: a zero byte, so the file is damaged or in UTF-16; copy it again"
        )
    return content


def _as_utf8(content: bytes, encoding: str, label: str) -> bytes:
    try:
        if encoding.lower().replace("_", "-").startswith(SINGLE_BYTE) and _is_utf8_beyond_ascii(content):
            raise SourceError(f"{label}: it is UTF-8, not {encoding}; correct encoding in the study file")
        text = content.decode("utf-8-sig" if encoding.lower().replace("-", "") == "utf8" else encoding)
    except (UnicodeError, LookupError) as error:
        raise SourceError(
            f"{label}: cannot be read as {encoding} ({_position(content, error)}); correct encoding in the "
            f"study file, such as cp1252 or utf-16"
        ) from error
    if "\r" in text:
        text = text.replace("\r\n", "\n").replace("\r", "\n")
    return text.encode("utf-8")


def _is_utf8_beyond_ascii(content: bytes) -> bool:
    if content.isascii():
        return False
    try:
        content.decode("utf-8")
    except UnicodeDecodeError:
        return False
    return True


def _position(content: bytes, error: Exception) -> str:
    if isinstance(error, UnicodeDecodeError):
        line = content.count(b"\n", 0, error.start) + 1
        return f"line {line}: {error.reason}"
    return str(error)


def table_part(content: bytes, file: TextTable) -> tuple[bytes, int]:
    """Return the content from the header on, and how many lines stand above it.

    Above it are the `skip_rows`, the comments at the start of tab-separated text, and blank lines.
    """
    start = above = 0
    while start < len(content):
        end = content.find(b"\n", start) + 1 or len(content)
        line = content[start:end]
        comment = file.has_comments and line.startswith(COMMENT)
        if above >= file.skip_rows and not comment and line.strip():
            break
        start, above = end, above + 1
    return content[start:], above


def _ended(content: bytes, file: TextTable, label: str) -> bytes:
    """Return the content with a line end behind its last line.

    A cell in quotation marks is whole if its mark is closed; of any other last cell nobody can tell.
    """
    if content.endswith(b"\n"):
        return content
    closed = file.has_quotes and content.endswith(b'"') and content.count(b'"') % 2 == 0
    if not closed and file.final_newline:
        raise SourceError(
            f"{label}: its last line has no line end, as in a file that is cut off; copy it again, or, if it "
            f"is whole, say final_newline: false in the study file"
        )
    return content + b"\n"


def _require_equal_rows(content: bytes, file: TextTable, label: str, above: int) -> None:
    """Refuse rows with more or fewer cells than the header, by their line."""
    separator = file.delimiter.encode()[0]
    data = np.frombuffer(content, dtype=np.uint8)
    ends = np.flatnonzero(data == LINE_END)
    separators = np.flatnonzero(data == separator)
    marks = np.flatnonzero(data == QUOTE) if file.has_quotes else np.empty(0, dtype=np.int64)
    if len(marks) and not _marks_enclose_cells(data, marks, separator):
        lines, counts = _rows_one_by_one(content, file, label, above)
    else:
        inside = np.searchsorted(marks, ends) % 2 == 1
        lines = np.flatnonzero(~np.concatenate([[False], inside[:-1]]))
        in_cells = separators[np.searchsorted(marks, separators) % 2 == 0] if len(marks) else separators
        counts = np.diff(np.searchsorted(in_cells, ends[~inside]), prepend=0) + 1
        if inside.any():
            raw = np.diff(np.searchsorted(separators, ends), prepend=0)
            _refuse_swallowed(
                np.add.reduceat(raw == raw[0], lines), lines, np.diff(lines, append=len(ends)), label, above
            )
    wrong = np.flatnonzero(counts != counts[0])
    wrong = wrong[~_blank(content, ends, lines[wrong], counts[wrong])]
    if len(wrong):
        line, cells = above + lines[wrong[0]] + 1, counts[wrong[0]]
        unnamed = len(wrong) == len(counts) - 1 and bool((counts[wrong] == counts[0] + 1).all())
        todo = (
            "give the first column a name (R: write.table with col.names = NA)"
            if unnamed
            else "check separator and skip_rows, and that the file is whole"
        )
        raise SourceError(
            f"{label}: {len(wrong)} rows have more or fewer cells than the header: line {line} has {cells}, "
            f"the header {counts[0]}; {todo}"
        )


def _blank(content: bytes, ends: np.ndarray, lines: np.ndarray, counts: np.ndarray) -> np.ndarray:
    """Tell which of the lines, by number of their cells at most one, hold nothing but spaces."""
    starts = np.concatenate([[0], ends[:-1] + 1])
    return np.array(
        [
            bool(n == 1 and not content[starts[line] : ends[line]].strip())
            for line, n in zip(lines, counts, strict=True)
        ],
        dtype=bool,
    )


def _marks_enclose_cells(data: np.ndarray, marks: np.ndarray, separator: int) -> bool:
    """Tell whether all quotation marks open or close a cell, or are doubled within one (RFC 4180)."""
    if len(marks) % 2:
        return False
    opening, closing = marks[0::2], marks[1::2]
    edges = (separator, LINE_END)
    before = np.isin(data[np.maximum(opening - 1, 0)], edges) | (opening == 0)
    before[1:] |= opening[1:] == closing[:-1] + 1
    behind = np.isin(data[np.minimum(closing + 1, len(data) - 1)], edges)
    behind[:-1] |= closing[:-1] + 1 == opening[1:]
    return bool(before.all() and behind.all())


def _rows_one_by_one(
    content: bytes, file: TextTable, label: str, above: int
) -> tuple[np.ndarray, np.ndarray]:
    """Return the line on which each row begins and its number of cells, where marks stand within cells.

    A mark within a cell that does not begin with one is text; behind a closed cell nothing may follow.
    """
    text = content.decode("utf-8")
    reader = csv.reader(text.split("\n")[:-1], delimiter=file.delimiter, strict=True)
    raw = [line.count(file.delimiter) for line in text.split("\n")[:-1]]
    lines, counts, likes, start = [], [], [], 0
    try:
        for row in reader:
            lines.append(start)
            counts.append(max(len(row), 1))
            likes.append(sum(n == raw[0] for n in raw[start : reader.line_num]))
            start = reader.line_num
    except csv.Error as error:
        raise SourceError(
            f"{label}, line {above + start + 1}: a quotation mark opens a cell that does not end before a "
            f"separator ({error}); correct the quotation marks"
        ) from error
    at = np.array(lines)
    _refuse_swallowed(np.array(likes), at, np.diff(at, append=start), label, above)
    return at, np.array(counts)


def _refuse_swallowed(
    likes: np.ndarray, lines: np.ndarray, heights: np.ndarray, label: str, above: int
) -> None:
    """Refuse a row of several lines of which two or more look like rows by themselves."""
    swallowed = np.flatnonzero((heights > 1) & (likes > 1))
    if len(swallowed):
        first = above + lines[swallowed[0]]
        raise SourceError(
            f"{label}, lines {first + 1} to {first + heights[swallowed[0]]}: a cell in quotation marks holds "
            f"lines that look like rows; correct the quotation marks ({len(swallowed)} such cells)"
        )


def _empty_rows(frame: pd.DataFrame) -> pd.Series:
    """Tell which rows have no text in any cell; most are told apart by their first cell."""
    at = np.arange(len(frame))
    for position in range(frame.shape[1]):
        if not len(at):
            break
        cells = frame.iloc[at, position].fillna("").str.strip() == ""
        at = at[cells.to_numpy(dtype=bool)]
    return pd.Series(np.isin(np.arange(len(frame)), at), index=frame.index)
