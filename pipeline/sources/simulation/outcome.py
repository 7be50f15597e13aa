"""The end of a course: potential outcomes, who leaves and why, surgery and what is left of the tumour."""

import numpy as np
import pandas as pd

from pipeline.sources.simulation.course_parameters import Surgery
from pipeline.sources.simulation.draws import (
    NEVER,
    Array,
    Columns,
    Streams,
    as_dates,
    expit,
    only_where,
    shifted_chance,
)
from pipeline.sources.simulation.patients import MM_PER_CM
from pipeline.sources.simulation.section import LATENTS
from pipeline.sources.simulation.settings import Settings
from pipeline.sources.simulation.treatment import Course

ISOLATED_CELLS_MM, MICROMETASTASIS_MM = 0.2, 2.0
"""Largest diameters of isolated tumour cells and of a micrometastasis (AJCC 8)."""


def potential_outcome(
    course: Course, people: Columns, centres: Columns, settings: Settings, streams: Streams
) -> Columns:
    """Return `p` = P(pCR | latents, strategy as delivered), `y` drawn from it, `failed`, and `p_given_fate`.

    Death, progression and inoperable disease before surgery count as non-pCR, in `p` as in `y`.
    `p_given_fate` = P(pCR | latents, strategy, whether one of them came): 0 where one did. Among the patients
    still at risk at a landmark, whom their fate selects, this one is the probability of the outcome.
    """
    entry = settings.response
    burden = entry.per_cm * people["size_mm"] / MM_PER_CM + entry.per_shedding_sd * people["shedding"]
    burden = burden + np.array([entry.by_node[str(category)] for category in people["cn"]])
    burden = burden + entry.if_t4 * (people["ct"] == "T4") + entry.if_inflammatory * people["inflammatory"]
    when = settings.drift.per_year["outcome"] * people["calendar"]
    log_odds = entry.intercept + course.kill + burden + centres["outcome"][people["centre"]] + when
    if "omics" in people:
        log_odds = log_odds + people["omics"]
    spared = course.fate["spared"]
    cycles = settings.treatment.cycles
    failed = course.fate["inoperable"] | (
        np.minimum(course.fate["progression_cycle"], course.fate["death_cycle"]) <= cycles
    )
    uniform = streams("outcome").random(len(log_odds))
    operated = expit(log_odds)
    return {
        "p": spared * operated,
        "p_given_fate": np.where(failed, 0.0, operated),
        "y": (uniform < operated) & ~failed,
        "failed": failed,
    }


def truth_table(people: Columns, control: Columns, adaptive: Columns) -> pd.DataFrame:
    """Return the truth: latents, and per strategy probabilities of pCR and the potential outcome (1, 0)."""
    return pd.DataFrame(
        {
            "usubjid": people["usubjid"],
            "p_control": control["p"],
            "p_adaptive": adaptive["p"],
            "p_control_given_fate": control["p_given_fate"],
            "p_adaptive_given_fate": adaptive["p_given_fate"],
            "y_control": control["y"].astype(int),
            "y_adaptive": adaptive["y"].astype(int),
            **{name: people[name] for name in LATENTS},
            "pam_mutated": people["pam_mutated"].astype(int),
        }
    )


