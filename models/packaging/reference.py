"""How training patients were spread over each input: what later patients are compared with."""

from collections.abc import Mapping, Sequence

import numpy as np
import pandas as pd

from models.serving.serving import FeatureDocument, InputReference, PcrModel, ReferenceDocument

QUANTILES = (0.2, 0.4, 0.6, 0.8)
ALONE = 1e-9
"""Share of a column's squares that is left without a patient, below which it varies in that patient only."""


def reference(
    features: Sequence[FeatureDocument], rows: pd.DataFrame, assays: Mapping[str, np.ndarray] | None = None
) -> ReferenceDocument:
    """Return in how many groups each input falls, and how many training patients are in each.

    A number falls into fifths of the training patients, of which fewer are left where many have one value; a
    level is a group of its own. The last count is of patients without a value.

    Parameters
    ----------
    features : sequence of FeatureDocument
    rows : DataFrame
        A row per training patient.
    assays : mapping of str to array of shape (n,), optional
        What `assay_summaries` says of them.
    """
    document: ReferenceDocument = {
        "patients": len(rows),
        "inputs": {f["name"]: _one(f, rows[f["name"]]) for f in features},
    }
    if assays:
        document["assays"] = {name: _of_summary(pd.Series(values)) for name, values in assays.items()}
    return document


def assay_summaries(model: PcrModel, rows: pd.DataFrame, *, learned: bool) -> dict[str, np.ndarray]:
    """Return level and spread of every assay, each (n,): what is watched in place of thousands of columns.

    They are the mean and the root mean square of a patient's standardised values, NaN without the assay.
    Another unit, scale, platform or normalisation moves them.

    Parameters
    ----------
    rows : DataFrame
        A row of inputs per patient.
    learned : bool
        Whether the model was learned from these patients. Each is then standardised by the others: where
        patients are few, those who are in mean and standard deviation are nearer to them than any to come.
    """
    found: dict[str, np.ndarray] = {}
    if model.blocks is None:
        return found
    for name, values in model.assay_values(rows).items():
        standard = model.blocks.standardised(name, values)
        if learned:
            standard = _by_the_others(standard)
        known = ~np.isnan(standard)
        count = known.sum(axis=1)
        standard[~known] = 0.0
        sums = {"level": standard.sum(axis=1), "spread": np.einsum("ij,ij->i", standard, standard)}
        means = {
            kind: np.divide(total, count, out=np.full(len(count), np.nan), where=count > 0)
            for kind, total in sums.items()
        }
        found |= {f"{name}: level": means["level"], f"{name}: spread": np.sqrt(means["spread"])}
    return found


def _by_the_others(standard: np.ndarray) -> np.ndarray:
    """Return standardised values as mean and standard deviation without the patient would give them.

    Of n values z with mean 0 and variance 1 it is z (n / (n - 1) / (1 - z^2 / (n - 1)))^(1/2).
    """
    others = np.maximum((~np.isnan(standard)).sum(axis=0) - 1, 1)
    left = 1 - standard**2 / others
    left[left < ALONE] = np.nan
    return np.asarray(standard * np.sqrt((others + 1) / others / left))


def _one(feature: FeatureDocument, values: pd.Series) -> InputReference:
    cuts: list[float] = []
    if feature["kind"] == "numeric" and values.notna().any():
        cuts = _fifths(values)
    entry: InputReference = {"cuts": cuts, "counts": []}
    entry["counts"] = grouped(feature, entry, values).tolist()
    return entry


def _of_summary(values: pd.Series) -> InputReference:
    """Return the reference of a number that is no input of its own."""
    cuts = _fifths(values) if values.notna().any() else []
    places = np.searchsorted(cuts, values[values.notna()].to_numpy(), side="left")
    counts = np.bincount(places, minlength=len(cuts) + 1)
    return {"cuts": cuts, "counts": [*counts.tolist(), int(values.isna().sum())]}


def _fifths(values: pd.Series) -> list[float]:
    return [float(cut) for cut in np.unique(values.quantile(QUANTILES, interpolation="higher"))]


def grouped(feature: FeatureDocument, entry: InputReference, values: pd.Series) -> np.ndarray:
    """Return how many values are in each group of an input, those without a value last; shape (groups,)."""
    missing = values.isna().to_numpy()
    if feature["kind"] == "numeric":
        groups = np.searchsorted(entry["cuts"], values.to_numpy(dtype=float)[~missing], side="left")
        counts = np.bincount(groups, minlength=len(entry["cuts"]) + 1)
    else:
        places = {level: place for place, level in enumerate(feature["levels"])}
        counts = np.bincount(values[~missing].map(places).to_numpy(dtype=int), minlength=len(places))
    return np.append(counts, missing.sum())
