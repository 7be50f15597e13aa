"""Net benefit of acting on a predicted risk, or on the rules' allocation, over threshold probabilities.

Two decisions are described. De-escalation: the event is pCR, and a patient is de-escalated if p >= t.
Escalation: the event is non-pCR, and a patient is escalated if 1 - p >= t. In both, with t the threshold,

    net benefit = true positives / n - false positives / n * t / (1 - t)        (Vickers and Elkin 2006)

It is descriptive: it weighs who would be selected under care as delivered, and says nothing on the outcome
after a change of treatment.
"""

from collections.abc import Mapping, Sequence
from typing import Literal, get_args

import numpy as np
import numpy.typing as npt
import pandas as pd

from models.measures.common import (
    BoolArray,
    FloatArray,
    MeasureError,
    as_outcome,
    as_probability,
    as_repeats,
    blocks,
    draw_patients,
    percentile_interval,
)
from models.measures.weighted import weighted_mean

Decision = Literal["de_escalation", "escalation"]
DECISIONS: tuple[Decision, ...] = get_args(Decision)
# 1 - p may miss a threshold it equals by one rounding error; a patient on the threshold is acted on.
ROUNDING = 1e-12
CURVE_COLUMNS = ["decision", "strategy", "threshold", "value", "low", "high"]
DIFFERENCE_COLUMNS = ["decision", "strategy", "against", "threshold", "value", "low", "high"]


def net_benefit(
    y: npt.ArrayLike, p: npt.ArrayLike, thresholds: npt.ArrayLike, decision: Decision
) -> FloatArray:
    """Return the net benefit of acting on the predicted risk, shape (thresholds,).

    Parameters
    ----------
    y : array, shape (n,)
        pCR, 0 or 1.
    p : array, shape (n,)
        Predicted probability of pCR.
    thresholds : array, shape (thresholds,)
        Threshold probabilities of the decision's event (pCR or non-pCR), strictly between 0 and 1.
    decision : "de_escalation" or "escalation"
        Acts if p >= t, or if 1 - p >= t.

    Raises
    ------
    MeasureError
        If an argument is out of range or of the wrong shape.
    """
    outcome = as_outcome(y)
    probability = as_probability(p, outcome.size)
    benefit: FloatArray = net_benefit_contributions(outcome, probability[None], thresholds, decision).mean(
        axis=0
    )
    return benefit


def net_benefit_of_allocation(
    y: npt.ArrayLike, acted: npt.ArrayLike, thresholds: npt.ArrayLike, decision: Decision
) -> FloatArray:
    """Return the net benefit of an allocation, shape (thresholds,), such as the rules make.

    Parameters
    ----------
    y : array, shape (n,)
        pCR, 0 or 1.
    acted : bool array, shape (n,)
        Whom the allocation acts on: for de-escalation the patients in R1, for escalation those escalated.
    thresholds, decision
        As in ``net_benefit``.

    Raises
    ------
    MeasureError
        If an argument is out of range or of the wrong shape.
    """
    outcome = as_outcome(y)
    allocation = _as_allocation(acted, outcome.size)
    benefit: FloatArray = allocation_contributions(outcome, allocation, thresholds, decision).mean(axis=0)
    return benefit


def net_benefit_of_all(y: npt.ArrayLike, thresholds: npt.ArrayLike, decision: Decision) -> FloatArray:
    """Return the net benefit of acting on every patient, shape (thresholds,); acting on none has 0."""
    return net_benefit_of_allocation(y, np.ones(np.shape(y), dtype=bool), thresholds, decision)


def net_benefit_contributions(
    y: FloatArray, p: FloatArray, thresholds: npt.ArrayLike, decision: Decision
) -> FloatArray:
    """Return what each patient adds to the net benefit, shape (n, thresholds), averaged over repeats.

    The net benefit is their mean over patients: it is linear in them, so the mean over repeats may be taken
    first. ``y`` (n,) may be fractional; ``p`` is (repeats, n).
    """
    risk = p if decision == "de_escalation" else 1 - p
    cuts = _as_thresholds(thresholds)
    acted = (risk[:, :, None] >= cuts - ROUNDING).mean(axis=0)
    return allocation_contributions(y, acted, cuts, decision)


def allocation_contributions(
    y: FloatArray, acted: FloatArray | BoolArray, thresholds: npt.ArrayLike, decision: Decision
) -> FloatArray:
    """Return what each patient adds to the net benefit of an allocation, shape (n, thresholds).

    ``acted`` (n, 1) or (n, thresholds) is true, or the share of the repeats in which it is.
    """
    if decision not in DECISIONS:
        raise MeasureError(f"decision: must be one of {', '.join(DECISIONS)}; got {decision!r}")
    cuts = _as_thresholds(thresholds)
    event = (y if decision == "de_escalation" else 1 - y)[:, None]
    contributions: FloatArray = acted * (event - (1 - event) * cuts / (1 - cuts))
    return contributions


def _as_thresholds(thresholds: npt.ArrayLike) -> FloatArray:
    cuts = np.atleast_1d(np.asarray(thresholds, dtype=np.float64))
    if cuts.ndim != 1 or cuts.size == 0 or not ((cuts > 0) & (cuts < 1)).all():
        raise MeasureError("thresholds: must be at least one number strictly between 0 and 1")
    return cuts