def leave(
    course: Course, people: Columns, centres: Columns, outcome: Columns, settings: Settings, streams: Streams
) -> Columns:
    """Return how each course ends (n): `reason` (None = as planned), `last_cycle`, `event_day`, `operated`.

    Toxicity ends treatment, not follow-up: surgery follows. Whoever withdraws or is lost has no outcome, and
    does so not at random where `leaving_if_residual` says so; whoever dies, progresses or is inoperable has
    no surgery.
    """
    entry, rng, n = settings.fate, streams("leaving"), len(people["age"])
    cycles, shift = settings.treatment.cycles, centres["missing"][people["centre"]]
    away = shift + entry.leaving_per_frailty * people["frailty"] + entry.leaving_if_residual * ~outcome["y"]
    ends = {
        "death": course.fate["death_cycle"],
        "progression": course.fate["progression_cycle"],
        "inoperable": np.where(course.fate["inoperable"], cycles, NEVER),
    }
    for name, share in (("consent_withdrawn", entry.consent_withdrawn), ("lost", entry.lost)):
        hit = rng.random(n) < shifted_chance(share, away)
        ends[name] = np.where(hit, rng.integers(1, cycles + 1, size=n), NEVER)
    given = np.sum(course.given, axis=0)
    when = np.stack(list(ends.values()))
    first = np.argmin(when, axis=0)
    departed = when.min(axis=0) <= cycles
    stopped = ~departed & (given < cycles)
    names = np.where(stopped, "toxicity", np.array(list(ends), dtype=object)[first])
    last = np.minimum(given, np.where(departed, when.min(axis=0), cycles))
    wait = rng.integers(entry.event_days.earliest, entry.event_days.latest + 1, size=n)
    return {
        "reason": only_where(departed | stopped, names),
        "last_cycle": last,
        "event_day": np.maximum(_start(course, last) + wait, _last_visit_day(course, last, settings) + 1),
        "operated": ~departed,
    }


def _start(course: Course, cycle: Array) -> Array:
    """Return the first day of each patient's `cycle` (counted from 1)."""
    return np.asarray(np.stack(course.start, axis=1)[np.arange(len(cycle)), cycle - 1])


def _last_visit_day(course: Course, last_cycle: Array, settings: Settings) -> Array:
    """Return the day of the last sample or scan up to `last_cycle`."""
    days = [course.start[0]]
    for taken, key in ((course.samples, "draw_day"), (course.scans, "scan_day")):
        for visit, columns in taken.items():
            after = settings.visits_after_cycle[visit]
            days.append(np.where(last_cycle >= after, columns[key], 0))
    return np.asarray(np.max(days, axis=0))


def operate(
    course: Course, end: Columns, people: Columns, outcome: Columns, settings: Settings, streams: Streams
) -> pd.DataFrame:
    """Return the raw table surgery; where it was evaluable, residual disease agrees with the outcome."""
    entry, rng, n = settings.surgery, streams("surgery"), len(people["age"])
    wait = rng.integers(entry.days_after_last_cycle[0], entry.days_after_last_cycle[1] + 1, size=n)
    last = end["last_cycle"]
    day = np.maximum(_start(course, last) + wait, _last_visit_day(course, last, settings) + 1)
    residual = _residual(outcome, people, course, entry, rng)
    rcb = residual_cancer_burden(residual)
    operated = end["operated"]
    evaluable = operated & (rng.random(n) >= entry.pathology_not_evaluable_share)
    nodes_known = evaluable & (people["pre_nat_slnb"] != "positive")
    scored = nodes_known & (rng.random(n) < entry.rcb_scored_share)
    yp_t = only_where(operated, np.where(evaluable, _yp_t(residual, people), "ypTX"))
    yp_n = only_where(operated, np.where(nodes_known, _yp_n(residual), "ypNX"))
    rcb_class = np.select([rcb == 0, rcb <= 1.36, rcb <= 3.28], ["0", "I", "II"], "III")
    return pd.DataFrame(
        {
            "usubjid": people["usubjid"],
            "performed": np.where(operated, "Y", "N"),
            "surgery_date": as_dates(settings.cohort.first_day, day, operated),
            "yp_t": yp_t,
            "yp_n": yp_n,
            "rcb_index": np.where(scored, np.round(rcb, 3), np.nan),
            "rcb_class": only_where(scored, rcb_class),
        }
    )


