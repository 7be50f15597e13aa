"""Doses, one row a drug as SDTM's EX has them, become cycles with a regimen and a first day.

EX holds one record for each constant-dosing interval; VISIT may stand there for doses given at a visit, and
not for tablets taken at home (SDTMIG 3.4, 6.1.3, assumptions 1 and 4).
"""

from collections.abc import Iterator, Mapping
from datetime import date
from typing import NamedTuple

import numpy as np
import pandas as pd

from pipeline.sources.formats.errors import SourceError, named_ids
from pipeline.sources.formats.source_file import Cycles, SourceFile
from pipeline.sources.mapping.files import Reader

PATIENT, CYCLE, REGIMEN, START, DELAY = "PATIENT", "CYCLE", "REGIMEN", "START", "DELAY"
DERIVED = frozenset({CYCLE, REGIMEN, START, DELAY})
"""Columns that `cycles` makes, beside those of the file."""
NUMBER = r"(\d+)"


class Dose(NamedTuple):
    """A row: the drug, its cycle where the file names one, its first and last day."""

    drug: str
    cycle: int | None
    start: date | None
    end: date | None


class Given(NamedTuple):
    """A cycle of a patient: number, first day, and the drugs given."""

    number: int
    start: date | None
    drugs: frozenset[str]


def cycles_of(cells: pd.DataFrame, ids: pd.Series, file: SourceFile, reader: Reader) -> pd.DataFrame:
    """Return the cycles of all patients: `PATIENT`, CYCLE, REGIMEN, START, DELAY, all text.

    Raises
    ------
    SourceError
        If a day cannot be read, no dose of a patient is of a cycle, or drugs make up no regimen or several.
    """
    plan = file.cycles
    assert plan is not None  # noqa: S101 - asked by the caller
    rows = pd.DataFrame(
        {
            "patient": ids,
            "drug": cells[plan.drug].str.upper(),
            "number": _numbers(cells, plan),
            "start": _days(cells, plan.start, ids, file),
            "end": _days(cells, plan.end, ids, file),
        }
    )
    if plan.dose is not None:
        rows = rows[~(pd.to_numeric(cells[plan.dose], errors="coerce") == 0)]
    rows = rows.dropna(subset=["patient", "drug"]).sort_values(["patient", "drug"], kind="stable")
    made = [
        (str(patient), given)
        for patient, of_patient in rows.groupby("patient")
        for given in _cycles(_doses(of_patient), plan)
    ]
    astray = rows.loc[~rows["patient"].isin([patient for patient, _ in made]), "patient"]
    if len(astray):
        raise SourceError(
            f"{file.label}: {astray.nunique()} patients ({named_ids(astray)}) have doses and no cycle; "
            f"check `cycles` (cycle, anchors) in the study file"
        )
    regimens = _regimens(made, plan, file, reader)
    return _table(made, regimens, plan)


def _numbers(cells: pd.DataFrame, plan: Cycles) -> pd.Series:
    if plan.cycle is None:
        return pd.Series(np.nan, index=cells.index)
    return pd.to_numeric(cells[plan.cycle].str.extract(NUMBER, expand=False))


def _days(cells: pd.DataFrame, column: str | None, ids: pd.Series, file: SourceFile) -> pd.Series:
    """Return the days of a column; missing where the cell is empty."""
    if column is None:
        return pd.Series(None, index=cells.index, dtype="object")
    text = cells[column]
    days = pd.to_datetime(text.str.slice(stop=10), format="%Y-%m-%d", errors="coerce")
    wrong = text.notna() & days.isna()
    if wrong.any() and file.partial_dates == "refuse":
        raise SourceError(
            f"{file.label}, column {column!r}: {int(wrong.sum())} rows ({named_ids(ids[wrong])}) hold no "
            f"whole day; complete them, or say `partial_dates: missing` in the study file"
        )
    return pd.Series(days.dt.date, index=cells.index, dtype="object").where(days.notna(), None)


def _doses(rows: pd.DataFrame) -> list[Dose]:
    return [
        Dose(str(drug), None if pd.isna(number) else int(number), start, start if end is None else end)
        for drug, number, start, end in zip(
            rows["drug"], rows["number"], rows["start"], rows["end"], strict=True
        )
    ]


