"""Workbooks: what is shown is read and counted, and what has no value of its own is refused by its cell."""

import datetime as dt
import re
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import openpyxl
import pytest
from openpyxl.cell.rich_text import CellRichText, TextBlock
from openpyxl.cell.text import InlineFont

from pipeline.sources.formats.errors import SourceError
from pipeline.sources.formats.source_file import SourceFile
from pipeline.sources.mapping.files import Reader

Edit = Callable[[Any], None]


def book(folder: Path, edit: Edit) -> Reader:
    """Write a sheet of ids 1 to 3 and numbers 10, 20, 30 below the header id, x, and edit it."""
    workbook = openpyxl.Workbook()
    sheet = workbook.active
    for row in (["id", "x"], ["P1", 10], ["P2", 20], ["P3", 30]):
        sheet.append(row)
    edit(sheet)
    workbook.save(folder / "a.xlsx")
    return Reader(folder)


def cells(reader: Reader, **settings: Any) -> list[str]:
    frame = reader.read(SourceFile(path="a.xlsx", sheet="Sheet", **settings), ["id", "x"])
    assert frame is not None
    return frame["x"].fillna("").tolist()


def put(address: str, value: Any, form: str | None = None) -> Edit:
    def edit(sheet: Any) -> None:
        sheet[address] = value
        if form is not None:
            sheet[address].number_format = form

    return edit


def hide_row(sheet: Any) -> None:
    sheet.row_dimensions[3].hidden = True


def hide_column(sheet: Any) -> None:
    sheet.column_dimensions["B"].hidden = True


@pytest.mark.parametrize(
    ("edit", "address"),
    [
        (put("B3", "=A1&A2"), "B3"),
        (put("B2", "#N/A"), "B2"),
        (put("B4", "#REF!"), "B4"),
        (lambda sheet: sheet.merge_cells("B2:B4"), "B2:B4"),
        (lambda sheet: sheet.merge_cells("B1:C1"), "B1:C1"),
        (put("B2", 1234567890123456789), "B2"),
    ],
)
def test_a_cell_without_a_value_of_its_own_is_refused_by_its_address(
    edit: Edit, address: str, tmp_path: Path
) -> None:
    with pytest.raises(SourceError, match=r"a\.xlsx, sheet Sheet, column 'x': ") as error:
        cells(book(tmp_path, edit))
    assert address in str(error.value)


@pytest.mark.parametrize(
    ("edit", "rule", "value"),
    [
        (put("B2", 0.15, "0%"), "per_cent", "15%"),
        (put("B2", 0.1525, "0.0 %"), "per_cent", "15.25%"),
        (put("B2", 12, "0000"), "zeros_shown", "0012"),
        (put("B2", "12"), "numbers_as_text", "12"),
        (put("B2", 1.5, '0.0" cm"'), "unit_in_format", "1.5"),
        (hide_column, "hidden_column", "10"),
        (hide_row, "hidden_rows", "10"),
    ],
)
def test_a_cell_that_is_shown_otherwise_than_stored_is_read_as_shown_and_counted(
    edit: Edit, rule: str, value: str, tmp_path: Path
) -> None:
    reader = book(tmp_path, edit)
    assert cells(reader)[0] == value
    assert [r[2].partition(":")[0] for r in reader.repairs] == [rule]
    assert sum(audit.differences for audit in reader.audits.values()) == 0
    assert len(reader.audits) == 2


def test_doubtful_cells_of_columns_that_the_study_does_not_use_are_no_matter(tmp_path: Path) -> None:
    reader = book(tmp_path, lambda sheet: sheet.append(["P4", 40, "=A1"]))
    assert cells(reader) == ["10", "20", "30", "40"]
    assert reader.repairs == []


def test_errors_that_are_listed_as_missing_are_missing(tmp_path: Path) -> None:
    assert cells(book(tmp_path, put("B2", "#N/A")), missing=["#N/A"]) == ["", "20", "30"]


