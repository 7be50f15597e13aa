"""What a served model knows of its training patients: interval, support, refused columns, protocol branches.

Made once for the model that is served, from what its fit left behind; no model is fitted for it.
"""

import itertools
import math
from collections.abc import Callable, Iterable, Sequence

import numpy as np
import numpy.typing as npt
import pandas as pd
from scipy.linalg import cholesky
from sklearn.covariance import ledoit_wolf
from sklearn.isotonic import isotonic_regression

from models.configuration.settings import ServingSettings
from models.procedure.folds import stratified_folds
from models.serving.serving import FeatureDocument, IntervalDocument, PcrModel, SupportDocument


def venn_abers(score: npt.NDArray[np.float64], y: npt.NDArray[np.float64]) -> IntervalDocument:
    """Return the inductive Venn-Abers interval as steps of the score.

    For a new score, isotonic regression of the outcome on the calibration scores is fitted with the new
    patient added once as a failure (`lower`) and once as an event (`upper`): Vovk and Petej, Venn-Abers
    predictors, UAI 2014. If that patient is exchangeable with the calibration patients, one of the two, the
    one of the true outcome, is perfectly calibrated. The width says how much the calibration rests on; it
    does not hold the spread between models of other samples of patients.

    Parameters
    ----------
    score, y : arrays, shape (n,)
        Out-of-fold scores (any increasing scale) and outcomes, 0 or 1.

    Returns
    -------
    IntervalDocument
        `scores`, increasing (k), and `lower`, `upper` (k + 1): a new score s has the values at
        ``searchsorted(scores, s, side="right")``.

    Examples
    --------
    >>> venn_abers(np.array([0.0, 1.0]), np.array([0.0, 1.0]))["upper"]
    [0.5, 1.0, 1.0]
    """
    if np.ptp(score) == 0:
        # One score for all: the new patient joins the one group that there is.
        return {
            "scores": [],
            "lower": [float(y.sum() / (len(y) + 1))],
            "upper": [float((y.sum() + 1) / (len(y) + 1))],
        }
    order = np.argsort(score, kind="stable")
    score, y = score[order], y[order]
    found: dict[int, tuple[float, float]] = {}

    def at(gap: int) -> tuple[float, float]:
        if gap not in found:
            low, high = (isotonic_regression(np.insert(y, gap, label))[gap] for label in (0.0, 1.0))
            found[gap] = (float(low), float(high))
        return found[gap]

    # Both values increase with the score: between two gaps that agree, all do.
    waiting = [(0, len(y))]
    while waiting:
        first, last = waiting.pop()
        if last - first > 1 and at(first) != at(last):
            middle = (first + last) // 2
            waiting += [(first, middle), (middle, last)]
        at(first), at(last)
    gaps = sorted(found)
    kept = [gap for before, gap in itertools.pairwise(gaps) if found[gap] != found[before]]
    levels = [found[gap] for gap in [0, *kept]]
    return {
        "scores": [float(score[gap - 1]) for gap in kept],
        "lower": [low for low, _ in levels],
        "upper": [high for _, high in levels],
    }


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
        out of the covariance. `seen`: smallest and largest value of each numeric input used. `rare`: levels
        of fewer than ``min_level_patients`` patients. `unit_tolerance`.
    """
    encoding = model.document["encoding"]
    columns = model.complete(model.encode(rows))
    standard = (columns - np.asarray(encoding["mean"])) / np.asarray(encoding["scale"])
    distance = np.empty(len(y))
    for train, test in stratified_folds(y, folds, seed):
        distance[test] = np.linalg.norm(standard[test] @ _root(standard[train]), axis=1)
    used = {column["feature"] for column in encoding["columns"]}
    features = [feature for feature in model.document["features"] if feature["name"] in used]
    return {
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
