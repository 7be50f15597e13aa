"""Clinical sentences on variants: which are mutations of a gene, and what a sample says of genes."""

from collections.abc import Collection

import pandas as pd

from features.feature import choose

FIXED_PANEL = "fixed_panel"
TUMOUR_INFORMED = "tumor_informed"
MUTATED = "mutated"
WILD_TYPE = "wild_type"
UNKNOWN = "unknown"
DOUBTFUL_VARIANT = "doubtful_variant"


def panel_covers(panels: pd.Series, genes: Collection[str]) -> pd.Series:
    """Tell which panels (genes separated by semicolons) cover all `genes`; an unlisted one does not."""
    wanted = set(genes)
    covers = {p: wanted <= {gene.strip() for gene in p.split(";")} for p in panels.dropna().unique()}
    return panels.map(covers).eq(other=True)


def mutating_variants(
    variants: pd.DataFrame, genes: Collection[str], origin: pd.Series | None = None
) -> tuple[pd.Series, pd.Series]:
    """Tell which variants are mutations of `genes`, and which others might be, for what is not known of them.

    A mutation is pathogenic and of tumour origin. Variants of unknown significance, germline variants and
    clonal haematopoiesis never count. A variant whose pathogenicity is not recorded, or a pathogenic one of
    unknown origin, might be one.

    Parameters
    ----------
    variants : DataFrame
        Columns gene, pathogenic, and origin unless it is given.
    origin : Series, optional
        Origin of each variant, where the table has none (tissue: tumor).
    """
    origin = variants["origin"] if origin is None else origin
    of_genes = variants["gene"].isin(list(genes)) & origin.isin(["tumor", "unknown"])
    possible = of_genes & ~variants["pathogenic"].isin(["N", "VUS"])
    mutations = possible & (origin == "tumor") & (variants["pathogenic"] == "Y")
    return mutations, possible & ~mutations


def mutation_status(
    samples: pd.DataFrame, detected: pd.Series, variants: pd.DataFrame | None, genes: Collection[str]
) -> pd.Series:
    """Return, for each plasma sample, mutated, wild_type, or why neither can be said.

    Wild type needs evidence: detected ctDNA, not below the limit of detection, by a panel that covers every
    gene, and no variant that might count. A sample without detected ctDNA says nothing.

    Parameters
    ----------
    samples : DataFrame
        Rows of ctdna_samples.
    detected : Series
        True where ctDNA was called detected in an evaluable sample.
    variants : DataFrame or None
        Rows of ctdna_variants; None in a study without the table.
    genes : collection of str

    Returns
    -------
    Series
        dtype str, index of `samples`: `MUTATED`, `WILD_TYPE`, or a reason (not_detected, doubtful_variant,
        tumour_informed_assay, genes_not_covered, below_limit_of_detection, unknown_assay, no_variants).
    """
    has_mutation = might_have = pd.Series(data=False, index=samples.index)
    if variants is not None:
        mutations, possible = mutating_variants(variants, genes)
        has_mutation = samples["sample_id"].isin(variants.loc[mutations, "sample_id"])
        might_have = samples["sample_id"].isin(variants.loc[possible, "sample_id"])
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
