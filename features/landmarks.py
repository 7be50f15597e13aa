"""What was known at a landmark: the one gate through which features see data.

A landmark is a decision: the start of the next cycle. A value counts as known at a landmark when its visit
belongs to the landmark and its result had been reported by the patient's decision date.
"""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import pandas as pd

from features.contract.validation import Contract, TableSpec
from features.definitions import known_dates, known_too_late
from features.documents.study import Landmark, LandmarkError
from features.feature import positions

LATE_COLUMNS = ["table", "visit", "reason", "rows"]
NEVER_VISIBLE = "outcome"


@dataclass(frozen=True)
class Visible:
    """What was known: `tables`, and in `late` how many rows per table and visit were met with which reason.

    ``reported_late``: hidden, because the result came after the decision date.
    ``no_report_date_used_performed``: judged by the date of draw, scan or biopsy, as there is no report date.
    """

    tables: dict[str, pd.DataFrame]
    late: pd.DataFrame


def next_cycle_start(tables: Mapping[str, pd.DataFrame], landmark: Landmark) -> pd.Series:
    """Return when the cycle after the landmark began: index usubjid of those who began it, datetime64[us]."""
    exposure = tables.get("exposure")
    if exposure is None or landmark.cycles is None:
        nobody = pd.Index([], dtype="str", name="usubjid")
        return pd.Series(index=nobody, dtype="datetime64[us]", name="start_date")
    begun = exposure.loc[exposure["cycle"] == landmark.cycles + 1]
    return begun.set_index("usubjid")["start_date"]


def decision_dates(tables: Mapping[str, pd.DataFrame], landmark: Landmark) -> pd.Series:
    """Return each patient's decision date: index usubjid (sorted), datetime64[us].

    It is the day the cycle after the landmark began; where that cycle was never given, randomisation plus the
    planned day plus the window; NaT where the study has neither.
    """
    subjects = tables["subjects"].set_index("usubjid").sort_index()
    started = next_cycle_start(tables, landmark).reindex(subjects.index)
    if landmark.planned_day is None:
        return started.rename("decision_date")
    days = landmark.planned_day + (landmark.window_days or 0)
    return started.fillna(subjects["rand_date"] + pd.Timedelta(days=days)).rename("decision_date")


def visible(
    tables: Mapping[str, pd.DataFrame], landmark: Landmark, decision_dates: pd.Series, contract: Contract
) -> Visible:
    """Return the rows known to the decision of each patient in `decision_dates`; the only gate for time.

    - baseline tables: always; visit tables: visits of the landmark; cycle tables: cycles up to the
      landmark's; sample tables: rows of visible samples; outcome tables: never.
    - A row is hidden when its report date (if missing, the date it was performed) is after the patient's
      decision date. On the day itself counts as known. Without a decision date or without any date, the visit
      alone decides.

    Parameters
    ----------
    decision_dates : Series
        Index usubjid, datetime64, NaT where unknown. Rows of patients not in the index are not returned.

    Returns
    -------
    Visible
        ``late`` has the columns table, visit, reason, rows, sorted; baseline tables stand under the
        first visit, cycles under the last.

    Raises
    ------
    LandmarkError
        If a table is not in the contract, or a sample table is there without its samples.
    """
    unknown = sorted(set(tables) - set(contract))
    if unknown:
        raise LandmarkError(f"tables without a contract cannot be placed in time: {', '.join(unknown)}")
    shown: dict[str, pd.DataFrame] = {}
    counts: list[pd.DataFrame] = []
    for name in tables:
        spec = contract[name]
        if spec.timing.known_at == NEVER_VISIBLE:
            continue
        if spec.timing.known_at == "sample":
            rows, late = _through_samples(tables, spec, contract, landmark, decision_dates)
        else:
            rows, late = _by_own_time(tables[name], spec, landmark, decision_dates)
        shown[name] = rows.reset_index(drop=True)
        counts.append(late)
    return Visible(shown, _sum_counts(counts))


