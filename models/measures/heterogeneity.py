"""How performance differs between groups of patients, such as centres, and what to expect in a new one.

``by_group`` gives AUC, calibration slope and O:E in each group, ``pool`` their random-effects meta-analysis.
Use predictions of models that did not see the group (leave-one-centre-out) to describe a new centre.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pandas as pd
from scipy.optimize import brentq
from scipy.special import expit, logit, ndtri

from models.measures.common import FloatArray, MeasureError, as_outcome, as_repeats, log_odds
from models.measures.definitions import point_value
from models.measures.delong import auc_variance
from models.measures.pooling import random_effects


@dataclass(frozen=True)
class Scale:
    """Where a measure is pooled: the columns of estimate and standard error, and the way back."""

    estimate: str
    se: str
    back: Callable[[float], float]


SCALES: Mapping[str, Scale] = {
    "auc": Scale("logit_auc", "logit_auc_se", lambda value: float(expit(value))),
    "slope": Scale("slope", "slope_se", lambda value: value),
    "o_e": Scale("log_o_e", "log_o_e_se", lambda value: float(np.exp(value))),
}
VALUES = [f"{measure}{end}" for measure in SCALES for end in ("", "_low", "_high")]
ON_SCALE = ["logit_auc", "logit_auc_se", "slope_se", "log_o_e", "log_o_e_se"]
GROUP_COLUMNS = ["group", "n", "events", *VALUES, *ON_SCALE, "note"]
INTERVALS = ["value", "low", "high", "prediction_low", "prediction_high"]
SCALED = ["scaled", "scaled_se"]
POOLED_COLUMNS = ["measure", *INTERVALS, *SCALED, "tau2", "i2", "pooled", "counted_only", "note"]


def by_group(
    y: npt.ArrayLike, p: npt.ArrayLike, groups: npt.ArrayLike, *, level: float, fewest: int
) -> pd.DataFrame:
    """Return AUC, calibration slope and O:E in each group, with intervals, averaged over repeats.

    Estimates and intervals are made on the scale on which groups are pooled, and transformed back:

    - ``logit(AUC)`` with standard error ``sqrt(V) / (AUC (1 - AUC))``, V the DeLong variance of the placement
      values averaged over repeats;
    - the slope b of ``logit(y) ~ a + b logit(p)`` with the standard error of the Fisher information at the
      maximum, ``sqrt(I_aa / (I_aa I_bb - I_ab^2))``, both averaged over repeats;
    - ``log(O / E)``, the ratio averaged over repeats, with ``sqrt((1 - O/n) / O)`` (Debray et al. 2017).

    Parameters
    ----------
    y : array, shape (n,)
        Outcome, 0 or 1.
    p : array, shape (n,) or (repeats, n)
        Predicted probability, strictly between 0 and 1.
    groups : array, shape (n,)
        The group of each patient; not missing.
    level : float
        Confidence level, strictly between 0 and 1.
    fewest : int
        Groups with fewer events or fewer non-events have counts only; at least 2.

    Returns
    -------
    DataFrame
        One row per group in sorted order: group, n, events; auc, slope, o_e, each with _low and _high;
        logit_auc, logit_auc_se, slope_se, log_o_e, log_o_e_se. What could not be computed is NaN, with the
        reason in ``note``; the note is empty where all was computed.

    Raises
    ------
    MeasureError
        If an argument is out of range or of the wrong shape, or the group of a patient is missing.
    """
    outcome = as_outcome(y)
    predictions = as_repeats(p, outcome.size)
    labels = _as_groups(groups, outcome.size)
    if not 0 < level < 1:
        raise MeasureError(f"level: must lie strictly between 0 and 1; got {level}")
    if fewest < 2:
        raise MeasureError(f"fewest: must be at least 2, as the DeLong variance needs; got {fewest}")
    rows = []
    for label in np.unique(labels):
        chosen = labels == label
        inside = outcome[chosen]
        counts = {"group": label, "n": inside.size, "events": int(inside.sum())}
        rows.append(counts | _of_group(inside, predictions[:, chosen], level, fewest))
    return pd.DataFrame(rows, columns=GROUP_COLUMNS)


def _as_groups(groups: npt.ArrayLike, patients: int) -> npt.NDArray[np.generic]:
    labels = np.asarray(groups)
    if labels.shape != (patients,):
        raise MeasureError(f"groups: must have shape ({patients},) as y has; got {labels.shape}")
    missing = int(np.sum(pd.isna(labels)))
    if missing:
        raise MeasureError(f"groups: must be given for every patient; {missing} of {patients} are missing")
    return labels


def _of_group(y: FloatArray, p: FloatArray, level: float, fewest: int) -> dict[str, float | str]:
    """Return the measures of one group that exist, and a note on those that do not."""
    events = int(y.sum())
    if min(events, y.size - events) < fewest:
        return {"note": f"fewer than {fewest} events or non-events"}
    quantile = float(ndtri((1 + level) / 2))
    row: dict[str, float | str] = {}
    reasons = []
    for measure, estimator in ESTIMATORS.items():
        try:
            estimate, se = estimator(y, p)
        except MeasureError as error:
            reasons.append(str(error))
            continue
        scale = SCALES[measure]
        row |= {scale.estimate: estimate, scale.se: se, measure: scale.back(estimate)}
        row[f"{measure}_low"] = scale.back(estimate - quantile * se)
        row[f"{measure}_high"] = scale.back(estimate + quantile * se)
    return row | {"note": "; ".join(reasons)}


def logit_auc(y: npt.ArrayLike, p: npt.ArrayLike) -> tuple[float, float]:
    """Return logit(AUC) and its standard error; y (n,), p (n,) or (repeats, n).

    Raises
    ------
    MeasureError
        If the AUC is 0 or 1, its variance is 0, or there are fewer than two events or non-events.
    """
    area, variance = auc_variance(y, p)
    if area in {0.0, 1.0}:
        raise MeasureError(f"auc: an AUC of exactly {area:g} has no logit: the outcomes are separated")
    if variance == 0:
        raise MeasureError("auc: its DeLong variance is 0, because all patients have the same placement")
    return float(logit(area)), float(np.sqrt(variance) / (area * (1 - area)))


def slope_and_error(y: npt.ArrayLike, p: npt.ArrayLike) -> tuple[float, float]:
    """Return the calibration slope and its standard error; y (n,), p (n,) or (repeats, n).

    Raises
    ------
    MeasureError
        If in a repeat the slope is infinite (the predictions separate the outcomes), or all predictions are
        the same, or there is one class only.
    """
    outcome = as_outcome(y)
    fits = [_slope_of_repeat(outcome, row) for row in as_repeats(p, outcome.size)]
    slope, se = np.mean(fits, axis=0)
    return float(slope), float(se)


def _slope_of_repeat(y: FloatArray, p: FloatArray) -> tuple[float, float]:
    intercept, slope = calibration_line(y, p)
    fitted = slope * log_odds(p)
    information = expit(intercept + fitted) * expit(-intercept - fitted)
    x = log_odds(p)
    # I_bb - I_ab^2 / I_aa, written as a weighted sum of squares so that it does not cancel.
    spread = information @ (x - information @ x / information.sum()) ** 2
    return slope, float(1 / np.sqrt(spread))


def calibration_line(y: FloatArray, p: FloatArray) -> tuple[float, float]:
    """Return intercept and slope of ``logit(y) ~ 1 + logit(p)``, estimated together; y and p (n,).

    Raises
    ------
    MeasureError
        As `slope_and_error`.
    """
    slope = point_value("calibration_slope", y, p[None])
    fitted = slope * log_odds(p)
    centre = float(logit(y.mean()))
    # At these ends all fitted risks are below, or above, the prevalence: the root lies between.
    ends = centre - fitted.max() - 1, centre - fitted.min() + 1
    return float(brentq(lambda a: float(np.sum(y - expit(a + fitted))), *ends)), slope


def log_o_e(y: npt.ArrayLike, p: npt.ArrayLike) -> tuple[float, float]:
    """Return log(O:E) and its standard error; y (n,), p (n,) or (repeats, n).

    Raises
    ------
    MeasureError
        If no patient, or every patient, has the event: the logarithm or the standard error is not defined.
    """
    outcome = as_outcome(y)
    predictions = as_repeats(p, outcome.size)
    observed = outcome.sum()
    if observed in {0.0, float(outcome.size)}:
        raise MeasureError(f"o_e: needs both outcomes; {observed:g} of {outcome.size} have the event")
    se = np.sqrt((1 - observed / outcome.size) / observed)
    return float(np.log(point_value("o_e", outcome, predictions))), float(se)


ESTIMATORS: Mapping[str, Callable[[npt.ArrayLike, npt.ArrayLike], tuple[float, float]]] = {
    "auc": logit_auc,
    "slope": slope_and_error,
    "o_e": log_o_e,
}


def pool(frame: pd.DataFrame, *, level: float) -> pd.DataFrame:
    """Return the random-effects meta-analysis of each measure over the groups that have it.

    Parameters
    ----------
    frame : DataFrame
        As ``by_group`` returns it.
    level : float
        Level of the confidence and prediction intervals, strictly between 0 and 1.

    Returns
    -------
    DataFrame
        One row for each of auc, slope and o_e: measure; value, low, high, prediction_low, prediction_high on
        the measure's own scale; scaled, scaled_se (Knapp-Hartung) and tau2 on the scale on which it is pooled
        (logit AUC, slope, log O:E); i2 from 0 to 1; pooled and counted_only (numbers of groups with and
        without the measure). Where a measure could not be pooled its values are NaN, with the reason in
        ``note``.

    Raises
    ------
    MeasureError
        If the level is out of range.
    """
    if not 0 < level < 1:
        raise MeasureError(f"level: must lie strictly between 0 and 1; got {level}")
    rows = [_pool_measure(frame, measure, scale, level) for measure, scale in SCALES.items()]
    return pd.DataFrame(rows, columns=POOLED_COLUMNS)


def _pool_measure(
    frame: pd.DataFrame, measure: str, scale: Scale, level: float
) -> dict[str, float | int | str]:
    known = frame[frame[scale.estimate].notna()]
    row: dict[str, float | int | str] = {
        "measure": measure,
        "pooled": len(known),
        "counted_only": len(frame) - len(known),
        "note": "",
    }
    try:
        found = random_effects(known[scale.estimate].to_numpy(), known[scale.se].to_numpy(), level=level)
    except MeasureError as error:
        return row | {"note": f"{measure}: {error}"}
    back = {name: scale.back(getattr(found, name)) for name in INTERVALS}
    scaled = {"scaled": found.value, "scaled_se": found.se}
    return row | back | scaled | {"tau2": found.tau2, "i2": found.i2}
