"""Mutations of single patients: genes by patients, plasma above tissue, with tracks of who they are."""

from collections.abc import Sequence

import altair as alt
import pandas as pd

from features.definitions import sample_states
from features.gene_rules import GeneRule, GeneRules, any_pathogenic
from features.mutations import FIXED_PANEL, mutating_variants, panel_covers
from pipeline.report.cohort.people import OUTCOME_COLOURS, SinglePatients, about_people
from pipeline.report.drawing import INK, PALETTE, Chart, Spec, data_of, fitting, spec_of
from pipeline.report.facts import listed
from pipeline.report.points import evenly

MUTATION, BLOOD, DOUBTFUL, NOT_COVERED = (
    "tumour mutation", "clonal haematopoiesis", "uncertain variant", "not covered or no result",
)  # fmt: skip
COLOURS = {MUTATION: PALETTE[5], BLOOD: PALETTE[3], DOUBTFUL: PALETTE[1], NOT_COVERED: "#c9ced6"}
OTHER_GENES = "other genes"
"""The row of clonal haematopoiesis in genes without a row."""
MATERIALS = ("plasma", "tissue")
TRACK_COLOURS = ("#0072B2", "#E69F00", "#009E73", "#CC79A7", "#56B4E9", "#8a5a44", "#4b4e6d")
EMPTY = "#eef0f3"
ROW, TRACK = 26, 16
RIGHT = "datum.column + 0.94"


def cells(single: SinglePatients) -> pd.DataFrame:
    """Return what was found of which gene of which patient, but for what was covered without a finding.

    Plasma: any evaluable sample of a patient by a panel that is the same for everybody; a gene is covered if
    one of them covers it. Tissue: sequenced tissue with passed quality control.

    Returns
    -------
    DataFrame
        patient, gene, material (plasma, tissue), found.
    """
    patients = pd.Index(sorted(single.cohort["usubjid"]))
    parts = []
    samples, tissue = single.raw.get("ctdna_samples"), single.raw.get("tissue_samples")
    if samples is not None and "ctdna_variants" in single.raw:
        usable = samples[
            sample_states(samples).isin(["positive", "negative", "below_lod"])
            & (samples["assay_type"] == FIXED_PANEL)
        ]
        variants = single.raw["ctdna_variants"].merge(samples[["sample_id", "usubjid"]], on="sample_id")
        parts.append(_of_material("plasma", variants, usable, single.genes, patients))
    if tissue is not None and "tissue_variants" in single.raw:
        usable = tissue[(tissue["status"] == "done") & (tissue["qc"] != "fail")]
        variants = single.raw["tissue_variants"]
        variants = variants.assign(origin=variants["origin"].fillna("tumor"))
        parts.append(_of_material("tissue", variants, usable, single.genes, patients))
    return pd.concat(parts, ignore_index=True) if parts else pd.DataFrame(columns=["patient", "gene"])


def _of_material(
    material: str, variants: pd.DataFrame, samples: pd.DataFrame, genes: GeneRules, patients: pd.Index
) -> pd.DataFrame:
    """Return the findings of one material, the strongest of each patient and gene."""
    mutations, possible = mutating_variants(variants, genes)
    blood = variants["origin"] == "ch"
    listed = variants["gene"].isin(list(genes))
    found = pd.DataFrame(
        {"patient": variants["usubjid"], "gene": variants["gene"].where(listed, OTHER_GENES)}
    )
    strongest = [found[mutations & listed].assign(found=MUTATION), found[blood].assign(found=BLOOD)]
    strongest.append(found[possible & listed].assign(found=DOUBTFUL))
    for gene in genes:
        covered = samples.loc[panel_covers(samples["panel_genes"], [gene]), "usubjid"]
        absent = patients.difference(covered)
        strongest.append(pd.DataFrame({"patient": absent, "gene": gene, "found": NOT_COVERED}))
    rows = pd.concat(strongest).drop_duplicates(["patient", "gene"])
    return rows[rows["patient"].isin(patients)].assign(material=material)


