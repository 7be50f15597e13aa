"""Parts of a workbook: addresses, escaped characters, stored cells, and what is no workbook."""

import zipfile
from pathlib import Path

import openpyxl
import pytest

from pipeline.sources.formats.ooxml import Stored, area, column_number, open_package, unescaped
from pipeline.sources.formats.source_file import SourceFile
from pipeline.sources.formats.workbook import is_grouped, number_text, read_sheet


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """A workbook with a hidden second sheet."""
    workbook = openpyxl.Workbook()
    for row in (["id", "x"], ["P1", 0.25], [None, None], ["P2", "=B2"]):
        workbook.active.append(row)
    workbook.active["B2"].number_format = "0%"
    workbook.create_sheet("Later").sheet_state = "hidden"
    workbook.save(tmp_path / "a.xlsx")
    return tmp_path / "a.xlsx"


def test_columns_are_counted_by_letters_and_areas_by_their_corners() -> None:
    assert [column_number(letters) for letters in ("A", "Z", "AA", "XFD")] == [1, 26, 27, 16_384]
    assert area("B2:D4")[1:] == (2, 2, 4, 4)
    assert unescaped("a_x000D_b") == "a\rb"


def test_a_cell_is_given_as_it_is_stored(path: Path) -> None:
    package = open_package(path)
    rows = package.cells("Sheet").rows
    assert isinstance(rows[2][2], Stored)
    assert (rows[2][2].text, rows[4][2].formula) == ("0.25", True)
    assert [sheet.hidden for sheet in package.sheets.values()] == [False, True]


def test_a_sheet_is_read_as_it_is_shown_and_a_formula_without_a_result_is_a_doubt(path: Path) -> None:
    grid = read_sheet(open_package(path), SourceFile(path="a.xlsx", sheet="Sheet"))
    assert grid.frame["id"].tolist() == ["P1", "P2"]
    assert grid.frame["x"].tolist()[0] == "25%"
    told = {doubt.rule.partition(":")[0]: doubt for doubt in grid.doubts}
    assert (told["formula"].cells, told["formula"].refused) == (("B4",), True)
    assert told["empty_rows"].rows == 1


def test_numbers_are_written_shortly_and_grouped_digits_are_known() -> None:
    assert [number_text(value) for value in (3.0, 0.1, 1e16)] == ["3", "0.1", "1e+16"]
    spec = SourceFile(path="a.csv", decimal=",", thousands=".")
    assert [is_grouped(text, spec) for text in ("1.234,5", "12.34", "1.2345")] == [True, False, False]


def test_a_file_that_is_no_workbook_is_refused(tmp_path: Path) -> None:
    (tmp_path / "a.xlsx").write_text("no workbook")
    with pytest.raises(zipfile.BadZipFile):
        open_package(tmp_path / "a.xlsx")
