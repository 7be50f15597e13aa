"""Laboratory values in the unit in which criteria judge their test; units by UCUM or CDISC's spelling.

A test of presence is 0 or 1; a quantity becomes that by its upper limit of normal.
"""

from pathlib import Path
from typing import NamedTuple

import pandas as pd

from pipeline.project.files import read_yaml
from pipeline.sources.mapping.beside import scaled
from pipeline.sources.mapping.files import Reader

UNITS = Path(__file__).parents[2] / "configs" / "laboratory_units.yaml"
TEST, VALUE, UNIT, LIMITS = "testcd", "value", "unit", ("lln", "uln")
PRESENCE = "0 or 1"


class UsualUnit(NamedTuple):
    """The unit of a test, and how many of it one of each other unit is, by unit in lower case."""

    unit: str
    factors: dict[str, float]


def laboratory_units(path: Path = UNITS) -> dict[str, UsualUnit]:
    """Return the units of every test that comes in several."""
    return {
        test: UsualUnit(
            str(entry["unit"]), {str(unit).lower(): float(f) for unit, f in entry["factors"].items()}
        )
        for test, entry in read_yaml(path).items()
        if entry["unit"] != PRESENCE
    }


def tests_of_presence(path: Path = UNITS) -> list[str]:
    """Return the tests whose result is 0 (negative) or 1 (positive)."""
    return [test for test, entry in read_yaml(path).items() if entry["unit"] == PRESENCE]


def as_presence(frame: pd.DataFrame, label: str, reader: Reader) -> pd.DataFrame:
    """Return laboratory rows with 0 or 1 for quantities of a test of presence, what was changed counted.

    Up to its upper limit of normal a quantity is 0, above it 1. What cannot be told is left empty, with a
    warning: a quantity without that limit, and 1 with a limit of 1, which is an index at its limit or says
    positive.

    Parameters
    ----------
    frame, label
        As in `in_usual_units`.
    """
    if TEST not in frame or VALUE not in frame:
        return frame
    frame = frame.copy()
    value = pd.to_numeric(frame[VALUE], errors="coerce")
    limit = pd.to_numeric(frame["uln"], errors="coerce") if "uln" in frame else value * float("nan")
    limit = limit.mask(frame[UNIT] == PRESENCE) if UNIT in frame else limit
    for test in tests_of_presence():
        rows = (frame[TEST] == test) & value.notna()
        quantity = rows & limit.notna() & ~((value == 0) & (limit == 0))
        untold = (rows & limit.isna() & ~value.isin([0, 1])) | (quantity & (value == 1) & (limit == 1))
        told = quantity & ~untold
        reader.note(label, VALUE, f"presence_by_limit: {test}, 1 above its upper limit", int(told.sum()))
        reader.doubt(label, VALUE, f"presence_unknown: {test}, left empty", int(untold.sum()))
        if not (told | untold).any():
            continue
        present = (value > limit).map({True: "1", False: "0"})
        frame[VALUE] = frame[VALUE].astype("object").mask(told, present).mask(untold, None).astype("str")
        for column in (name for name in LIMITS if name in frame):
            frame[column] = frame[column].astype("object").mask(told, None).astype("str")
        if UNIT in frame:
            frame[UNIT] = frame[UNIT].astype("object").mask(told, PRESENCE).astype("str")
    return frame


def in_usual_units(frame: pd.DataFrame, label: str, reader: Reader) -> pd.DataFrame:
    """Return laboratory rows with values and limits of normal in their test's unit, what was changed counted.

    Rows without a unit stand as they are, and so do those in a unit that is unknown for their test, with a
    warning.

    Parameters
    ----------
    frame : DataFrame
        Rows of labs or safety_measurements as text, or as numbers where a factor of the study file was
        applied; columns testcd and value, unit, lln and uln where the study has them.
    label : str
        The file, as messages name it.
    """
    if UNIT not in frame or TEST not in frame or VALUE not in frame:
        return frame
    frame = frame.copy()
    for test, units in laboratory_units().items():
        of_test = (frame[TEST] == test) & frame[UNIT].notna()
        for unit in sorted(frame.loc[of_test, UNIT].unique()):
            rows, factor = of_test & (frame[UNIT] == unit), units.factors.get(unit.lower())
            if factor is None:
                told = f"laboratory_unit_unknown: {test} in {unit}, read as it stands"
                reader.doubt(label, UNIT, told, int(rows.sum()))
            elif unit != units.unit:
                told = f"unit_converted: {test} from {unit} to {units.unit}"
                reader.note(label, UNIT, told, int(rows.sum()))
                for column in (VALUE, *(limit for limit in LIMITS if limit in frame)):
                    cells = frame[column].astype("str").where(frame[column].notna())
                    in_unit = cells.mask(rows, scaled(cells[rows], factor)) if factor != 1 else cells
                    frame[column] = in_unit.astype("str")
                frame.loc[rows, UNIT] = units.unit
    return frame
