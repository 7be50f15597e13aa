"""ctDNA: what the tumour sheds, and what the laboratory finds and calls in a plasma sample."""

from collections.abc import Collection

import numpy as np

from pipeline.sources.simulation.course_parameters import CtDNA
from pipeline.sources.simulation.draws import (
    Array,
    Columns,
    Streams,
    bounded_normal,
    shifted_chance,
)
from pipeline.sources.simulation.genome import detection_chance
from pipeline.sources.simulation.settings import Settings
from pipeline.sources.simulation.treatment import Course

GENOMES_PER_NG = 303.0
"""Haploid genome equivalents in 1 ng of DNA (3.3 pg each)."""
TUMOUR_INFORMED = "tumor_informed"


def shed_at_baseline(people: Columns, settings: Settings) -> Array:
    """Return log10 of the mean VAF before treatment (n)."""
    entry = settings.ctdna.shedding
    total = entry.log10_vaf + entry.per_shedding_sd * people["shedding"]
    total = total + entry.per_log_size * np.log(people["size_mm"] / settings.clinical.size_median_mm)
    total = total + entry.if_node_positive * (people["cn"] != "N0")
    return np.asarray(total + entry.if_hr_negative * people["hr_negative"])


def shed_after(course: Course, people: Columns, settings: Settings, streams: Streams) -> Array:
    """Return log10 of the mean VAF after the cycles so far: it falls faster the more is killed."""
    entry = settings.ctdna.clearance
    done = course.cycles
    excess = course.mean_kill(settings.treatment.cycles) - settings.response.typical_kill
    fall = entry.log10_fall_by_cycle[done] * (1 + entry.relative_fall_per_kill * excess)
    noise = streams(f"clearance {done}").normal(0.0, entry.log10_sd, len(fall))
    return np.asarray(people["log10_vaf"] - fall + noise)


def draw_sample(
    visit: str,
    log10_vaf: Array,
    draw_day: Array,
    people: Columns,
    centres: Columns,
    variants: Columns,
    settings: Settings,
    streams: Streams,
) -> tuple[Columns, Columns]:
    """Take and analyse one sample per patient.

    Returns
    -------
    sample : Columns
        Over patients: days, quality control, the laboratory's result, quantities (NaN unless evaluable).
    called : Columns
        Over variants: `seen`, `vaf`, `t_depth`, `t_alt_count`, `wbc_vaf`, `origin` as the laboratory calls
        it.
    """
    entry, rng, n = settings.ctdna, streams(f"plasma {visit}"), len(log10_vaf)
    sample = _material(visit, draw_day, people, centres, entry, rng)
    called = _call_variants(log10_vaf, sample, variants, entry, rng)
    informed = _call_targets(log10_vaf, sample, entry, rng)
    wrongly = called["mistaken"] & called["seen"]
    counted = called["seen"] & ((variants["origin"] == "tumor") | wrongly)
    number = np.bincount(variants["person"], weights=counted, minlength=n)
    total = np.bincount(variants["person"], weights=counted * called["vaf"], minlength=n)
    is_informed = sample["informed"]
    detected = np.where(is_informed, informed["detected"], number > 0)
    result = np.where(sample["qc"] == "pass", np.where(detected, "detected", "not_detected"), "not_evaluable")
    vaf = np.where(is_informed, informed["vaf"], total / np.maximum(number, 1))
    positive = result == "detected"
    sample |= {
        "result": result.astype(object),
        "mean_vaf": np.where(positive, np.round(vaf, 8), np.where(result == "not_detected", 0.0, np.nan)),
        "n_detected": np.where(is_informed, informed["n_detected"], number),
    }
    called["seen"] = called["seen"] & ((sample["qc"] == "pass") & ~is_informed)[variants["person"]]
    return sample | _pathway_status(called, sample, people, variants), called


def _material(
    visit: str, draw_day: Array, people: Columns, centres: Columns, entry: CtDNA, rng: np.random.Generator
) -> Columns:
    """Return the sample before sequencing: taken or not, amount, limit of detection, day of the report."""
    n, centre = len(draw_day), people["centre"]
    shift = centres["missing"][centre] + entry.missing_per_frailty * people["frailty"]
    done = rng.random(n) >= shifted_chance(entry.not_done_share[visit], shift)
    failed = rng.random(n) < shifted_chance(entry.failed_share[visit], centres["missing"][centre])
    concentration = np.exp(rng.normal(np.log(entry.cfdna_median_ng_ml), entry.cfdna_log_sd, n))
    plasma = np.round(bounded_normal(rng, n, entry.plasma_ml), 1)
    of_centre = {
        key: np.array([getattr(entry.assays[str(name)], key) for name in people["assay"]])
        for key in ("lod_vaf", "type", "wbc_share", "report_days", "first_report_days")
    }
    genomes = plasma * concentration * GENOMES_PER_NG
    low, high = entry.lod_factor_range
    scarcity = np.clip(np.sqrt(entry.reference_genomes / genomes), low, high)
    lod = np.round(of_centre["lod_vaf"] * scarcity, 8)
    lag = of_centre["first_report_days" if visit == "baseline" else "report_days"]
    return {
        "draw_day": draw_day,
        "report_day": draw_day + entry.min_report_days + rng.poisson(lag),
        "qc": np.where(done, np.where(failed, "fail", "pass"), "not_done").astype(object),
        "plasma_ml": plasma,
        "cfdna": np.round(concentration, 2),
        "genomes": genomes,
        "lod": lod,
        "informed": of_centre["type"] == TUMOUR_INFORMED,
        "wbc": rng.random(n) < of_centre["wbc_share"],
    }


