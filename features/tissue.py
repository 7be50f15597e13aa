"""Tissue features: what sequencing and staining of the diagnostic biopsy say, a domain apart from plasma.

Plasma says of genes only where it holds tumour DNA; tissue was tested or was not. Germline variants are no
mutations of the tumour.
"""

from collections.abc import Mapping

import numpy as np
import pandas as pd

from features.documents.feature import Feature
from features.errors import UserError
from features.feature import BuildContext, NamedSeries, choose, collect, from_template
from features.mutations import MUTATED, UNKNOWN, WILD_TYPE, tissue_status
from features.settings import TissueSettings

DOMAIN = "tissue"
DONE, NOT_EVALUABLE, NOT_DONE = "done", "not_evaluable", "not_done"


def build(
    tables: Mapping[str, pd.DataFrame],
    patients: pd.Index,
    settings: TissueSettings,
    context: BuildContext,
) -> tuple[pd.DataFrame, list[Feature]]:
    """Return the tissue features of `patients`: frame with that index, and what each column is.

    Without tissue_samples a patient with a variant was tested, and of others nothing is known.

    Parameters
    ----------
    tables : mapping
        Visible tables.

    Raises
    ------
    UserError
        If a gene set of the settings is empty.
    """
    tested, variants = tables.get("tissue_samples"), tables.get("tissue_variants")
    if tested is None and variants is None:
        return collect([], patients)
    first = context.first_visit
    state = tissue_state(tested, variants, patients)
    columns: list[NamedSeries] = [(from_template(settings.state, DOMAIN, first), state)]
    for name, genes in settings.gene_sets.items():
        if not genes:
            raise UserError(f"features settings, tissue.gene_sets.{name}: no genes are given")
        said = tissue_status(tested, variants, genes, patients)
        told = said.where(said.isin([MUTATED, WILD_TYPE]), UNKNOWN)
        columns.append((from_template(settings.genes, DOMAIN, first, genes=name), told))
    if variants is not None:
        columns.append((from_template(settings.n_variants, DOMAIN, first), tumour_variants(variants, state)))
    if tested is not None:
        columns.append((from_template(settings.pten_ihc, DOMAIN, first), pten_stain(tested, patients)))
    return collect(columns, patients)


def tissue_state(tested: pd.DataFrame | None, variants: pd.DataFrame | None, patients: pd.Index) -> pd.Series:
    """Return how far tissue was sequenced: done, not_evaluable or not_done; the best of several samples."""
    done = pd.Series(data=False, index=patients)
    failed = done.copy()
    if tested is not None:
        bad = (tested["status"] == "failed") | (tested["qc"] == "fail")
        done |= patients.isin(tested.loc[(tested["status"] == "done") & ~bad, "usubjid"])
        failed |= patients.isin(tested.loc[bad, "usubjid"])
    if variants is not None:
        done |= patients.isin(variants["usubjid"])
    return choose(patients, {DONE: done, NOT_EVALUABLE: failed}, NOT_DONE)


def tumour_variants(variants: pd.DataFrame, state: pd.Series) -> pd.Series:
    """Return the number of variants and copy number alterations that are not germline; NaN if not tested."""
    somatic = variants.loc[variants["origin"] != "germline", "usubjid"]
    counts = somatic.value_counts().reindex(state.index).fillna(0.0)
    return counts.astype("float64").where(state == DONE)


def pten_stain(tested: pd.DataFrame, patients: pd.Index) -> pd.Series:
    """Return PTEN by immunohistochemistry: lost where any sample has lost it, retained, or NaN."""
    stain = tested["pten_ihc"]
    cases = {
        level: np.asarray(patients.isin(tested.loc[stain == level, "usubjid"]))
        for level in ("lost", "retained")
    }
    return choose(patients, cases, None)
