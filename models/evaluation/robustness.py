"""What to expect outside the trial, and how stable the model is, from the resampled models."""

from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import Any

import numpy as np
import pandas as pd

from models.configuration.plan import ValidationPlan
from models.evaluation.performance import each_or_its_error
from models.evaluation.subgroups import as_document, pooled_document
from models.measures.common import MAX_SHARE_FAILED, MeasureError
from models.measures.definitions import point_value
from models.measures.evaluate import evaluate
from models.measures.heterogeneity import by_group, log_o_e, pool, slope_and_error
from models.measures.optimism import Corrected, optimism
from models.measures.stability import (
    classification_instability,
    mean_absolute_prediction_error,
    replicate_frame,
)

MODEL = "chosen"
# Every bootstrap model's prediction is drawn for this many patients; the figures are of all.
DRAWN_PATIENTS = 200
CORRECTED = {
    "auc": "auc_bootstrap",
    **{name: name for name in ("brier", "log_loss", "calibration_slope", "calibration_intercept", "o_e")},
}
TEMPORAL = (
    "auc", "brier", "log_loss", "calibration_slope", "calibration_intercept", "o_e",
    "ici", "e90", "ici_mean0", "ici_null95",
)  # fmt: skip
# Measures whose gate needs an interval at a level of its own: estimate and standard error on their scale.
SCALED = {"calibration_slope": slope_and_error, "o_e": log_o_e}
NOT_DATED = (
    "not every patient with an outcome has a date of entry, or nobody entered after the first origin at "
    "which an outcome was known"
)
ONE_CENTRE = "the patients are of one centre, or not all have one, or leaving centres out is switched off"


def _measure(name: str, y: np.ndarray, p: np.ndarray) -> float:
    return point_value(name, y, p[None])


def corrected_performance(apparent: pd.DataFrame, bootstrap: pd.DataFrame, level: float) -> dict[str, Any]:
    """Return optimism-corrected measures, or why not; the intervals are approximate (`measures.optimism`).

    Samples from which no model could be learned (p NaN) count as failed.
    """
    order = apparent.sort_values("usubjid")
    y, p = order["y"].to_numpy(dtype=float), order["p"].to_numpy()
    samples = []
    for _, sample in bootstrap.groupby("repeat"):
        aligned = sample.sort_values("usubjid")
        drawn = np.repeat(np.arange(len(y)), aligned["drawn"].to_numpy())
        samples.append((drawn, aligned["p"].to_numpy()))
    known = [(drawn, predicted) for drawn, predicted in samples if not np.isnan(predicted).any()]
    measures: Mapping[str, Callable[[np.ndarray, np.ndarray], float]] = {
        name: partial(_measure, of) for name, of in CORRECTED.items()
    }

    def corrected(names: Sequence[str]) -> dict[str, Any]:
        if len(samples) - len(known) > MAX_SHARE_FAILED * len(samples):
            raise MeasureError(
                f"no model could be learned from {len(samples) - len(known)} of {len(samples)} samples"
            )
        of = optimism(y, p, known, {name: measures[name] for name in names}, level=level)
        return {name: _as_document(each, len(samples)) for name, each in of.items()}

    return each_or_its_error(corrected, list(measures))


def _as_document(each: Corrected, samples: int) -> dict[str, float]:
    found = {
            "value": each.corrected, "approximate_low": each.approximate_low,
            "approximate_high": each.approximate_high, "apparent": each.apparent, "optimism": each.optimism,
            "left_out": each.left_out, "monte_carlo_error": each.optimism_error, "samples": each.samples,
    }  # fmt: skip
    failed = {"failed": samples - each.samples} if each.samples < samples else {}
    return {key: value for key, value in found.items() if np.isfinite(value)} | failed