def _by_own_time(
    table: pd.DataFrame, spec: TableSpec, landmark: Landmark, decision_dates: pd.Series
) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Cut a table by its own visit or cycle and its own dates; return the rows left and the counts."""
    if "usubjid" not in table:
        return table, _count(spec.table, {})
    rows, after, performed_used = _in_scope(table, spec, landmark, decision_dates)
    stands_under = landmark.visits[0] if spec.timing.cycle is None else landmark.visits[-1]
    visit = rows[spec.timing.visit] if spec.timing.visit else pd.Series(stands_under, index=rows.index)
    return rows.loc[~after], _count(spec.table, _reasons(visit[after], visit[performed_used]))


def _in_scope(
    table: pd.DataFrame, spec: TableSpec, landmark: Landmark, decision_dates: pd.Series
) -> tuple[pd.DataFrame, np.ndarray, np.ndarray]:
    """Return the rows of the patients whose visit or cycle belongs to the landmark, and two masks of them.

    The masks: known only after the decision; judged by the performed date, as there is no report date.
    """
    timing = spec.timing
    patient = positions(table["usubjid"], decision_dates.index)
    wanted = patient >= 0
    if timing.visit is not None:
        wanted &= table[timing.visit].isin(landmark.visits).to_numpy()
    elif timing.cycle is not None:
        cycles = 0 if landmark.cycles is None else landmark.cycles
        wanted &= (table[timing.cycle] <= cycles).fillna(value=False).to_numpy(dtype=bool)
    rows = table.loc[wanted]
    decision = decision_dates.to_numpy()[patient[wanted]]
    late = known_too_late(rows, decision, timing.performed, timing.reported)
    if timing.reported is None:
        return rows, late, np.zeros(len(rows), dtype=bool)
    unreported = rows[timing.reported].isna().to_numpy()
    dated = ~np.isnat(known_dates(rows, timing.performed, timing.reported))
    return rows, late, unreported & dated & ~np.isnat(decision)


def _through_samples(
    tables: Mapping[str, pd.DataFrame],
    spec: TableSpec,
    contract: Contract,
    landmark: Landmark,
    decision_dates: pd.Series,
) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Keep the rows of visible samples; those of late samples are counted under the sample's visit."""
    parent, key = str(spec.timing.sample_table), spec.timing.sample
    if parent not in tables:
        raise LandmarkError(f"{spec.table}: there is no table {parent}, so its rows cannot be placed in time")
    samples, after, performed_used = _in_scope(tables[parent], contract[parent], landmark, decision_dates)
    rows = tables[spec.table]
    at = positions(rows[key], pd.Index(samples[key]))
    known, place = at >= 0, at[at >= 0]
    visit = samples[contract[parent].timing.visit].to_numpy()
    late = _reasons(*(pd.Series(visit[place[mask[place]]], dtype="str") for mask in (after, performed_used)))
    kept = known.copy()
    kept[known] = ~after[place]
    return rows.loc[kept], _count(spec.table, late)


def _reasons(late: pd.Series, performed_used: pd.Series) -> dict[str, pd.Series]:
    """Name the two reasons for which rows are counted."""
    return {"reported_late": late, "no_report_date_used_performed": performed_used}


def _count(table: str, late: Mapping[str, pd.Series]) -> pd.DataFrame:
    """Count the visits under each reason: columns table, visit, reason, rows."""
    counts = [
        pd.DataFrame({"table": table, "visit": n.index, "reason": reason, "rows": n.to_numpy()})
        for reason, visits in late.items()
        if len(n := visits.value_counts())
    ]
    return pd.concat(counts) if counts else pd.DataFrame(columns=LATE_COLUMNS)


def _sum_counts(counts: list[pd.DataFrame]) -> pd.DataFrame:
    """Bind the counts of all tables, sorted, with fixed types."""
    bound = pd.concat(counts) if counts else pd.DataFrame(columns=LATE_COLUMNS)
    bound = bound.astype({"table": "str", "visit": "str", "reason": "str", "rows": "int64"})
    return bound.sort_values(LATE_COLUMNS, ignore_index=True)