def _as_allocation(acted: npt.ArrayLike, patients: int) -> BoolArray:
    """Return an allocation of shape (n, 1)."""
    allocation = np.asarray(acted)
    if allocation.dtype != np.bool_ or allocation.shape != (patients,):
        raise MeasureError(
            f"allocation: must be true or false for each of {patients} patients; "
            f"got {allocation.dtype} of shape {allocation.shape}"
        )
    return allocation[:, None]


def decision_curves(
    y: npt.ArrayLike,
    strategies: Mapping[str, npt.ArrayLike],
    thresholds: npt.ArrayLike,
    decision: Decision,
    *,
    bootstrap: int,
    rng: np.random.Generator,
    level: float = 0.95,
) -> pd.DataFrame:
    """Return the net benefit of each strategy at each threshold, with percentile bootstrap intervals.

    Parameters
    ----------
    y : array, shape (n,)
        pCR, 0 or 1.
    strategies : mapping from name to array
        Predicted probabilities of pCR, shape (n,) or (repeats, n), or an allocation: bool, shape (n,). The
        strategies ``all`` and ``none`` are added.
    thresholds, decision
        As in ``net_benefit``.
    bootstrap : int
        Samples of patients, shared by all strategies, thresholds and repeats.
    rng : Generator
        Source of the samples.
    level : float
        Confidence level.

    Returns
    -------
    DataFrame
        decision, strategy, threshold, value, low, high; pointwise intervals.

    Raises
    ------
    MeasureError
        If an argument is out of range or of the wrong shape.
    """
    values, replicates = _bootstrap(y, strategies, thresholds, decision, bootstrap=bootstrap, rng=rng)
    rows = [
        (decision, name, threshold, *_interval(values[name][t], replicates[name][:, t], level))
        for name in values
        for t, threshold in enumerate(_as_thresholds(thresholds))
    ]
    return pd.DataFrame(rows, columns=CURVE_COLUMNS)


def decision_curve_differences(
    y: npt.ArrayLike,
    strategies: Mapping[str, npt.ArrayLike],
    pairs: Sequence[tuple[str, str]],
    thresholds: npt.ArrayLike,
    decision: Decision,
    *,
    bootstrap: int,
    rng: np.random.Generator,
    level: float = 0.95,
) -> pd.DataFrame:
    """Return paired differences in net benefit between strategies, with percentile bootstrap intervals.

    Parameters
    ----------
    pairs : sequence of (strategy, against)
        Names in ``strategies``, or ``all`` and ``none``.
    y, strategies, thresholds, decision, bootstrap, rng, level
        As in ``decision_curves``.

    Returns
    -------
    DataFrame
        decision, strategy, against, threshold, value (strategy minus against), low, high.

    Raises
    ------
    MeasureError
        If a pair names no strategy, or an argument is out of range or of the wrong shape.
    """
    values, replicates = _bootstrap(y, strategies, thresholds, decision, bootstrap=bootstrap, rng=rng)
    unknown = sorted({name for pair in pairs for name in pair} - set(values))
    if unknown:
        raise MeasureError(f"pairs: no strategy is called {', '.join(unknown)}")
    rows = []
    for a, b in pairs:
        difference, drawn = values[a] - values[b], replicates[a] - replicates[b]
        for t, threshold in enumerate(_as_thresholds(thresholds)):
            rows.append((decision, a, b, threshold, *_interval(difference[t], drawn[:, t], level)))
    return pd.DataFrame(rows, columns=DIFFERENCE_COLUMNS)


def _interval(value: float, replicates: FloatArray, level: float) -> tuple[float, float | None, float | None]:
    measure = percentile_interval(float(value), replicates, level)
    return measure.value, measure.low, measure.high


def _bootstrap(
    y: npt.ArrayLike,
    strategies: Mapping[str, npt.ArrayLike],
    thresholds: npt.ArrayLike,
    decision: Decision,
    *,
    bootstrap: int,
    rng: np.random.Generator,
) -> tuple[dict[str, FloatArray], dict[str, FloatArray]]:
    """Return per strategy the net benefit (thresholds,) and its replicates (samples, thresholds)."""
    outcome = as_outcome(y)
    taken = {"all", "none"} & set(strategies)
    if taken:
        raise MeasureError(f"strategies: {', '.join(sorted(taken))} are added here and may not be given")
    everyone = np.ones(outcome.size, dtype=bool)
    contributions = {
        name: _strategy_contributions(outcome, np.asarray(given), thresholds, decision)
        for name, given in (dict(strategies) | {"all": everyone, "none": ~everyone}).items()
    }
    counts = draw_patients(outcome.size, bootstrap, rng)
    stacked = np.concatenate(list(contributions.values()), axis=1)
    drawn = np.concatenate(
        [weighted_mean(stacked, counts[block].astype(np.float64)) for block in blocks(*counts.shape)]
    )
    parts = np.split(drawn, len(contributions), axis=1)
    return (
        {name: each.mean(axis=0) for name, each in contributions.items()},
        dict(zip(contributions, parts, strict=True)),
    )


def _strategy_contributions(
    y: FloatArray, given: npt.NDArray[np.generic], thresholds: npt.ArrayLike, decision: Decision
) -> FloatArray:
    if given.dtype == np.bool_:
        return allocation_contributions(y, _as_allocation(given, y.size), thresholds, decision)
    return net_benefit_contributions(y, as_repeats(given, y.size), thresholds, decision)
