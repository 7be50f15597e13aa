"""What to expect outside the trial, and how stable the model is, from the resampled models."""

from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import TypedDict

import numpy as np
import pandas as pd

from models.evaluation.bootstrap_curves import bootstrap_samples
from models.evaluation.centres import Clustered
from models.evaluation.learning_uncertainty import LearningUncertainty
from models.evaluation.performance import each_or_its_error, measured
from models.evaluation.subgroups import GroupDocument, as_document, pooled_document
from models.measures.common import (
    MAX_SHARE_FAILED,
    MeasureDocument,
    MeasureError,
    counted,
    finite_numbers,
)
from models.measures.definitions import point_value
from models.measures.heterogeneity import by_group, log_o_e, pool, slope_and_error
from models.measures.optimism import Corrected, optimism
from models.measures.stability import (
    classification_instability,
    mean_absolute_prediction_error,
    replicate_frame,
)
from models.procedure.configuration.plan import ValidationPlan

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


class NotMade(TypedDict):
    """Why a part of the evaluation was not made."""

    error: str


class LeftOutCentres(TypedDict, total=False):
    """Each centre by the model that did not see it, and pooled; empty where no model was learned."""

    pooled: dict[str, MeasureDocument]
    centres: dict[str, GroupDocument]


class RobustnessDocument(TypedDict):
    """results/robustness-<landmark>.json."""

    optimism_corrected: dict[str, MeasureDocument]
    instability: dict[str, MeasureDocument]
    temporal: dict[str, MeasureDocument] | NotMade
    left_out_centres: LeftOutCentres | NotMade
    clustered: Clustered
    learning_uncertainty: LearningUncertainty


def _measure(name: str, y: np.ndarray, p: np.ndarray) -> float:
    return point_value(name, y, p[None])


def corrected_performance(
    apparent: pd.DataFrame, bootstrap: pd.DataFrame, level: float
) -> dict[str, MeasureDocument]:
    """Return optimism-corrected measures, or why not; the intervals are approximate (`measures.optimism`).

    Samples from which no model could be learned (p NaN) count as failed.
    """
    order = apparent.sort_values("usubjid")
    y, p = order["y"].to_numpy(dtype=float), order["p"].to_numpy()
    samples, known = bootstrap["repeat"].nunique(), bootstrap_samples(bootstrap)
    measures: Mapping[str, Callable[[np.ndarray, np.ndarray], float]] = {
        name: partial(_measure, kernel) for name, kernel in CORRECTED.items()
    }

    def corrected(names: Sequence[str]) -> dict[str, MeasureDocument]:
        if samples - len(known) > MAX_SHARE_FAILED * samples:
            raise MeasureError(f"no model could be learned from {samples - len(known)} of {samples} samples")
        by_name = optimism(y, p, known, {name: measures[name] for name in names}, level=level)
        return {name: _as_document(one, samples) for name, one in by_name.items()}

    return each_or_its_error(corrected, list(measures))


def _as_document(corrected: Corrected, samples: int) -> MeasureDocument:
    document = finite_numbers(
        {
            "value": corrected.corrected, "approximate_low": corrected.approximate_low,
            "approximate_high": corrected.approximate_high, "apparent": corrected.apparent,
            "optimism": corrected.optimism, "left_out": corrected.left_out,
            "monte_carlo_error": corrected.optimism_error,
        }
    )  # fmt: skip
    document["samples"] = corrected.samples
    if corrected.samples < samples:
        document["failed"] = samples - corrected.samples
    return document