@pytest.mark.parametrize("epoch", [openpyxl.utils.datetime.WINDOWS_EPOCH, openpyxl.utils.datetime.MAC_EPOCH])
def test_dates_are_those_shown_whatever_day_the_workbook_counts_from(
    epoch: dt.datetime, tmp_path: Path
) -> None:
    def edit(sheet: Any) -> None:
        sheet.parent.epoch = epoch
        sheet["B2"] = dt.datetime(2026, 3, 4)  # noqa: DTZ001 - a workbook has no zones
        sheet["B3"] = dt.datetime(2026, 3, 4, 15, 30)  # noqa: DTZ001

    reader = book(tmp_path, edit)
    assert cells(reader)[:2] == ["2026-03-04", "2026-03-04 15:30:00"]
    assert reader.starts_1904(SourceFile(path="a.xlsx", sheet="Sheet")) == (epoch.year == 1904)


@pytest.mark.parametrize(("text", "value"), [("1,5", "1.5"), ("1.250,5", "1250.5")])
def test_numbers_as_text_with_decimal_commas_stand_beside_real_numbers(
    text: str, value: str, tmp_path: Path
) -> None:
    reader = book(tmp_path, lambda sheet: [put("B2", text)(sheet), put("B3", 2.5)(sheet)])
    assert cells(reader, decimal=",", thousands=".")[:2] == [value, "2.5"]


def test_a_decimal_point_in_a_text_is_refused_where_decimals_are_commas(tmp_path: Path) -> None:
    with pytest.raises(SourceError, match=r"decimal point.*B2"):
        cells(book(tmp_path, put("B2", "1.250")), decimal=",")


def rewritten(path: Path, change: Callable[[bytes], bytes]) -> None:
    """Change every part of a workbook."""
    with zipfile.ZipFile(path) as package:
        parts = {name: package.read(name) for name in package.namelist()}
    with zipfile.ZipFile(path, "w") as package:
        for name, content in parts.items():
            package.writestr(name, change(content))


def strict(content: bytes) -> bytes:
    """Return a part with the namespaces of the strict form (ISO/IEC 29500, part 1)."""
    new = content.replace(
        b"http://schemas.openxmlformats.org/spreadsheetml/2006", b"http://purl.oclc.org/ooxml/spreadsheetml"
    )
    return new.replace(
        b"http://schemas.openxmlformats.org/officeDocument/2006", b"http://purl.oclc.org/ooxml/officeDocument"
    )


def prefixed(content: bytes) -> bytes:
    """Return a sheet whose elements have a prefix, as some libraries write them."""
    if b"<worksheet" not in content:
        return content
    tags = re.sub(rb"<(/?)([a-z])", rb"<\1x:\2", content)
    return tags.replace(b"xmlns=", b"xmlns:x=").replace(b"<?x:xml", b"<?xml")


@pytest.mark.parametrize("form", [strict, prefixed])
def test_workbooks_in_other_forms_of_the_format_are_read_alike(
    form: Callable[[bytes], bytes], tmp_path: Path
) -> None:
    reader = book(tmp_path, put("B2", dt.date(2026, 3, 4)))
    rewritten(tmp_path / "a.xlsx", form)
    assert cells(reader) == ["2026-03-04", "20", "30"]


RUBY = '<is><t>a</t><rPh sb="0" eb="1"><t>read aloud</t></rPh><phoneticPr fontId="1"/></is>'


