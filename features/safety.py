"""Safety as measured: falls of the ejection fraction, and doses changed, from tables that no feature sees."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated

import pandas as pd

from features.documents.parsing import Between

CHANGED = ("reduced", "omitted", "stopped")
"""Modifications of a dose that give less of a drug."""


@dataclass(frozen=True)
class EjectionFractionFall:
    """A fall by at least `points` percentage points to below `below` %, in values of the test `test`."""

    test: str
    points: Annotated[float, Between(0, 100)]
    below: Annotated[float, Between(0, 100)]


def ejection_fraction_falls(
    tables: Mapping[str, pd.DataFrame], definition: EjectionFractionFall
) -> pd.Series:
    """Tell who had a fall of the ejection fraction on treatment: bool, index usubjid (sorted).

    Among patients with a value before or on the day of the first dose (the last of them; of labs where
    safety_measurements has none) and one after it. Without exposure, or without a first dose, nobody is.

    Parameters
    ----------
    tables : mapping
        Checked raw tables; safety_measurements, labs and exposure are read.
    """
    nobody = pd.Series(dtype=bool, index=pd.Index([], dtype="str", name="usubjid"))
    if not {"safety_measurements", "exposure"} <= set(tables):
        return nobody
    parts = [tables["safety_measurements"].rename(columns={"measured_date": "day"})]
    if "labs" in tables:
        parts.insert(0, tables["labs"].rename(columns={"lab_date": "day"}))
    values = pd.concat([part[["usubjid", "testcd", "day", "value"]] for part in parts])
    values = values.loc[values["testcd"] == definition.test].dropna(subset=["day", "value"])
    values = values.sort_values(["usubjid", "day"], kind="stable")
    first_dose = tables["exposure"].groupby("usubjid")["start_date"].min()
    before = values["day"] <= values["usubjid"].map(first_dose)
    after = values["day"] > values["usubjid"].map(first_dose)
    entry = values.loc[before].groupby("usubjid")["value"].last()
    later = values.loc[after & values["usubjid"].isin(entry.index)]
    if later.empty:
        return nobody
    lower = later["usubjid"].map(entry) - later["value"] >= definition.points
    return (lower & (later["value"] < definition.below)).groupby(later["usubjid"]).any()


def with_less_of_a_drug(drugs: pd.DataFrame) -> set[str]:
    """Return the patients with a drug that was reduced, left out or stopped (rows of drug_exposure)."""
    less = drugs["modification"].isin(CHANGED) | (drugs["dose_given"] < drugs["dose_planned"])
    return set(drugs.loc[less, "usubjid"])
