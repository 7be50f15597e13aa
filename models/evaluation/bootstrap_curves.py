"""Calibration and decision curves of the models of bootstrap samples, and the risks predicted by outcome."""

from functools import partial

import numpy as np
import pandas as pd
from scipy.stats import gaussian_kde

from models.evaluation.performance import MODEL
from models.measures.common import FloatArray
from models.measures.corrected_curve import calibration_curve_at, corrected_curve
from models.measures.evaluate import by_repeat
from models.measures.loess import MIN_DISTINCT, distinct_predictions
from models.measures.net_benefit import Decision, net_benefit
from models.procedure.configuration.plan import ValidationPlan

CALIBRATION = "calibration"
COLUMNS = ("curve", "line", "sample", "at", "value")
RISK_COLUMNS = ("outcome", "predicted", "density")
POINTS = 25
CENTRAL = (2.5, 97.5)
"""Centiles of the predictions between which the calibration curve is drawn."""


def bootstrap_curves(resampled: pd.DataFrame, plan: ValidationPlan) -> pd.DataFrame:
    """Return the curves of the model of all patients, corrected for optimism, and of each sample's model.

    Parameters
    ----------
    resampled : DataFrame
        Written by the stage resample.

    Returns
    -------
    DataFrame
        curve (calibration, de_escalation, escalation), and the columns of `corrected_curve`. No rows from
        fewer than two samples that gave a model; no calibration of few distinct predictions.
    """
    of_model = resampled.loc[resampled["model"] == MODEL]
    whole = of_model.loc[of_model["scheme"] == "apparent"].sort_values("usubjid")
    y, apparent = whole["y"].to_numpy(dtype=float), whole["p"].to_numpy(dtype=float)
    samples = bootstrap_samples(of_model.loc[of_model["scheme"] == "bootstrap"])
    if len(samples) < 2:
        return pd.DataFrame(columns=list(COLUMNS))
    parts = {}
    if distinct_predictions(apparent) >= MIN_DISTINCT:
        first, last = np.percentile(apparent, CENTRAL)
        at = np.linspace(first, last, POINTS)
        parts[CALIBRATION] = corrected_curve(y, apparent, samples, at, calibration_curve_at(at))
    for decision, entry in plan.thresholds.items():
        thresholds = np.asarray(entry.grid(), dtype=float)
        benefit = partial(_benefit, thresholds=thresholds, decision=decision)
        parts[decision] = corrected_curve(y, apparent, samples, thresholds, benefit)
    return pd.concat([frame.assign(curve=name) for name, frame in parts.items()], ignore_index=True)[
        list(COLUMNS)
    ]


def _benefit(y: FloatArray, p: FloatArray, thresholds: FloatArray, decision: Decision) -> FloatArray:
    return net_benefit(y, p, thresholds, decision)


def bootstrap_samples(bootstrap: pd.DataFrame) -> list[tuple[np.ndarray, FloatArray]]:
    """Return each sample's positions, with repetitions, and its model's predictions (n,) for all patients."""
    samples = []
    for _, sample in bootstrap.groupby("repeat"):
        aligned = sample.sort_values("usubjid")
        p = aligned["p"].to_numpy(dtype=float)
        if not np.isnan(p).any():
            samples.append((np.repeat(np.arange(len(p)), aligned["drawn"].to_numpy()), p))
    return samples


def risks_by_outcome(predictions: pd.DataFrame, plan: ValidationPlan) -> pd.DataFrame:
    """Return the density of the model's out-of-fold predictions among patients with and without pCR.

    A Gaussian kernel on the log-odds (Scott's width), on the scale of the probability: it shows no patient.
    Outcomes with fewer than `min_events` patients, or predictions that do not vary, have none.

    Returns
    -------
    DataFrame
        outcome (pCR, no pCR), predicted, density.
    """
    _, y, by_model = by_repeat(predictions, [MODEL])
    p = by_model[MODEL].ravel()
    outcomes = np.tile(y, len(by_model[MODEL]))
    lp = np.log(p) - np.log1p(-p)
    parts = []
    for outcome, name in ((1.0, "pCR"), (0.0, "no pCR")):
        inside = lp[outcomes == outcome]
        if (y == outcome).sum() < plan.min_events or np.ptp(inside) == 0:
            continue
        grid = np.linspace(0.01, 0.99, 99)
        density = gaussian_kde(inside)(np.log(grid) - np.log1p(-grid)) / (grid * (1 - grid))
        parts.append(pd.DataFrame({"outcome": name, "predicted": grid, "density": density}))
    return pd.concat(parts, ignore_index=True) if parts else pd.DataFrame(columns=list(RISK_COLUMNS))
