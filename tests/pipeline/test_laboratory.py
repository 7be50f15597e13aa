"""Laboratory values come in the unit in which criteria judge their test."""

from pathlib import Path

import pandas as pd
import pytest

from pipeline.sources.laboratory import as_presence, in_usual_units, laboratory_units
from pipeline.sources.mapping.files import Reader


def labs(unit: str | None) -> pd.DataFrame:
    test, (usual, factors) = next(
        (test, units)
        for test, units in laboratory_units().items()
        if any(f != 1 for f in units.factors.values())
    )
    other = next(name for name, factor in factors.items() if factor != 1)
    named = {"other": other.upper(), "usual": usual}.get(unit or "", unit)
    return pd.DataFrame({"testcd": [test], "value": ["10"], "unit": [named], "uln": ["20"]}, dtype="str")


def test_value_and_limits_of_normal_are_converted_together_and_counted() -> None:
    reader, frame = Reader(Path()), labs("other")
    units = laboratory_units()[frame["testcd"].iloc[0]]
    factor = units.factors[frame["unit"].iloc[0].lower()]
    read = in_usual_units(frame, "lb.csv", reader).iloc[0]
    assert (float(read["value"]), float(read["uln"])) == (10 * factor, 20 * factor)
    assert read["unit"] == units.unit
    assert any("unit_converted" in rule for rule in map(str, reader.repairs))


def test_an_unknown_unit_is_read_as_it_stands_with_a_warning() -> None:
    reader = Reader(Path())
    assert in_usual_units(labs("bananas"), "lb.csv", reader)["value"].tolist() == ["10"]
    assert "laboratory_unit_unknown" in str(reader.warnings)


def test_the_usual_unit_and_no_unit_change_nothing() -> None:
    for unit in ("usual", None):
        reader = Reader(Path())
        assert in_usual_units(labs(unit), "lb.csv", reader)["value"].tolist() == ["10"]
        assert reader.repairs == []
        assert reader.warnings == []


def test_limits_that_a_converted_test_has_not_stay_empty() -> None:
    frame = pd.DataFrame({"testcd": ["SYSBP"], "value": ["17"], "unit": ["kPa"], "uln": [None]}, dtype="str")
    read = in_usual_units(frame, "vs.csv", Reader(Path())).iloc[0]
    assert float(read["value"]) == pytest.approx(127.51054)
    assert pd.isna(read["uln"])


@pytest.mark.parametrize(
    ("value", "uln", "expected"),
    [
        ("0", None, "0"), ("1", None, "1"),  # as words were read
        ("3.2", "5", "0"), ("5", "5", "0"), ("5.1", "5", "1"), ("1", "5", "0"),  # hCG in IU/L
        ("0.06", "1", "0"), ("12.4", "1", "1"), ("0", "0", "0"), ("1", "0", "1"),
        ("1", "1", None), ("0.06", None, None), ("4200", None, None),
    ],
)  # fmt: skip
def test_a_quantity_of_a_test_of_presence_is_told_by_its_limit(
    value: str, uln: str | None, expected: str | None
) -> None:
    columns = {"testcd": ["HCG"], "value": [value], "unit": [None], "uln": [uln]}
    read = as_presence(pd.DataFrame(columns, dtype="str"), "lb.csv", reader := Reader(Path()))
    assert read["value"].astype("object").where(read["value"].notna(), None).tolist() == [expected]
    assert bool(reader.warnings) == (expected is None)
    again = as_presence(read, "lb.csv", Reader(Path()))
    pd.testing.assert_frame_equal(again, read)
