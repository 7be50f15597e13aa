"""What more patients would be worth to validation: the expected value of perfect information (EVPI).

At a threshold a model is used, or all are acted on, or none, whichever has the largest net benefit on
average. With the population's net benefits known, the best of the three would be chosen:

    EVPI = E[max(0, NB_model, NB_all)] - max(0, E[NB_model], E[NB_all])

over the uncertainty of the sample (Sadatsafavi et al., Med Decis Making 2023;43:564), here by the bootstrap
over patients. It is in units of net benefit, at least 0, and 0 where no resample changes the choice.
"""

import numpy as np
import numpy.typing as npt

from models.measures.common import FloatArray, MeasureError, as_outcome, as_repeats
from models.measures.net_benefit import (
    Decision,
    allocation_contributions,
    net_benefit_contributions,
)
from models.measures.weighted import weighted_mean


def validation_evpi(
    y: npt.ArrayLike, p: npt.ArrayLike, thresholds: npt.ArrayLike, decision: Decision, counts: npt.ArrayLike
) -> FloatArray:
    """Return the EVPI at each threshold, shape (thresholds,).

    Parameters
    ----------
    y : array, shape (n,)
        pCR, 0 or 1.
    p : array, shape (n,) or (repeats, n)
        Predicted probability of pCR; the net benefit is averaged over repeats.
    thresholds : array, shape (thresholds,)
        Threshold probabilities of the decision's event, strictly between 0 and 1.
    decision : str
        As in `models.measures.net_benefit`.
    counts : array, shape (samples, n)
        Weight of each patient in each bootstrap sample (`models.measures.common.draw_patients`).

    Raises
    ------
    MeasureError
        If an argument is out of range or of the wrong shape.
    """
    outcome = as_outcome(y)
    weights = np.asarray(counts, dtype=np.float64)
    if weights.ndim != 2 or weights.shape[1] != outcome.size:
        raise MeasureError(f"counts: must have shape (samples, {outcome.size}); got {weights.shape}")
    by_model = net_benefit_contributions(outcome, as_repeats(p, outcome.size), thresholds, decision)
    of_all = allocation_contributions(outcome, np.ones((outcome.size, 1)), thresholds, decision)
    model, everybody = (weighted_mean(each, weights) for each in (by_model, of_all))
    informed = np.maximum(np.maximum(model, everybody), 0).mean(axis=0)
    current = np.maximum(np.maximum(model.mean(axis=0), everybody.mean(axis=0)), 0)
    # Rounding alone would make it negative: the mean of a maximum is no smaller than the largest mean.
    value: FloatArray = np.maximum(informed - current, 0)
    return value
