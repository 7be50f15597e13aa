"""Out-of-fold SHAP values on the calibrated log-odds, and what a reader wants to know of them."""

from collections.abc import Sequence

import numpy as np
import pandas as pd
from scipy.special import logit

from features.errors import PipelineFault
from models.procedure.fold_fits import FoldFit
from models.serving.serving import PcrModel

KEYS = ["usubjid", "repeat", "fold", "model", "base"]


class AdditivityError(PipelineFault):
    """SHAP values that do not add up to the prediction they explain."""


def explain_out_of_fold(
    fits: Sequence[FoldFit],
    features: pd.DataFrame,
    predictions: pd.DataFrame,
    *,
    model: str,
    tolerance: float,
) -> pd.DataFrame:
    """Explain every out-of-fold prediction of one model by the very fit that made it.

    Parameters
    ----------
    fits : sequence of FoldFit
        Of every outer fold.
    features : DataFrame
        One row per patient at the landmark, with ``usubjid``; columns of assays, where the model takes some.
    predictions : DataFrame
        Tidy out-of-fold predictions.
    model : str
        Name of the model in `predictions`.
    tolerance : float
        Largest difference allowed between base plus contributions and the log-odds of the prediction.

    Returns
    -------
    DataFrame
        ``usubjid, repeat, fold, model, base`` and a column per feature and assay (`PcrModel.explained`);
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
        parts.append(pd.concat([keys, pd.DataFrame(values, columns=served.explained)], axis=1))
    explained = pd.concat(parts, ignore_index=True).sort_values(["repeat", "usubjid"], ignore_index=True)
    # Fits of one model may be of several candidates: what a fit does not use adds nothing.
    explained = explained.fillna(0.0) if explained.isna().any(axis=None) else explained
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


def rank_scale(values: np.ndarray) -> np.ndarray:
    """Return the rank of each value as a fraction from 0 (lowest) to 1 (highest), shape (n,).

    Ties share their mean rank; NaN stays NaN; where all values are the same, they stand at 0.5.
    """
    ranks = pd.Series(values, dtype="float64").rank(method="average")
    known = int(ranks.notna().sum())
    if known < 2:
        return np.where(ranks.isna(), np.nan, 0.5)
    return ((ranks - 1) / (known - 1)).to_numpy()