def _cycles(doses: list[Dose], plan: Cycles) -> Iterator[Given]:
    """Yield the cycles of a patient in order."""
    starts = _named_starts(doses) if plan.cycle is not None else _anchored_starts(doses, plan)
    numbers = sorted(starts)
    for place, number in enumerate(numbers):
        start = starts[number]
        after = starts[numbers[place + 1]] if place + 1 < len(numbers) else None
        drugs = [
            dose.drug
            for dose in doses
            if (dose.cycle == number if dose.cycle is not None else _reaches(dose, start, after))
        ]
        yield Given(number, start, frozenset(drugs))


def _named_starts(doses: list[Dose]) -> dict[int, date | None]:
    """Return the first day of each cycle that the file names."""
    starts: dict[int, date | None] = {}
    for dose in doses:
        if dose.cycle is not None:
            days = [day for day in (starts.get(dose.cycle), dose.start) if day is not None]
            starts[dose.cycle] = min(days, default=None)
    return starts


def _anchored_starts(doses: list[Dose], plan: Cycles) -> dict[int, date | None]:
    """Return the first days of cycles, numbered from 1: anchor doses far enough from the last beginning."""
    anchors = {drug.upper() for drug in plan.anchors}
    starts: list[date] = []
    for day in sorted(dose.start for dose in doses if dose.drug in anchors and dose.start is not None):
        if not starts or (day - starts[-1]).days >= plan.min_days:
            starts.append(day)
    return dict(enumerate(starts, start=1))


def _reaches(dose: Dose, start: date | None, after: date | None) -> bool:
    """Tell whether a dose, or tablets over some days, was given in the cycle between two beginnings."""
    if dose.start is None or dose.end is None or start is None:
        return False
    begun = after is None or dose.start < after
    return begun and (dose.start >= start or dose.end > start)


def _regimens(
    made: list[tuple[str, Given]], plan: Cycles, file: SourceFile, reader: Reader
) -> dict[frozenset[str], str]:
    """Return the regimen of each set of drugs that was given."""
    parts = {
        regimen: [{name.upper() for name in ([drug] if isinstance(drug, str) else drug)} for drug in drugs]
        for regimen, drugs in plan.regimens.items()
    }
    found: dict[frozenset[str], str] = {}
    unfit: set[frozenset[str]] = set()
    incomplete: list[str] = []
    for patient, given in made:
        fitting = {regimen: _fits(given.drugs, drugs) for regimen, drugs in parts.items()}
        whole = [regimen for regimen, missing in fitting.items() if missing == 0]
        near = whole or [regimen for regimen, missing in fitting.items() if missing is not None]
        if len(near) == 1:
            found[given.drugs] = near[0]
            incomplete += [] if whole else [patient]
        else:
            unfit.add(given.drugs)
    patients = pd.Series([patient for patient, given in made if given.drugs in unfit], dtype="str")
    if len(patients) and plan.otherwise is None:
        raise SourceError(
            f"{file.label}, column {plan.drug!r}: {len(patients)} cycles ({named_ids(patients)}) have drugs "
            f"that make up no regimen, or several; add them under `regimens`, or say `otherwise`"
        )
    told = "regimen_incomplete: drugs of the regimen are missing in the cycle"
    reader.doubt(file.label, plan.drug, told, len(incomplete), "; ".join(sorted(set(incomplete))[:3]))
    told = f"regimen_otherwise: drugs of no regimen, read as {plan.otherwise}"
    reader.note(file.label, plan.drug, told, len(patients))
    return found


def _fits(given: frozenset[str], regimen: list[set[str]]) -> int | None:
    """Return how many of a regimen's drugs are missing; None where others than its drugs were given."""
    if not given or any(not any(drug in names for names in regimen) for drug in given):
        return None
    return sum(not (names & given) for names in regimen)


def _table(
    made: list[tuple[str, Given]], regimens: Mapping[frozenset[str], str], plan: Cycles
) -> pd.DataFrame:
    before: dict[tuple[str, int], date | None] = {(p, given.number): given.start for p, given in made}
    rows = []
    for patient, given in made:
        last = before.get((patient, given.number - 1))
        delay = None
        if plan.days is not None and last is not None and given.start is not None:
            delay = str(max(0, (given.start - last).days - plan.days))
        start = None if given.start is None else given.start.isoformat()
        rows.append((patient, str(given.number), regimens.get(given.drugs, plan.otherwise), start, delay))
    return pd.DataFrame(rows, columns=[PATIENT, CYCLE, REGIMEN, START, DELAY], dtype="str")
