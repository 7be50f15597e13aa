"""Treatment cycles: how much tumour a regimen kills, what it does to the patient, and when the next one is.

Kill is counted on the scale of the log-odds of pCR: a full course of a regimen adds its sensitivity, each
cycle its share of it. ctDNA, lesions and the outcome all follow from the same kill.
"""

from dataclasses import dataclass, field

import numpy as np
import pandas as pd

from pipeline.sources.simulation.draws import Array, Columns, Streams, as_dates
from pipeline.sources.simulation.settings import Settings
from pipeline.sources.simulation.toxicity import SEVERE, worst_grades


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
    number = np.sum([regimen == former for former in course.regimen], axis=0) * np.ones(n, dtype=int)
    severity = worst_grades(regimen, number, people, settings, streams)
    severe = severity.max(axis=1) >= SEVERE
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
