"""Adverse events: how often a regimen causes them, when in a cycle they begin, and how severe they are."""

import numpy as np
import pandas as pd

from features.checks.safety import FATAL
from pipeline.sources.simulation.course_parameters import Toxicity
from pipeline.sources.simulation.draws import Array, Columns, Streams, as_dates
from pipeline.sources.simulation.settings import Settings

SEVERE = 3
HERMITE_NODES = 40
BISECTIONS = 50
MAX_HAZARD = 20.0
"""Of a course: 1 - exp(-20) is certain."""


def cycle_hazards(entry: Toxicity, regimens: list[str]) -> dict[str, Array]:
    """Return the hazards per cycle of a typical patient, kind (severe, mild) -> regimens x terms.

    They give the shares of the table in a course of `course_cycles` cycles, averaged over frailty: with
    z = exp(sd f - sd^2 / 2), f standard normal, the share is 1 - E[exp(-H z)] for the hazard H of the course.
    """
    nodes, weights = np.polynomial.hermite_e.hermegauss(HERMITE_NODES)
    weights = weights / weights.sum()
    relative = np.exp(entry.frailty_sd * nodes - entry.frailty_sd**2 / 2)
    hazards = {}
    for kind in ("severe", "mild"):
        shares = np.array([[getattr(term, kind)[name] for term in entry.terms.values()] for name in regimens])
        low, high = np.zeros(shares.shape), np.full(shares.shape, MAX_HAZARD)
        for _ in range(BISECTIONS):
            middle = (low + high) / 2
            reached = 1 - np.exp(-middle[..., None] * relative) @ weights
            low, high = np.where(reached < shares, middle, low), np.where(reached < shares, high, middle)
        hazards[kind] = (low + high) / 2 / entry.course_cycles
    return hazards


def _over_cycles(entry: Toxicity, number: Array) -> Array:
    """Return n x terms: the hazard in cycle `number` (from 0) of a regimen, over its mean in a course."""
    trend = np.array([term.trend for term in entry.terms.values()])
    mean = np.exp(trend * np.arange(entry.course_cycles)[:, None]).mean(axis=0)
    return np.asarray(np.exp(trend * number[:, None]) / mean)


def worst_grades(
    regimen: Array, number: Array, people: Columns, settings: Settings, streams: Streams
) -> Array:
    """Return n x terms: the worst CTCAE grade of each term in a cycle, 0 where there was no event.

    `regimen` (n) is its index, `number` (n) how many cycles of it were given before. Grades stay within those
    that CTCAE gives the term.
    """
    entry, rng, n = settings.toxicity, streams("toxicity"), len(regimen)
    hazards = cycle_hazards(entry, list(settings.regimens))
    relative = np.exp(entry.frailty_sd * people["frailty"] - entry.frailty_sd**2 / 2)[:, None]
    relative = relative * _over_cycles(entry, number)
    severe, mild = (1 - np.exp(-relative * hazards[kind][regimen]) for kind in ("severe", "mild"))
    uniform, worse = rng.random((n, len(entry.terms))), rng.random((n, len(entry.terms)))
    is_severe = uniform < severe
    is_mild = ~is_severe & (uniform < severe + mild)
    lowest, highest = (
        np.array([getattr(term, name) for term in entry.terms.values()])
        for name in ("lowest_grade", "highest_grade")
    )
    of_severe = np.where(worse < entry.grade_4_share, SEVERE + 1, SEVERE)
    of_mild = np.where(worse < entry.grade_2_share, 2, 1)
    grade = np.where(is_severe, np.minimum(of_severe, highest), np.where(is_mild, of_mild, 0))
    return np.where(grade > 0, np.maximum(grade, lowest), 0).astype(np.int8)


