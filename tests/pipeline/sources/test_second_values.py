"""A cell and its value by the second way: the same as by the first, which shares none of its code."""

from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from features.contract.cells import as_text
from pipeline.sources.formats.source_file import SourceFile
from pipeline.sources.mapping.convert import Origin, converted
from pipeline.sources.mapping.files import Reader
from pipeline.sources.mapping.study_file import ColumnRule
from pipeline.sources.second_values import plain_identifier, recoded, same, value_of
from tests.pipeline.formats import CONTRACT

NUMBER = CONTRACT["subjects"].columns["age_years"]
FRACTION = CONTRACT["ctdna_samples"].columns["mean_vaf"]
DATE = CONTRACT["subjects"].columns["consent_date"]
WORD = CONTRACT["subjects"].columns["siteid"]


@pytest.mark.parametrize(
    ("cell", "column", "rule", "file", "value"),
    [
        ("1.234,5", NUMBER, {}, {"decimal": ",", "thousands": "."}, "1234.5"),
        ("1 234", NUMBER, {}, {"thousands": " "}, "1234"),
        ("12 34", NUMBER, {}, {"thousands": " "}, "12 34"),
        ("\uff12\u0663", NUMBER, {}, {}, "23"),
        ("<3", NUMBER, {"censored": "limit"}, {}, "3"),
        ("≥ 20", NUMBER, {"censored": "limit"}, {}, "20"),
        ("2.5 %", FRACTION, {}, {}, "0.025"),
        ("2,5%", FRACTION, {}, {"decimal": ","}, "0.025"),
        ("3", NUMBER, {"factor": 0.1}, {}, "0.3"),
        ("many", NUMBER, {"factor": 0.1}, {}, "many"),
        ("31/12/2026", DATE, {"date_format": "%d/%m/%Y"}, {}, "2026-12-31"),
        ("12/31/2026", DATE, {"date_format": "%d/%m/%Y"}, {}, "12/31/2026"),
        ("2026112", DATE, {"date_format": "%Y%m%d"}, {}, "2026112"),
        ("46056", DATE, {"date_format": "excel"}, {}, "2026-02-03"),
        ("24140", DATE, {"date_format": "sas"}, {}, "2026-02-03"),
        ("2026-05", DATE, {}, {"partial_dates": "first_day"}, "2026-05-01"),
        ("2026", DATE, {}, {"partial_dates": "first_day"}, "2026-01-01"),
        ("2026-05", DATE, {}, {"partial_dates": "missing"}, ""),
        ("Zu\u0308rich\u00a0\u200b", WORD, {}, {}, "Zürich"),
        ("1", WORD, {"recode": {"Basel": "1"}}, {}, "Basel"),
        ("9", WORD, {"recode": {"Basel": "1"}, "otherwise": "other"}, {}, "other"),
    ],
)
def test_both_ways_give_one_value(
    cell: str, column: Any, rule: dict[str, Any], file: dict[str, Any], value: str
) -> None:
    spec = ColumnRule.model_validate({"from": "X", **rule})
    source = SourceFile(path="a.csv", **file)
    assert same(value_of(cell, spec, column, source, from_1904=False), value, column)
    if "recode" not in rule:
        ids = pd.Series(["P1"], dtype="str")
        origin = Origin(source, "X", "a.csv, column 'X'", ids)
        first = converted(pd.Series([cell], dtype="str"), spec, column, origin, Reader(Path()))
        assert same(as_text(first).fillna("").item(), value, column)


def test_ids_and_levels_are_read_as_a_keyboard_writes_them() -> None:
    assert plain_identifier("\u202a0012\u20117\u202c") == "0012-7"
    assert recoded("", ColumnRule.model_validate({"from": "X", "recode": {"ND": ""}})) == "ND"


def test_two_numbers_are_one_and_two_words_are_not() -> None:
    assert same("0.30000000000000004", "0.3", NUMBER)
    assert not same("0.31", "0.3", NUMBER)
    assert not same("1.0", "1", WORD)
