"""The ctDNA call and the mutation status as inputs of a decision table.

A variant counts when it is pathogenic by its gene's rule, of tumour origin, and in a gene of the set in
force. Germline variants, clonal haematopoiesis and variants of unknown significance never count. WT stands
for "no sequence variant reported" and needs evidence: a sample that was called positive, not below the limit
of detection, passed quality control, and whose panel covers every gene. Else the status is unknown.
"""

from collections.abc import Sequence

import pandas as pd

from features.definitions import DETECTED, EVALUABLE, sample_states
from features.errors import PipelineFault
from features.gene_rules import GeneRules
from features.mutations import (
    DOUBTFUL_VARIANT,
    MUTATED,
    TUMOUR_INFORMED,
    WILD_TYPE,
    mutation_status,
    tissue_status,
)
from models.rules.document import CtdnaSource, MutationSource, RuleError
from models.rules.table import RuleTable
from models.rules.view import NO_RECORD, View, first_reason, first_usable, no_rows

POSITIVE, NEGATIVE = "POS", "NEG"
CALLS = {"negative": NEGATIVE} | dict.fromkeys(DETECTED, POSITIVE)
LEVELS = {MUTATED: "MUT", WILD_TYPE: "WT"}
STRONGEST_FIRST = (MUTATED, DOUBTFUL_VARIANT, WILD_TYPE)
_LITTLE_EVIDENCE = ("below_limit_of_detection", "fraction_too_low", "unknown_assay")
NONE_REPORTED = {
    "unknown": (),
    "covered": _LITTLE_EVIDENCE,
    "all_assays": (*_LITTLE_EVIDENCE, "tumour_informed_assay", "genes_not_covered"),
}
"""Reading pam_none_reported -> for which reasons a tested sample without any mutation still has none."""


def ctdna(view: View, name: str, source: CtdnaSource) -> pd.DataFrame:
    """Return POS or NEG by the last evaluable draw in the input's window, or why there is none.

    Index usubjid; columns value and reason, exactly one of them missing.
    """
    return first_usable(samples(view, name, source), view.patients)


def samples(view: View, name: str, source: CtdnaSource) -> pd.DataFrame:
    """Return the plasma samples of the input's visits, the last draw first, with value and reason."""
    return view.once("samples", name, lambda: _judged_samples(view, source))


def _judged_samples(view: View, source: CtdnaSource) -> pd.DataFrame:
    rows = view.rows("ctdna_samples")
    if rows.empty:
        return no_rows()
    rows = rows.loc[rows["visit"].isin(source.visits)]
    rows = rows.sort_values(["draw_date", "sample_id"], ascending=False, kind="stable")
    value = laboratory_call(rows)
    if view.setting("ctdna_call") == "derived":
        value = derived_call(rows, view.tables.get("ctdna_variants"))
    state = sample_states(rows)
    checks = {
        "not_planned": state == "not_planned",
        "not_done": state == "not_done",
        "outside_window": view.outside(rows, "draw_date", source.decision, source.cycle, source.window),
        "reported_late": view.reported_late(rows, "draw_date"),
        "not_evaluable": ~state.isin(EVALUABLE),
        "origin_unknown": value.isna(),
    }
    return rows.assign(value=value, reason=first_reason(rows.index, checks))


def laboratory_call(rows: pd.DataFrame) -> pd.Series:
    """Return the laboratory's call of each sample as POS or NEG; missing where it is not evaluable."""
    return sample_states(rows).map(CALLS).astype("object")


def derived_call(rows: pd.DataFrame, variants: pd.DataFrame | None) -> pd.Series:
    """Call ctDNA anew from the variants, after the filter for clonal haematopoiesis and germline.

    POS with a variant of tumour origin; NEG with none but filtered ones; missing where a variant of unknown
    origin remains. The laboratory's call stands for tumour-informed assays, whose variants are the tumour's
    own, and where it called ctDNA detected without any variant listed.

    Parameters
    ----------
    rows : DataFrame
        Rows of ctdna_samples.
    variants : DataFrame or None
        ctdna_variants.

    Returns
    -------
    Series
        POS, NEG or missing; index of `rows`.
    """
    laboratory = laboratory_call(rows)
    if variants is None:
        return laboratory
    listed = rows["sample_id"].isin(variants["sample_id"])
    tumour, unclear = (
        rows["sample_id"].isin(variants.loc[variants["origin"] == origin, "sample_id"])
        for origin in ("tumor", "unknown")
    )
    derived = pd.Series(NEGATIVE, index=rows.index, dtype="object").mask(unclear).mask(tumour, POSITIVE)
    stands = (rows["assay_type"] == TUMOUR_INFORMED) | (~listed & (laboratory == POSITIVE))
    return derived.mask(stands, laboratory).mask(laboratory.isna())


def discordant_calls(ctdna_samples: pd.DataFrame, ctdna_variants: pd.DataFrame) -> pd.DataFrame:
    """Return samples whose laboratory call and derived call differ: usubjid, visit, laboratory, derived."""
    rows = ctdna_samples.loc[ctdna_samples["qc"] == "pass"]
    calls = rows[["usubjid", "visit"]].assign(
        laboratory=laboratory_call(rows), derived=derived_call(rows, ctdna_variants).fillna("NE")
    )
    differ = calls["laboratory"].notna() & (calls["laboratory"] != calls["derived"])
    return calls.loc[differ].sort_values(["usubjid", "visit"], ignore_index=True)


