"""What models and strategies are worth where the truth is known, as in simulated populations."""

from collections.abc import Mapping, Sequence

import numpy as np
import pandas as pd

from models.measures.definitions import population_values
from models.policy import FittedStrategy
from models.procedure.resampling import Procedure
from models.serving.serving import PcrModel

MEASURES = ("auc", "brier", "log_loss", "calibration_slope", "calibration_intercept", "o_e")


def in_population(
    predictions: Mapping[str, np.ndarray], truth: np.ndarray
) -> dict[str, dict[str, dict[str, float]]]:
    """Return every model's measures against the true probabilities (n,), as a fractional outcome."""
    return {
        model: {name: {"value": value} for name, value in population_values(truth, p, MEASURES).items()}
        for model, p in predictions.items()
    }


def true_values(
    population: pd.DataFrame, truth: Mapping[str, np.ndarray], fitted: FittedStrategy, delta: float
) -> dict[str, dict[str, float]]:
    """Return the true values of both strategies, and of the policy that a trial learned.

    Parameters
    ----------
    population : DataFrame
        Baseline features of other patients than the trial's.
    truth : mapping of str to array (n,)
        Their true probability of pCR under each strategy: ``control`` and ``adaptive``.
    fitted : FittedStrategy
        Learned from the whole trial; the policy treats where its gain exceeds `delta`.
    """
    chosen = fitted.gain(population) > delta
    values = {
        "reference": truth["control"].mean(),
        "treated": truth["adaptive"].mean(),
        "difference": (truth["adaptive"] - truth["control"]).mean(),
        "policy": np.where(chosen, truth["adaptive"], truth["control"]).mean(),
        "policy_share": chosen.mean(),
    }
    return {name: {"value": float(value)} for name, value in values.items()}


def forecasts(
    served: PcrModel,
    comparators: Sequence[Procedure],
    trial: pd.DataFrame,
    y: np.ndarray,
    population: pd.DataFrame,
) -> dict[str, np.ndarray]:
    """Return the population's probabilities by the model served, and by comparators learned from the trial.

    Parameters
    ----------
    served : PcrModel
        Named ``chosen`` in the answer.
    comparators : sequence of Procedure
        Unfitted.
    trial, y : DataFrame and array (n,)
        Analysis rows of the trial and their outcome.
    population : DataFrame
        Other patients, with the same columns.
    """
    found = {"chosen": served.probability(population)}
    for comparator in comparators:
        found |= comparator.fit(trial, y).predictions(population)
    return found