def mutated_sentence(found: pd.DataFrame) -> str:
    """Return the genes of which tumour mutations were reported in most patients; empty without any.

    Parameters
    ----------
    found : DataFrame
        From `cells`.
    """
    mutated = found[found["found"] == MUTATION].drop_duplicates(["patient", "gene"])
    patients = mutated.groupby("gene").size()
    most = sorted(map(str, patients.index[patients == patients.max()]))
    return f"Tumour mutations were reported most often in {listed(most)}." if most else ""


def tracks(who: pd.DataFrame, receptors: pd.Series | None) -> pd.DataFrame:
    """Return who the patients are, a column for each track that tells them apart."""
    shown = {"HR": receptors, "Arm": who["arm"], "Branch": who["branch"], "Outcome": who["outcome"]}
    frame = pd.DataFrame({name: values for name, values in shown.items() if values is not None})
    return frame.replace("", None).loc[:, lambda t: t.nunique() > 1]  # noqa: PD101 - of a frame


def oncoprint_chart(
    found: pd.DataFrame, shown: pd.DataFrame, who: pd.DataFrame, genes: Sequence[str], max_columns: int
) -> Spec:
    """Draw genes by patients: the upper half of a cell is plasma, the lower one tissue; tracks above.

    Parameters
    ----------
    found, shown : DataFrame
        From `cells` and `tracks`.
    who : DataFrame
        From `people`.
    genes : sequence of str
        Rows in order; those without a finding in any patient are left out.
    max_columns : int
        Patients with a result of any gene are sampled evenly over arms, branches and outcomes.
    """
    result = found[found["found"] != NOT_COVERED]
    rows = [gene for gene in (*genes, OTHER_GENES) if (result["gene"] == gene).any()]
    materials = [name for name in MATERIALS if (found["material"] == name).any()]
    blank = found[found["found"] == NOT_COVERED].groupby("patient").size()
    without = blank.index[blank == len(genes) * len(materials)]
    order = who[~who.index.isin(without)].rename_axis("patient").reset_index()
    sample = evenly(order.sort_values(["group", "outcome", "patient"]), max_columns)
    sample = _sorted(sample, result, rows)
    column = pd.Series(range(len(sample)), index=sample["patient"])
    drawn = found[found["patient"].isin(column.index) & found["gene"].isin(rows)]
    top = {gene: len(shown.columns) * TRACK + 8 + i * ROW for i, gene in enumerate(rows)}
    half = (ROW - 4) / len(materials)
    boxes = drawn.assign(
        column=drawn["patient"].map(column),
        y=drawn["gene"].map(top) + drawn["material"].map(materials.index) * half,
        kind=drawn["found"],
    ).drop(columns="found")
    boxes = boxes.assign(y2=boxes["y"] + half)
    tall = max(top.values(), default=0) + ROW
    band = [
        {"label": gene, "y": at, "y2": at + ROW - 4, "middle": at + ROW / 2 - 2} for gene, at in top.items()
    ] + [
        {"label": name, "y": i * TRACK, "y2": i * TRACK + TRACK - 3, "middle": i * TRACK + TRACK / 2 - 1.5}
        for i, name in enumerate(shown)
    ]
    return _drawn(boxes, _track_boxes(shown, column), pd.DataFrame(band), sample, tall)


def _sorted(sample: pd.DataFrame, found: pd.DataFrame, rows: Sequence[str]) -> pd.DataFrame:
    """Return the patients by group, inside it those with mutations of the first genes first."""
    mutated = {
        gene: set(found.loc[(found["gene"] == gene) & (found["found"] == MUTATION), "patient"])
        for gene in rows
    }
    keys = pd.DataFrame({gene: ~sample["patient"].isin(list(who)) for gene, who in mutated.items()})
    return sample.join(keys).sort_values(["group", *rows, "patient"])[list(sample)].reset_index(drop=True)