def mutation(view: View, source: MutationSource) -> pd.DataFrame:
    """Return MUT or WT from plasma, tissue or either, as the settings say, or why neither can be said.

    Index usubjid; columns value and reason, exactly one of them missing.
    """
    genes = genes_of_set(view.rules, view.setting("pam_genes"))
    material = view.setting("pam_source")
    if material == "tissue":
        return _tissue(view, genes)
    plasma = _plasma(view, source.samples, genes)
    if material == "plasma":
        return plasma
    tissue = _tissue(view, genes)
    value = plasma["value"].fillna(tissue["value"]).mask(tissue["value"] == LEVELS[MUTATED], LEVELS[MUTATED])
    return pd.DataFrame({"value": value, "reason": plasma["reason"].where(value.isna())})


def genes_of_set(rules: RuleTable, chosen: str) -> GeneRules:
    """Return the genes of the chosen set with their rules; the extended set contains the core.

    Raises
    ------
    RuleError
        If the table carries no genes.
    """
    if rules.pam_genes is None:
        raise RuleError(f"rules {rules.name}: pam_genes is empty; fill it with the rows of pam_genes.csv")
    sets = {"core"} if chosen == "core" else {"core", "extended"}
    return {row.gene: row.how for row in rules.pam_genes if row.set in sets}


def _plasma(view: View, names: Sequence[str], genes: GeneRules) -> pd.DataFrame:
    """Read the positive plasma samples that ``pam_time`` names; a mutation in any of them counts."""
    parts = []
    for order, name in enumerate(names):
        source = view.rules.inputs[name].source
        if not isinstance(source, CtdnaSource):
            raise PipelineFault(f"input {name} of the mutation status has no samples")
        rows = samples(view, name, source)
        usable = rows.loc[rows["reason"].isna()].drop_duplicates("usubjid")
        parts.append(usable.loc[usable["value"] == POSITIVE].assign(order=order))
    positive = pd.concat(parts).sort_values("order", ascending=False, kind="stable")
    if view.setting("pam_time") == "c1":
        positive = positive.loc[positive["order"] == len(names) - 1]
    if view.setting("pam_time") == "positive_sample":
        positive = positive.drop_duplicates("usubjid")
    state = _sample_states(view, positive, genes)
    rank = state.map({name: i for i, name in enumerate(STRONGEST_FIRST)}).fillna(len(STRONGEST_FIRST))
    strongest = positive.assign(state=state, rank=rank).sort_values("rank", kind="stable")
    by_patient = strongest.drop_duplicates("usubjid").set_index("usubjid")["state"]
    return _value_or_reason(by_patient.reindex(view.patients), "no_positive_sample")


def _sample_states(view: View, rows: pd.DataFrame, genes: GeneRules) -> pd.Series:
    """Return mutated, wild_type, or why neither can be said, for positive samples."""
    if rows.empty:
        return pd.Series(index=rows.index, dtype="str")
    positive = pd.Series(data=True, index=rows.index)
    status = mutation_status(rows, positive, view.tables.get("ctdna_variants"), genes)
    if view.setting("pam_wild_type") == "covered_and_fraction":
        multiple = view.rules.parameters.fraction_over_lod
        if multiple is None:
            raise RuleError(
                f"rules {view.rules.name}, parameters: key fraction_over_lod is missing; "
                "reading pam_wild_type needs it"
            )
        enough = rows["tumour_fraction"] >= multiple * rows["lod_vaf"]
        status = status.mask((status == WILD_TYPE) & ~enough, "fraction_too_low")
    return _as_none_reported(view, status)


def _as_none_reported(view: View, status: pd.Series) -> pd.Series:
    """Count tested material without a reported mutation as without one, as far as the readings say so."""
    return status.mask(status.isin(NONE_REPORTED[view.setting("pam_none_reported")]), WILD_TYPE)


def _tissue(view: View, genes: GeneRules) -> pd.DataFrame:
    """Read the diagnostic tissue. A patient without any row is not known to have been tested."""
    known, late = {}, []
    for name in ("tissue_samples", "tissue_variants"):
        rows = view.tables.get(name)
        if rows is None:
            continue
        after = view.reported_late(rows, performed=None)
        known[name] = rows.loc[~after]
        late.extend(rows.loc[after, "usubjid"])
    state = tissue_status(known.get("tissue_samples"), known.get("tissue_variants"), genes, view.patients)
    state = state.mask(state.isna() & state.index.isin(late), "reported_late")
    return _value_or_reason(_as_none_reported(view, state), NO_RECORD)


def _value_or_reason(state: pd.Series, without: str) -> pd.DataFrame:
    """Divide states into values (MUT, WT) and reasons; `without` is the reason where there is no state."""
    known = state.isin(list(LEVELS))
    return pd.DataFrame({"value": state.map(LEVELS), "reason": state.fillna(without).mask(known)})
