"""What a ctDNA library without outcome shows: mutation frequencies, haematopoiesis, limits of the assays.

The patient is the unit of every share, so that patients with many samples do not count more than once.
Intervals are Wilson's: their mean coverage stays near the nominal level in small groups, where Clopper and
Pearson's are wider than they need be (Brown, Cai and DasGupta, Stat Sci 2001;16:101).
"""

from collections.abc import Mapping, Sequence

import numpy as np
import pandas as pd

from features.ctdna import gene_status, on_samples
from features.definitions import DETECTED, sample_states
from features.gene_rules import GeneRules, any_pathogenic
from features.mutations import panel_covers
from models.description.cohort import proportion
from models.description.documents import Proportion
from models.description.library_documents import AssayLimits, GenesCovered, MutationShare, Range

ALL = "all"
HR_GROUPS = {"pos": "HR+", "neg": "HR-"}
HR_UNKNOWN = "HR unknown"
NOT_COVERED = "unknown"
CALLED = ("tumor", "unknown")


def library_samples(tables: Mapping[str, pd.DataFrame], visits: Sequence[str]) -> pd.DataFrame:
    """Return the samples in order of patient and time, with their `state` (`sample_states`)."""
    samples = tables["ctdna_samples"]
    order = samples["visit"].map({visit: i for i, visit in enumerate(visits)})
    samples = samples.assign(order=order).sort_values(["usubjid", "order"], ignore_index=True)
    return samples.assign(state=sample_states(samples)).drop(columns="order")


def hr_groups(tables: Mapping[str, pd.DataFrame]) -> pd.Series:
    """Return the hormone receptor group of every patient: index usubjid, sorted."""
    patients = tables["subjects"].set_index("usubjid").sort_index().index
    if "pathology" not in tables:
        return pd.Series(HR_UNKNOWN, index=patients)
    hr = tables["pathology"].set_index("usubjid")["hr"].reindex(patients)
    return hr.map(HR_GROUPS).fillna(HR_UNKNOWN)


def patient_status(
    samples: pd.DataFrame,
    variants: pd.DataFrame,
    sets: Mapping[str, GeneRules],
) -> pd.DataFrame:
    """Return, per patient and gene set, mutated, wild_type or unknown: of the first sample that tells.

    A gene that the panel does not cover is unknown, and so is one in plasma without detected ctDNA.
    """
    status = gene_status(samples, on_samples(variants, samples), sets)
    first = status.mask(status == NOT_COVERED).groupby(samples["usubjid"]).first()
    return first.fillna(NOT_COVERED)