@pytest.mark.parametrize(
    ("old", "new", "value"),
    [
        ("<is><t>a</t></is>", RUBY, "a"),
        ("<is><t>a</t></is>", "<is><t>a_x000D_\nb</t></is>", "a\r\nb"),
        ("<is><t>a</t></is>", "<is><t>a_x005F_x000D_b</t></is>", "a_x000D_b"),
        ('t="inlineStr"><is><t>a</t></is>', 't="n"><v>0.29999999999999999</v>', "0.3"),
        ('t="inlineStr"><is><t>a</t></is>', 't="n"><v>1E-3</v>', "0.001"),
        ('t="inlineStr"><is><t>a</t></is>', 't="n"><v></v>', ""),
        ('t="inlineStr"><is><t>a</t></is>', 't="d"><v>2026-01-05T00:00:00</v>', "2026-01-05"),
        ('t="inlineStr"><is><t>a</t></is>', 't="str"><f>A2</f><v>P1</v>', "P1"),
        (' r="B2"', "", "a"),
        ('<row r="2">', "<row>", "a"),
    ],
    ids=["reading aid", "_x000D_", "_x005F_", "17 digits", "exponent", "no value", "ISO date",
         "text of a formula", "no address", "no row number"],
)  # fmt: skip
def test_cells_as_other_programs_write_them_are_read_as_shown(
    old: str, new: str, value: str, tmp_path: Path
) -> None:
    reader = book(tmp_path, put("B2", "a"))

    def change(content: bytes) -> bytes:
        if b"<sheetData>" not in content:
            return content
        assert content.count(old.encode()) == 1
        return content.replace(old.encode(), new.encode())

    rewritten(tmp_path / "a.xlsx", change)
    assert cells(reader) == [value, "20", "30"]
    assert not any(audit.differences for audit in reader.audits.values())


def test_a_row_number_that_stands_twice_is_refused(tmp_path: Path) -> None:
    reader = book(tmp_path, put("B2", "a"))
    rewritten(tmp_path / "a.xlsx", lambda content: content.replace(b'<row r="3">', b'<row r="2">'))
    with pytest.raises(SourceError, match="row 2 stands twice"):
        cells(reader)


def strike(sheet: Any) -> None:
    sheet["B2"].font = openpyxl.styles.Font(strike=True)


def comment(sheet: Any) -> None:
    sheet["B3"].comment = openpyxl.comments.Comment("not measured", "reader")


def hide_sheet(sheet: Any) -> None:
    sheet.parent.create_sheet("Other")
    sheet.sheet_state = "hidden"


@pytest.mark.parametrize(
    ("edit", "rule"),
    [(strike, "struck_through"), (comment, "cell_comments"), (hide_sheet, "hidden_sheet")],
)
def test_what_is_said_beside_a_cell_is_counted(edit: Edit, rule: str, tmp_path: Path) -> None:
    reader = book(tmp_path, edit)
    assert cells(reader) == ["10", "20", "30"]
    assert [r[2].partition(":")[0] for r in reader.repairs] == [rule]


@pytest.mark.parametrize(
    ("value", "form", "read"),
    [
        (True, None, "True"),
        (59, "yyyy-mm-dd", "1900-02-28"),
        (61, "yyyy-mm-dd", "1900-03-01"),
        (46085, "[$-411]ge.m.d", "2026-03-04"),
        ("'0012", None, "'0012"),
        ("a_x000D_b", None, "a\rb"),
        (CellRichText("p.", TextBlock(InlineFont(b=True), "R175H")), None, "p.R175H"),
    ],
)
def test_both_readers_read_kinds_of_cells_alike(
    value: Any, form: str | None, read: str, tmp_path: Path
) -> None:
    assert cells(book(tmp_path, put("B2", value, form)))[0] == read


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1" + bytes(600), "password"),
        (b"<html><table></table></html>", "cannot be read"),
    ],
)
def test_another_format_under_the_name_of_a_workbook_is_refused(
    content: bytes, words: str, tmp_path: Path
) -> None:
    reader = book(tmp_path, lambda _: None)
    (tmp_path / "a.xlsx").write_bytes(content)
    with pytest.raises(SourceError, match=words):
        cells(reader)


def test_a_sheet_with_a_document_type_is_refused(tmp_path: Path) -> None:
    reader = book(tmp_path, lambda _: None)
    rewritten(
        tmp_path / "a.xlsx", lambda c: c.replace(b"<worksheet", b'<!DOCTYPE x [<!ENTITY e "1">]><worksheet')
    )
    with pytest.raises(SourceError, match="document type"):
        cells(reader)
