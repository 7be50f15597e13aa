"""One strategy followed for every patient: fate, cycles, visits, and the decisions of the adaptive rules."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import cast

import numpy as np
import pandas as pd

from features.documents.branch import INDETERMINATE
from models.rules.table import RuleTable, decide
from pipeline.sources.simulation.draws import (
    NEVER,
    Array,
    Columns,
    Streams,
    only_where,
    pick,
    shifted_chance,
)
from pipeline.sources.simulation.plasma import draw_sample, shed_after
from pipeline.sources.simulation.scans import log_ratio_after, scan
from pipeline.sources.simulation.section import VisitDay
from pipeline.sources.simulation.settings import Settings
from pipeline.sources.simulation.treatment import Course, begin, give_cycle

Measured = tuple[Columns, Columns, Columns]
"""The baseline sample, its variants, and the baseline scan."""


@dataclass(frozen=True)
class World:
    """What both strategies have in common: the patients as they were before treatment, and the centres."""

    people: Columns
    centres: Columns
    variants: Columns
    baseline: Measured
    rules: RuleTable
    settings: Settings


def follow(world: World, *, adaptive: bool, streams: Streams) -> Course:
    """Follow all patients under one strategy, as delivered: with toxicity, deviations and missing results.

    Give both strategies streams of the same seed: then a patient differs between them by treatment alone.
    """
    settings = world.settings
    first = _index((settings.adaptive if adaptive else settings.control).first_regimen, settings)
    people = world.people | draw_fate(world.people, first, settings, streams)
    world = replace(world, people=people)
    course = begin(people)
    course.samples["baseline"], course.variants["baseline"], course.scans["baseline"] = world.baseline
    regimen = np.full(len(people["age"]), first)
    for cycle in range(1, settings.treatment.cycles + 1):
        node = settings.adaptive.node_before_cycle.get(cycle)
        if adaptive and node is not None:
            course.decisions[node] = DECISIONS[node](course, world, streams)
            regimen = course.decisions[node]["given"]
        give_cycle(course, regimen, people, settings, streams)
        _visit(course, world, streams)
    course.fate = {
        name: people[name] for name in ("progression_cycle", "inoperable", "death_cycle", "spared")
    }
    return course


def draw_fate(people: Columns, first_regimen: int, settings: Settings, streams: Streams) -> Columns:
    """Return when each patient will progress or die (a large cycle = never), and who will be inoperable.

    `spared` is the probability of none of it.
    """
    entry, rng, n = settings.fate, streams("fate"), len(people["age"])
    resistance = settings.response.typical_kill - people["sensitivity"][:, first_regimen]
    chances = {
        name: shifted_chance(event.share, event.per_resistance * resistance)
        for name, event in (
            ("progression", entry.progression),
            ("inoperable", entry.inoperable),
            ("death", entry.death),
        )
    }
    hit = {name: rng.random(n) < chance for name, chance in chances.items()}
    cycle = pick(rng.random(n), entry.progression_after_cycle).astype(int)
    died = rng.integers(1, settings.treatment.cycles + 1, size=n)
    spared = np.prod([1 - chance for chance in chances.values()], axis=0)
    return {
        "progression_cycle": np.where(hit["progression"], cycle, NEVER),
        "death_cycle": np.where(hit["death"], died, NEVER),
        "inoperable": hit["inoperable"],
        "spared": spared,
    }


def _index(regimen: str, settings: Settings) -> int:
    return list(settings.regimens).index(regimen)


def _visit(course: Course, world: World, streams: Streams) -> None:
    """Take the plasma samples and scans that are due after the last cycle given; the course is changed."""
    settings, people = world.settings, world.people
    for visit in settings.ctdna.visits:
        if settings.visits_after_cycle[visit] == course.cycles:
            log10_vaf = shed_after(course, people, settings, streams)
            day = _day(course, f"draw day {visit}", settings.ctdna.draw_day, streams)
            course.samples[visit], course.variants[visit] = draw_sample(
                visit, log10_vaf, day, people, world.centres, world.variants, settings, streams
            )
    for visit in settings.imaging.visits:
        if settings.visits_after_cycle[visit] == course.cycles:
            log_ratio = log_ratio_after(course, people, settings, streams)
            day = _day(course, f"scan day {visit}", settings.imaging.scan_day, streams)
            course.scans[visit] = scan(
                visit, log_ratio, day, people, world.centres, course.scans, settings, streams
            )


def _day(course: Course, part: str, entry: VisitDay, streams: Streams) -> Array:
    """Return the day of a visit in the last cycle given; a few slip past the first dose of the next cycle."""
    rng, n = streams(part), len(course.going)
    day_of_cycle = np.minimum(entry.earliest + rng.poisson(entry.extra_days, n), entry.latest)
    slipped = rng.random(n) < entry.slip_share
    late = course.start[-1] + rng.integers(1, entry.slip_days + 1, size=n)
    return np.where(slipped, late, course.start[-2] + day_of_cycle - 1)


def _after_two_cycles(course: Course, world: World, streams: Streams) -> Columns:
    """Return the decision before C3: the rules on what had been reported, and what was given."""
    ids = world.people["usubjid"]
    inputs = rule_inputs(course, ids, "c2")
    answer = decide(inputs, world.rules, "c2")
    settings = world.settings
    fallback = np.where(inputs["response"].isin(["PR", "CR"]), *settings.adaptive.if_indeterminate)
    return _deliver("c2", answer, fallback, world, streams)


def _after_four_cycles(course: Course, world: World, streams: Streams) -> Columns:
    """Return the decision before C5; of the set that R6 names, one regimen is given."""
    names = np.array(list(world.settings.regimens), dtype=object)
    inputs = rule_inputs(course, world.people["usubjid"], "c4")
    inputs["regimen_given"] = names[course.regimen[-1]]
    answer = decide(inputs, world.rules, "c4")
    return _deliver("c4", answer, names[course.regimen[-1]], world, streams)


DECISIONS: dict[str, Callable[[Course, World, Streams], Columns]] = {
    "c2": _after_two_cycles,
    "c4": _after_four_cycles,
}


def rule_inputs(course: Course, ids: Array, node: str) -> pd.DataFrame:
    """Return the inputs of the rules as known on the day the next cycle starts; index usubjid.

    A result counts when it was reported by then, from a sample or scan taken in time: the C1 draw before
    the first dose of C2, the scan before the first dose of the next cycle. Else it is NE.
    """
    decision = course.start[-1]
    known, pam = {}, []
    for visit, latest in (("baseline", course.start[0] + 1), ("c1", course.start[1])):
        sample = course.samples[visit]
        usable = (sample["qc"] == "pass") & (sample["report_day"] <= decision) & (sample["draw_day"] < latest)
        called = np.where(sample["result"] == "detected", "POS", "NEG")
        known[f"ctdna_{visit}"] = np.where(usable, called, "NE")
        pam.append([usable & sample[f"pam_{status}"] for status in ("mutant", "doubtful", "wild")])
    mutant, doubtful, wild = (before | after for before, after in zip(*pam, strict=True))
    scanned = course.scans[node]
    usable = (scanned["report_day"] <= decision) & (scanned["scan_day"] < decision)
    response = np.where(usable, scanned["overall"][:, 0], "NE")
    columns = known | {
        "pam": np.where(mutant, "MUT", np.where(wild & ~doubtful, "WT", "UNKNOWN")),
        "response": np.where(response == "ND", "NE", response),
    }
    return pd.DataFrame(columns, index=pd.Index(ids, name="usubjid"))


def _deliver(node: str, answer: pd.DataFrame, fallback: Array, world: World, streams: Streams) -> Columns:
    """Return what was given (index), whether it differs from what was prescribed, and the reason for either.

    There is a reason, too, where the rules had no answer and `fallback` was prescribed.
    """
    settings, rng, n = world.settings, streams(f"decision {node}"), len(answer)
    entry = settings.adaptive
    unanswered = (answer["status"] == INDETERMINATE).to_numpy()
    of_rules = answer["regimen"].to_numpy(dtype=object)
    chosen = pick(rng.random(n), entry.switch_choice)
    of_rules = np.where(of_rules == entry.switch_set, chosen, of_rules)
    prescribed = np.where(unanswered, fallback, of_rules)
    names = list(settings.regimens)
    code = {name: i for i, name in enumerate(names)}
    prescribed = np.array([code[cast("str", name)] for name in prescribed])
    refused = rng.random(n) < np.array([entry.refusal[name] for name in names])[prescribed]
    instead = np.array([code[entry.instead[name]] for name in names])[prescribed]
    given = np.where(refused, instead, prescribed)
    differs = given != prescribed
    why = np.where(differs, pick(rng.random(n), entry.reasons), entry.reason_indeterminate)
    return {"given": given, "differs": differs, "reason": only_where(differs | unanswered, why)}