def carriers(
    samples: pd.DataFrame, variants: pd.DataFrame, genes: Sequence[str]
) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Return who carries a tumour variant, pathogenic or of unknown significance, and the VUS per gene.

    The frame has a column per gene with mutated, wild_type or unknown, as `patient_status`. Of the variants
    whose significance was judged: `variants` their number, `vus` the share of unknown significance.
    """
    tumour = variants[variants["origin"].isin(CALLED) & (variants["pathogenic"] != "N")]
    known = tumour[(tumour["origin"] == "tumor") & tumour["pathogenic"].notna()]
    known = known.merge(samples[["sample_id", "usubjid"]], on="sample_id")
    known = known.drop_duplicates(["usubjid", "gene", "hgvsp"])
    judged = (known["pathogenic"] == "VUS").groupby(known["gene"]).agg(["count", "mean"])
    judged = judged.rename(columns={"count": "variants", "mean": "vus"})
    counted = tumour.assign(pathogenic="Y")
    return patient_status(samples, counted, {gene: any_pathogenic([gene]) for gene in genes}), judged


def mutation_shares(status: pd.DataFrame, hr: pd.Series, level: float) -> list[MutationShare]:
    """Return one row per gene set and HR group: patients, known (n), mutated (events), their share."""
    rows: list[MutationShare] = []
    status = status.reindex(hr.index).fillna(NOT_COVERED)
    for name in status:
        for group in (ALL, *HR_GROUPS.values(), HR_UNKNOWN):
            members = status[name] if group == ALL else status[name][hr == group]
            if group == HR_UNKNOWN and members.empty:
                continue
            known = members[members != NOT_COVERED]
            share = proportion(int((known == "mutated").sum()), len(known), level)
            rows.append({"genes": str(name), "group": group, "patients": len(members), **share})
    return rows


def haematopoiesis(
    samples: pd.DataFrame, variants: pd.DataFrame, gene: str, level: float
) -> dict[str, Proportion]:
    """Return how many have clonal haematopoiesis in plasma, of patients with white cells sequenced.

    ``any``: any variant of that origin, of all such patients. ``gene``: of the patients with a variant of
    `gene` in plasma, of the tumour or of blood, those in whom it comes from blood.
    """
    with_blood = blood_sequenced(samples, variants)
    patient = with_blood.set_index("sample_id")["usubjid"]
    rows = variants[variants["sample_id"].isin(patient.index)]
    rows = rows.assign(usubjid=rows["sample_id"].map(patient))
    in_blood = rows[rows["origin"] == "ch"]
    of_gene = rows[(rows["gene"] == gene) & rows["origin"].isin(["tumor", "ch"])]
    from_blood = of_gene.loc[of_gene["origin"] == "ch", "usubjid"].nunique()
    return {
        "any": proportion(in_blood["usubjid"].nunique(), with_blood["usubjid"].nunique(), level),
        gene: proportion(from_blood, of_gene["usubjid"].nunique(), level),
    }


def blood_sequenced(samples: pd.DataFrame, variants: pd.DataFrame) -> pd.DataFrame:
    """Return the samples that passed quality control and whose white cells were sequenced."""
    compared = samples["sample_id"].isin(variants.loc[variants["wbc_vaf"].notna(), "sample_id"])
    return samples[(samples["qc"] == "pass") & ((samples["wbc_sequenced"] == "Y") | compared)]


def haematopoiesis_at_50(
    samples: pd.DataFrame, variants: pd.DataFrame, ages: pd.Series, slopes: Mapping[str, float]
) -> pd.DataFrame:
    """Return, per gene, patients, carriers and the share of carriers at age 50.

    The share rises by ``exp(slope)`` per decade of age; with the slope given, carriers over the sum of
    ``exp(slope (age - 50) / 10)`` is the maximum likelihood estimate of a Poisson rate with that offset. Of
    patients with known age whose panel covers the gene and whose white cells were sequenced.
    """
    with_blood = blood_sequenced(samples, variants)
    rows = []
    for gene, slope in slopes.items():
        covered = with_blood[panel_covers(with_blood["panel_genes"], [gene])]
        age = ages.reindex(covered["usubjid"].unique()).dropna()
        looked_at = covered.loc[covered["usubjid"].isin(age.index), "sample_id"]
        calls = variants[(variants["gene"] == gene) & (variants["origin"] == "ch")]
        calls = calls[calls["sample_id"].isin(looked_at)]
        carrying = samples.loc[samples["sample_id"].isin(calls["sample_id"]), "usubjid"].nunique()
        expected = float(np.exp(slope * (age - 50) / 10).sum())
        rows.append((gene, len(age), carrying, carrying / expected if expected else np.nan))
    return pd.DataFrame(rows, columns=["gene", "patients", "carriers", "share_at_50"])


def assay_limits(samples: pd.DataFrame, variants: pd.DataFrame | None) -> list[AssayLimits]:
    """Return one row per assay: samples by quality and result, limit of detection, reads, genes covered.

    Medians with lowest and highest. `genes` is the number of genes that every listed panel of the assay
    covers, None where no panel is listed: what it covers is then unknown.
    """
    named = samples.assign(
        assay=samples["assay_id"].fillna("not named"), kind=samples["assay_type"].fillna("unknown")
    )
    rows: list[AssayLimits] = []
    for (assay, kind), part in named.groupby(["assay", "kind"], sort=True):
        calls = variants[variants["sample_id"].isin(part["sample_id"])] if variants is not None else None
        panels = [set(p.split(";")) for p in part["panel_genes"].dropna().unique()]
        rows.append(
            {
                "assay": str(assay),
                "kind": str(kind),
                "patients": int(part["usubjid"].nunique()),
                "samples": len(part),
                "failed": int((part["qc"] == "fail").sum()),
                "not_done": int((part["qc"] == "not_done").sum()),
                "detected": int(part["state"].isin(DETECTED).sum()),
                "negative": int((part["state"] == "negative").sum()),
                "lod_vaf": _spread(part["lod_vaf"]),
                "plasma_ml": _spread(part["plasma_ml"]),
                "depth": _spread(calls["t_depth"]) if calls is not None else None,
                "alt_reads": _spread(calls["t_alt_count"]) if calls is not None else None,
                "white_cells": int((part["wbc_sequenced"] == "Y").sum()),
                "genes": len(set.intersection(*panels)) if panels else None,
                "panel_not_listed": int(part["panel_genes"].isna().sum()),
            }
        )
    return rows


def _spread(values: pd.Series) -> Range | None:
    values = values.dropna().astype("float64")
    if values.empty:
        return None
    return {"median": float(values.median()), "low": float(values.min()), "high": float(values.max())}


def coverage(samples: pd.DataFrame, sets: Mapping[str, GeneRules]) -> list[GenesCovered]:
    """Return, per gene set, the sampled whose widest panel covers all, some, none, or is unlisted."""
    taken = samples[samples["qc"] != "not_done"]
    rows: list[GenesCovered] = []
    for name, genes in sets.items():
        number = sum(panel_covers(taken["panel_genes"], [gene]).astype(int) for gene in genes)
        best = (
            pd.Series(number, index=taken.index)
            .mask(taken["panel_genes"].isna())
            .groupby(taken["usubjid"])
            .max()
        )
        rows.append(
            {
                "genes": name,
                "all": int((best == len(genes)).sum()),
                "some": int(((best > 0) & (best < len(genes))).sum()),
                "none": int((best == 0).sum()),
                "not_listed": int(best.isna().sum()),
            }
        )
    return rows
