"""What is known after surgery: treatment since, the first event, death, up to the last contact."""

import numpy as np
import pandas as pd

from pipeline.sources.simulation.course_parameters import FollowUp
from pipeline.sources.simulation.draws import (
    Array,
    Columns,
    Streams,
    as_dates,
    days_within,
    only_where,
    pick,
)
from pipeline.sources.simulation.settings import Settings

YEAR = 365.25
NO_DAY = 1_000_000
"""After every other day."""


def follow_up_table(
    people: Columns, surgery: pd.DataFrame, outcome: Columns, settings: Settings, streams: Streams
) -> pd.DataFrame:
    """Return the raw table follow_up: a row for everybody operated on before the cut-off.

    `surgery` is the raw table, in the order of `people`; `outcome` as from ``outcome.potential_outcome``. The
    hazard of a first event is lower after pCR, and with the conjugate lower than with antibodies alone.
    """
    entry, rng, n = settings.follow_up, streams("follow-up"), len(people["age"])
    origin = np.datetime64(settings.cohort.first_day, "D")
    operated = ((surgery["surgery_date"] - origin).dt.days).fillna(NO_DAY).to_numpy().astype(int)
    cut_off = int((np.datetime64(entry.cut_off, "D") - origin).astype(int))
    contact = np.maximum(cut_off - days_within(rng, n, entry.days_since_contact), operated)
    treated = _treatment(people, outcome, entry, rng)
    start = operated + days_within(rng, n, entry.start_after_surgery)
    per_year = np.where(treated["conjugate"], entry.events_after_conjugate, entry.events_after_residual)
    per_year = np.where(outcome["y"], entry.events_after_pcr, per_year)
    event_day = operated + 1 + _whole_days(rng.exponential(1.0, n) / per_year)
    kind = pick(rng.random(n), entry.first_event)
    after = _whole_days(rng.exponential(1.0, n) / entry.deaths_after_distant)
    dies = [kind == "death", kind == "distant_recurrence"]
    death_day = np.select(dies, [event_day, event_day + after], NO_DAY)
    last = np.minimum(contact, death_day)
    seen, died, begun = event_day <= last, death_day <= contact, start <= last
    first_day = settings.cohort.first_day
    whole = pd.DataFrame(
        {
            "usubjid": people["usubjid"],
            "last_contact_date": as_dates(first_day, last),
            "event": np.where(seen, kind, "none").astype(object),
            "event_date": as_dates(first_day, event_day, seen),
            "death_date": as_dates(first_day, death_day, died),
            "adjuvant_regimen": only_where(begun, treated["regimen"]),
            "adjuvant_start_date": as_dates(first_day, start, begun),
            "adjuvant_radiotherapy": only_where(begun, treated["radiotherapy"]),
            "adjuvant_endocrine": only_where(begun, treated["endocrine"]),
        }
    )
    return whole.loc[operated <= cut_off].reset_index(drop=True)


def _whole_days(years: Array) -> Array:
    return np.asarray((years * YEAR).astype(int))


def _treatment(people: Columns, outcome: Columns, entry: FollowUp, rng: np.random.Generator) -> Columns:
    """Return the treatment after surgery: the conjugate is for residual disease alone."""
    n = len(people["age"])
    conjugate = ~outcome["y"] & (rng.random(n) < entry.conjugate_share_of_residual)
    advanced = (people["cn"] != "N0") | np.isin(people["ct"], ["T3", "T4"])
    chance = np.where(advanced, entry.radiotherapy_share_if_advanced, entry.radiotherapy_share_otherwise)
    irradiated = rng.random(n) < chance
    endocrine = ~people["hr_negative"] & (rng.random(n) < entry.endocrine_share_of_hr_positive)
    return {
        "conjugate": conjugate,
        "regimen": np.where(conjugate, entry.conjugate, entry.antibodies).astype(object),
        "radiotherapy": np.where(irradiated, "Y", "N").astype(object),
        "endocrine": np.where(endocrine, "Y", "N").astype(object),
    }
