"""The parts of an Excel workbook (ECMA-376, transitional and strict): sheets, styles, texts, stored cells.

Read without a library of workbooks, because values, formulas, formats and frames are needed of the same walk
over a sheet, and quickly.
"""

import posixpath
import re
import zipfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import NamedTuple
from xml.etree import ElementTree as ET
from xml.parsers import expat

from openpyxl.styles.numbers import BUILTIN_FORMATS

from pipeline.sources.formats.errors import SourceError
from pipeline.sources.formats.packed import require_plausible

MAIN = (
    "http://schemas.openxmlformats.org/spreadsheetml/2006/main",
    "http://purl.oclc.org/ooxml/spreadsheetml/main",
)
"""Namespaces of the transitional and the strict form of the format."""
PARTS = ("r", "strike", "vertAlign")
"""What a part of a rich text begins with, and what it is marked by."""
WALKED = ("row", "c", "v", "f", "is", "t", *PARTS, "rPh", "col", "mergeCell")
NO_WIDTH = ("0", "0.0")
RAISED = ("superscript", "subscript")
ESCAPED = re.compile("_x([0-9A-Fa-f]{4})_")
MAX_ROWS, MAX_COLUMNS = 1_048_576, 16_384
DATE_IDS = frozenset((*range(27, 37), *range(50, 59)))
"""Built-in formats of dates in East Asian workbooks."""


class Stored(NamedTuple):
    """A cell as it is stored: its type, its text (None without one), its style, whether it has a formula.

    `rule` is what the parts of its text are marked by (`rule_of`).
    """

    kind: str
    text: str | None
    style: int
    formula: bool
    rule: str = ""


class Part(NamedTuple):
    """How a part of a rich text is marked: struck through, or raised or lowered."""

    struck: bool = False
    raised: bool = False


class Area(NamedTuple):
    """Merged cells, by first and last row and column, counted from 1."""

    coord: str
    min_row: int
    min_col: int
    max_row: int
    max_col: int


class Style(NamedTuple):
    """How cells of a style are shown: the number format, and whether they are struck through."""

    number_format: str
    struck: bool


class Sheet(NamedTuple):
    """A sheet of cells: its name, its part of the package, whether it is hidden."""

    name: str
    part: str
    hidden: bool


@dataclass
class SheetCells:
    """The cells of a sheet: row -> column -> cell, counted from 1, and what frames them."""

    rows: dict[int, dict[int, Stored]] = field(default_factory=dict)
    hidden_rows: set[int] = field(default_factory=set)
    hidden_columns: set[int] = field(default_factory=set)
    merged: list[Area] = field(default_factory=list)
    commented: list[str] = field(default_factory=list)


@dataclass
class Package:
    """A workbook's parts but for its cells."""

    path: Path
    starts_1904: bool
    sheets: dict[str, Sheet]
    styles: list[Style]
    texts: list[str]
    text_rules: list[str]
    """What the parts of each of `texts` are marked by (`rule_of`)."""

    def cells(self, name: str) -> SheetCells:
        """Return the cells of a sheet.

        Raises
        ------
        ValueError, OSError, LookupError, BadZipFile
            If the part is damaged or missing.
        """
        part = self.sheets[name].part
        with zipfile.ZipFile(self.path) as package:
            result = _walked(package.read(part))
            for kind, target in _relations(package, part):
                if kind == "comments":
                    root = _tree(package, target)
                    result.commented += [c.get("ref", "") for c in root.iterfind(".//{*}comment")]
        return result


def open_package(path: Path) -> Package:
    """Return a workbook.

    Raises
    ------
    SourceError
        If it is encrypted, or a workbook of another format.
    ValueError, OSError, LookupError, BadZipFile, ParseError
        If it is damaged or no workbook.
    """
    with path.open("rb") as stream:
        if stream.read(4) == b"\xd0\xcf\x11\xe0":
            raise SourceError(
                f"{path.name}: it has a password, or is an old .xls workbook under another name; save it as "
                f".xlsx without a password"
            )
    with zipfile.ZipFile(path) as package:
        require_plausible(package, path.stat().st_size, path.name)
        main = next((part for kind, part in _relations(package, "") if kind == "officeDocument"), None)
        if main is None or not main.endswith(".xml"):
            raise SourceError(f"{path.name}: it is no .xlsx workbook; save it as .xlsx")
        book = _tree(package, main)
        parts = {key: part for _, part, key in _all_relations(package, main)}
        kinds = {part: kind for kind, part, _ in _all_relations(package, main)}
        sheets = {}
        for element in book.iterfind("{*}sheets/{*}sheet"):
            part = parts[next(value for name, value in element.items() if name.endswith("}id"))]
            if kinds[part] == "worksheet":
                sheet = Sheet(element.attrib["name"], part, element.get("state", "visible") != "visible")
                sheets[sheet.name] = sheet
        properties = book.find("{*}workbookPr")
        starts_1904 = properties is not None and _is_true(properties.get("date1904"))
        styles = [
            style for part, kind in kinds.items() if kind == "styles" for style in _styles(package, part)
        ]
        shared = [
            text for part, kind in kinds.items() if kind == "sharedStrings" for text in _texts(package, part)
        ]
    texts, rules = [text for text, _ in shared], [rule for _, rule in shared]
    return Package(path, starts_1904, sheets, styles or [Style("General", struck=False)], texts, rules)


