"""Clinical sentences on variants: which are mutations of a gene, and what a sample says of genes."""

from collections.abc import Collection

import numpy as np
import numpy.typing as npt
import pandas as pd

from features.feature import choose
from features.gene_rules import GeneRules

FIXED_PANEL = "fixed_panel"
TUMOUR_INFORMED = "tumor_informed"
MUTATED = "mutated"
WILD_TYPE = "wild_type"
UNKNOWN = "unknown"
DOUBTFUL_VARIANT = "doubtful_variant"
TISSUE_STATES = (MUTATED, DOUBTFUL_VARIANT, WILD_TYPE, "genes_not_covered", "not_evaluable", "not_done")
"""What tissue may say, the strongest first."""

TRUNCATING = (
    "Nonsense_Mutation", "Frame_Shift_Del", "Frame_Shift_Ins", "Splice_Site", "Translation_Start_Site",
)  # fmt: skip
"""MAF classifications that leave no whole protein."""
COPY_NUMBER = ("homozygous_deletion", "heterozygous_deletion", "amplification")
"""Alterations that are no sequence variants; both copies of a gene are gone in the first."""


def panel_covers(panels: pd.Series, genes: Collection[str]) -> pd.Series:
    """Tell which panels (genes separated by semicolons) cover all `genes`; an unlisted one does not."""
    wanted = set(genes)
    covers = {p: wanted <= {gene.strip() for gene in p.split(";")} for p in panels.dropna().unique()}
    return panels.map(covers).eq(other=True)


def mutating_variants(
    variants: pd.DataFrame, genes: GeneRules, origin: pd.Series | None = None
) -> tuple[pd.Series, pd.Series]:
    """Tell which variants are mutations of `genes`, and which others might be, for what is not known of them.

    A mutation is pathogenic by the gene's rule and of tumour origin. Variants of unknown significance,
    germline variants and clonal haematopoiesis never count, nor does an amplification. A variant whose
    pathogenicity neither is recorded nor follows from the rule, or a pathogenic one of unknown origin, might
    be one.

    Parameters
    ----------
    variants : DataFrame
        Columns gene, hgvsp, classification, pathogenic, and origin unless it is given; alteration if copy
        number was called (empty = a sequence variant).
    genes : mapping of str to GeneRule
    origin : Series, optional
        Origin of each variant, where it is not that of the table.
    """
    origin = variants["origin"] if origin is None else origin
    # Most variants are of other genes, and none of them counts.
    asked = variants["gene"].isin(list(genes)).to_numpy(dtype=bool)
    judged = _judged(variants.loc[asked], genes, origin.loc[asked])
    masks = np.zeros((2, len(variants)), dtype=bool)
    masks[:, asked] = judged
    mutations, possible = (pd.Series(mask, index=variants.index) for mask in masks)
    return mutations, possible


def _judged(
    variants: pd.DataFrame, genes: GeneRules, origin: pd.Series
) -> tuple[npt.NDArray[np.bool_], npt.NDArray[np.bool_]]:
    """Return the two masks of `mutating_variants` for variants of the genes."""
    rule = variants["gene"].map({gene: how.rule for gene, how in genes.items()})
    listed = pd.Series(data=False, index=variants.index)
    for gene, changes in ((gene, list(how.changes)) for gene, how in genes.items() if how.changes):
        listed |= (variants["gene"] == gene) & variants["hgvsp"].isin(changes)
    truncated = variants["classification"].isin(TRUNCATING)
    loses = rule == "loss_of_function"
    # Loss is asked of these; in the others a truncation does not activate.
    against = truncated & rule.isin(["hotspot", "activating"])
    implied = listed | (truncated & loses)
    elsewhere = (rule == "hotspot") & ~listed
    if "alteration" in variants:
        copies = variants["alteration"].isin(COPY_NUMBER)
        deleted = (variants["alteration"] == "homozygous_deletion") & loses
        against, implied, elsewhere = against | (copies & ~deleted), implied | deleted, elsewhere & ~copies
    possible = rule.notna() & origin.isin(["tumor", "unknown"]) & ~against
    possible &= ~variants["pathogenic"].isin(["N", "VUS"])
    pathogenic = (variants["pathogenic"] == "Y") | (variants["pathogenic"].isna() & implied)
    mutations = possible & (origin == "tumor") & pathogenic & ~elsewhere
    return mutations.to_numpy(dtype=bool), (possible & ~mutations).to_numpy(dtype=bool)


