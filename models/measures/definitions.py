"""Every performance measure by name: how it is computed, and the check that says why it cannot be.

Names are the keys of the metrics files. ``net_benefit@t`` is the net benefit of de-escalation at threshold t,
``net_benefit_escalation@t`` that of escalation.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import get_args

import numpy as np
import numpy.typing as npt

from features.keys import unknown_name
from models.measures.common import (
    FloatArray,
    MeasureError,
    as_probability,
    log_odds,
    require_both_outcomes,
)
from models.measures.net_benefit import Decision, net_benefit_contributions
from models.measures.weighted import (
    negative_log_likelihood,
    slope_exists,
    squared_error,
    weighted_auc,
    weighted_intercept,
    weighted_mean,
    weighted_o_e,
    weighted_scaled_brier,
    weighted_slope,
)

# (y (n,), p (repeats, n), weights (samples, n)) -> mean over repeats (samples,), NaN where undefined
Kernel = Callable[[FloatArray, FloatArray, FloatArray], FloatArray]
# (y, p, name of the measure): raises MeasureError where the point value is undefined
Requirement = Callable[[FloatArray, FloatArray, str], None]


@dataclass(frozen=True)
class Definition:
    """A measure: its value for each set of patient weights, and what must hold for it to have one."""

    kernel: Kernel
    require: Requirement


def definition(name: str) -> Definition:
    """Return the definition of a measure; MeasureError if no measure has that name."""
    measure, at, threshold = name.partition("@")
    if at and measure in NET_BENEFIT:
        try:
            cut = float(threshold)
        except ValueError as error:
            raise MeasureError(f"{name}: the threshold after @ must be a number") from error
        return Definition(_net_benefit_kernel(cut, NET_BENEFIT[measure]), _nothing)
    if name not in DEFINITIONS:
        raise MeasureError(
            "measure " + unknown_name(name, [*DEFINITIONS, *(f"{net}@<t>" for net in NET_BENEFIT)])
        )
    return DEFINITIONS[name]


def point_value(name: str, y: FloatArray, p: FloatArray) -> float:
    """Return a measure averaged over repeats; y (n,), p (repeats, n), both checked before.

    Raises
    ------
    MeasureError
        If the measure is not defined for these outcomes and predictions, with the reason.
    """
    defined = definition(name)
    defined.require(y, p, name)
    value = float(defined.kernel(y, p, np.ones((1, y.size)))[0])
    if not np.isfinite(value):
        raise MeasureError(f"{name}: its computation did not converge for {y.size} patients")
    return value


def population_values(
    truth: npt.ArrayLike,
    p: npt.ArrayLike,
    measures: Sequence[str],
    weights: npt.ArrayLike | None = None,
) -> dict[str, float]:
    """Return the measures of predictions against a fractional outcome.

    With ``truth`` the true probability of the event, these are a model's population values: weighted AUC,
    fractional logistic calibration, expected Brier score, log loss, O:E and net benefit. A regression of
    logit(truth) on logit(p) would be another quantity.

    Parameters
    ----------
    truth : array, shape (n,)
        Probability of the event, from 0 to 1; observed outcomes are 0 and 1.
    p : array, shape (n,)
        Predicted probability, strictly between 0 and 1.
    measures : sequence of str
        Names of measures; ``auc`` is allowed, the loess measures are not.
    weights : array, shape (n,), optional
        Patient weights above 0, such as inverse probabilities of being observed.

    Raises
    ------
    MeasureError
        If an argument is out of range, or a measure is not defined for these values.
    """
    outcome = np.asarray(truth, dtype=np.float64)
    if outcome.ndim != 1 or not ((outcome >= 0) & (outcome <= 1)).all():
        raise MeasureError("truth: must have shape (n,) with values from 0 to 1")
    probability = as_probability(p, outcome.size)[None]
    patient_weights = np.ones(outcome.size) if weights is None else np.asarray(weights, dtype=np.float64)
    if patient_weights.shape != outcome.shape or not (patient_weights > 0).all():
        raise MeasureError(f"weights: must be above 0, one for each of {outcome.size} patients")
    values = {}
    for name in measures:
        defined = definition("auc_bootstrap" if name == "auc" else name)
        defined.require(outcome, probability, name)
        values[name] = float(defined.kernel(outcome, probability, patient_weights[None])[0])
        if not np.isfinite(values[name]):
            raise MeasureError(f"{name}: its computation did not converge for {outcome.size} patients")
    return values


def _mean_of(contribution: Callable[[FloatArray, FloatArray], FloatArray]) -> Kernel:
    """Make the kernel of a mean over patients; it is linear, so repeats are averaged first."""

    def kernel(y: FloatArray, p: FloatArray, weights: FloatArray) -> FloatArray:
        return weighted_mean(contribution(y, p).mean(axis=0), weights)

    return kernel


def _each_repeat(of_one: Kernel) -> Kernel:
    """Make the kernel of a measure that is computed repeat by repeat and then averaged."""

    def kernel(y: FloatArray, p: FloatArray, weights: FloatArray) -> FloatArray:
        average: FloatArray = np.mean([of_one(y, row, weights) for row in p], axis=0)
        return average

    return kernel


def _net_benefit_kernel(threshold: float, decision: Decision) -> Kernel:
    def kernel(y: FloatArray, p: FloatArray, weights: FloatArray) -> FloatArray:
        return weighted_mean(net_benefit_contributions(y, p, threshold, decision)[:, 0], weights)

    return kernel


def _nothing(_y: FloatArray, _p: FloatArray, _name: str) -> None:
    """Of a measure that all outcomes and predictions determine."""


def _both_outcomes(y: FloatArray, _p: FloatArray, name: str) -> None:
    require_both_outcomes(y, name)


def _finite_slope(y: FloatArray, p: FloatArray, name: str) -> None:
    require_both_outcomes(y, name)
    everyone = np.ones((1, y.size))
    for row in p:
        if row.min() == row.max():
            raise MeasureError(f"{name}: is not defined where all {y.size} predictions are the same")
        if not slope_exists(y, log_odds(row), everyone)[0]:
            raise MeasureError(f"{name}: is infinite, because the predictions separate the outcomes")


NET_BENEFIT: Mapping[str, Decision] = dict(
    zip(("net_benefit", "net_benefit_escalation"), get_args(Decision), strict=True)
)
DEFINITIONS: Mapping[str, Definition] = {
    "auc_bootstrap": Definition(_each_repeat(weighted_auc), _both_outcomes),
    "brier": Definition(_mean_of(squared_error), _nothing),
    "brier_scaled": Definition(weighted_scaled_brier, _both_outcomes),
    "log_loss": Definition(_mean_of(negative_log_likelihood), _nothing),
    "calibration_intercept": Definition(_each_repeat(weighted_intercept), _both_outcomes),
    "calibration_slope": Definition(_each_repeat(weighted_slope), _finite_slope),
    "o_e": Definition(weighted_o_e, _nothing),
}
