"""Laboratory values come in the unit in which criteria judge their test."""

from pathlib import Path

import pandas as pd

from pipeline.sources.laboratory import in_usual_units, laboratory_units
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