def instability(
    apparent: pd.DataFrame, bootstrap: pd.DataFrame, thresholds: Sequence[float]
) -> tuple[dict[str, MeasureDocument], pd.DataFrame]:
    """Return how far the bootstrap models lie apart for the same patients, and points to draw."""
    original = apparent.sort_values("usubjid")["p"].to_numpy()
    replicates = bootstrap.pivot_table(index="repeat", columns="usubjid", values="p").to_numpy()
    if len(replicates) == 0:
        return {
            "mean_absolute_prediction_error": {"error": "no model could be learned from a bootstrap sample"}
        }, pd.DataFrame(columns=["original", "prediction"])
    unstable: dict[str, MeasureDocument] = {
        "mean_absolute_prediction_error": {"value": mean_absolute_prediction_error(original, replicates)}
    }
    for threshold in thresholds:
        changed = classification_instability(original, replicates, threshold=threshold)
        unstable[f"classified_differently@{threshold:g}"] = {"value": float(changed.mean())}
    few = np.unique(np.linspace(0, len(original) - 1, DRAWN_PATIENTS).astype(int))
    points = replicate_frame(original[few], replicates[:, few])
    return unstable, points[["original", "prediction"]].round(6)


def temporal_validation(rows: pd.DataFrame, plan: ValidationPlan) -> dict[str, MeasureDocument]:
    """Return the measures in later patients: each is predicted for by the model of the origin before.

    Slope and O:E carry estimate and standard error on the scale on which they are nearly normal (``scaled``,
    ``scaled_se``: the slope, log O:E).
    """
    y, p = rows["y"].to_numpy(dtype=float), rows["p"].to_numpy()
    if not plan.judges(y):
        return counted(y)
    if np.isnan(p).any():
        reason = "no model could be learned from the earlier patients"
        unavailable: dict[str, MeasureDocument] = {name: {"error": reason} for name in TEMPORAL}
        return counted(y) | unavailable
    judged = counted(y) | measured(y, p, plan, TEMPORAL)
    for name, estimator in SCALED.items():
        if "value" in judged[name]:
            scaled, error = estimator(y, p)
            judged[name].update({"scaled": scaled, "scaled_se": error})
    return judged


def left_out_centres(rows: pd.DataFrame, centre: pd.Series, plan: ValidationPlan) -> LeftOutCentres:
    """Return each centre's measures by the model that did not see it, and what to expect in a new centre."""
    rows = rows[rows["p"].notna()]
    groups = rows["usubjid"].map(centre).to_numpy(dtype=object).astype(str)
    if len(rows) == 0:
        return {}
    judged = by_group(rows["y"], rows["p"], groups, level=plan.level, fewest=plan.min_events)
    pooled = pool(judged, level=plan.level)
    return {"pooled": pooled_document(pooled), "centres": as_document(judged)}


def robustness(
    resampled: pd.DataFrame,
    centre: pd.Series,
    clustered: Clustered,
    learning: LearningUncertainty,
    plan: ValidationPlan,
) -> tuple[RobustnessDocument, pd.DataFrame]:
    """Return what the resampled models tell, and points of the instability plot.

    Parameters
    ----------
    resampled : DataFrame
        Written by the stage resample.
    centre : Series
        Centre by usubjid.
    clustered : mapping
        The measures out of fold by `models.evaluation.centres.clustered_by_centre`.
    learning : mapping
        The same by `models.evaluation.learning_uncertainty.learning_uncertainty`.
    """
    by_scheme = {
        str(scheme): rows for scheme, rows in resampled.loc[resampled["model"] == MODEL].groupby("scheme")
    }
    level, thresholds = plan.level, plan.thresholds["de_escalation"].shown
    apparent, bootstrap = by_scheme["apparent"], by_scheme["bootstrap"]
    unstable, points = instability(apparent, bootstrap, thresholds)
    later, centres = by_scheme.get("temporal"), by_scheme.get("centre")
    document: RobustnessDocument = {
        "optimism_corrected": corrected_performance(apparent, bootstrap, level),
        "instability": unstable,
        "temporal": {"error": NOT_DATED} if later is None else temporal_validation(later, plan),
        "left_out_centres": (
            {"error": ONE_CENTRE} if centres is None else left_out_centres(centres, centre, plan)
        ),
        "clustered": clustered,
        "learning_uncertainty": learning,
    }
    return document, points
