"""What a study file says of cells meets what people put into them: read as meant, or refused in words."""

import datetime as dt
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from features.errors import UserError
from pipeline.sources.mapped import read_study
from pipeline.sources.tables import SourceTables
from tests.pipeline.formats import CONTRACT, study_of

SEMICOLONS = {"separator": ";", "decimal": ","}


def subjects(folder: Path, file: dict[str, Any], columns: dict[str, Any]) -> SourceTables:
    """Read the table subjects from one file of a folder."""
    patients = {"id": {"column": "id"}} | file
    block = {"file": "patients", "columns": {"arm": {"constant": "ADAPTIVE"}} | columns}
    mapping = {"patients": "patients", "files": {"patients": patients}, "tables": {"subjects": [block]}}
    return read_study(study_of([], mapping=mapping), folder, CONTRACT)


def values(source: SourceTables, column: str) -> list[str]:
    return source.tables["subjects"][column].astype("str").tolist()


def from_text(folder: Path, cell: str, rule: dict[str, Any], column: str, **file: Any) -> SourceTables:
    """Read a column of one cell of a CSV file."""
    (folder / "p.csv").write_text(f"id{file.get('separator', ',')}x\nP1{file.get('separator', ',')}{cell}\n")
    return subjects(folder, {"path": "p.csv"} | file, {column: {"from": "x"} | rule})


@pytest.mark.parametrize(
    ("form", "cell", "expected"),
    [
        ("%d.%m.%Y", "31.01.2026", "2026-01-31"),
        ("%d %B %Y", "1 february 2026", "2026-02-01"),
        ("%d-%b-%Y", "05-JAN-2026", "2026-01-05"),
        ("%Y年%m月%d日", "2026年1月5日", "2026-01-05"),
        ("%Y-%j", "2026-032", "2026-02-01"),
        ("%m/%d/%Y", "13/02/2026", "13/02/2026"),
        ("%Y%m%d", "2026021", "2026021"),
        ("%d %b %Y", "1 Mär 2026", "1 Mär 2026"),
        ("excel", "46054.75", "2026-02-01"),
        ("excel", "61", "1900-03-01"),
        # To spreadsheets 60 is a 29th of February 1900, so that no number before is the day of others.
        ("excel", "59", "59"),
        ("sas", "24138", "2026-02-01"),
        # Seconds since 1960, as SAS keeps moments.
        ("sas", "2085523200", "2085523200"),
        ("%d.%m.%Y %H:%M %z", "31.01.2026 23:30 +0100", "2026-01-31"),
    ],
)
def test_a_date_is_read_by_its_format_or_left_for_the_contract_to_refuse(
    form: str, cell: str, expected: str, tmp_path: Path
) -> None:
    source = from_text(tmp_path, cell, {"date_format": form}, "rand_date")
    assert values(source, "rand_date") == [expected]
    cut = source.repairs["rule"].str.startswith("time_cut_off").any()
    assert cut == ("%H" in form)


@pytest.mark.parametrize("form", ["%m.%Y", "%Y", "%d.%m.", "%d %Y", "%H:%M", "%Q", "day", "%d.%m.%Y%"])
def test_a_format_that_leaves_a_part_of_the_day_to_be_made_up_is_refused(form: str, tmp_path: Path) -> None:
    with pytest.raises(
        UserError, match=r"rand_date\.date_format: (must have day, month and year|is no format)"
    ):
        from_text(tmp_path, "02.2026", {"date_format": form}, "rand_date")


def test_moments_of_summer_and_winter_are_read_by_their_own_clocks(tmp_path: Path) -> None:
    (tmp_path / "p.csv").write_text("id,x\nP1,31.01.2026 23:30 +0100\nP2,01.07.2026 00:30 +0200\n")
    rule = {"rand_date": {"from": "x", "date_format": "%d.%m.%Y %H:%M %z"}}
    assert values(subjects(tmp_path, {"path": "p.csv"}, rule), "rand_date") == ["2026-01-31", "2026-07-01"]


@pytest.mark.parametrize(
    ("cell", "rule", "file", "expected"),
    [
        ("1.050,5", {}, SEMICOLONS | {"thousands": "."}, 1050.5),
        ("1 050", {}, SEMICOLONS | {"thousands": " "}, 1050),
        ("2,5", {"factor": 10}, SEMICOLONS, 25),
        ("< 2,5", {"factor": 10, "censored": "limit"}, SEMICOLONS, 25),
        ("klein", {"words": {"2.5": "Klein"}}, SEMICOLONS, 2.5),
        # A word stands for a number of the source, in its unit.
        ("small", {"words": {"2": "small"}, "factor": 10}, {}, 20),
    ],
)
def test_a_number_is_read_as_the_study_file_says(
    cell: str, rule: dict[str, Any], file: dict[str, Any], expected: float, tmp_path: Path
) -> None:
    source = from_text(tmp_path, cell, rule, "tumour_size_mm", **file)
    assert [float(value) for value in values(source, "tumour_size_mm")] == [expected]


@pytest.mark.parametrize(
    ("pattern", "told"), [("P([0-9", "is no regular expression"), ("P[0-9]", "one pair of brackets")]
)
def test_a_pattern_of_ids_that_is_none_is_refused(pattern: str, told: str, tmp_path: Path) -> None:
    with pytest.raises(UserError, match=f"id.pattern: .*{told}"):
        subjects(tmp_path, {"path": "p.csv", "id": {"column": "id", "pattern": pattern}}, {"age_years": "x"})


@pytest.mark.parametrize(
    ("cell", "column", "expected"),
    [
        (dt.date(2026, 1, 31), "rand_date", "2026-01-31"),
        (pd.Timestamp("2026-01-31"), "rand_date", "2026-01-31"),
        (50.5, "age_years", "50.5"),
    ],
)
def test_a_typed_cell_of_parquet_is_read(cell: Any, column: str, expected: str, tmp_path: Path) -> None:
    pd.DataFrame({"id": ["P1"], "x": [cell]}).to_parquet(tmp_path / "p.parquet")
    assert values(subjects(tmp_path, {"path": "p.parquet"}, {column: "x"}), column) == [expected]


@pytest.mark.parametrize(
    ("cell", "told"),
    [
        (pd.Timestamp("2026-01-31 23:30", tz="Asia/Shanghai"), "moments with a time zone"),
        (pd.Timedelta(days=5), "lengths of time without a unit"),
        ([1, 2], "lists or records"),
    ],
)
def test_a_typed_cell_that_is_no_single_value_or_day_is_refused(cell: Any, told: str, tmp_path: Path) -> None:
    pd.DataFrame({"id": ["P1"], "x": [cell], "age": [50]}).to_parquet(tmp_path / "p.parquet")
    with pytest.raises(UserError, match=told):
        subjects(tmp_path, {"path": "p.parquet"}, {"rand_date": "x"})
    assert values(subjects(tmp_path, {"path": "p.parquet"}, {"age_years": "age"}), "age_years") == ["50"]
