"""Laboratory values in the unit in which criteria judge their test; units by UCUM or CDISC's spelling."""

from pathlib import Path
from typing import NamedTuple

import pandas as pd

from pipeline.project.files import read_yaml
from pipeline.sources.mapping.beside import scaled
from pipeline.sources.mapping.files import Reader

UNITS = Path(__file__).parents[2] / "configs" / "laboratory_units.yaml"
TEST, VALUE, UNIT, LIMITS = "testcd", "value", "unit", ("lln", "uln")


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
    }


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
