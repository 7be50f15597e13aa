"""Safety of treated patients by arm: who had an event, how often by time, doses, the ejection fraction."""

from collections.abc import Iterator, Mapping, Sequence
from typing import TypeVar

import numpy as np
import pandas as pd

from features.safety import ejection_fraction_falls
from models.description.cohort import events_of
from models.description.plan import ToxicityPlan
from models.efficacy import proportions as compared
from models.efficacy.comparison import pair_name, proportion
from models.efficacy.documents import ResultRow
from models.efficacy.rates import rate, rate_ratio
from models.efficacy.records import row, with_value
from models.measures.common import Measure

Totals = TypeVar("Totals")

SAFETY = "treated"
PATIENT_DAYS = 100 * 365.25 / 12
"""Days in 100 patient-months, the unit of rates."""
ANY = "Any event"


def treated_arms(raw: Mapping[str, pd.DataFrame], arms: pd.Series) -> pd.Series:
    """Return the arm of every patient with a dose (index usubjid); of all where no exposure is recorded."""
    if "exposure" not in raw:
        return arms
    return arms.loc[arms.index.isin(raw["exposure"]["usubjid"])]


def incidence_rows(
    raw: Mapping[str, pd.DataFrame],
    treated: pd.Series,
    plan: ToxicityPlan,
    reference: str | None,
    level: float,
) -> Iterator[ResultRow]:
    """Yield who had each kind of event, by arm, and the difference from `reference`; nothing without records.

    Kinds: any event, those of `models.description.cohort.events_of`, and the fall of the ejection fraction as
    measured, of those who were measured.

    Parameters
    ----------
    treated : Series
        Arm by usubjid, as `treated_arms` has it.
    """
    adverse = raw.get("adverse_events")
    if adverse is None or adverse.empty:
        return
    patients = treated.index
    kinds = {ANY: pd.Series(patients.isin(adverse["usubjid"]), index=patients)}
    kinds |= events_of(adverse, patients.tolist(), plan)
    fall = plan.ejection_fraction
    fell = ejection_fraction_falls(raw, fall)
    kinds[f"{fall.test} measured: {fall.points:g} points or more down to below {fall.below:g} %"] = fell
    for kind, had in kinds.items():
        counts = {
            str(arm): (int(part.sum()), len(part)) for arm, part in had.groupby(treated.reindex(had.index))
        }
        for arm, (events, n) in counts.items():
            result = row(SAFETY, arm, "incidence", "Wilson", level=kind, n=n, events=events)
            yield with_value(result, proportion, events, n, level)
        for pair, (events, n), (events0, n0) in _against(counts, reference):
            result = row(SAFETY, pair, "incidence_difference", "Newcombe",
                         level=kind, n=n + n0, events=events + events0)  # fmt: skip
            yield with_value(
                result, compared.newcombe_difference, compared.arms(events, n, events0, n0), level
            )


def rate_rows(
    raw: Mapping[str, pd.DataFrame],
    treated: pd.Series,
    plan: ToxicityPlan,
    reference: str | None,
    level: float,
) -> Iterator[ResultRow]:
    """Yield, by arm, patients with a first event per 100 patient-months at risk, and their ratio.

    At risk: from the first dose to the first such event, or `follow_up_days` after the last cycle's start.
    Events without a date count as on the last day. Nothing without dates of doses.
    """
    adverse, exposure = raw.get("adverse_events"), raw.get("exposure")
    if adverse is None or adverse.empty or exposure is None:
        return
    starts = (
        exposure.groupby("usubjid")["start_date"].agg(["min", "max"]).dropna().reindex(treated.index).dropna()
    )
    last = (starts["max"] - starts["min"]).dt.days + plan.follow_up_days
    kinds = {ANY: adverse, f"Any event, grade {plan.severe} or more": adverse.loc[
        (adverse["grade"] >= plan.severe).fillna(value=False)
    ]}  # fmt: skip
    for kind, events in kinds.items():
        inside = events.loc[events["usubjid"].isin(starts.index)]
        day = (inside["start_date"] - inside["usubjid"].map(starts["min"])).dt.days
        first = day.clip(lower=0).fillna(np.inf).groupby(inside["usubjid"]).min().reindex(starts.index)
        had = (first <= last) | np.isinf(first)
        time = np.minimum(first.fillna(np.inf), last)
        arms = treated.reindex(starts.index)
        totals = {str(arm): (int(had[ids].sum()), float(time[ids].sum()) / PATIENT_DAYS, len(ids))
                  for arm, ids in arms.groupby(arms).groups.items()}  # fmt: skip
        for arm, (count, at_risk, n) in totals.items():
            result = row(SAFETY, arm, "rate", "exact, per 100 patient-months", level=kind, n=n, events=count)
            yield with_value(result, rate, count, at_risk, level)
        for pair, (count, at_risk, n), (count0, at_risk0, n0) in _against(totals, reference):
            result = row(SAFETY, pair, "rate_ratio", "exact, conditional",
                         level=kind, n=n + n0, events=count + count0)  # fmt: skip
            yield with_value(result, rate_ratio, count, at_risk, count0, at_risk0, level)


