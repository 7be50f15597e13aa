"""How training patients were spread over each input: what later patients are compared with."""

from collections.abc import Sequence

import numpy as np
import pandas as pd

from models.serving.serving import FeatureDocument, InputReference, ReferenceDocument

QUANTILES = (0.2, 0.4, 0.6, 0.8)


def reference(features: Sequence[FeatureDocument], rows: pd.DataFrame) -> ReferenceDocument:
    """Return in how many groups each input falls, and how many training patients are in each.

    A number falls into fifths of the training patients, of which fewer are left where many have one value; a
    level is a group of its own. The last count is of patients without a value.

    Parameters
    ----------
    features : sequence of FeatureDocument
    rows : DataFrame
        A row per training patient.
    """
    return {"patients": len(rows), "inputs": {f["name"]: _one(f, rows[f["name"]]) for f in features}}


def _one(feature: FeatureDocument, values: pd.Series) -> InputReference:
    cuts: list[float] = []
    if feature["kind"] == "numeric" and values.notna().any():
        cuts = [float(cut) for cut in np.unique(values.quantile(QUANTILES, interpolation="higher"))]
    entry: InputReference = {"cuts": cuts, "counts": []}
    entry["counts"] = grouped(feature, entry, values).tolist()
    return entry


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