def adverse_events_table(
    people: Columns, cycles: Columns, end: Columns, settings: Settings, streams: Streams
) -> pd.DataFrame:
    """Return the raw table adverse_events: the worst grade of each term in each cycle given, and deaths.

    `cycles` as from ``records.cycles_given``, `end` as from ``outcome.leave``.
    """
    entry, rng = settings.toxicity, streams("adverse event details")
    person, cycle, term = np.nonzero(cycles["severity"] * cycles["kept"][:, :, None])
    grade, rows = cycles["severity"][person, cycle, term], len(person)
    day = _onset_day(term, entry, rng, settings.treatment.cycle_days)
    onset = cycles["start"][person, cycle] + day - 1
    over = onset + rng.integers(2, entry.duration_days + 1, size=rows)
    severe, recovered = grade >= SEVERE, rng.random(rows) < entry.recovered_share
    kinds, first_day = list(entry.terms.values()), settings.cohort.first_day
    names = np.array([kind.term for kind in kinds], dtype=object)
    soc = np.array([kind.soc for kind in kinds], dtype=object)
    events = pd.DataFrame(
        {
            "person": person,
            "term": names[term],
            "soc": soc[term],
            "ctcae_version": entry.ctcae_version,
            "grade": grade.astype(int),
            "serious": np.where(severe & (rng.random(rows) < entry.serious_share_of_severe), "Y", "N"),
            "start_date": as_dates(first_day, onset),
            "end_date": as_dates(first_day, over, recovered),
            "cycle": cycle + 1,
            "related": np.where(rng.random(rows) < entry.related_share, "Y", "N"),
            "action": _action(person, cycle, severe, cycles),
            "outcome": np.where(recovered, "recovered", "not recovered"),
        }
    )
    whole = pd.concat([events, _deaths(end, settings)], ignore_index=True)
    whole = whole.sort_values("person", kind="stable", ignore_index=True)
    number = whole.groupby("person").cumcount() + 1
    return whole.assign(
        usubjid=people["usubjid"][whole["person"].to_numpy()],
        ae_id="AE" + number.astype(str).str.zfill(3),
    ).drop(columns="person")


def _onset_day(term: Array, entry: Toxicity, rng: np.random.Generator, cycle_days: int) -> Array:
    """Return the day of the cycle on which each event begins: log-normal around the term's median."""
    kinds = list(entry.terms.values())
    median = np.array([kind.onset_days for kind in kinds])[term]
    spread = np.array([kind.onset_log_sd for kind in kinds])[term]
    day = np.round(np.exp(rng.normal(np.log(median), spread)))
    return np.clip(day, 1, cycle_days).astype(int)


def _deaths(end: Columns, settings: Settings) -> pd.DataFrame:
    """Return an event of grade 5 for every patient who died on treatment."""
    entry = settings.toxicity
    died = np.flatnonzero(end["reason"] == "death")
    day = as_dates(settings.cohort.first_day, end["event_day"][died])
    return pd.DataFrame(
        {
            "person": died,
            "term": entry.fatal_term,
            "soc": entry.terms[entry.fatal_term].soc,
            "ctcae_version": entry.ctcae_version,
            "grade": FATAL,
            "serious": "Y",
            "start_date": day,
            "end_date": day,
            "cycle": end["last_cycle"][died],
            "related": "Y",
            "action": "stop_treatment",
            "outcome": "fatal",
        }
    )


def _action(person: Array, cycle: Array, severe: Array, cycles: Columns) -> Array:
    """Return the action taken on a severe event, as the next cycle shows it."""
    last = cycle == cycles["kept"].shape[1] - 1
    following = np.minimum(cycle + 1, cycles["kept"].shape[1] - 1)
    stopped = ~last & ~cycles["kept"][person, following]
    reduced = ~last & (cycles["dose"][person, following] < cycles["dose"][person, cycle])
    delayed = ~last & (cycles["delay"][person, following] > 0)
    taken = np.select(
        [~severe, stopped, reduced, delayed], ["none", "stop_treatment", "reduce", "delay"], "none"
    )
    return taken.astype(object)
