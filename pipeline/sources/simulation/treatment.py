"""Treatment cycles: how much tumour a regimen kills, what it does to the patient, and when the next one is.

Kill is counted on the scale of the log-odds of pCR: a full course of a regimen adds its sensitivity, each
cycle its share of it. ctDNA, lesions and the outcome all follow from the same kill.
"""

from dataclasses import dataclass, field

import numpy as np
import pandas as pd

from pipeline.sources.simulation.draws import Array, Columns, Streams, as_dates
from pipeline.sources.simulation.settings import Settings


@dataclass
class Course:
    """One strategy, followed for all patients (n), cycle by cycle.

    Lists have one array (n) per cycle: `regimen` index into the regimens, `start` day (one more than the
    cycles: the day the next would start), `delay` days, `dose` share, `given`, `severity` (n x terms: 0
    none, 1-5 CTCAE grade). `kill` (n) so far. `samples`, `variants`, `scans` by visit and `decisions` by
    node; `fate`, what ends it early.
    """

    start: list[Array]
    dose: list[Array]
    going: Array
    kill: Array
    regimen: list[Array] = field(default_factory=list)
    delay: list[Array] = field(default_factory=list)
    given: list[Array] = field(default_factory=list)
    severity: list[Array] = field(default_factory=list)
    samples: dict[str, Columns] = field(default_factory=dict)
    variants: dict[str, Columns] = field(default_factory=dict)
    scans: dict[str, Columns] = field(default_factory=dict)
    decisions: dict[str, Columns] = field(default_factory=dict)
    fate: Columns = field(default_factory=dict)

    @property
    def cycles(self) -> int:
        """Cycles given so far."""
        return len(self.regimen)

    def mean_kill(self, cycles: int) -> Array:
        """Return the kill so far, as that of a full course at the same rate."""
        return self.kill * cycles / max(self.cycles, 1)


def begin(people: Columns) -> Course:
    """Return a course before its first cycle."""
    n = len(people["age"])
    return Course(
        start=[people["first_dose_day"]],
        dose=[np.ones(n)],
        going=np.ones(n, dtype=bool),
        kill=np.zeros(n),
        delay=[np.zeros(n, dtype=int)],
    )


def sensitivity(people: Columns, settings: Settings) -> Array:
    """Return n x regimens: what a full course adds to the log-odds of pCR."""
    common = settings.response
    columns = []
    for entry in settings.regimens.values():
        total = entry.mean_kill + entry.chemosensitivity * people["chemosensitivity"]
        total = total + entry.her2_dependence * people["her2_dependence"]
        total = total + common.hr_negative * people["hr_negative"]
        pam = np.where(people["hr_negative"], entry.pam_hr_negative, entry.pam_hr_positive)
        columns.append(total + pam * people["pam_mutated"])
    return np.stack(columns, axis=1)


def give_cycle(course: Course, regimen: Array, people: Columns, settings: Settings, streams: Streams) -> None:
    """Give one more cycle of `regimen` (n, index) to all who are still on treatment; the course is changed.

    Severe toxicity delays the next cycle, lowers all later doses, or ends treatment.
    """
    entry, rng, n = settings.treatment, streams("cycles"), len(regimen)
    draws = rng.random((n, 4))
    severity = _toxicity(regimen, people, settings, streams)
    severe = severity.max(axis=1) >= 3
    dose = course.dose[-1]
    share = people["sensitivity"][np.arange(n), regimen] / entry.cycles
    course.kill = course.kill + share * dose * course.going
    course.regimen.append(regimen)
    course.given.append(course.going.copy())
    course.severity.append(np.where(course.going[:, None], severity, 0))
    delayed = np.where(severe, draws[:, 0] < entry.delay_if_severe, draws[:, 0] < entry.delay_otherwise)
    delay = np.where(delayed, 1 + np.floor(draws[:, 1] * entry.max_delay_days), 0).astype(int)
    course.delay.append(delay)
    course.start.append(course.start[-1] + entry.cycle_days + delay)
    reduced = severe & (draws[:, 2] < entry.reduce_if_severe)
    course.dose.append(np.where(reduced, np.maximum(dose - entry.dose_step, entry.lowest_dose), dose))
    course.going = course.going & ~(severe & (draws[:, 3] < entry.stop_if_severe))


