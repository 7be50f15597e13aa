"""Values that no rule forbids: codes for missing and dates years away from all others."""

import pandas as pd
import pytest

from features.contract.specification import ColumnSpec
from features.contract.suspicions import suspicions
from tests.pipeline.formats import CONTRACT

AGE, DAY = CONTRACT["subjects"].columns["age_years"], CONTRACT["subjects"].columns["rand_date"]
AGES = [41.0, 52, 53, 60, 44, 71, 39, 66]


def said(values: list[float | str], column: ColumnSpec) -> list[tuple[str, int]]:
    kind = "datetime64[us]" if column.type == "date" else "float64"
    found = suspicions(pd.Series(values).astype(kind), column)
    return [(rule.partition(":")[0], int(rows.sum())) for rule, rows, _ in found if rows.any()]


@pytest.mark.parametrize(
    ("more", "expected"),
    [
        ([99, 99, 99], [("code_for_missing", 3)]),
        ([99, 99], []),  # two may be that old
        ([99, 99, 99, 88], []),  # 88 reaches too near to it
        ([98, 98, 98], []),
        ([999, 999, 999, 99], [("code_for_missing", 3)]),
    ],
)
def test_a_number_that_often_stands_for_none_is_named(
    more: list[float], expected: list[tuple[str, int]]
) -> None:
    assert said([*AGES, *more], AGE) == expected


@pytest.mark.parametrize(
    ("odd", "expected"),
    [
        (["2062-01-05"], [("isolated_date", 1)]),
        (["2016-01-05", "2099-01-01"], [("isolated_date", 2)]),
        (["2029-01-05"], []),
        (["2016-01-05"] * 4, []),  # four at that time are no slip
    ],
)
def test_a_date_years_away_from_all_others_is_named(odd: list[str], expected: list[tuple[str, int]]) -> None:
    usual = [f"2026-0{month}-05" for month in range(1, 10)]
    assert said([*usual, *odd], DAY) == expected
