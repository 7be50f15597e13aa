"""Documents for Word: headings, paragraphs and tables, the same bytes for the same words."""

import io
import math
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import docx
from docx.enum.section import WD_ORIENT
from docx.enum.text import WD_ALIGN_PARAGRAPH
from docx.oxml import OxmlElement
from docx.oxml.ns import qn
from docx.shared import Mm, Pt

from pipeline.paper.archives import unzipped, zipped
from pipeline.paper.pages import PageTable

A4, MARGIN = (210, 297), 20
"""Millimetres."""
TABLE_POINTS = 8
MIN_LETTERS, MAX_LETTERS = 6, 120
"""Lengths of text between which a column's width follows that of its longest."""
WRITTEN = datetime(2000, 1, 1)  # noqa: DTZ001 - in every document, so that its bytes depend on its words only
RULES = {"top": "12", "bottom": "12", "insideH": "4"}
"""Lines of a table by their width in eighths of a point: none is vertical."""
Element = Any
"""What python-docx makes has types that say little."""


@dataclass(frozen=True)
class Heading:
    """A heading; level 1 is below the title."""

    text: str
    level: int = 1


@dataclass(frozen=True)
class Paragraph:
    """A paragraph of running text."""

    text: str


Block = Heading | Paragraph | PageTable


def word_document(title: str, label: str, blocks: Sequence[Block], *, landscape: bool = False) -> bytes:
    """Return a .docx.

    Parameters
    ----------
    label : str
        Stands at the head of every page, such as that no patients are in it; may be empty.
    blocks : sequence
        The content in order. A caption stands above its table, whose first row comes again on every page.
    """
    document = docx.Document()
    _set_page(document.sections[0], label, landscape=landscape)
    document.core_properties.title = title
    document.core_properties.author = ""
    document.core_properties.comments = ""
    document.core_properties.created = document.core_properties.modified = WRITTEN
    document.add_heading(title, 0)
    for block in blocks:
        if isinstance(block, Heading):
            document.add_heading(block.text, block.level)
        elif isinstance(block, Paragraph):
            document.add_paragraph(block.text)
        else:
            _add_table(document, block)
    written = io.BytesIO()
    document.save(written)
    return zipped(unzipped(written.getvalue()))


def _set_page(section: Element, label: str, *, landscape: bool) -> None:
    width, height = reversed(A4) if landscape else A4
    section.orientation = WD_ORIENT.LANDSCAPE if landscape else WD_ORIENT.PORTRAIT
    section.page_width, section.page_height = Mm(width), Mm(height)
    section.left_margin = section.right_margin = section.top_margin = section.bottom_margin = Mm(MARGIN)
    if label:
        head = section.header.paragraphs[0]
        head.alignment = WD_ALIGN_PARAGRAPH.CENTER
        head.add_run(label).bold = True


def _add_table(document: Element, table: PageTable) -> None:
    caption = document.add_paragraph()
    caption.paragraph_format.keep_with_next = True
    if table.number:
        caption.add_run(f"{table.number}. ").bold = True
    caption.add_run(table.caption)
    made = document.add_table(rows=1 + len(table.rows), cols=len(table.header))
    _rule(made)
    widths = _widths(table, document.sections[0])
    for row, texts in zip(made.rows, [table.header, *table.rows], strict=True):
        _fill(row, texts, table.numbers, widths, bold=texts is table.header)
    made.rows[0]._tr.get_or_add_trPr().append(OxmlElement("w:tblHeader"))  # noqa: SLF001 - the library has none
    document.add_paragraph()


def _widths(table: PageTable, section: Element) -> list[int]:
    """Return a width for each column by its longest text: a long one is broken into lines, none is tiny."""
    longest = [max(map(len, column)) for column in zip(table.header, *table.rows, strict=True)]
    shares = [math.sqrt(min(max(length, MIN_LETTERS), MAX_LETTERS)) for length in longest]
    whole = section.page_width - section.left_margin - section.right_margin
    return [int(whole * share / sum(shares)) for share in shares]


def _fill(
    row: Element, texts: Sequence[str], numbers: Sequence[bool], widths: Sequence[int], *, bold: bool
) -> None:
    row._tr.get_or_add_trPr().append(OxmlElement("w:cantSplit"))  # noqa: SLF001 - the library has none
    for cell, text, is_number, width in zip(row.cells, texts, numbers, widths, strict=True):
        cell.width = width
        paragraph = cell.paragraphs[0]
        paragraph.paragraph_format.space_after = Pt(1)
        paragraph.alignment = WD_ALIGN_PARAGRAPH.RIGHT if is_number else WD_ALIGN_PARAGRAPH.LEFT
        run = paragraph.add_run(text)
        run.font.size, run.bold = Pt(TABLE_POINTS), bold


def _rule(table: Element) -> None:
    """Draw the lines that journals print: above, below, and thin ones between rows."""
    borders = OxmlElement("w:tblBorders")
    for edge, width in RULES.items():
        line = OxmlElement(f"w:{edge}")
        for name, value in (("val", "single"), ("sz", width), ("space", "0"), ("color", "auto")):
            line.set(qn(f"w:{name}"), value)
        borders.append(line)
    after = ("w:shd", "w:tblLayout", "w:tblCellMar", "w:tblLook")
    table._tbl.tblPr.insert_element_before(borders, *after)  # noqa: SLF001 - the library has none
