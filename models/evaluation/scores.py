"""The scores in their parts, and what more patients would be worth to the choice made with a model."""

from collections.abc import Sequence

import numpy as np
import pandas as pd

from models.evaluation.performance import MODEL, RULES, each_or_its_error
from models.measures.common import MeasureDocument, draw_patients
from models.measures.decomposition import PARTS, SCORES, decomposition
from models.measures.evaluate import by_repeat
from models.measures.information import validation_evpi
from models.procedure.configuration.plan import ValidationPlan

COMPARED = (MODEL, RULES, "rule_inputs")
EVPI = {"de_escalation": "evpi", "escalation": "evpi_escalation"}


def score_parts(predictions: pd.DataFrame) -> dict[str, dict[str, MeasureDocument]]:
    """Return by model the parts of Brier score and log loss, ``brier_miscalibration`` and so on.

    Of tidy out-of-fold predictions; the model, the rules and the model on the rules' inputs, where there are.
    """
    present = [name for name in COMPARED if (predictions["model"] == name).any()]
    _, y, by_model = by_repeat(predictions, present)

    def of_model(p: np.ndarray) -> dict[str, MeasureDocument]:
        def parts(scores: Sequence[str]) -> dict[str, MeasureDocument]:
            found = {score: decomposition(y, p, score) for score in scores}
            return {f"{score}_{part}": {"value": found[score][part]} for score in scores for part in PARTS}

        return each_or_its_error(parts, list(SCORES))

    return {name: of_model(p) for name, p in by_model.items()}


def value_of_patients(predictions: pd.DataFrame, plan: ValidationPlan) -> dict[str, MeasureDocument]:
    """Return the model's EVPI at the thresholds shown, ``evpi@t`` and ``evpi_escalation@t``, out of fold."""
    ids, y, by_model = by_repeat(predictions, [MODEL])
    counts = draw_patients(len(ids), plan.bootstrap, plan.generator())
    values: dict[str, MeasureDocument] = {}
    for decision, entry in plan.thresholds.items():
        evpi = validation_evpi(y, by_model[MODEL], entry.shown, decision, counts)
        values |= {
            f"{EVPI[decision]}@{threshold:g}": {"value": float(value)}
            for threshold, value in zip(entry.shown, evpi, strict=True)
        }
    return values
