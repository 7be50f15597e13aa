"""What a served model knows of its training patients: support, refused columns, protocol branches.

Made once for the model that is served, from what its fit left behind; no model is fitted for it.
"""

import math
from collections.abc import Callable, Iterable, Mapping, Sequence

import numpy as np
import pandas as pd
from scipy.linalg import cholesky
from sklearn.covariance import ledoit_wolf

from models.procedure.configuration.settings import ServingSettings
from models.procedure.folds import stratified_folds
from models.serving.serving import AssaySupport, FeatureDocument, LinearBlocks, PcrModel, SupportDocument


def support(
    model: PcrModel,
    rows: pd.DataFrame,
    y: np.ndarray,
    settings: ServingSettings,
    *,
    min_level_patients: int,
    folds: int,
    seed: int,
) -> SupportDocument:
    """Return what rows like the training patients look like.

    Parameters
    ----------
    model : PcrModel
        The fitted model; its encoding decides which columns count.
    rows, y : DataFrame and array (n,)
        Its training patients and their outcome (which only deals the folds).
    settings : ServingSettings
        Its `support_quantile` is the share of held-out training patients within the limit.
    min_level_patients : int
        A level of fewer patients is rare.
    folds, seed : int
        Of the folds in which patients are held out.

    Returns
    -------
    SupportDocument
        `root` R (columns, columns): the distance of standardised columns z is ``|R' z|``, Mahalanobis with a
        covariance shrunken by Ledoit and Wolf (2004). `limit`: the quantile of the distances of patients held
        out of the covariance. `assays`: the same quantile of the root mean square of a patient's standardised
        values, and the largest of any patient widened by the range's margin. `seen`: smallest and largest
        value of each numeric input used. `rare`: levels of fewer than ``min_level_patients`` patients.
        `unit_tolerance`.
    """
    encoding = model.document["encoding"]
    standard = model.standardised(model.complete(model.encode(rows)))
    distance = np.empty(len(y))
    for train, test in stratified_folds(y, folds, seed):
        distance[test] = np.linalg.norm(standard[test] @ _root(standard[train]), axis=1)
    used = {column["feature"] for column in encoding["columns"]}
    features = [feature for feature in model.document["features"] if feature["name"] in used]
    document: SupportDocument = {
        "root": _root(standard).tolist(),
        "limit": float(np.quantile(distance, settings.support_quantile)),
        "quantile": settings.support_quantile,
        "unit_tolerance": settings.unit_tolerance,
        "seen": {
            f["name"]: [float(rows[f["name"]].min()), float(rows[f["name"]].max())]
            for f in features
            if f["kind"] == "numeric" and rows[f["name"]].notna().any()
        },
        "rare": {
            name: levels
            for name, levels in ((f["name"], _rare(rows, f, min_level_patients)) for f in features)
            if levels
        },
    }
    if model.blocks is not None:
        document["assays"] = _assay_support(model.blocks, model.assay_values(rows), settings)
    return document


def _assay_support(
    blocks: LinearBlocks, assays: Mapping[str, np.ndarray], settings: ServingSettings
) -> dict[str, AssaySupport]:
    """Return what is usual in every assay among the training patients who have it.

    Patients are thousands of columns away from each other, and no distance of a few directions tells more
    than how large values are: another unit, scale or platform shows there. Each patient is in the means, as
    one of many: none is held out.
    """
    usual: dict[str, AssaySupport] = {}
    for name, values in assays.items():
        spread, largest = blocks.extent(name, values[~np.isnan(values).all(axis=1)])
        usual[name] = {
            "spread": float(np.quantile(spread, settings.support_quantile)),
            "largest": float(largest.max() * (1 + settings.range_margin)),
        }
    return usual


def with_ranges(
    features: Sequence[FeatureDocument], rows: pd.DataFrame, margin: float
) -> list[FeatureDocument]:
    """Return features in which every number that training patients had has limits.

    A limit that a feature's description leaves open is what they had, widened by `margin` times their span,
    and not below 0 where nobody was below.

    Parameters
    ----------
    features : sequence of FeatureDocument
    rows : DataFrame
        A row per training patient.
    margin : float
    """
    return [_with_range(feature, rows[feature["name"]], margin) for feature in features]


def _with_range(feature: FeatureDocument, values: pd.Series, margin: float) -> FeatureDocument:
    if feature["kind"] != "numeric" or not values.notna().any():
        return feature
    least, most = float(values.min()), float(values.max())
    # Where all had the same, the span is that of the value itself.
    wide = margin * ((most - least) or abs(most) or 1.0)
    lowest = max(least - wide, 0.0) if least >= 0 else least - wide
    low, high = feature["low"], feature["high"]
    return {**feature, "low": _rounded(lowest, math.floor) if low is None else low,
            "high": _rounded(most + wide, math.ceil) if high is None else high}  # fmt: skip


def _rounded(limit: float, away: Callable[[float], int]) -> float:
    """Round a limit to three digits, away from the patients."""
    if limit == 0:
        return 0.0
    step = 10.0 ** (math.floor(math.log10(abs(limit))) - 2)
    return float(f"{away(limit / step) * step:.12g}")


def _root(standard: np.ndarray) -> np.ndarray:
    covariance, _ = ledoit_wolf(standard, assume_centered=True)
    return np.asarray(cholesky(np.linalg.inv(covariance), lower=True))


def _rare(rows: pd.DataFrame, feature: FeatureDocument, min_patients: int) -> list[str]:
    counts = rows[feature["name"]].value_counts()
    return [level for level in feature["levels"] if counts.get(level, 0) < min_patients]


def later_visits(visits: Sequence[str], known: Iterable[str]) -> list[str]:
    """Return the visits after the last one that the landmark sees."""
    last = max(list(visits).index(visit) for visit in known)
    return list(visits)[last + 1 :]
