"""The diagnostic biopsy: noisy readings of the latents by receptors, HER2, Ki-67, grade and expression.

A tumour may have several foci, each with its own receptors.
"""

import numpy as np
import pandas as pd
from scipy.special import ndtri

from features.definitions import ISH_HIGH_COPIES, ISH_LOW_COPIES
from pipeline.sources.simulation.draws import (
    Array,
    Columns,
    Streams,
    as_dates,
    bounded_normal,
    expit,
    line,
    only_where,
    pick,
)
from pipeline.sources.simulation.patient_parameters import Pathology
from pipeline.sources.simulation.settings import Settings


def read_biopsy(people: Columns, centres: Columns, settings: Settings, streams: Streams) -> Columns:
    """Return what pathology sees of a HER2-positive tumour; NaN, None or not_assessed where nothing."""
    entry, rng, n = settings.pathology, streams("biopsy"), len(people["centre"])
    receptors = _receptors(people, rng, entry)
    her2 = _her2(people, rng, entry)
    stained = line(people, entry.ki67_logit) + rng.normal(0.0, entry.ki67_logit_sd, n)
    ki67 = 100 * expit(stained + _laboratory_shift(people, centres, settings))
    til = np.exp(line(people | receptors, entry.til_log) + rng.normal(0.0, entry.til_log_sd, n))
    divided = (stained - entry.ki67_logit["intercept"]) / entry.ki67_logit_sd
    grade_3 = rng.random(n) < expit(line(people, entry.grade_3_logit) + entry.grade_3_per_ki67_sd * divided)
    grade_1 = ~grade_3 & (rng.random(n) < entry.grade_1_share_of_lower)
    assessed = {name: rng.random(n) < share for name, share in entry.assessed.items()}
    hetero = rng.random(n) < expit(line(people, entry.heterogeneity_logit))
    subtyped = assessed["intrinsic_subtype"] & centres["subtyping"][people["centre"]]
    return {
        "path_report_day": people["biopsy_day"] + rng.integers(2, entry.report_days + 1, size=n),
        "hist": pick(rng.random(n), entry.histology),
        "grade": np.where(grade_3, 3, np.where(grade_1, 1, 2)),
        "ki67": np.round(np.clip(ki67, 1, 95)),
        "til": np.where(assessed["til"], np.round(np.clip(til, 0, 95)), np.nan),
        "heterogeneity": np.where(
            assessed["heterogeneity"], np.where(hetero, "present", "absent"), "not_assessed"
        ),
        "subtype": only_where(subtyped, _subtype(people, rng, entry)),
        "central_review": assessed["central_review"],
        **receptors,
        **her2,
    }


def _laboratory_shift(people: Columns, centres: Columns, settings: Settings) -> Array:
    """Return how much higher the laboratory reads Ki-67, on the logit: by centre and by calendar time."""
    drift = settings.drift.per_year["ki67"] * people["calendar"]
    return np.asarray(centres["ki67"][people["centre"]] + drift)


def _receptors(people: Columns, rng: np.random.Generator, entry: Pathology) -> Columns:
    """Return ER and PR in %, and hr_negative: both below 1 %."""
    n = len(people["luminal"])
    above = people["luminal"] - ndtri(entry.hr_negative_share)
    negative = above < 0
    er, pr = (
        np.round(100 * expit(entry.er_logit_at_cut + entry.er_logit_slope * above + rng.normal(0.0, sd, n)))
        for sd in (entry.er_logit_sd, entry.pr_logit_sd)
    )
    er, pr = np.clip(er, 1, 100), np.where(rng.random(n) < entry.pr_zero_share, 0, pr)
    pr_only = rng.random(n) < entry.pr_only_share
    er, pr = np.where(pr_only, 0, er), np.where(pr_only, np.maximum(pr, 1), pr)
    return {"hr_negative": negative, "er": np.where(negative, 0.0, er), "pr": np.where(negative, 0.0, pr)}


def _her2(people: Columns, rng: np.random.Generator, entry: Pathology) -> Columns:
    """Return immunohistochemistry and in-situ hybridisation; each is a noisy reading of HER2 dependence.

    Most are of ISH group 1. A share is of group 3 (ratio below 2, at least 6 copies: positive with IHC 2+
    and 3+) or, with IHC 3+, of group 4 (ratio below 2, 4 to 6 copies).
    """
    n, latent = len(people["her2_dependence"]), people["her2_dependence"]
    r = entry.ihc_correlation
    ihc_2 = r * latent + np.sqrt(1 - r**2) * rng.standard_normal(n) < ndtri(entry.ihc_2_share)
    log_ratio = entry.ratio_log_median + entry.ratio_log_per_her2 * latent
    ratio = np.exp(log_ratio + rng.normal(0.0, entry.ratio_log_sd, n))
    ratio = np.round(np.clip(ratio, entry.ratio_amplified, entry.ratio_high), 2)
    copies = np.round(np.maximum(ratio * bounded_normal(rng, n, entry.cep17), ISH_LOW_COPIES), 1)
    done = ihc_2 | (rng.random(n) < entry.ish_done_if_ihc_3)
    group = pick(
        rng.random(n), {"3": entry.ish_group_3_share, "4": entry.ish_group_4_share, "1": _others(entry)}
    )
    below = np.round(rng.uniform(1.2, 1.95, n), 2)
    third, fourth = group == "3", (group == "4") & ~ihc_2
    ratio = np.where(third | fourth, below, ratio)
    many, some = rng.uniform(ISH_HIGH_COPIES, 9.0, n), rng.uniform(ISH_LOW_COPIES, ISH_HIGH_COPIES - 0.1, n)
    copies = np.where(third, np.round(many, 1), np.where(fourth, np.round(some, 1), copies))
    return {
        "ihc": np.where(ihc_2, "2+", "3+").astype(object),
        "ish": np.where(done, "amplified", "not_done").astype(object),
        "her2": np.full(n, "pos", dtype=object),
        "ratio": np.where(done, ratio, np.nan),
        "copies": np.where(done, copies, np.nan),
    }


