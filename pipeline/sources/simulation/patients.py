"""Who is randomised, when, to which arm; the latents, and the tumour as staged at randomisation.

The latents (luminal, chemosensitivity, her2_dependence, shedding, frailty) are standard normal in an
average centre. They cause everything observed later, and stand in no raw table.
"""

from collections.abc import Mapping

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
    pick,
)
from pipeline.sources.simulation.patient_parameters import Clinical
from pipeline.sources.simulation.settings import Settings

LATENTS = ("luminal", "chemosensitivity", "her2_dependence", "shedding", "frailty")
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
        "consent_day": consent,
        "biopsy_day": consent - days_within(rng, n, entry.biopsy_before_consent),
        "first_dose_day": day + days_within(rng, n, entry.first_dose_after_randomisation),
    }


def _ids(study: str, n: int) -> Array:
    width = max(4, len(str(n)))
    return np.array([f"{study}-{i:0{width}d}" for i in range(1, n + 1)], dtype=object)


def _blocks(rng: np.random.Generator, allocation: Mapping[str, int], n: int) -> Array:
    block = np.repeat(np.array(list(allocation), dtype=object), list(allocation.values()))
    blocks = -(-n // len(block))
    order = np.argsort(rng.random((blocks, len(block))), axis=1)
    return np.asarray(block[order].ravel()[:n])


def draw_latents(people: Columns, centres: Columns, settings: Settings, streams: Streams) -> Columns:
    """Return the latents. Luminal biology comes first; the others lean on it by configured correlations."""
    rng, n = streams("latents"), len(people["centre"])
    noise = {name: rng.standard_normal(n) for name in LATENTS}
    latents = {"luminal": noise["luminal"] + centres["luminal"][people["centre"]]}
    for name in LATENTS[1:]:
        r = settings.latents.correlation_with_luminal[name]
        latents[name] = r * latents["luminal"] + np.sqrt(1 - r**2) * noise[name]
    return latents


def stage_patients(people: Columns, centres: Columns, settings: Settings, streams: Streams) -> Columns:
    """Return age, constitution, size and extent of the tumour, all eligible; violations come later."""
    entry, rng, n = settings.clinical, streams("clinical"), len(people["centre"])
    age = bounded_normal(rng, n, entry.age)
    burden = rng.standard_normal(n) + centres["case_mix"][people["centre"]]
    median = entry.size_median_mm * np.exp(entry.size_log_sd * burden)
    size = np.round(np.clip(median, entry.size_low_mm, entry.size_high_mm))
    t4 = rng.random(n) < entry.t4_share
    cn = _nodal_category(burden, rng, entry)
    ct = np.where(t4, "T4", np.where(size > entry.t3_above_mm, "T3", "T2")).astype(object)
    ecog = rng.random(n) < expit(entry.ecog_1_logit + entry.ecog_1_per_frailty * people["frailty"])
    return {
        "age": np.floor(age),
        "menopause": _menopause(age, rng, entry),
        "ecog": ecog.astype(int),
        "bmi": np.round(bounded_normal(rng, n, entry.bmi), 1),
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


def _nodal_category(burden: Array, rng: np.random.Generator, entry: Clinical) -> Array:
    """Cut a latent extent, correlated with tumour burden, into N0 to N3 of the configured shares."""
    r = entry.node_size_correlation
    extent = r * burden + np.sqrt(1 - r**2) * rng.standard_normal(len(burden))
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
