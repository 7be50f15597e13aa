"""A landmark's curves, as points to draw: calibration with its band, ROC, and decision curves."""

from collections.abc import Sequence

import numpy as np
import pandas as pd
from sklearn.metrics import roc_curve

from features.documents.branch import INDETERMINATE, THEN
from models.evaluation.performance import judged_models
from models.measures.common import MeasureError, draw_patients
from models.measures.evaluate import by_repeat
from models.measures.loess import MIN_DISTINCT, distinct_predictions, smoothed_risk
from models.measures.net_benefit import decision_curves
from models.procedure.configuration.plan import ValidationPlan

POINTS = 60
FORECASTS = ("chosen", "rules", "rule_inputs")
CENTRAL = (2.5, 97.5)
"""Centiles of the predictions between which the curve is drawn: outside, there is hardly a patient."""


def calibration_curves(predictions: pd.DataFrame, plan: ValidationPlan) -> pd.DataFrame:
    """Return the loess-smoothed observed risk of every model at a grid of predictions, with a bootstrap band.

    The curve is the mean over repeats; the band holds the models fixed and draws patients
    (`loess_bootstrap` samples, percentiles, pointwise). Models with few distinct predictions have none.

    Returns
    -------
    DataFrame
        model, predicted, observed, low, high.
    """
    ids, y, by_model = by_repeat(predictions, judged_models(predictions))
    samples = draw_patients(len(ids), plan.loess_bootstrap, plan.generator())
    tail = 100 * (1 - plan.level) / 2
    parts = []
    for model, p in by_model.items():
        if distinct_predictions(p) < MIN_DISTINCT:
            continue
        first, last = np.percentile(p, CENTRAL)
        # Every repeat must reach the points: a curve is not read outside its predictions.
        at = np.linspace(max(first, p.min(axis=1).max()), min(last, p.max(axis=1).min()), POINTS)
        observed = np.mean([_inside(y, row, at) for row in p], axis=0)
        drawn = [_inside(np.repeat(y, counts), np.repeat(p[0], counts), at) for counts in samples]
        low, high = np.nanpercentile(drawn, [tail, 100 - tail], axis=0)
        # The band is of the first repeat, about the mean of all.
        shift = observed - _inside(y, p[0], at)
        curve = {
            "model": model,
            "predicted": at,
            "observed": observed,
            "low": low + shift,
            "high": high + shift,
        }
        parts.append(pd.DataFrame(curve))
    columns = ["model", "predicted", "observed", "low", "high"]
    return pd.concat(parts, ignore_index=True) if parts else pd.DataFrame(columns=columns)


def _inside(y: np.ndarray, p: np.ndarray, at: np.ndarray) -> np.ndarray:
    """Return the smoothed risk at the points within the range of p, cut to [0, 1]; NaN elsewhere."""
    risk = np.full(len(at), np.nan)
    within = (at >= p.min()) & (at <= p.max())
    try:
        risk[within] = np.clip(smoothed_risk(y, p, at[within]), 0, 1)
    except MeasureError:
        # A sample too coarse to smooth adds nothing to the band.
        return risk
    return risk


def roc_curves(predictions: pd.DataFrame) -> pd.DataFrame:
    """Return the ROC curve of every model, the mean over repeats of sensitivity at a grid of 1 - specificity.

    Returns
    -------
    DataFrame
        model, false_positive_rate, true_positive_rate.
    """
    _, y, by_model = by_repeat(predictions, judged_models(predictions))
    grid = np.linspace(0, 1, 101)
    parts = []
    for model, p in by_model.items():
        curves = [np.interp(grid, *roc_curve(y, row, drop_intermediate=False)[:2]) for row in p]
        columns = {"model": model, "false_positive_rate": grid, "true_positive_rate": np.mean(curves, axis=0)}
        parts.append(pd.DataFrame(columns))
    return pd.concat(parts, ignore_index=True)


def benefit_curves(
    predictions: pd.DataFrame, branch: pd.Series, de_escalated: Sequence[str], plan: ValidationPlan
) -> pd.DataFrame:
    """Return the decision curves of model, rules, rules' inputs and allocation, of treating all and none.

    The allocation is whom the rules de-escalate, the branches `de_escalated`, and whom they escalate: those
    for whom they decide otherwise. For whom they decide nothing is neither. There is no allocation where
    nobody is de-escalated, such as before the rules decide.
    """
    names = [name for name in FORECASTS if (predictions["model"] == name).any()]
    ids, y, by_model = by_repeat(predictions, names)
    known = branch.reindex(ids)
    spared = known.isin(de_escalated).to_numpy()
    undecided = known.isna() | (known.str.split(THEN).str[-1] == INDETERMINATE)
    escalated = ~spared & ~undecided.to_numpy()
    parts = []
    for decision, entry in plan.thresholds.items():
        thresholds = entry.grid()
        acted = spared if decision == "de_escalation" else escalated
        strategies: dict[str, np.ndarray] = {name: by_model[name] for name in names}
        if spared.any():
            strategies["rules_allocation"] = acted
        parts.append(
            decision_curves(
                y, strategies, thresholds, decision,
                bootstrap=plan.bootstrap, rng=plan.generator(),
                level=plan.level,
            )
        )  # fmt: skip
    return pd.concat(parts, ignore_index=True)