def _relations(package: zipfile.ZipFile, part: str) -> Iterator[tuple[str, str]]:
    """Yield kind and target of what a part refers to within the package; "" is the package itself."""
    for kind, target, _ in _all_relations(package, part):
        yield kind, target


def _all_relations(package: zipfile.ZipFile, part: str) -> Iterator[tuple[str, str, str]]:
    folder, name = posixpath.split(part)
    relations = posixpath.join(folder, "_rels", f"{name}.rels")
    if relations not in package.namelist():
        return
    for element in _tree(package, relations):
        if element.get("TargetMode") != "External":
            target = posixpath.join("/" + folder, element.attrib["Target"])
            kind = element.attrib["Type"].rpartition("/")[2]
            yield kind, posixpath.normpath(target).lstrip("/"), element.get("Id", "")


def _tree(package: zipfile.ZipFile, part: str) -> ET.Element:
    content = package.read(part)
    if b"<!DOCTYPE" in content:
        raise ValueError(f"its part {part} has a document type, which a workbook has not")
    return ET.fromstring(content)  # noqa: S314 - without a document type there are no entities


def _is_true(text: str | None) -> bool:
    return text in {"1", "true", "on"}


def _styles(package: zipfile.ZipFile, part: str) -> Iterator[Style]:
    root = _tree(package, part)
    formats = {
        int(f.attrib["numFmtId"]): f.get("formatCode", "") for f in root.iterfind("{*}numFmts/{*}numFmt")
    }
    struck = [_part(font).struck for font in root.iterfind("{*}fonts/{*}font")]
    for element in root.iterfind("{*}cellXfs/{*}xf"):
        number, font_number = int(element.get("numFmtId", "0")), int(element.get("fontId", "0"))
        form = formats.get(number) or ("yyyy-mm-dd" if number in DATE_IDS else BUILTIN_FORMATS.get(number))
        yield Style(form or "General", 0 <= font_number < len(struck) and struck[font_number])


def _texts(package: zipfile.ZipFile, part: str) -> Iterator[tuple[str, str]]:
    """Yield the shared texts without what tells how they are pronounced, each with its rule."""
    for item in _tree(package, part):
        if item.tag.endswith("}si"):
            runs = [item.findall("{*}t"), item.findall("{*}r/{*}t")]
            parts = [
                _part(run.find("{*}rPr"))
                for run in item.iterfind("{*}r")
                if (run.findtext("{*}t") or "").strip()
            ]
            yield unescaped("".join(t.text or "" for run in runs for t in run)), rule_of(parts)


def _part(font: ET.Element | None) -> Part:
    """Return how a font marks a text."""
    strike = None if font is None else font.find("{*}strike")
    align = None if font is None else font.find("{*}vertAlign")
    struck = strike is not None and _is_true(strike.get("val", "1"))
    return Part(struck, align is not None and align.get("val") in RAISED)


def rule_of(parts: Sequence[Part]) -> str:
    """Return by which rule the parts of a text are doubtful: 10 and a raised 3 are not 103; "" if none is."""
    if len(set(parts)) > 1:
        return "run_together"
    return "struck_through" if parts and parts[0].struck else ""


def unescaped(text: str) -> str:
    """Return a text with its escaped characters (_x000D_), as ECMA-376 writes those that XML cannot hold."""
    return ESCAPED.sub(lambda match: chr(int(match[1], 16)), text) if "_x" in text else text


def column_number(letters: str) -> int:
    """Return the number of a column from its letters, counted from 1.

    Raises
    ------
    ValueError
        If it is no column of a sheet.
    """
    number = 0
    for letter in letters:
        if not "A" <= letter <= "Z":
            raise ValueError("a cell has an address that is none")
        number = number * 26 + ord(letter) - 64
    if not 1 <= number <= MAX_COLUMNS:
        raise ValueError("a cell has an address outside of a sheet")
    return number


