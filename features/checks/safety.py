"""Contradictions in what is recorded of safety: events, doses, measurements and supportive care."""

from collections.abc import Iterator, Mapping, Sequence

import pandas as pd

from features.checks.finding import Finding
from features.exposure import CYCLE, Regimens, regimens_of_cycles

FATAL = 5
SAFETY_ADVICE = {
    "fatal_event_without_death": "correct the grade, or the reason in disposition",
    "event_ends_before_it_starts": "correct one of the two dates",
    "dose_contradicts_modification": "correct the doses, or what was changed",
    "drugs_of_no_regimen": "correct the drugs, or add them to the regimen in configs/regimens.yaml",
    "regimen_contradicts_drugs": "correct the regimen, or the drugs of the cycle",
    "drug_given_without_cycle": "add the cycle to exposure, or correct the cycle of the drug",
    "systolic_below_diastolic": "correct the two values; they may be swapped",
    "action_without_drug": "name the drug that was held, reduced or stopped",
}
"""Rule (the part before the colon) -> what to do."""


def safety_findings(
    tables: Mapping[str, pd.DataFrame], regimens: Regimens | None, names: Sequence[str]
) -> Iterator[Finding]:
    """Yield the contradictions; a missing cell contradicts nothing.

    `names` are the study's regimens; without `regimens`, the drugs that make them, these are not compared.
    """
    if "adverse_events" in tables:
        yield from _events(tables["adverse_events"], tables.get("disposition"))
    if "drug_exposure" in tables:
        yield from _doses(tables["drug_exposure"], tables.get("exposure"))
        if regimens is not None:
            yield from _regimens(tables["drug_exposure"], tables.get("exposure"), regimens, names)
    if "safety_measurements" in tables:
        yield _pressures(tables["safety_measurements"])


def _events(events: pd.DataFrame, disposition: pd.DataFrame | None) -> Iterator[Finding]:
    yield Finding(
        "adverse_events", "end_date", "event_ends_before_it_starts", events["end_date"] < events["start_date"]
    )
    unnamed = (events["action"] == "stop_drug") & events["drug"].isna()
    yield Finding("adverse_events", "drug", "action_without_drug", unnamed)
    if disposition is None:
        return
    died = disposition.loc[disposition["reason"] == "death", "usubjid"]
    alive = (events["grade"] == FATAL) & ~events["usubjid"].isin(died)
    yield Finding("adverse_events", "grade", "fatal_event_without_death", alive)


def _doses(drugs: pd.DataFrame, exposure: pd.DataFrame | None) -> Iterator[Finding]:
    change, given, planned = drugs["modification"], drugs["dose_given"], drugs["dose_planned"]
    wrong = (change == "none") & (given < planned) | (change == "omitted") & (given > 0)
    wrong |= (change == "reduced") & (given >= planned)
    yield Finding("drug_exposure", "modification", "dose_contradicts_modification", wrong)
    if exposure is None:
        return
    cycles = pd.MultiIndex.from_frame(exposure[CYCLE])
    unknown = (given > 0) & ~pd.MultiIndex.from_frame(drugs[CYCLE]).isin(cycles)
    yield Finding("drug_exposure", "cycle", "drug_given_without_cycle", unknown)


def _regimens(
    drugs: pd.DataFrame, exposure: pd.DataFrame | None, regimens: Regimens, names: Sequence[str]
) -> Iterator[Finding]:
    """Yield the drugs that make no regimen, and the cycles recorded under another than theirs."""
    made = regimens_of_cycles(drugs, regimens, names).set_index(CYCLE)["regimen"]
    of_row = pd.Series(made.reindex(pd.MultiIndex.from_frame(drugs[CYCLE])).to_numpy(), index=drugs.index)
    yield Finding("drug_exposure", "drug", "drugs_of_no_regimen", of_row.isna())
    if exposure is None:
        return
    in_order = made.reindex(pd.MultiIndex.from_frame(exposure[CYCLE])).to_numpy()
    by_drugs = pd.Series(in_order, index=exposure.index, dtype="str")
    wrong = by_drugs.notna() & (by_drugs != exposure["regimen"])
    yield Finding("exposure", "regimen", "regimen_contradicts_drugs", wrong)


def _pressures(measured: pd.DataFrame) -> Finding:
    """Return the systolic pressures at or below the diastolic one of the same day."""
    day = ["usubjid", "measured_date"]
    of_test = {
        test: measured.loc[measured["testcd"] == test].drop_duplicates(day).set_index(day)["value"]
        for test in ("SYSBP", "DIABP")
    }
    here = pd.MultiIndex.from_frame(measured[day])
    diastolic = pd.Series(of_test["DIABP"].reindex(here).to_numpy(), index=measured.index)
    swapped = (measured["testcd"] == "SYSBP") & (measured["value"] <= diastolic)
    return Finding("safety_measurements", "value", "systolic_below_diastolic", swapped)
