"""The measures once more with intervals that allow for patients of one centre being alike."""

from collections.abc import Sequence

import numpy as np
import pandas as pd

from models.evaluation.performance import each_or_its_error
from models.measures.clustered import INFLUENCES, clustered_interval, influence, within_clusters_auc
from models.measures.common import MeasureDocument, counted
from models.measures.evaluate import by_repeat
from models.procedure.configuration.plan import ValidationPlan

MODELS = ("chosen", "rules", "rule_inputs")
WITHIN = "auc_within_centres"
# Frequencies by branch have no slope that says anything (`models.evaluation.performance`).
OF_FREQUENCIES = tuple(name for name in INFLUENCES if name != "calibration_slope")
COMPARED = ("auc", "brier", "log_loss")
NO_CENTRES = "not every patient has a centre"
Clustered = dict[str, dict[str, MeasureDocument]]


def clustered_by_centre(predictions: pd.DataFrame, centre: pd.Series, plan: ValidationPlan) -> Clustered:
    """Return the measures out of fold with intervals by centre, and `chosen` minus the other models.

    Each has ``n``, ``events`` and ``centres``; a model also has the AUC among patients of the same centre.
    What cannot be computed has ``error``.

    Parameters
    ----------
    predictions : DataFrame
        Tidy out-of-fold predictions.
    centre : Series
        Centre by usubjid.
    """
    present = [name for name in MODELS if (predictions["model"] == name).any()]
    ids, y, by_model = by_repeat(predictions, present)
    groups = centre.reindex(ids)
    counts = counted(y) | {"centres": {"value": groups.nunique()}}
    if groups.isna().any():
        nothing: MeasureDocument = {"error": NO_CENTRES}
        return {name: counts | dict.fromkeys((*INFLUENCES, WITHIN), nothing) for name in present}
    labels = groups.to_numpy(dtype=object).astype(str)
    found = {name: counts | _of_model(name, y, p, labels, plan.level) for name, p in by_model.items()}
    for name in present:
        if name != MODELS[0] and MODELS[0] in by_model:
            pair = _differences(y, by_model[MODELS[0]], by_model[name], labels, plan.level)
            found[f"{MODELS[0]}-{name}"] = counts | pair
    return found


def _of_model(
    name: str, y: np.ndarray, p: np.ndarray, labels: np.ndarray, level: float
) -> dict[str, MeasureDocument]:
    def compute(names: Sequence[str]) -> dict[str, MeasureDocument]:
        return {
            measure: (
                within_clusters_auc(y, p, labels, level)
                if measure == WITHIN
                else clustered_interval(influence(measure, y, p), labels, level)
            ).as_dict()
            for measure in names
        }

    measures = OF_FREQUENCIES if name == "rules" else tuple(INFLUENCES)
    return each_or_its_error(compute, [*measures, WITHIN])


def _differences(
    y: np.ndarray, a: np.ndarray, b: np.ndarray, labels: np.ndarray, level: float
) -> dict[str, MeasureDocument]:
    def compute(names: Sequence[str]) -> dict[str, MeasureDocument]:
        return {
            f"delta_{name}": clustered_interval(
                influence(name, y, a) - influence(name, y, b), labels, level
            ).as_dict()
            for name in names
        }

    return each_or_its_error(compute, COMPARED, prefix="delta_")
