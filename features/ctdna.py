"""ctDNA features: what each sample says, gene status in plasma, and the course over visits.

A sample that was not planned, not taken, not evaluable, detected below the limit of detection, negative or
positive are six states, never one number. Allele fractions of different kinds of assay never share a column.
"""

from collections.abc import Mapping
from dataclasses import replace

import numpy as np
import pandas as pd

from features.definitions import DETECTED, EVALUABLE, NOT_TAKEN, sample_states
from features.documents.feature import Feature
from features.feature import (
    BuildContext,
    FeatureError,
    NamedSeries,
    choose,
    collect,
    from_template,
    positions,
)
from features.gene_rules import GeneRules
from features.mutations import MUTATED, UNKNOWN, WILD_TYPE, mutation_status
from features.settings import CtdnaSettings

DOMAIN = "ctdna"
CALL_COLUMNS = ["sample_id", "gene", "hgvsp", "classification", "origin", "pathogenic", "vaf"]


def build(
    tables: Mapping[str, pd.DataFrame],
    patients: pd.Index,
    settings: CtdnaSettings,
    context: BuildContext,
) -> tuple[pd.DataFrame, list[Feature]]:
    """Return the ctDNA features of `patients`: frame with that index, and what each column is.

    A visit without any visible sample gives no columns; without ctdna_variants there is nothing on variants.

    Parameters
    ----------
    tables : mapping
        Visible tables.

    Raises
    ------
    FeatureError
        If a gene set of the settings is empty.
    """
    if "ctdna_samples" not in tables:
        return collect([], patients)
    samples = tables["ctdna_samples"].reset_index(drop=True)
    sampled = context.seen.of("visits of plasma samples", samples["visit"])
    if not sampled:
        return collect([], patients)
    samples["state"] = sample_states(samples)
    variants = on_samples(tables["ctdna_variants"], samples) if "ctdna_variants" in tables else None
    found = [
        sample_quantities(samples, variants, settings),
        gene_status(samples, variants, settings.gene_sets),
    ]
    found.append(samples[["usubjid", "visit", "state", "lod_vaf"]])
    rows = pd.concat(found, axis=1).assign(assay=_assay_type(samples)).set_index("usubjid")
    used = context.seen.of("assays of plasma", rows.loc[rows["state"].isin(EVALUABLE), "assay"])
    settings = replace(settings, assays={k: assay for k, assay in settings.assays.items() if k in used})
    visits = [visit for visit in context.visits if visit in sampled]
    at = {v: _without_result(rows.loc[rows["visit"] == v].reindex(patients)) for v in visits}
    columns = [column for visit, frame in at.items() for column in _of_visit(frame, visit, settings)]
    first = context.first_visit
    columns += _changes(at, settings, first) + _courses(at, settings, first) + _assay(at, settings, first)
    return collect(columns, patients)


def _without_result(frame: pd.DataFrame) -> pd.DataFrame:
    """Say of patients without a row that no result is there: the state is not_done."""
    return frame.assign(state=frame["state"].fillna("not_done"))


def sample_quantities(
    samples: pd.DataFrame, variants: pd.DataFrame | None, settings: CtdnaSettings
) -> pd.DataFrame:
    """Return vaf_max, vaf_mean, mtm (log10) and n_variants of each evaluable sample, else NaN.

    Allele fractions are log10(max(VAF, floor of the kind of assay)), molecules log10(max(MTM/mL, floor)). A
    negative sample has the floors and no variants, whatever the tables say of it. Only variants of tumour
    origin count. vaf_mean is the laboratory's, if missing the mean over the variants. A detected sample
    without any row in `variants` has no vaf_max, and n_variants as the laboratory counted them. Without
    `variants` there is neither.
    """
    floor = _assay_type(samples).map({kind: assay.vaf_floor for kind, assay in settings.assays.items()})
    vaf = {"vaf_mean": samples["mean_vaf"]}
    counted = {}
    if variants is not None:
        per_sample = _tumour_variants(samples, variants)
        listed = _any_of(variants, samples.index)
        vaf["vaf_max"] = per_sample["vaf_max"].mask(listed & per_sample["vaf_max"].isna(), 0.0)
        vaf["vaf_mean"] = samples["mean_vaf"].fillna(per_sample["vaf_mean"])
        n_detected = samples["n_detected"].astype("float64")
        counted["n_variants"] = per_sample["n_variants"].where(listed, n_detected)
    negative = samples["state"] == "negative"
    logged = {k: np.log10(v.mask(negative, 0.0).clip(lower=floor)) for k, v in vaf.items()}
    mtm = samples["mtm_per_ml"].mask(negative, 0.0)
    logged["mtm"] = np.log10(mtm.clip(lower=settings.mtm_floor))
    counted = {k: v.mask(negative, 0.0) for k, v in counted.items()}
    quantities = pd.DataFrame(logged | counted, index=samples.index)
    return quantities.where(samples["state"].isin(EVALUABLE))


def on_samples(variants: pd.DataFrame, samples: pd.DataFrame) -> pd.DataFrame:
    """Return the variants of `samples`, with the position of the sample as index.

    Columns: `CALL_COLUMNS`.
    """
    position = positions(variants["sample_id"], pd.Index(samples["sample_id"]))
    called: pd.DataFrame = variants.loc[position >= 0, CALL_COLUMNS]
    return called.set_axis(position[position >= 0])


