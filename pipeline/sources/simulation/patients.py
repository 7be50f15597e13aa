"""Who is randomised, when, to which arm; the latents, and the tumour as staged at randomisation.

The latents (luminal, proliferation, chemosensitivity, her2_dependence, shedding, frailty) are standard
normal in an average centre in the middle of accrual. They cause everything observed later, and stand in no
raw table.
"""

from collections.abc import Mapping, Sequence

import numpy as np
import pandas as pd
from scipy.special import ndtri

from pipeline.sources.simulation.centres import site_ids
from pipeline.sources.simulation.draws import (
    Array,
    Columns,
    Streams,
    as_dates,
    bounded_normal,
    days_within,
    expit,
    line,
    pick,
)
from pipeline.sources.simulation.patient_parameters import Clinical
from pipeline.sources.simulation.section import LATENTS
from pipeline.sources.simulation.settings import Settings

DAYS_PER_YEAR = 365.25
MM_PER_CM = 10.0
"""mm per cm."""


def randomise(n: int, centres: Columns, settings: Settings, streams: Streams) -> Columns:
    """Return `n` patients in the order of randomisation: id, centre, arm, and the days before treatment.

    Arms are dealt in permuted blocks, one block of the size of the allocation after the other. Days count
    from the study's first day.
    """
    entry, rng = settings.cohort, streams("randomisation")
    centre = rng.choice(len(centres["weight"]), size=n, p=centres["weight"])
    opened = centres["activation"][centre] + entry.screening_days
    day = np.floor(opened + rng.random(n) * (entry.accrual_days - opened)).astype(int)
    order = np.lexsort((centre, day))
    centre, day = centre[order], day[order]
    consent = day - days_within(rng, n, entry.consent_before_randomisation)
    return {
        "usubjid": _ids(settings.study, n),
        "centre": centre,
        "arm": _blocks(rng, entry.allocation, n),
        "rand_day": day,
        "calendar": (day - entry.accrual_days / 2) / DAYS_PER_YEAR,
        "assay": _assays(centres["assay"][centre], day, settings),
        "consent_day": consent,
        "biopsy_day": consent - days_within(rng, n, entry.biopsy_before_consent),
        "first_dose_day": day + days_within(rng, n, entry.first_dose_after_randomisation),
    }


def _assays(of_centre: Array, day: Array, settings: Settings) -> Array:
    """Return the assay of each patient's laboratory: that of the centre, until it is replaced."""
    change = settings.drift.assay_change
    if change is None:
        return of_centre
    replaced = np.array([change.replaced_by.get(str(name), name) for name in of_centre], dtype=object)
    return np.where(day >= change.day, replaced, of_centre)


def _ids(study: str, n: int) -> Array:
    width = max(4, len(str(n)))
    return np.array([f"{study}-{i:0{width}d}" for i in range(1, n + 1)], dtype=object)


