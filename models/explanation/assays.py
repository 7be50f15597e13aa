"""Assays among the explained features: one contribution each, the sum over its columns; the top columns."""

from collections.abc import Sequence

import numpy as np
import pandas as pd

from features.documents.feature import ASSAY_SEPARATOR, FeatureList, LandmarkFeatureEntry
from models.explanation.documents import AssayColumn
from models.explanation.out_of_fold import KEYS
from models.procedure.fold_fits import FoldFit
from models.serving.serving import PcrModel


def with_assays(description: FeatureList, explained: pd.DataFrame) -> FeatureList:
    """Return the description of a landmark with an entry for every assay that is `explained`."""
    entries = [_entry(name, description["landmark"]) for name in _assays(explained)]
    return {**description, "features": [*description["features"], *entries]}


def with_scores(values: pd.DataFrame, explained: pd.DataFrame) -> pd.DataFrame:
    """Return feature values with each assay's score: what its columns add to the log-odds, mean over repeats.

    It is missing for patients to whose log-odds the assay adds nothing: those who lack it.
    """
    names = _assays(explained)
    if not names:
        return values
    means = explained.groupby("usubjid")[names].mean()
    scores = means.where(means != 0).reindex(values["usubjid"].to_numpy()).reset_index(drop=True)
    return pd.concat([values.reset_index(drop=True), scores], axis=1)


def top_columns(
    fits: Sequence[FoldFit], rows: pd.DataFrame, predictions: pd.DataFrame, *, model: str, top: int
) -> dict[str, list[AssayColumn]]:
    """Return the columns of every assay with the largest mean |contribution| out of fold.

    Parameters
    ----------
    rows : DataFrame
        usubjid, features and columns of assays.
    top : int
        How many columns of an assay are listed; `stability` is the share of the folds' fits in which a
        column is among so many.
    """
    by_id, predicted = rows.set_index("usubjid"), predictions[predictions["model"] == model]
    means: dict[str, list[pd.Series]] = {}
    for fit in fits:
        served = PcrModel(fit["document"], fit["booster"])
        if served.blocks is None:
            continue
        part = predicted[(predicted["repeat"] == fit["repeat"]) & (predicted["fold"] == fit["fold"])]
        frame = by_id.loc[part["usubjid"]].reset_index()
        completed = served.complete(served.encode(frame))
        found = served.blocks.contributions(completed, served.assay_values(frame))
        slope = served.document["calibration"]["slope"]
        for assay, values in found.assays.items():
            columns = served.blocks.columns[assay]
            means.setdefault(assay, []).append(pd.Series(np.abs(slope * values).mean(axis=0), columns))
    return {assay: _ranked(pd.DataFrame(of_fits), len(fits), top) for assay, of_fits in means.items()}


def _ranked(means: pd.DataFrame, fits: int, top: int) -> list[AssayColumn]:
    """Return the columns of largest mean over all fits, of `means` (fits with the assay, columns)."""
    total = means.sum().to_numpy() / fits
    rank = means.rank(axis=1, ascending=False, method="first").to_numpy()
    among = ((rank <= top) & (means.to_numpy() > 0)).sum(axis=0) / fits
    return [
        {
            "column": str(means.columns[place]).partition(ASSAY_SEPARATOR)[2],
            "mean_abs": float(total[place]),
            "stability": float(among[place]),
        }
        for place in np.argsort(-total, kind="stable")[:top]
        if total[place] > 0
    ]


def _assays(explained: pd.DataFrame) -> list[str]:
    return [name for name in map(str, explained) if ASSAY_SEPARATOR in name and name not in KEYS]


def _entry(name: str, landmark: str) -> LandmarkFeatureEntry:
    assay = name.partition(ASSAY_SEPARATOR)[0]
    return {
        "name": name,
        "domain": assay,
        "kind": "numeric",
        "unit": "log-odds",
        "known_at": landmark,
        "levels": [],
        "low": None,
        "high": None,
        "description": f"All columns of the assay {assay}: what they add to the log-odds",
        "share_missing": 0.0,
    }