def mutation_status(
    samples: pd.DataFrame, detected: pd.Series, variants: pd.DataFrame | None, genes: GeneRules
) -> pd.Series:
    """Return, for each plasma sample, mutated, wild_type, or why neither can be said.

    Wild type stands for "no sequence variant reported", and needs evidence: detected ctDNA, not below the
    limit of detection, by a panel that covers every gene, and no variant that might count. A sample without
    detected ctDNA says nothing. Copy number is not read from plasma.

    Parameters
    ----------
    samples : DataFrame
        Rows of ctdna_samples.
    detected : Series
        True where ctDNA was called detected in an evaluable sample.
    variants : DataFrame or None
        Rows of ctdna_variants; None in a study without the table.
    genes : mapping of str to GeneRule

    Returns
    -------
    Series
        dtype str, index of `samples`: `MUTATED`, `WILD_TYPE`, or a reason (not_detected, doubtful_variant,
        tumour_informed_assay, genes_not_covered, below_limit_of_detection, unknown_assay, no_variants).
    """
    has_mutation = might_have = pd.Series(data=False, index=samples.index)
    if variants is not None:
        mutations, possible = mutating_variants(variants, genes)
        has_mutation = samples["sample_id"].isin(variants.loc[mutations, "sample_id"].unique())
        might_have = samples["sample_id"].isin(variants.loc[possible, "sample_id"].unique())
    cases = {
        "not_detected": ~detected,
        MUTATED: has_mutation,
        DOUBTFUL_VARIANT: might_have,
        "tumour_informed_assay": samples["assay_type"] == TUMOUR_INFORMED,
        "genes_not_covered": ~panel_covers(samples["panel_genes"], genes),
        "below_limit_of_detection": samples["mean_vaf"] < samples["lod_vaf"],
        "unknown_assay": samples["assay_type"] != FIXED_PANEL,
        "no_variants": pd.Series(data=variants is None, index=samples.index),
    }
    return choose(samples.index, cases, WILD_TYPE)


def tissue_status(
    tested: pd.DataFrame | None, variants: pd.DataFrame | None, genes: GeneRules, patients: pd.Index
) -> pd.Series:
    """Return, for each patient, mutated, wild_type, or why neither can be said, by the diagnostic tissue.

    Mutated: a mutation of tumour origin, the deletion of both copies of a gene whose loss counts, or loss of
    PTEN by immunohistochemistry. Wild type ("no sequence variant reported"): tissue was tested, with passed
    quality control, by a panel that covers every gene. Germline never counts. A variant without origin, as
    laboratories report that sequence the tumour alone, is taken to be the tumour's.

    Parameters
    ----------
    tested : DataFrame or None
        Rows of tissue_samples; None in a study without the table.
    variants : DataFrame or None
        Rows of tissue_variants.
    patients : Index

    Returns
    -------
    Series
        dtype object, index `patients`; missing where there is no row of the patient.
    """
    said: list[pd.DataFrame] = []
    if tested is not None:
        cases = {
            MUTATED: (tested["pten_ihc"] == "lost") & ("PTEN" in genes),
            "not_done": tested["status"] == "not_done",
            "not_evaluable": (tested["status"] == "failed") | (tested["qc"] == "fail"),
            WILD_TYPE: panel_covers(tested["panel_genes"], genes),
        }
        state = choose(tested.index, cases, "genes_not_covered")
        said.append(pd.DataFrame({"usubjid": tested["usubjid"], "state": state}))
    if variants is not None:
        mutations, possible = mutating_variants(variants, genes, variants["origin"].fillna("tumor"))
        cases = {MUTATED: mutations, DOUBTFUL_VARIANT: possible}
        cases[WILD_TYPE] = panel_covers(variants["panel_genes"], genes)
        state = choose(variants.index, cases, "genes_not_covered")
        # Where the test has a row of its own, that says what was tested.
        own_row = variants["usubjid"].isin([] if tested is None else tested["usubjid"])
        counted = ~own_row | state.isin([MUTATED, DOUBTFUL_VARIANT])
        said.append(pd.DataFrame({"usubjid": variants["usubjid"], "state": state})[counted])
    if not said:
        return pd.Series(index=patients, dtype="object")
    rows = pd.concat(said)
    rank = rows["state"].map({state: i for i, state in enumerate(TISSUE_STATES)})
    strongest = rows.assign(rank=rank).sort_values("rank", kind="stable").drop_duplicates("usubjid")
    return strongest.set_index("usubjid")["state"].reindex(patients).astype("object")
