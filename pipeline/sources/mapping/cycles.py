"""Doses, one row a drug as SDTM's EX has them, are placed in cycles.

EX holds one record for each constant-dosing interval; VISIT may stand there for doses given at a visit, and
not for tablets taken at home (SDTMIG 3.4, EX, assumptions 1 and 4). Which regimen the drugs of a cycle make
says configs/regimens.yaml.
"""

from collections.abc import Iterator
from datetime import date, timedelta
from typing import NamedTuple

import numpy as np
import pandas as pd

from pipeline.sources.formats.errors import SourceError, named_ids
from pipeline.sources.formats.source_file import Cycles, SourceFile
from pipeline.sources.mapping.files import Reader

CYCLE, START, END = "CYCLE", "START", "END"
PLACED = frozenset({CYCLE, START, END})
"""Columns that `cycles` makes, beside those of the file."""
NUMBER = r"(\d+)"


class Dose(NamedTuple):
    """A row of the file: its place there, the drug, its cycle where one is named, first and last day."""

    row: int
    drug: str
    cycle: int | None
    start: date | None
    end: date | None


class Given(NamedTuple):
    """What a dose, or tablets over some days, is in one cycle."""

    row: int
    cycle: int
    start: date | None
    end: date | None


def in_cycles(cells: pd.DataFrame, ids: pd.Series, file: SourceFile, reader: Reader) -> pd.DataFrame:
    """Return the rows with CYCLE, START and END as text, once for each cycle that a row reaches into.

    Rows of no cycle are left out, with a warning. The index of the result repeats that of `cells`.

    Raises
    ------
    SourceError
        If a day cannot be read, or no dose of a patient is of a cycle.
    """
    plan = file.cycles
    assert plan is not None  # noqa: S101 - asked by the caller
    doses = pd.DataFrame(
        {
            "patient": ids.to_numpy(), "drug": cells[plan.drug].str.casefold().to_numpy(),
            "number": _numbers(cells, plan).to_numpy(), "row": np.arange(len(cells)),
            "start": _days(cells, plan.start, ids, file).to_numpy(),
            "end": _days(cells, plan.end, ids, file).to_numpy(),
        }
    ).dropna(subset=["patient", "drug"])  # fmt: skip
    placed: list[Given] = []
    without: list[str] = []
    for patient, rows in doses.groupby("patient"):
        of_patient = list(_placed(_doses(rows), plan))
        placed += of_patient
        without += [] if of_patient else [str(patient)]
    if without:
        raise SourceError(
            f"{file.label}: {len(without)} patients ({'; '.join(without[:3])}) have doses and no cycle; "
            f"check `cycles` (cycle, anchors) in the study file"
        )
    lost = ~doses["row"].isin([given.row for given in placed])
    told = "dose_of_no_cycle: before the first cycle, or without a day; left out"
    reader.doubt(file.label, plan.start, told, int(lost.sum()), named_ids(doses.loc[lost, "patient"]))
    placed.sort()
    made = cells.iloc[[given.row for given in placed]].copy()
    made[CYCLE] = [str(given.cycle) for given in placed]
    made[START] = pd.Series([_text(given.start) for given in placed], index=made.index, dtype="str")
    made[END] = pd.Series([_text(given.end) for given in placed], index=made.index, dtype="str")
    return made


def _numbers(cells: pd.DataFrame, plan: Cycles) -> pd.Series:
    if plan.cycle is None:
        return pd.Series(np.nan, index=cells.index)
    return pd.to_numeric(cells[plan.cycle].astype("str").str.extract(NUMBER, expand=False))


def _days(cells: pd.DataFrame, column: str | None, ids: pd.Series, file: SourceFile) -> pd.Series:
    """Return the days of a column; missing where the cell is empty."""
    if column is None:
        return pd.Series(None, index=cells.index, dtype="object")
    text = cells[column].astype("str")
    days = pd.to_datetime(text.str.slice(stop=10), format="%Y-%m-%d", errors="coerce")
    wrong = text.notna() & days.isna()
    if wrong.any() and file.partial_dates == "refuse":
        raise SourceError(
            f"{file.label}, column {column!r}: {int(wrong.sum())} rows ({named_ids(ids[wrong])}) hold no "
            f"whole day; complete them, or say `partial_dates: missing` in the study file"
        )
    return pd.Series(days.dt.date, index=cells.index, dtype="object")


def _text(day: date | None) -> str | None:
    return None if day is None else day.isoformat()


def _doses(rows: pd.DataFrame) -> list[Dose]:
    doses = []
    for row, drug, number, first, last in rows[["row", "drug", "number", "start", "end"]].itertuples(
        index=False, name=None
    ):
        start, end = (None if pd.isna(day) else day for day in (first, last))
        cycle = None if pd.isna(number) else int(number)
        doses.append(Dose(int(row), str(drug), cycle, start, start if end is None else end))
    return doses


def _placed(doses: list[Dose], plan: Cycles) -> Iterator[Given]:
    """Yield what each dose of a patient is in each cycle."""
    starts = _named_starts(doses) if plan.cycle is not None else _anchored_starts(doses, plan)
    numbers = sorted(starts)
    if not numbers:
        return
    for dose in doses:
        if dose.cycle is not None:
            yield Given(dose.row, dose.cycle, dose.start, dose.end)
            continue
        for number, after in zip(numbers, [*numbers[1:], None], strict=True):
            start, following = starts[number], None if after is None else starts[after]
            if dose.start is None or dose.end is None or start is None:
                continue
            if dose.start >= start or dose.end > start:
                last = dose.end if following is None else min(dose.end, following - timedelta(days=1))
                if following is None or dose.start < following:
                    yield Given(dose.row, number, max(dose.start, start), last)


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
    anchors = {drug.casefold() for drug in plan.anchors}
    starts: list[date] = []
    for day in sorted(dose.start for dose in doses if dose.drug in anchors and dose.start is not None):
        if not starts or (day - starts[-1]).days >= plan.min_days:
            starts.append(day)
    return dict(enumerate(starts, start=1))