def _track_boxes(shown: pd.DataFrame, column: pd.Series) -> pd.DataFrame:
    parts = []
    for i, name in enumerate(shown):
        levels = sorted(shown[name].dropna().unique())
        colours = dict(zip(levels, TRACK_COLOURS * 9, strict=False)) | OUTCOME_COLOURS
        kind = shown[name].reindex(column.index)
        parts.append(
            pd.DataFrame(
                {"patient": column.index, "column": column.to_numpy(), "track": name, "kind": kind,
                 "fill": kind.map(colours), "y": i * TRACK, "y2": i * TRACK + TRACK - 3}
            ).dropna()
        )  # fmt: skip
    return pd.concat(parts, ignore_index=True) if parts else pd.DataFrame(columns=["track"])


def _drawn(
    boxes: pd.DataFrame, tracked: pd.DataFrame, band: pd.DataFrame, sample: pd.DataFrame, tall: float
) -> Spec:
    n = len(sample)
    wide = -0.3 * n
    x = alt.X("column:Q", axis=None, scale=alt.Scale(domain=[wide, n], nice=False))
    scale = alt.Scale(domain=[0, tall], reverse=True, nice=False)
    y = alt.Y("y:Q", axis=None, scale=scale)
    kinds = [kind for kind in COLOURS if (boxes["kind"] == kind).any()]
    fills = alt.Scale(domain=kinds, range=[COLOURS[kind] for kind in kinds])
    legend = alt.Legend(title=None, columns=fitting(kinds, 2), columnPadding=8)
    base = alt.Chart(data_of(band.assign(left=wide, column=0, right=n))).encode(y=y)
    rows = base.mark_rect(color=EMPTY).encode(x=x, x2="right:Q", y2="y2:Q")
    words = base.mark_text(align="left", fontSize=12, color=INK).encode(
        y=alt.Y("middle:Q", axis=None, scale=scale), x=alt.X("left:Q", axis=None), text="label:N"
    )
    mutated = (
        alt.Chart(data_of(boxes))
        .transform_calculate(right=RIGHT)
        .mark_rect()
        .encode(
            x=x, x2="right:Q", y=y, y2="y2:Q",
            color=alt.Color("kind:N", scale=fills, legend=legend),
            tooltip=[alt.Tooltip("patient:N", title="Patient"), alt.Tooltip("gene:N", title="Gene"),
                     alt.Tooltip("material:N", title="Material"), alt.Tooltip("kind:N", title="Found")],
        )
    )  # fmt: skip
    layers = [rows, mutated, words]
    layers += [_track(part, str(name), x, y) for name, part in tracked.groupby("track", sort=False)]
    chart = alt.layer(*layers).resolve_scale(color="independent")
    about = about_people(sample, "variants reported")
    return spec_of(chart, f"Oncoprint of {n:,} patients.", int(tall), about, canvas=True)


def _track(part: pd.DataFrame, name: str, x: alt.X, y: alt.Y) -> Chart:
    fills = dict(sorted(zip(part["kind"], part["fill"], strict=True)))
    return (
        alt.Chart(data_of(part.drop(columns="fill")))
        .transform_calculate(right=RIGHT)
        .mark_rect()
        .encode(
            x=x, x2="right:Q", y=y, y2="y2:Q",
            color=alt.Color(
                "kind:N", scale=alt.Scale(domain=list(fills), range=list(fills.values())),
                legend=alt.Legend(title=name, titleOrient="left", columns=3),
            ),
            tooltip=[alt.Tooltip("patient:N", title="Patient"), alt.Tooltip("kind:N", title=name)],
        )
    )  # fmt: skip


def rules_of(sets: Sequence[GeneRules], more: Sequence[str]) -> dict[str, GeneRule]:
    """Return the rules of gene sets in turn, then of genes whose every pathogenic variant counts."""
    merged: dict[str, GeneRule] = {}
    for genes in (*sets, any_pathogenic(more)):
        merged |= {gene: rule for gene, rule in genes.items() if gene not in merged}
    return merged
