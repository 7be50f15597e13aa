"""Variants: of the tumour, of clonal haematopoiesis and of the germline, and what tissue sequencing sees."""

from collections.abc import Collection

import numpy as np
import pandas as pd

from pipeline.sources.simulation.draws import (
    Array,
    Columns,
    Streams,
    as_dates,
    bounded_normal,
    expit,
    only_where,
)
from pipeline.sources.simulation.patient_parameters import Genome
from pipeline.sources.simulation.settings import Settings
from pipeline.sources.simulation.table_rows import BloodGene, TumourGene

Gene = TumourGene | BloodGene


def draw_genome(people: Columns, settings: Settings, streams: Streams) -> Columns:
    """Return every variant a patient carries: arrays over variants, sorted by patient. Some carry none.

    `person` index of the patient; `gene`, `hgvsp`, `classification`, `pathogenic` (Y, VUS); `origin` the
    truth (tumor, ch, germline); `clonality` log10 of its plasma VAF over the patient's mean; `fraction` the
    VAF in white cells (ch, germline).
    """
    parts = []
    for origin, gene, entry in settings.genome.genes():
        parts.append(_carriers(people, origin, gene, entry, streams(f"variants {origin}")))
    columns = {name: np.concatenate([part[name] for part in parts]) for name in parts[0]}
    order = np.lexsort((columns["hgvsp"].astype(str), columns["gene"].astype(str), columns["person"]))
    columns = {name: values[order] for name, values in columns.items()}
    return columns | _fractions(columns, settings.genome, streams("variant fractions"))


def _carriers(people: Columns, origin: str, gene: str, entry: Gene, rng: np.random.Generator) -> Columns:
    """Return the variants of one gene and origin, at most one a patient."""
    n = len(people["age"])
    if isinstance(entry, TumourGene):
        chance = np.where(people["hr_negative"], entry.share_hr_negative, entry.share_hr_positive)
    else:
        chance = entry.share_at_50 * np.exp(entry.log_per_decade * (people["age"] - 50) / 10)
    carries, change, vus = rng.random(n) < chance, rng.random(n), rng.random(n) < entry.vus_share
    person = np.flatnonzero(carries)
    return _rows(person, origin, gene, entry, change[person], vus[person])


def _rows(person: Array, origin: str, gene: str, entry: Gene, change: Array, vus: Array) -> Columns:
    """Return variants of `gene` in the patients `person`; `change` in [0, 1) picks the protein change."""
    known, unknown = (np.array(names, dtype=object) for names in (entry.changes, entry.vus_changes))
    hgvsp = np.where(
        vus, unknown[(change * len(unknown)).astype(int)], known[(change * len(known)).astype(int)]
    )
    truncating = np.array(["*" in str(h) or "fs" in str(h) for h in hgvsp], dtype=bool)
    return {
        "person": person,
        "gene": np.full(len(person), gene, dtype=object),
        "hgvsp": hgvsp,
        "classification": np.where(truncating, "Nonsense_Mutation", "Missense_Mutation").astype(object),
        "pathogenic": np.where(vus, "VUS", "Y").astype(object),
        "origin": np.full(len(person), origin, dtype=object),
    }


def _fractions(variants: Columns, entry: Genome, rng: np.random.Generator) -> Columns:
    """Return clonality (tumour variants) and white-cell fractions (clonal haematopoiesis, germline)."""
    n = len(variants["person"])
    ch = np.exp(rng.normal(np.log(entry.ch_vaf_median), entry.ch_vaf_log_sd, n))
    ch = np.minimum(ch, entry.ch_vaf_high)
    germline = bounded_normal(rng, n, entry.germline_vaf)
    fraction = np.where(
        variants["origin"] == "ch", ch, np.where(variants["origin"] == "germline", germline, 0.0)
    )
    return {"clonality": rng.normal(0.0, entry.clonality_log10_sd, n), "fraction": fraction}


def pam_mutated(variants: Columns, n: int, pathway: Collection[str]) -> Array:
    """Return per patient whether the tumour has a pathogenic mutation in a gene of `pathway`."""
    mutation = (variants["origin"] == "tumor") & (variants["pathogenic"] == "Y")
    mutated = np.zeros(n, dtype=bool)
    mutated[variants["person"][mutation & np.isin(variants["gene"], sorted(pathway))]] = True
    return mutated


def sequence_tissue(
    variants: Columns, people: Columns, centres: Columns, settings: Settings, streams: Streams
) -> Columns:
    """Return over variants `in_tissue` (Y, N, not_tested) and `tissue_vaf`.

    Over patients `tissue_tested`, `tissue_purity`, `tissue_day` and `matched_blood`.
    """
    entry, rng = settings.genome.tissue, streams("tissue sequencing")
    n, rows = len(people["age"]), len(variants["person"])
    tested = (rng.random(n) < entry.done_share) & centres["tissue_panel"][people["centre"]]
    purity = bounded_normal(rng, n, entry.purity)
    seen = (rng.random(rows) < entry.sensitivity) & (variants["origin"] != "ch")
    half = np.where(variants["origin"] == "germline", 0.5, purity[variants["person"]] / 2)
    vaf = np.clip(half * np.exp(rng.normal(0.0, entry.vaf_log_sd, rows)), 0.02, 0.95)
    in_tissue = np.where(tested[variants["person"]], np.where(seen, "Y", "N"), "not_tested").astype(object)
    lag = entry.report_days + rng.poisson(entry.report_days_extra, n)
    return {
        "in_tissue": in_tissue,
        "tissue_vaf": np.round(vaf, 4),
        "tissue_day": people["biopsy_day"] + lag,
        "tissue_tested": tested,
        "tissue_purity": purity,
        "matched_blood": streams("matched blood").random(n) < entry.matched_blood_share,
    }


def tissue_table(variants: Columns, people: Columns, settings: Settings) -> pd.DataFrame:
    """Return the raw table tissue_variants: what tissue sequencing called."""
    seen = variants["in_tissue"] == "Y"
    person = variants["person"][seen]
    as_they_are = {name: variants[name][seen] for name in ("gene", "hgvsp", "classification")}
    return pd.DataFrame(
        {
            "usubjid": people["usubjid"][person],
            "report_date": as_dates(settings.cohort.first_day, variants["tissue_day"][person]),
            "panel_genes": ";".join(all_genes(settings)),
            **as_they_are,
            "vaf": variants["tissue_vaf"][seen],
            "origin": only_where(variants["matched_blood"][person], variants["origin"][seen]),
            "pathogenic": variants["pathogenic"][seen],
        }
    )


def all_genes(settings: Settings) -> list[str]:
    """Return all genes of the simulation, in alphabetical order."""
    return sorted({gene for _, gene, _ in settings.genome.genes()})


def detection_chance(log10_over_limit: Array, steepness: float) -> Array:
    """Return the probability of seeing a variant from log10(VAF / limit of detection); 1/2 at the limit."""
    return expit(steepness * log10_over_limit)