def _others(entry: Pathology) -> float:
    return 1.0 - entry.ish_group_3_share - entry.ish_group_4_share


def _subtype(people: Columns, rng: np.random.Generator, entry: Pathology) -> Array:
    """Draw the intrinsic subtype from a multinomial logit in the latents (Gumbel maximum)."""
    n = len(people["luminal"])
    scores = np.stack([line(people, weights) for weights in entry.subtype_logit.values()], axis=1)
    chosen = np.argmax(scores + rng.gumbel(size=(n, scores.shape[1])), axis=1)
    return np.asarray(np.array(list(entry.subtype_logit), dtype=object)[chosen])


def pathology_table(people: Columns, settings: Settings) -> pd.DataFrame:
    """Return the raw table pathology."""
    first_day = settings.cohort.first_day
    return pd.DataFrame(
        {
            "usubjid": people["usubjid"],
            "biopsy_date": as_dates(first_day, people["biopsy_day"]),
            "report_date": as_dates(first_day, people["path_report_day"]),
            "hist": people["hist"],
            "grade": people["grade"],
            "hr": np.where(people["hr_negative"], "neg", "pos"),
            "er_pct": people["er"],
            "pr_pct": people["pr"],
            "her2_ihc": people["ihc"],
            "ish": people["ish"],
            "her2": people["her2"],
            "her2_cep17": people["ratio"],
            "her2_copies": people["copies"],
            "her2_heterogeneity": people["heterogeneity"],
            "ki67_pct": people["ki67"],
            "til_pct": people["til"],
            "intrinsic_subtype": people["subtype"],
            "central_review": np.where(people["central_review"], "Y", "N"),
        }
    )


def foci_table(people: Columns, settings: Settings, streams: Streams) -> pd.DataFrame:
    """Return the raw table foci: the index focus, which is that of pathology, and one or two more.

    Who violates eligibility by foci in more than one quadrant has them there; all others in one quadrant.
    """
    entry, rng, n = settings.foci, streams("foci"), len(people["age"])
    several = people["multifocal"] | (rng.random(n) < entry.share)
    count = np.where(several, 2 + (rng.random(n) < entry.third_share), 0)
    person = np.repeat(np.arange(n), count)
    number = np.arange(len(person)) - np.repeat(np.cumsum(count) - count, count)
    side = np.where(rng.random(n) < 0.5, "left", "right").astype(object)
    first_day = settings.cohort.first_day
    return pd.DataFrame(
        {
            "usubjid": people["usubjid"][person],
            "focus_id": [f"F{k + 1}" for k in number],
            "biopsy_date": as_dates(first_day, people["biopsy_day"][person]),
            "report_date": as_dates(first_day, people["path_report_day"][person]),
            "laterality": side[person],
            "quadrant": _quadrants(people, person, number, settings, rng),
            **_readings(people, person, number, settings, rng),
        }
    )


def _quadrants(
    people: Columns, person: Array, number: Array, settings: Settings, rng: np.random.Generator
) -> Array:
    """Return the quadrant of each focus."""
    names = np.array(list(settings.foci.quadrants), dtype=object)
    first = pick(rng.random(len(people["age"])), dict(enumerate(settings.foci.quadrants.values())))
    beyond = people["multifocal"][person] * number
    return np.asarray(names[(first[person].astype(int) + beyond) % len(names)])


def _readings(
    people: Columns, person: Array, number: Array, settings: Settings, rng: np.random.Generator
) -> Columns:
    """Return size and receptors of each focus: the index focus as in pathology, the others like it or not.

    A focus of another HER2 status than a HER2-positive index focus is HER2 negative. Ratio and copies are
    those of the index focus alone.
    """
    entry, rows, index = settings.foci, len(person), number == 0
    size, er, pr = people["size_mm"][person], people["er"][person], people["pr"][person]
    low, high = entry.relative_size
    smaller = np.maximum(np.round(size * rng.uniform(low, high, rows)), 1.0)
    receptors = {}
    for name, value in (("er_pct", er), ("pr_pct", pr)):
        near = np.clip(np.round(value + rng.normal(0.0, entry.receptor_sd, rows)), 1, 100)
        receptors[name] = np.where(index | (value == 0), value, near)
    ihc, ish = people["ihc"][person], people["ish"][person]
    other = ~index & (people["her2"][person] == "pos") & (rng.random(rows) < entry.her2_discordant_share)
    zero = rng.random(rows) < entry.ihc_0_share_of_negative
    return {
        "size_mm": np.where(index, size, smaller),
        **receptors,
        "her2_ihc": np.where(other, np.where(zero, "0", "1+"), ihc).astype(object),
        "ish": np.where(other, "not_done", ish).astype(object),
        "her2_cep17": np.where(index, people["ratio"][person], np.nan),
        "her2_copies": np.where(index, people["copies"][person], np.nan),
    }