def _call_variants(
    log10_vaf: Array, sample: Columns, variants: Columns, entry: CtDNA, rng: np.random.Generator
) -> Columns:
    """Sequence with the fixed panel: what is seen, at which fraction, and what the laboratory takes it for.

    White cells tell germline and clonal haematopoiesis apart. Without them, variants in genes of clonal
    haematopoiesis that were not seen in tissue stay of unknown origin, and some of them are counted as
    tumour.
    """
    person, origin = variants["person"], variants["origin"]
    tumour = origin == "tumor"
    shed = np.minimum(10 ** (log10_vaf[person] + variants["clonality"]), entry.highest_vaf)
    carried = variants["fraction"] * np.exp(rng.normal(0.0, 0.1, len(person)))
    observed = np.where(tumour, shed, carried) * np.exp(rng.normal(0.0, entry.vaf_log_sd, len(person)))
    observed = np.minimum(observed, 1.0)
    chance = detection_chance(np.log10(observed / sample["lod"][person]), entry.steepness)
    seen = (rng.random(len(person)) < chance) & variants["covered"]
    depth = np.minimum(sample["genomes"][person], entry.depth_limit) * entry.depth_yield
    depth = np.round(np.maximum(depth, entry.depth_lowest)).astype(int)
    alt = np.maximum(np.round(observed * depth).astype(int), 2)
    wbc = sample["wbc"][person]
    unknown = ~wbc & variants["ch_gene"] & (variants["in_tissue"] != "Y") & (origin != "germline")
    return {
        "seen": seen,
        "vaf": alt / depth,
        "t_depth": depth,
        "t_alt_count": alt,
        "wbc_vaf": np.where(wbc, np.round(variants["fraction"], 4), np.nan),
        "origin": np.where(unknown, "unknown", origin).astype(object),
        "mistaken": unknown & ~tumour & variants["reportable"],
    }


def _call_targets(log10_vaf: Array, sample: Columns, entry: CtDNA, rng: np.random.Generator) -> Columns:
    """Sequence with the tumour-informed assay: `targets_needed` of `targets` variants detect ctDNA."""
    n, targets = len(log10_vaf), entry.targets
    vaf = np.minimum(10**log10_vaf, entry.highest_vaf) * np.exp(rng.normal(0.0, entry.vaf_log_sd, n))
    vaf = np.minimum(vaf, 1.0)
    chance = 1 - np.exp(-entry.target_hits_at_limit * vaf / sample["lod"])
    hits = (rng.random((n, targets)) < chance[:, None]).sum(axis=1)
    return {"vaf": vaf, "n_detected": hits, "detected": hits >= entry.targets_needed}


def _pathway_status(called: Columns, sample: Columns, people: Columns, variants: Columns) -> Columns:
    """Return what the sample says of the pathway: `pam_mutant`, `pam_doubtful` or `pam_wild`."""
    n = len(sample["draw_day"])
    person, positive = variants["person"], sample["result"] == "detected"
    might = called["seen"] & variants["pam_gene"] & (variants["pathogenic"] == "Y")
    might &= np.isin(called["origin"], ["tumor", "unknown"])
    counts = might & (called["origin"] == "tumor")
    any_might = np.bincount(person, weights=might, minlength=n) > 0
    any_counts = np.bincount(person, weights=counts, minlength=n) > 0
    wild = positive & ~any_might & ~sample["informed"] & people["panel_covers_pam"]
    wild &= sample["mean_vaf"] >= sample["lod"]
    doubtful = positive & any_might & ~any_counts
    return {"pam_mutant": positive & any_counts, "pam_doubtful": doubtful, "pam_wild": wild}


def for_assay(
    variants: Columns,
    people: Columns,
    pathway: Collection[str],
    settings: Settings,
    streams: Streams,
) -> Columns:
    """Return, over variants, what the assay of the patient's laboratory makes of them.

    `covered` by it; `ch_gene`, a gene of clonal haematopoiesis; `pam_gene`, a gene of `pathway`;
    `reportable`: taken for the tumour's where the origin is unknown.
    """
    genes, assay = settings.genome, people["assay"][variants["person"]]
    covered = np.ones(len(assay), dtype=bool)
    for name, entry in settings.ctdna.assays.items():
        covered &= ~((assay == name) & np.isin(variants["gene"], entry.genes_not_covered))
    taken = streams("laboratory mistakes").random(len(assay)) < settings.ctdna.ch_taken_for_tumour
    return {
        "covered": covered,
        "ch_gene": np.isin(variants["gene"], sorted(genes.ch)),
        "pam_gene": np.isin(variants["gene"], sorted(pathway)),
        "reportable": taken,
    }


def panel_covers(people: Columns, pathway: Collection[str], settings: Settings) -> Array:
    """Return, over patients, whether the assay of the laboratory covers every gene of `pathway`."""
    complete = [
        name
        for name, assay in settings.ctdna.assays.items()
        if not set(pathway) & set(assay.genes_not_covered)
    ]
    return np.isin(people["assay"], complete)


def panels(settings: Settings, genes: list[str]) -> dict[str, str | None]:
    """Return the genes of each assay separated by semicolons; None for a tumour-informed assay."""
    return {
        name: None
        if assay.type == TUMOUR_INFORMED
        else ";".join(sorted({*genes, *assay.further_genes} - {*assay.genes_not_covered}))
        for name, assay in settings.ctdna.assays.items()
    }