def _against(totals: Mapping[str, Totals], reference: str | None) -> Iterator[tuple[str, Totals, Totals]]:
    """Yield the name of every other arm's comparison with `reference`, and what is known of both."""
    if reference is not None and reference in totals:
        for arm in totals:
            if arm != reference:
                yield pair_name(arm, reference), totals[arm], totals[reference]


def quartiles_of(values: pd.Series) -> Measure:
    """Return the median, and as its limits the quartiles, of values of which none is missing."""
    low, median, high = np.quantile(values, [0.25, 0.5, 0.75])
    return Measure(float(median), float(low), float(high))


def dose_rows(raw: Mapping[str, pd.DataFrame], treated: pd.Series) -> Iterator[ResultRow]:
    """Yield the relative dose intensity by arm, in per cent: median and quartiles.

    Of a patient the mean dose given, of that planned, times the planned time over the actual time from the
    first to the last start of a cycle (planned: without the delays).
    """
    exposure = raw.get("exposure")
    if exposure is None or exposure["dose_pct"].isna().all():
        return
    cycles = exposure.groupby("usubjid").agg(
        dose=("dose_pct", "mean"),
        first=("start_date", "min"),
        last=("start_date", "max"),
        late=("delay_days", "sum"),
    )
    days = (cycles["last"] - cycles["first"]).dt.days.astype(float)
    delayed = cycles["late"].astype(float).clip(upper=days)
    on_time = ((days - delayed) / days).where(days > 0, 1.0)
    intensity = (cycles["dose"] * on_time).dropna()
    arms = treated.reindex(intensity.index)
    for arm, part in intensity.groupby(arms):
        result = row(SAFETY, str(arm), "dose_intensity_pct", "median, quartiles", n=len(part))
        yield with_value(result, quartiles_of, part)


def ejection_fraction_rows(
    raw: Mapping[str, pd.DataFrame], treated: pd.Series, test: str
) -> Iterator[ResultRow]:
    """Yield the ejection fraction by cycle and arm: median and quartiles of those measured."""
    measured = raw.get("safety_measurements")
    if measured is None:
        return
    values = measured.loc[(measured["testcd"] == test) & measured["usubjid"].isin(treated.index)]
    values = values.dropna(subset=["value", "cycle"])
    by_patient = values.groupby(["cycle", "usubjid"])["value"].last().reset_index()
    arms = by_patient["usubjid"].map(treated)
    for (cycle, arm), part in by_patient.groupby(["cycle", arms])["value"]:
        result = row(
            SAFETY, str(arm), "ejection_fraction", "median, quartiles", level=f"cycle {cycle}", n=len(part)
        )
        yield with_value(result, quartiles_of, part)


def safety_rows(
    raw: Mapping[str, pd.DataFrame],
    arms: pd.Series,
    plan: ToxicityPlan,
    reference: str | None,
    level: float,
) -> Sequence[ResultRow]:
    """Return every result on safety, of those of `arms` (by usubjid) who were treated.

    Without `reference` no arms are compared.
    """
    treated = treated_arms(raw, arms)
    return [
        *incidence_rows(raw, treated, plan, reference, level),
        *rate_rows(raw, treated, plan, reference, level),
        *dose_rows(raw, treated),
        *ejection_fraction_rows(raw, treated, plan.ejection_fraction.test),
    ]