def instability(
    apparent: pd.DataFrame, bootstrap: pd.DataFrame, thresholds: Sequence[float]
) -> tuple[dict[str, Any], pd.DataFrame]:
    """Return how far the bootstrap models lie apart for the same patients, and points to draw."""
    original = apparent.sort_values("usubjid")["p"].to_numpy()
    replicates = bootstrap.pivot_table(index="repeat", columns="usubjid", values="p").to_numpy()
    if len(replicates) == 0:
        return {
            "mean_absolute_prediction_error": {"error": "no model could be learned from a bootstrap sample"}
        }, pd.DataFrame(columns=["original", "prediction"])
    found: dict[str, Any] = {
        "mean_absolute_prediction_error": {"value": mean_absolute_prediction_error(original, replicates)}
    }
    for threshold in thresholds:
        changed = classification_instability(original, replicates, threshold=threshold)
        found[f"classified_differently@{threshold:g}"] = {"value": float(changed.mean())}
    few = np.unique(np.linspace(0, len(original) - 1, DRAWN_PATIENTS).astype(int))
    points = replicate_frame(original[few], replicates[:, few])
    return found, points[["original", "prediction"]].round(6)


def temporal_validation(rows: pd.DataFrame, plan: ValidationPlan) -> dict[str, Any]:
    """Return the measures in later patients: each is predicted for by the model of the origin before.

    Slope and O:E carry estimate and standard error on the scale on which they are nearly normal (``scaled``,
    ``scaled_se``: the slope, log O:E).
    """
    y, p = rows["y"].to_numpy(dtype=float), rows["p"].to_numpy()
    counts: dict[str, Any] = {"n": {"value": len(y)}, "events": {"value": int(y.sum())}}
    if not plan.judges(y):
        return counts
    if np.isnan(p).any():
        reason = "no model could be learned from the earlier patients"
        return counts | {name: {"error": reason} for name in TEMPORAL}

    def measured(names: Sequence[str]) -> dict[str, Any]:
        found = evaluate(
            y, p, names,
            bootstrap=plan.bootstrap, rng=plan.generator(),
            level=plan.level, loess_bootstrap=plan.loess_bootstrap,
        )  # fmt: skip
        return {name: measure.as_dict() for name, measure in found.items()}

    judged = counts | each_or_its_error(measured, TEMPORAL)
    for name, estimator in SCALED.items():
        if "value" in judged[name]:
            scaled, error = estimator(y, p)
            judged[name] |= {"scaled": scaled, "scaled_se": error}
    return judged


def left_out_centres(rows: pd.DataFrame, centre: pd.Series, plan: ValidationPlan) -> dict[str, Any]:
    """Return each centre's measures by the model that did not see it, and what to expect in a new centre."""
    rows = rows[rows["p"].notna()]
    groups = rows["usubjid"].map(centre).to_numpy(dtype=object).astype(str)
    if len(rows) == 0:
        return {}
    judged = by_group(rows["y"], rows["p"], groups, level=plan.level, fewest=plan.min_events)
    pooled = pool(judged, level=plan.level)
    return {"pooled": pooled_document(pooled), "centres": as_document(judged)}


def robustness(
    resampled: pd.DataFrame, centre: pd.Series, plan: ValidationPlan
) -> tuple[dict[str, Any], pd.DataFrame]:
    """Return what the resampled models tell, and points of the instability plot.

    Parameters
    ----------
    resampled : DataFrame
        Written by the stage resample.
    centre : Series
        Centre by usubjid.
    """
    of = {str(scheme): rows for scheme, rows in resampled.loc[resampled["model"] == MODEL].groupby("scheme")}
    level, thresholds = plan.level, plan.thresholds["de_escalation"].shown
    unstable, points = instability(of["apparent"], of["bootstrap"], thresholds)
    found = {
        "optimism_corrected": corrected_performance(of["apparent"], of["bootstrap"], level),
        "instability": unstable,
    }
    found["temporal"] = (
        temporal_validation(of["temporal"], plan) if "temporal" in of else {"error": NOT_DATED}
    )
    found["left_out_centres"] = (
        left_out_centres(of["centre"], centre, plan) if "centre" in of else {"error": ONE_CENTRE}
    )
    return found, points