def _toxicity(regimen: Array, people: Columns, settings: Settings, streams: Streams) -> Array:
    """Return n x terms: the worst CTCAE grade of each term in this cycle.

    Shares are per full course of six cycles; a cycle's hazard is the one that gives them, raised by frailty.
    """
    rng, terms, n = streams("toxicity"), settings.toxicity.terms, len(regimen)
    severe, mild = (
        np.array([[shares[regimen] for regimen in settings.regimens] for shares in of_terms]).T
        for of_terms in ([term.severe for term in terms.values()], [term.mild for term in terms.values()])
    )
    per_cycle = 1.0 / settings.toxicity.course_cycles
    sd = settings.toxicity.frailty_sd
    relative = np.exp(sd * people["frailty"] - sd**2 / 2)[:, None]
    hazards = [relative * (1 - (1 - share) ** per_cycle)[regimen] for share in (severe, mild)]
    uniform, worse = rng.random((n, len(terms))), rng.random((n, len(terms)))
    is_severe = uniform < hazards[0]
    is_mild = ~is_severe & (uniform < hazards[0] + hazards[1])
    of_severe = np.where(worse < settings.toxicity.grade_4_share, 4, 3)
    of_mild = np.where(worse < settings.toxicity.grade_2_share, 2, 1)
    return np.where(is_severe, of_severe, np.where(is_mild, of_mild, 0)).astype(np.int8)


def exposure_table(people: Columns, cycles: Columns, settings: Settings) -> pd.DataFrame:
    """Return the raw table exposure: the cycles given; `cycles` as from ``records.cycles_given``."""
    person, cycle = np.nonzero(cycles["kept"])
    names = np.array(list(settings.regimens), dtype=object)
    return pd.DataFrame(
        {
            "usubjid": people["usubjid"][person],
            "cycle": cycle + 1,
            "regimen": names[cycles["regimen"][person, cycle]],
            "start_date": as_dates(settings.cohort.first_day, cycles["start"][person, cycle]),
            "dose_pct": np.round(100 * cycles["dose"][person, cycle]),
            "delay_days": cycles["delay"][person, cycle],
            "change_reason": cycles["reason"][person, cycle],
        }
    )


def adverse_events_table(
    people: Columns, cycles: Columns, settings: Settings, streams: Streams
) -> pd.DataFrame:
    """Return the raw table adverse_events: the worst grade of each term in each cycle given."""
    entry, rng = settings.toxicity, streams("adverse event details")
    person, cycle, term = np.nonzero(cycles["severity"] * cycles["kept"][:, :, None])
    grade, rows = cycles["severity"][person, cycle, term], len(person)
    first = np.searchsorted(person, person, side="left")
    number = np.arange(rows) - first + 1
    onset = cycles["start"][person, cycle] + rng.integers(1, entry.onset_days + 1, size=rows)
    end = onset + rng.integers(2, entry.duration_days + 1, size=rows)
    severe, recovered = grade >= 3, rng.random(rows) < entry.recovered_share
    names, first_day = np.array(list(entry.terms), dtype=object), settings.cohort.first_day
    soc = np.array([t.soc for t in entry.terms.values()], dtype=object)
    return pd.DataFrame(
        {
            "usubjid": people["usubjid"][person],
            "ae_id": np.char.add("AE", np.char.zfill(number.astype(str), 3)).astype(object),
            "term": names[term],
            "soc": soc[term],
            "ctcae_version": entry.ctcae_version,
            "grade": grade.astype(int),
            "serious": np.where(severe & (rng.random(rows) < entry.serious_share_of_severe), "Y", "N"),
            "start_date": as_dates(first_day, onset),
            "end_date": as_dates(first_day, end, recovered),
            "cycle": cycle + 1,
            "related": np.where(rng.random(rows) < entry.related_share, "Y", "N"),
            "action": _action(person, cycle, severe, cycles),
            "outcome": np.where(recovered, "recovered", "not recovered"),
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