def area(coord: str) -> Area:
    """Return a range of cells.

    Raises
    ------
    ValueError
        If it is none.
    """
    match = re.fullmatch(r"\$?([A-Z]{1,3})\$?([0-9]+)(?::\$?([A-Z]{1,3})\$?([0-9]+))?", coord)
    if match is None:
        raise ValueError("merged cells have an address that is none")
    first, last = (match[1], match[2]), (match[3] or match[1], match[4] or match[2])
    return Area(coord, int(first[1]), column_number(first[0]), int(last[1]), column_number(last[0]))


class _Walk:
    """One walk over a sheet's XML; what a cell holds is put together from its parts."""

    def __init__(self) -> None:
        self.result = SheetCells()
        self.names = {f"{space} {name}": name for space in MAIN for name in WALKED}
        self.columns: dict[str, int] = {}
        self.row, self.column = 0, 0
        self.cells: dict[int, Stored] = {}
        self.text: list[str] = []
        self.attributes: dict[str, str] = {}
        self.has_text = self.has_formula = self.listens = self.is_pronounced = False
        self.parts: list[Part] = []
        self.part, self.begun = Part(), 0

    def start(self, tag: str, attributes: dict[str, str]) -> None:
        name = self.names.get(tag)
        if name == "c":
            self.attributes = attributes
            self.text.clear()
            self.parts.clear()
            self.has_text = self.has_formula = False
        elif name == "v" or (name == "t" and not self.is_pronounced):
            self.has_text = self.listens = True
        elif name == "f":
            self.has_formula = True
        elif name == "row":
            self._begin_row(attributes)
        elif name in PARTS:
            self._mark(name, attributes)
        elif name == "rPh":
            self.is_pronounced = True
        elif name == "col" and (_is_true(attributes.get("hidden")) or attributes.get("width") in NO_WIDTH):
            first, last = int(attributes["min"]), min(int(attributes["max"]), MAX_COLUMNS)
            self.result.hidden_columns.update(range(first, last + 1))
        elif name == "mergeCell":
            self.result.merged.append(area(attributes["ref"]))

    def end(self, tag: str) -> None:
        name = self.names.get(tag)
        if name == "c":
            self._end_cell()
        elif name == "v" or name == "t":  # noqa: PLR1714 - a million times, faster than a set
            self.listens = False
        elif name == "r":
            if "".join(self.text[self.begun :]).strip():
                self.parts.append(self.part)
        elif name == "rPh":
            self.is_pronounced = False

    def _mark(self, name: str, attributes: dict[str, str]) -> None:
        """Begin a part of a rich text, or note how it is marked."""
        if name == "r":
            self.part, self.begun = Part(), len(self.text)
        elif name == "strike":
            self.part = self.part._replace(struck=_is_true(attributes.get("val", "1")))
        else:
            self.part = self.part._replace(raised=attributes.get("val") in RAISED)

    def characters(self, text: str) -> None:
        if self.listens:
            self.text.append(text)

    def _begin_row(self, attributes: dict[str, str]) -> None:
        self.row = int(attributes.get("r", self.row + 1))
        if self.row in self.result.rows or not 1 <= self.row <= MAX_ROWS:
            raise ValueError(f"row {self.row} stands twice or outside of the sheet")
        self.cells = self.result.rows[self.row] = {}
        self.column = 0
        if _is_true(attributes.get("hidden")):
            self.result.hidden_rows.add(self.row)

    def _end_cell(self) -> None:
        attributes = self.attributes
        address = attributes.get("r")
        if address is None:
            column = self.column + 1
        else:
            letters = address.rstrip("0123456789")
            column = self.columns.get(letters) or self.columns.setdefault(letters, column_number(letters))
            if address[len(letters) :] != str(self.row):
                raise ValueError(f"row {self.row} has a cell of another row")
        if column in self.cells:
            raise ValueError(f"row {self.row} has a cell twice")
        kind = attributes.get("t", "n")
        text = "".join(self.text) if self.has_text else None
        if kind != "inlineStr" and not text:
            text = None
        style = int(attributes.get("s", 0))
        rule = rule_of(self.parts) if self.parts else ""
        self.cells[column] = Stored(kind, text, style, self.has_formula, rule)
        self.column = column


def _walked(content: bytes) -> SheetCells:
    walk = _Walk()
    parser = expat.ParserCreate(namespace_separator=" ")
    parser.buffer_text = True
    parser.StartElementHandler, parser.EndElementHandler = walk.start, walk.end
    parser.CharacterDataHandler = walk.characters
    parser.StartDoctypeDeclHandler = _no_document_type
    try:
        parser.Parse(content, True)
    except expat.ExpatError as error:
        raise ValueError(f"a sheet is damaged: {error}") from error
    return walk.result


def _no_document_type(*_: object) -> None:
    raise ValueError("a sheet has a document type, which a workbook has not")
