"""One table against its specification: which rows break which rule."""

import pandas as pd

from features.contract.schema import schema_failures
from features.contract.specification import ColumnSpec, TableSpec, Timing

SPEC = TableSpec(
    "toy",
    "toy",
    ("usubjid", "visit"),
    Timing("baseline"),
    {
        spec.name: spec
        for spec in (
            ColumnSpec("usubjid", "string", "id", required=True),
            ColumnSpec("visit", "visit", "visit"),
            ColumnSpec("arm", "category", "arm", levels_from="arms"),
            ColumnSpec("size", "float", "size", unit="mm", low=0, high=10),
            ColumnSpec("label", "string", "label", unique=True),
        )
    },
)
WORDS = {"visits": ["c1", "c2"], "arms": ["A", "B"]}
SOUND = pd.DataFrame(
    {
        "usubjid": ["P1", "P1"],
        "visit": ["c1", "c2"],
        "arm": ["A", "B"],
        "size": [0.0, 10.0],
        "label": ["x", "y"],
    }
)


def failures(frame: pd.DataFrame) -> list[tuple[str, str, list[int]]]:
    return [(column, rule, rows.tolist()) for column, rule, rows in schema_failures(frame, SPEC, WORDS)]


def test_a_sound_table_breaks_no_rule_and_columns_may_be_absent() -> None:
    assert failures(SOUND) == []
    assert failures(SOUND[["arm"]]) == []


def test_every_rule_names_its_column_and_rows() -> None:
    broken = SOUND.assign(arm=["A", "C"], size=[-1.0, 11.0], label="x")
    told = failures(broken)
    assert [failure for failure in told if failure[0] != "size"] == [
        ("arm", "levels: A, B", [1]), ("label", "unique", [0, 1]),
    ]  # fmt: skip
    sizes = [(rule, row) for column, rule, rows in told for row in rows if column == "size"]
    assert sorted(sizes) == [("range: 0 to 10 mm", 0), ("range: 0 to 10 mm", 1)]


def test_a_key_that_stands_twice_is_told_once_and_a_row_without_key_is_no_duplicate() -> None:
    assert failures(SOUND.assign(visit="c1")) == [("usubjid", "duplicate_key: usubjid, visit", [0, 1])]
    assert not any(rows for _, _, rows in failures(SOUND.assign(visit=None)))


def test_a_required_cell_must_be_filled() -> None:
    assert failures(SOUND.assign(usubjid=["P1", None])) == [("usubjid", "required_value", [1])]