def _any_of(variants: pd.DataFrame, samples: pd.Index) -> pd.Series:
    """Tell which samples have any of the variants."""
    return pd.Series(np.bincount(variants.index, minlength=len(samples)) > 0, index=samples)


def _tumour_variants(samples: pd.DataFrame, variants: pd.DataFrame) -> pd.DataFrame:
    """Return number, highest and mean allele fraction of the tumour variants of each sample."""
    tumour = variants.loc[variants["origin"] == "tumor", "vaf"]
    order = np.lexsort((tumour.to_numpy(), tumour.index))  # a sum in the order of the rows would depend on it
    summary = tumour.iloc[order].groupby(level=0).agg(["count", "max", "mean"]).reindex(samples.index)
    summary = summary.set_axis(["n_variants", "vaf_max", "vaf_mean"], axis=1)
    return summary.assign(n_variants=summary["n_variants"].fillna(0.0))


def gene_status(
    samples: pd.DataFrame, variants: pd.DataFrame | None, gene_sets: Mapping[str, GeneRules]
) -> pd.DataFrame:
    """Return `mutations.mutation_status` per sample and gene set; unknown where it gives a reason."""
    if variants is None:
        return pd.DataFrame(index=samples.index)
    status = {}
    detected = samples["state"].isin(DETECTED)
    for name, genes in gene_sets.items():
        if not genes:
            raise FeatureError(f"features settings, ctdna.gene_sets.{name}: no genes are given")
        found = mutation_status(samples, detected, variants, genes)
        status[name] = found.where(found.isin([MUTATED, WILD_TYPE]), UNKNOWN)
    return pd.DataFrame(status, index=samples.index)


def course(states: pd.DataFrame, visit: str) -> pd.Series:
    """Return the course of ctDNA up to `visit`, one of the columns of `states` (visits in order).

    ===============  ==============================================  ===============
    course           before                                          at `visit`
    ===============  ==============================================  ===============
    never_detected   first visit negative, no detection since        negative
    new              first visit negative, no detection since        detected
    cleared          detected at any earlier visit                   negative
    persistent       detected at any earlier visit                   detected
    not_evaluable    anything else                                   anything else
    ===============  ==============================================  ===============
    """
    earlier = states.iloc[:, : states.columns.get_loc(visit)]
    seen_before = earlier.isin(DETECTED).any(axis=1)
    never_before = ~seen_before & (earlier.iloc[:, 0] == "negative")
    now, gone = states[visit].isin(DETECTED), states[visit] == "negative"
    cases = {
        "never_detected": never_before & gone,
        "new": never_before & now,
        "cleared": seen_before & gone,
        "persistent": seen_before & now,
    }
    return choose(states.index, cases, "not_evaluable")


def _of_visit(frame: pd.DataFrame, visit: str, settings: CtdnaSettings) -> list[NamedSeries]:
    """Return state, quantities by kind of assay, and gene status at one visit."""
    columns = [(from_template(settings.state, DOMAIN, visit, visit=visit), frame["state"])]
    for quantity, template in settings.quantities.items():
        for kind, assay in settings.assays.items() if quantity in frame else ():
            feature = from_template(template, DOMAIN, visit, visit=visit, suffix=assay.suffix)
            columns.append((feature, frame[quantity].where(frame["assay"] == kind)))
    for genes in settings.gene_sets:
        if genes in frame:
            feature = from_template(settings.genes, DOMAIN, visit, visit=visit, genes=genes)
            columns.append((feature, frame[genes].fillna("unknown")))
    return columns


def _changes(at: Mapping[str, pd.DataFrame], settings: CtdnaSettings, first_visit: str) -> list[NamedSeries]:
    """Return the log10 changes since the first visit, between samples of the same kind of assay."""
    first = at.get(first_visit)
    if first is None:
        return []
    columns = []
    for visit, frame in list(at.items())[1:]:
        for quantity, template in settings.changes.items():
            change = frame[quantity] - first[quantity]
            for kind, assay in settings.assays.items():
                feature = from_template(template, DOMAIN, visit, visit=visit, suffix=assay.suffix)
                same = (frame["assay"] == kind) & (first["assay"] == kind)
                columns.append((feature, change.where(same)))
    return columns


def _courses(at: Mapping[str, pd.DataFrame], settings: CtdnaSettings, first_visit: str) -> list[NamedSeries]:
    """Return the course at every visit but the first, if the first has samples."""
    if first_visit not in at:
        return []
    states = pd.DataFrame({visit: frame["state"] for visit, frame in at.items()})
    return [
        (from_template(settings.course, DOMAIN, v, visit=v), course(states, v)) for v in states.columns[1:]
    ]


def _assay(at: Mapping[str, pd.DataFrame], settings: CtdnaSettings, known_at: str) -> list[NamedSeries]:
    """Return kind and limit of detection of each patient's first sample that was taken."""
    first: pd.DataFrame | None = None
    for frame in at.values():
        taken = frame[["assay", "lod_vaf"]].mask(frame["state"].isin(NOT_TAKEN))
        first = taken if first is None else first.where(first["assay"].notna(), taken)
    if first is None:
        return []
    lod = np.log10(first["lod_vaf"].where(first["lod_vaf"] > 0))
    return [
        (from_template(settings.lod, DOMAIN, known_at), lod),
        (
            from_template(settings.assay, DOMAIN, known_at),
            first["assay"].where(first["assay"].isin(settings.assay.levels)),
        ),
    ]


def _assay_type(samples: pd.DataFrame) -> pd.Series:
    return samples["assay_type"].fillna("unknown")
