"""Out-of-fold SHAP values on the calibrated log-odds, and what a reader wants to know of them."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd
from scipy.special import logit

from models.serving import PcrModel

KEYS = ["usubjid", "repeat", "fold", "model", "base"]


class AdditivityError(ValueError):
    """SHAP values that do not add up to the prediction they explain."""


def explain_out_of_fold(
    fits: Sequence[Mapping[str, Any]],
    features: pd.DataFrame,
    predictions: pd.DataFrame,
    *,
    model: str,
    tolerance: float,
) -> pd.DataFrame:
    """Explain every out-of-fold prediction of one model by the very fit that made it.

    Parameters
    ----------
    fits : sequence of mappings
        ``repeat``, ``fold``, ``document`` and ``booster`` of every outer fold.
    features : DataFrame
        One row per patient at the landmark, with ``usubjid``.
    predictions : DataFrame
        Tidy out-of-fold predictions.
    model : str
        Name of the model in `predictions`.
    tolerance : float
        Largest difference allowed between base plus contributions and the log-odds of the prediction.

    Returns
    -------
    DataFrame
        ``usubjid, repeat, fold, model, base`` and one column per feature, named and ordered as in the model;
        sorted by repeat and usubjid.

    Raises
    ------
    AdditivityError
        If a row does not add up, or boosted contributions differ from those of the shap library.
    """
    rows = predictions[predictions["model"] == model]
    by_id = features.set_index("usubjid")
    parts = []
    for fit in fits:
        part = rows[(rows["repeat"] == fit["repeat"]) & (rows["fold"] == fit["fold"])]
        served = PcrModel(fit["document"], fit["booster"])
        frame = by_id.loc[part["usubjid"]].reset_index()
        values, base = served.contributions(frame)
        _check_against_shap(served, frame, values, tolerance)
        keys = part[["usubjid", "repeat", "fold", "model"]].reset_index(drop=True).assign(base=base)
        parts.append(pd.concat([keys, pd.DataFrame(values, columns=served.features)], axis=1))
    explained = pd.concat(parts, ignore_index=True).sort_values(["repeat", "usubjid"], ignore_index=True)
    _check_additive(explained, rows, tolerance)
    return pd.DataFrame(explained)


def _check_additive(explained: pd.DataFrame, rows: pd.DataFrame, tolerance: float) -> None:
    """Raise if base plus contributions is not the log-odds of the stored prediction, patient by patient."""
    stored = rows.sort_values(["repeat", "usubjid"], ignore_index=True)
    if not explained[["usubjid", "repeat"]].equals(stored[["usubjid", "repeat"]]):
        raise AdditivityError(
            "the explained patients are not the predicted ones: fits and predictions differ"
        )
    total = explained["base"] + explained.drop(columns=KEYS).sum(axis=1)
    error = float(np.abs(total - logit(stored["p"])).max())
    if not error <= tolerance:
        raise AdditivityError(
            f"SHAP values differ from the log-odds by up to {error:.3g}, more than {tolerance:g}: "
            "predictions and fits are not of the same run"
        )


def _check_against_shap(
    model: PcrModel, frame: pd.DataFrame, values: np.ndarray, tolerance: float, rows: int = 20
) -> None:
    """Raise if contributions of a boosted model differ from the shap library's (a few rows).

    The library hands plain SHAP values of LightGBM back to LightGBM, which would check nothing; its
    interaction values are its own, and sum to the SHAP values.
    """
    if "boosting" not in model.document:
        return
    import shap  # noqa: PLC0415 - two seconds that a logistic model need not pay

    columns = model.complete(model.encode(frame.head(rows)))
    reference = np.asarray(shap.TreeExplainer(model.booster).shap_interaction_values(columns)).sum(axis=2)
    reference = model.by_feature(reference) * model.document["calibration"]["slope"]
    error = float(np.abs(reference - values[:rows]).max())
    if not error <= tolerance:
        raise AdditivityError(f"SHAP values differ from those of the shap library by up to {error:.3g}")


def feature_ranking(explained: pd.DataFrame, features: Sequence[Mapping[str, Any]]) -> pd.DataFrame:
    """Return features by mean |SHAP| (log-odds), averaged per repeat and then over repeats.

    Columns: feature, domain, mean_abs, share (of the sum over features); largest first, ties by name.
    """
    names = [feature["name"] for feature in features]
    per_repeat = explained[names].abs().groupby(explained["repeat"]).mean()
    frame = pd.DataFrame(
        {
            "feature": names,
            "domain": [feature["domain"] for feature in features],
            "mean_abs": per_repeat.mean().to_numpy(),
        }
    )
    total = frame["mean_abs"].sum()
    frame["share"] = frame["mean_abs"] / total if total > 0 else 0.0
    return frame.sort_values(["mean_abs", "feature"], ascending=[False, True], ignore_index=True)


def domain_shares(explained: pd.DataFrame, features: Sequence[Mapping[str, Any]]) -> pd.DataFrame:
    """Return how much each domain moves the predictions.

    ``mean_abs`` is the mean over patients of the absolute value of the domain's summed contributions
    (contributions that cancel inside a domain move nothing), ``share`` its part of the sum over domains, and
    ``low`` and ``high`` the smallest and largest share over the repeats of the cross-validation.
    """
    domains = list(dict.fromkeys(feature["domain"] for feature in features))
    summed = pd.DataFrame(
        {d: explained[[f["name"] for f in features if f["domain"] == d]].sum(axis=1) for d in domains}
    )
    per_repeat = summed.abs().groupby(explained["repeat"]).mean()
    total = per_repeat.sum(axis=1).replace(0.0, 1.0)
    shares = per_repeat.div(total, axis=0)
    return pd.DataFrame(
        {
            "domain": domains,
            "features": [sum(f["domain"] == d for f in features) for d in domains],
            "mean_abs": per_repeat.mean().to_numpy(),
            "share": shares.mean().to_numpy(),
            "low": shares.min().to_numpy(),
            "high": shares.max().to_numpy(),
        }
    )


def rank_scale(values: np.ndarray) -> np.ndarray:
    """Return the rank of each value as a fraction from 0 (lowest) to 1 (highest), shape (n,).

    Ties share their mean rank; NaN stays NaN; where all values are the same, they stand at 0.5.
    """
    ranks = pd.Series(values, dtype="float64").rank(method="average")
    known = int(ranks.notna().sum())
    if known < 2:
        return np.where(ranks.isna(), np.nan, 0.5)
    return ((ranks - 1) / (known - 1)).to_numpy()


def binned_median(x: np.ndarray, y: np.ndarray, bins: int) -> pd.DataFrame:
    """Return the median of `y` along `x`, in at most `bins` bins that hold about as many values each.

    Values of `x` that are the same are never divided, so few distinct values give few bins. Missing `x` are
    left out.

    Parameters
    ----------
    x, y : array, shape (n,)
        Value of a feature, and its contribution.
    bins : int
        Most bins.

    Returns
    -------
    DataFrame
        Per bin, from low to high: ``x`` and ``median`` (the medians inside the bin) and ``n``.
    """
    known = ~np.isnan(x)
    frame = pd.DataFrame({"x": x[known], "median": y[known]})
    if frame["x"].nunique() <= bins:
        bin_of = frame["x"]
    else:
        bin_of = pd.qcut(frame["x"], bins, labels=False, duplicates="drop")
    grouped = frame.groupby(bin_of.to_numpy())
    return grouped.median().assign(n=grouped.size()).reset_index(drop=True)


def contribution_by_level(
    explained: pd.DataFrame, values: pd.DataFrame, names: Sequence[str], missing: str
) -> pd.DataFrame:
    """Return how the contribution of each categorical feature lies at each of its levels.

    Parameters
    ----------
    explained : DataFrame
        Contributions (log-odds), one row per patient.
    values : DataFrame
        The features' values, rows as in `explained`.
    names : sequence of str
        Categorical features, in the order wanted.
    missing : str
        Stands for a value that is missing.

    Returns
    -------
    DataFrame
        feature, level, n, and the 5th, 25th, 50th, 75th and 95th centile of the contribution: ``low``,
        ``q25``, ``median``, ``q75``, ``high``. Levels by falling median.
    """
    centiles = {"low": 0.05, "q25": 0.25, "median": 0.5, "q75": 0.75, "high": 0.95}
    parts = []
    for name in names:
        levels = values[name].astype(object).where(values[name].notna(), missing).to_numpy()
        grouped = explained[name].groupby(levels)
        table = pd.DataFrame({key: grouped.quantile(q) for key, q in centiles.items()})
        table = table.assign(n=grouped.size(), feature=name).rename_axis("level").reset_index()
        parts.append(table.sort_values(["median", "level"], ascending=[False, True]))
    columns = ["feature", "level", "n", *centiles]
    return pd.concat(parts, ignore_index=True)[columns] if parts else pd.DataFrame(columns=columns)
