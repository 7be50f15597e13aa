"""Intervals that allow for who was learned from; the others out of fold hold the fitted models fixed.

Had other patients been learned from, the model would be another one, and worth more or less. How much more or
less is seen in the models of bootstrap samples of the whole procedure, each judged in the patients that its
sample left out (Efron and Tibshirani, JASA 1997;92:548, whose leave-one-out bootstrap these values average).
They vary between samples for two reasons: the models differ, and so do the patients left out. The second is
taken off.
"""

from collections.abc import Sequence

import numpy as np
from scipy.special import ndtri

from models.measures.clustered import Influence
from models.measures.common import MAX_SHARE_FAILED, Measure, MeasureError

SEEN = 1 - np.exp(-1)
"""Share of the patients that a bootstrap sample holds."""


def learning_variance(left_out: Sequence[Influence | None], patients: int, share: float) -> float:
    """Return the variance of a measure's value in the population, over sets of patients to learn from.

    ``var(values) - mean((1 - m / n) sum(influences ** 2))``, at least 0: the second term is the variance of
    the mean of m of n patients drawn without replacement (Cochran, Sampling Techniques, 3rd ed., 2.6). Times
    ``(SEEN / share) ** 2``: what a model loses by being estimated falls with the number of patients, so its
    variance with the number's square.

    Parameters
    ----------
    left_out : sequence of Influence or None
        Of each bootstrap sample's model in the m patients not drawn; None where it could not be computed.
    patients : int
        n.
    share : float
        Of the patients that the model to be judged learned from: (k - 1) / k out of k folds.

    Raises
    ------
    MeasureError
        If there are fewer than two samples, or more than 20 % could not be computed.
    """
    known = [one for one in left_out if one is not None]
    if len(known) < max(2, (1 - MAX_SHARE_FAILED) * len(left_out)):
        raise MeasureError(f"samples: only {len(known)} of {len(left_out)} bootstrap samples have a value")
    of_patients = [(1 - len(one.by_patient) / patients) * float(np.sum(one.by_patient**2)) for one in known]
    between = float(np.var([one.value for one in known], ddof=1)) - float(np.mean(of_patients))
    return max(between, 0.0) * float((SEEN / share) ** 2)


def allowing_for_learning(estimate: Influence, learning: float, level: float = 0.95) -> Measure:
    """Return a measure with its interval from the variance over patients and the `learning` variance.

    ``value -+ z sqrt(sum(influences ** 2) + learning)``, on the scale of the measure.
    """
    se = np.sqrt(np.sum(estimate.by_patient**2) + learning)
    return estimate.within(float(ndtri((1 + level) / 2) * se))
