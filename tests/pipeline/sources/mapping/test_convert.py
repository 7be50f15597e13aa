"""From cells as text to what the contract reads: numbers, limits of measurement, per cent, dates."""

from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from pipeline.sources.formats.errors import SourceError
from pipeline.sources.formats.source_file import SourceFile
from pipeline.sources.mapping.convert import Origin, converted
from pipeline.sources.mapping.files import Reader
from pipeline.sources.mapping.study_file import ColumnRule
from tests.pipeline.formats import CONTRACT

NUMBER = CONTRACT["subjects"].columns["age_years"]
FRACTION = CONTRACT["ctdna_samples"].columns["mean_vaf"]
DATE = CONTRACT["subjects"].columns["consent_date"]


def read(
    cells: list[str], column: Any, rule: dict[str, Any] | None = None, **file: Any
) -> tuple[list[Any], list[str]]:
    """Return the values of cells, and the rules of the repairs that were counted."""
    spec, reader = SourceFile(path="a.csv", **file), Reader(Path())
    values = pd.Series(cells, dtype="str")
    ids = pd.Series([f"P{i}" for i in range(len(cells))], dtype="str")
    origin = Origin(spec, "X", "a.csv, column 'X'", ids)
    found = converted(
        values, ColumnRule.model_validate({"from": "X", **(rule or {})}), column, origin, reader
    )
    return found.tolist(), [repair[2].partition(":")[0] for repair in reader.repairs]


def test_a_limit_of_measurement_is_read_as_the_limit_only_where_the_study_file_says_so() -> None:
    assert read(["<3", "7"], NUMBER, {"censored": "limit"}) == (["3", "7"], ["censored"])
    assert read(["<3", "7"], NUMBER) == (["<3", "7"], [])


def test_a_sign_of_per_cent_becomes_a_fraction_exactly() -> None:
    assert read(["0.3 %", "0.02"], FRACTION) == (["0.003", "0.02"], ["per_cent"])


def test_decimal_commas_become_points_and_a_point_beside_them_is_refused() -> None:
    assert read(["1.234,5", "2,5"], NUMBER, decimal=",", thousands=".") == (["1234.5", "2.5"], ["thousands"])
    with pytest.raises(
        SourceError, match=r"column 'X': 1 rows \(P1\) hold a point in a file with decimal commas"
    ):
        read(["2,5", "2.5"], NUMBER, decimal=",")


def test_a_factor_scales_numbers_and_leaves_text_for_the_contract_to_refuse() -> None:
    assert read(["2", "many"], NUMBER, {"factor": 10.0}) == ([20.0, "many"], [])


@pytest.mark.parametrize(
    ("cell", "rule", "file", "date", "repair"),
    [
        ("03/02/2026", {"date_format": "%d/%m/%Y"}, {}, "2026-02-03", []),
        ("46056", {"date_format": "excel"}, {}, "2026-02-03", ["excel_dates"]),
        ("2026-05", {}, {"partial_dates": "first_day"}, "2026-05-01", ["partial_date"]),
        ("2026-02-03T08:15", {}, {}, "2026-02-03T08:15", ["time_cut_off"]),
    ],
)
def test_a_date_is_read_as_the_study_file_says_and_counted(
    cell: str, rule: dict[str, Any], file: dict[str, Any], date: str, repair: list[str]
) -> None:
    assert read([cell], DATE, rule, **file) == ([date], repair)


@pytest.mark.parametrize(
    ("code", "rule", "told"),
    [
        ("99", {}, ["code_may_be_value"]),
        ("999", {}, []),
        ("-9", {}, []),
        ("NK", {}, []),
        ("9", {"factor": 10.0}, ["code_may_be_value"]),
        ("99", {"recode": {"50": "50"}}, []),
    ],
)
def test_a_code_for_missing_that_may_be_an_age_is_told(
    tmp_path: Path, code: str, rule: dict[str, Any], told: list[str]
) -> None:
    (tmp_path / "a.csv").write_text(f"X\n{code}\n50\n", encoding="utf-8")
    spec, reader = SourceFile(path="a.csv", missing=[code]), Reader(tmp_path)
    cells = reader.read(spec, ["X"])
    assert cells is not None
    origin = Origin(spec, "X", "a.csv, column 'X'", None)
    converted(cells["X"], ColumnRule.model_validate({"from": "X", **rule}), NUMBER, origin, reader)
    assert [(rule.partition(":")[0], rows) for _, _, rule, rows, _ in reader.warnings] == [
        (rule, 1) for rule in told
    ]