def _blocks(rng: np.random.Generator, allocation: Mapping[str, int], n: int) -> Array:
    block = np.repeat(np.array(list(allocation), dtype=object), list(allocation.values()))
    blocks = -(-n // len(block))
    order = np.argsort(rng.random((blocks, len(block))), axis=1)
    return np.asarray(block[order].ravel()[:n])


def draw_latents(people: Columns, centres: Columns, settings: Settings, streams: Streams) -> Columns:
    """Return age in years and the latents, each leaning on age and on those before it as configured."""
    entry, n = settings.clinical.age, len(people["centre"])
    age = bounded_normal(streams("age"), n, entry)
    rng, noise = streams("latents"), {}
    noise = {name: rng.standard_normal(n) for name in LATENTS}
    drawn: Columns = {"age": (age - entry.mean) / entry.sd}
    covariance: dict[tuple[str, str], float] = {("age", "age"): 1.0}
    for name in LATENTS:
        weights = settings.latents.leans_on.get(name, {})
        explained = _explained(name, weights, list(drawn), covariance)
        drawn[name] = np.sqrt(1 - explained) * noise[name]
        for parent, weight in weights.items():
            drawn[name] = drawn[name] + weight * drawn[parent]
        if name == "luminal":
            shift = settings.drift.per_year["luminal"] * people["calendar"]
            drawn[name] = drawn[name] + centres["luminal"][people["centre"]] + shift
    return {name: drawn[name] for name in LATENTS} | {"age": age}


def _explained(
    name: str,
    weights: Mapping[str, float],
    before: Sequence[str],
    covariance: dict[tuple[str, str], float],
) -> float:
    """Return the variance of a latent that its parents explain, and add its covariances to `covariance`."""
    for other in before:
        total = sum(weight * covariance[parent, other] for parent, weight in weights.items())
        covariance[name, other] = covariance[other, name] = total
    covariance[name, name] = 1.0
    return sum(weight * covariance[parent, name] for parent, weight in weights.items())


def stage_patients(people: Columns, centres: Columns, settings: Settings, streams: Streams) -> Columns:
    """Return constitution, size and extent of the tumour, all eligible; violations come later."""
    entry, rng, n = settings.clinical, streams("clinical"), len(people["centre"])
    age, r = people["age"], entry.size_per_proliferation
    burden = r * people["proliferation"] + np.sqrt(1 - r**2) * rng.standard_normal(n)
    burden = burden + centres["case_mix"][people["centre"]]
    burden = burden + settings.drift.per_year["case_mix"] * people["calendar"]
    median = entry.size_median_mm * np.exp(entry.size_log_sd * burden)
    size = np.round(np.clip(median, entry.size_low_mm, entry.size_high_mm))
    extent = _nodal_extent(burden, rng, entry)
    cn = _nodal_category(extent, entry)
    t4 = rng.random(n) < expit(line({"burden": burden, "extent": extent}, entry.t4_logit))
    ct = np.where(t4, "T4", np.where(size > entry.t3_above_mm, "T3", "T2")).astype(object)
    ecog = rng.random(n) < expit(entry.ecog_1_logit + entry.ecog_1_per_frailty * people["frailty"])
    return {
        "age": np.floor(age),
        "menopause": _menopause(age, rng, entry),
        "ecog": ecog.astype(int),
        "bmi": _body_mass(age, rng, entry),
        "size_mm": size,
        "ct": ct,
        "cn": cn,
        "cm": np.full(n, "M0", dtype=object),
        "stage": _stage(ct, cn),
        "inflammatory": t4 & (rng.random(n) < entry.inflammatory_share_of_t4),
        "multifocal": np.zeros(n, dtype=bool),
        "bilateral": np.zeros(n, dtype=bool),
        "cn_confirmed": np.where(
            cn == "N0", "imaging", pick(rng.random(n), entry.node_positive_confirmed_by)
        ),
        "pre_nat_slnb": np.where(cn == "N0", pick(rng.random(n), entry.sentinel_node_if_n0), "none"),
    }


def _body_mass(age: Array, rng: np.random.Generator, entry: Clinical) -> Array:
    """Return the body mass index, which rises with age."""
    index = bounded_normal(rng, len(age), entry.bmi) + entry.bmi_per_decade * (age - entry.age.mean) / 10
    return np.round(np.clip(index, entry.bmi.low, entry.bmi.high), 1)


def _nodal_extent(burden: Array, rng: np.random.Generator, entry: Clinical) -> Array:
    """Return the latent extent in the nodes, correlated with the burden of the tumour."""
    r = entry.node_size_correlation
    return np.asarray(r * burden + np.sqrt(1 - r**2) * rng.standard_normal(len(burden)))


def _nodal_category(extent: Array, entry: Clinical) -> Array:
    """Cut the extent into N0 to N3 of the configured shares."""
    shares = entry.node_shares
    cuts = ndtri(np.cumsum(list(shares.values()))[:-1])
    return np.asarray(np.array(list(shares), dtype=object)[np.searchsorted(cuts, extent)])


def _menopause(age: Array, rng: np.random.Generator, entry: Clinical) -> Array:
    since = age - entry.menopause_age + rng.normal(0.0, entry.menopause_age_sd, len(age))
    peri = np.abs(since) < entry.perimenopause_years
    return np.where(peri, "peri", np.where(since > 0, "post", "pre")).astype(object)


def _stage(ct: Array, cn: Array) -> Array:
    """Return the anatomical stage by AJCC 8 for T2 to T4, N0 to N3, M0."""
    third = (ct == "T4") | np.isin(cn, ["N2", "N3"]) | ((ct == "T3") & (cn == "N1"))
    return np.where(third, "III", "II").astype(object)


def subjects_table(people: Columns, settings: Settings) -> pd.DataFrame:
    """Return the raw table subjects."""
    first_day = settings.cohort.first_day
    yes_no = {name: np.where(people[name], "Y", "N") for name in ("inflammatory", "multifocal", "bilateral")}
    as_they_are = ("ct", "cn", "cm", "stage")
    return pd.DataFrame(
        {
            "usubjid": people["usubjid"],
            "siteid": site_ids(settings.centres.count)[people["centre"]],
            "country": settings.cohort.country,
            "consent_date": as_dates(first_day, people["consent_day"]),
            "rand_date": as_dates(first_day, people["rand_day"]),
            "arm": people["arm"],
            "age_years": people["age"],
            "sex": "F",
            "menopause": people["menopause"],
            "ecog": people["ecog"],
            "bmi": people["bmi"],
            **{name: people[name] for name in as_they_are},
            "tumour_size_mm": people["size_mm"],
            **yes_no,
            "cn_confirmed": people["cn_confirmed"],
            "pre_nat_slnb": people["pre_nat_slnb"],
        }
    )
