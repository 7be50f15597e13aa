"""Brier score and log loss in three parts: miscalibration, discrimination, uncertainty (CORP).

``score = miscalibration - discrimination + uncertainty`` with, p* being p recalibrated by isotonic regression
of the outcomes on p (pool-adjacent-violators) and r the prevalence,

    miscalibration = score(p) - score(p*),  discrimination = score(r) - score(p*),  uncertainty = score(r)

(Dimitriadis, Gneiting and Jordan, PNAS 2021;118:e2016191118). Nothing is binned. All parts are at least 0;
p* is fitted to the outcomes that it is judged by, so that a perfect model's miscalibration is above 0, too.
"""

from collections.abc import Callable

import numpy as np
import numpy.typing as npt
from scipy.optimize import isotonic_regression
from scipy.special import xlog1py, xlogy

from models.measures.common import FloatArray, MeasureError, as_outcome, as_repeats, require_both_outcomes
from models.measures.weighted import squared_error

PARTS = ("miscalibration", "discrimination", "uncertainty")
Score = Callable[[FloatArray, FloatArray], FloatArray]


def _log_loss(y: FloatArray, p: FloatArray) -> FloatArray:
    """Return each patient's negative log-likelihood; p may be 0 or 1 where the outcome is."""
    loss: FloatArray = -(xlogy(y, p) + xlog1py(1 - y, -p))
    return loss


SCORES: dict[str, Score] = {"brier": squared_error, "log_loss": _log_loss}


def decomposition(y: npt.ArrayLike, p: npt.ArrayLike, score: str) -> dict[str, float]:
    """Return miscalibration, discrimination and uncertainty of a score, averaged over repeats.

    Parameters
    ----------
    y : array, shape (n,)
        Outcome, 0 or 1.
    p : array, shape (n,) or (repeats, n)
        Predicted probability, strictly between 0 and 1.
    score : str
        brier or log_loss.

    Raises
    ------
    MeasureError
        If the score is another, or there is one class only.
    """
    if score not in SCORES:
        raise MeasureError(f"{score}: has no parts; must be one of {', '.join(SCORES)}")
    outcome = as_outcome(y)
    require_both_outcomes(outcome, score)
    loss = SCORES[score]
    reference = float(loss(outcome, np.full(outcome.size, outcome.mean())).mean())
    rows = []
    for row in as_repeats(p, outcome.size):
        recalibrated = float(loss(outcome, isotonic_risk(outcome, row)).mean())
        rows.append((float(loss(outcome, row).mean()) - recalibrated, reference - recalibrated, reference))
    return dict(zip(PARTS, map(float, np.mean(rows, axis=0)), strict=True))


def isotonic_risk(y: FloatArray, p: FloatArray) -> FloatArray:
    """Return the outcomes (n,) regressed on p (n,) by a function that nowhere falls; equal p, equal risk."""
    values, member = np.unique(p, return_inverse=True)
    weights = np.bincount(member, minlength=values.size).astype(np.float64)
    share = np.bincount(member, weights=y, minlength=values.size) / weights
    risk: FloatArray = isotonic_regression(share, weights=weights).x[member]
    return risk