def _residual(
    outcome: Columns, people: Columns, course: Course, entry: Surgery, rng: np.random.Generator
) -> Columns:
    """Return what is left (n): `in_situ`, `bed_mm` and `cellularity` of invasive tumour, `nodes`, `met_mm`.

    Nothing invasive is left after pCR. Else something is, in the breast, the nodes or both, and the less
    the more was killed; in some no more than a few cells in the breast (`minimal`).
    """
    n, residual = len(people["age"]), ~outcome["y"]
    node_positive = people["cn"] != "N0"
    shares = np.where(node_positive[:, None], entry.residual_in_if_cn_positive, entry.residual_in_if_cn0)
    part = (rng.random((n, 1)) > np.cumsum(shares, axis=1)).sum(axis=1)
    excess = course.kill - entry.residual_reference_kill
    left = np.exp(entry.residual_log_per_kill * excess)
    share = left * np.exp(rng.normal(np.log(entry.bed_median_share), entry.bed_log_sd, n))
    minimal = rng.random(n) < expit(entry.minimal_logit + entry.minimal_per_kill * excess)
    share = np.where(minimal, entry.minimal_bed_share * share, share)
    bed = people["size_mm"] * np.minimum(share, entry.bed_highest_share)
    few, many = entry.minimal_cellularity_beta, entry.cellularity_beta
    cellularity = np.where(minimal, rng.beta(few[0], few[1], n), rng.beta(many[0], many[1], n))
    number = np.minimum(rng.geometric(entry.node_number_stop, n), entry.node_number_high)
    met = _metastases(n, entry, rng)
    in_breast, in_nodes = residual & ((part != 1) | minimal), residual & (part != 0) & ~minimal
    return {
        "in_situ": rng.random(n) < entry.in_situ_share,
        "bed_mm": np.where(in_breast, np.maximum(np.round(bed, 1), 1.0), 0.0),
        "cellularity": np.where(in_breast, np.maximum(np.round(cellularity, 2), 0.01), 0.0),
        "nodes": np.where(in_nodes, number, 0),
        "met_mm": np.where(in_nodes, np.clip(np.round(met, 1), 0.1, entry.met_high_mm), 0.0),
    }


def _metastases(n: int, entry: Surgery, rng: np.random.Generator) -> Array:
    """Return the largest metastasis in mm (n): isolated cells, a micrometastasis, or larger."""
    uniform = rng.random(n)
    larger = np.exp(rng.normal(np.log(entry.met_median_mm), entry.met_log_sd, n))
    micro, cells = rng.uniform(0.3, MICROMETASTASIS_MM, n), rng.uniform(0.1, ISOLATED_CELLS_MM, n)
    is_micro = uniform < entry.isolated_cells_share + entry.micrometastasis_share
    return np.where(uniform < entry.isolated_cells_share, cells, np.where(is_micro, micro, larger))


def residual_cancer_burden(residual: Columns) -> Array:
    """Return the RCB index: 1.4 (f d)^0.17 + (4 (1 - 0.75^LN) m)^0.17 (Symmans et al., J Clin Oncol 2007).

    f = invasive cellularity, d = diameter of the bed, here the geometric mean of two equal ones (mm), LN =
    positive nodes, m = largest metastasis (mm).
    """
    breast = 1.4 * (residual["cellularity"] * residual["bed_mm"]) ** 0.17
    nodes = (4 * (1 - 0.75 ** residual["nodes"]) * residual["met_mm"]) ** 0.17
    return np.asarray(breast + nodes)


def _yp_t(residual: Columns, people: Columns) -> Array:
    bed, in_situ = residual["bed_mm"], residual["in_situ"]
    skin = (people["ct"] == "T4") & (bed > 20)
    by_size = np.select([skin, bed > 50, bed > 20, bed > 0], ["ypT4", "ypT3", "ypT2", "ypT1"], "ypT0")
    return np.where((bed == 0) & in_situ, "ypTis", by_size).astype(object)


def _yp_n(residual: Columns) -> Array:
    nodes, met = residual["nodes"], residual["met_mm"]
    conditions = [nodes == 0, met <= ISOLATED_CELLS_MM, met <= MICROMETASTASIS_MM, nodes >= 10, nodes >= 4]
    return np.select(conditions, ["ypN0", "ypN0i+", "ypN1mi", "ypN3", "ypN2"], "ypN1").astype(object)


def disposition_table(people: Columns, end: Columns, settings: Settings) -> pd.DataFrame:
    """Return the raw table disposition: who left protocol treatment before surgery."""
    left = np.array([reason is not None for reason in end["reason"]], dtype=bool)
    return pd.DataFrame(
        {
            "usubjid": people["usubjid"][left],
            "event_date": as_dates(settings.cohort.first_day, end["event_day"][left]),
            "reason": end["reason"][left],
        }
    )
