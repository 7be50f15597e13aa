"""The performance measures of risk predictions: point values, intervals over repeats, paired differences.

A measure is computed per repeat of the resampling and then averaged; predictions are never averaged over
repeats, which would evaluate an ensemble that nobody serves. The bootstrap draws patients once and applies
the draw to all repeats, all measures and, in ``compare``, both models.

Intervals from out-of-fold predictions hold the fitted models fixed. They estimate the expected performance of
the procedure at the size of its training parts and are too narrow, most in small cohorts (docs/coverage.md);
`models.measures.learning_uncertainty` has intervals that allow for who was learned from. The out-of-fold
calibration slope and O:E are close to 1 by construction and no evidence of calibration.
"""

from collections.abc import Mapping, Sequence

import numpy as np
import numpy.typing as npt
import pandas as pd

from models.measures.common import (
    CountArray,
    FloatArray,
    Measure,
    MeasureError,
    as_outcome,
    as_probability,
    as_repeats,
    blocks,
    draw_patients,
    percentile_interval,
    share_failed_within,
)
from models.measures.definitions import definition, point_value, population_values
from models.measures.delong import auc_difference, auc_interval, auc_variance, placements
from models.measures.loess import (
    LOESS_MEASURES,
    MIN_DISTINCT,
    PERFECT_MODEL,
    calibration_errors,
    distinct_predictions,
    ici_of_perfect_model,
    smoothed_risk,
)
from models.measures.repeats import by_repeat

__all__ = [
    "LOESS_MEASURES",
    "PERFECT_MODEL",
    "Measure",
    "MeasureError",
    "auc",
    "auc_difference",
    "auc_interval",
    "auc_variance",
    "brier",
    "brier_scaled",
    "by_repeat",
    "calibration_errors",
    "calibration_intercept",
    "calibration_slope",
    "compare",
    "distinct_predictions",
    "evaluate",
    "ici_of_perfect_model",
    "log_loss",
    "o_e",
    "observed_minus_expected",
    "placements",
    "population_values",
    "smoothed_risk",
]


def _of_one_vector(name: str, y: npt.ArrayLike, p: npt.ArrayLike) -> float:
    outcome = as_outcome(y)
    return point_value(name, outcome, as_probability(p, outcome.size)[None])


def auc(y: npt.ArrayLike, p: npt.ArrayLike) -> float:
    """Return the share of pairs of an event and a non-event in which the event has the larger p, ties half.

    The Mann-Whitney form of the area under the ROC curve. y in {0, 1} and p in (0, 1), both of shape (n,).
    Raises MeasureError if y has one class.
    """
    return _of_one_vector("auc_bootstrap", y, p)


def brier(y: npt.ArrayLike, p: npt.ArrayLike) -> float:
    """Return the mean of ``(p - y)^2`` (Brier 1950); y in {0, 1} and p in (0, 1), both of shape (n,)."""
    return _of_one_vector("brier", y, p)


def brier_scaled(y: npt.ArrayLike, p: npt.ArrayLike) -> float:
    """Return ``1 - Brier / (prevalence (1 - prevalence))``: 1 is perfect, 0 the prevalence for every patient.

    y in {0, 1} and p in (0, 1), both of shape (n,). Raises MeasureError if y has one class.
    """
    return _of_one_vector("brier_scaled", y, p)


def log_loss(y: npt.ArrayLike, p: npt.ArrayLike) -> float:
    """Return the mean of ``-y log p - (1 - y) log(1 - p)``; y in {0, 1} and p in (0, 1), of shape (n,)."""
    return _of_one_vector("log_loss", y, p)


def calibration_intercept(y: npt.ArrayLike, p: npt.ArrayLike) -> float:
    """Return the calibration in the large: the intercept of ``logit(y) ~ 1 + offset(logit(p))`` (Cox 1958).

    0 if as many events are observed as predicted. It is not the intercept estimated together with the slope.
    y in {0, 1} and p in (0, 1), both of shape (n,). Raises MeasureError if y has one class.
    """
    return _of_one_vector("calibration_intercept", y, p)


def calibration_slope(y: npt.ArrayLike, p: npt.ArrayLike) -> float:
    """Return the slope of ``logit(y) ~ 1 + logit(p)`` (Cox 1958): below 1 where predictions are too extreme.

    y in {0, 1} and p in (0, 1), both of shape (n,). Raises MeasureError if y has one class, all predictions
    are the same, or the predictions separate the outcomes (the slope is infinite).
    """
    return _of_one_vector("calibration_slope", y, p)


def o_e(y: npt.ArrayLike, p: npt.ArrayLike) -> float:
    """Return observed events over the sum of p; y in {0, 1} and p in (0, 1), both of shape (n,)."""
    return _of_one_vector("o_e", y, p)


def evaluate(
    y: npt.ArrayLike,
    p: npt.ArrayLike,
    measures: Sequence[str],
    *,
    bootstrap: int,
    rng: np.random.Generator,
    level: float = 0.95,
    loess_bootstrap: int = 100,
) -> dict[str, Measure]:
    """Return each measure, averaged over repeats, with its interval.

    - ``auc``: logit interval with the DeLong variance of the placement values averaged over repeats.
    - ``brier``, ``brier_scaled``, ``log_loss``, ``calibration_intercept``, ``calibration_slope``, ``o_e``,
      ``net_benefit@t``, ``net_benefit_escalation@t`` and ``auc_bootstrap``: percentile bootstrap over
      patients. They are means, ratios of means or maximum-likelihood estimates, nearly unbiased at the sizes
      reported, so percentiles cover; nor do percentiles depend on the scale (O:E or log O:E).
    - ``ici``, ``e50``, ``e90``, ``emax``: no interval. They are distances, at least 0 and above it for a
      perfect model, and a resample looks worse calibrated than the sample: of basic bootstrap intervals one
      in four did not hold its own value, and a perfect model's excluded 0 in 28 to 36 %.
    - ``ici_mean0``, ``ici_null95``: what the ICI is read beside, mean and 95th centile of a perfect model's.

    Parameters
    ----------
    y : array, shape (n,)
        Outcome, 0 or 1.
    p : array, shape (n,) or (repeats, n)
        Predicted probability, strictly between 0 and 1.
    measures : sequence of str
        Names as above.
    bootstrap : int
        Samples of patients.
    rng : Generator
        Source of the samples. The result does not depend on which other measures are asked for.
    level : float
        Confidence level.
    loess_bootstrap : int
        Outcomes drawn for ``ici_mean0`` and ``ici_null95``.

    Raises
    ------
    MeasureError
        If a measure is unknown or cannot be computed, or fails in more than 20 % of the bootstrap samples.
    """
    outcome = as_outcome(y)
    predictions = as_repeats(p, outcome.size)
    values = _values(outcome, predictions, measures)
    counts = draw_patients(outcome.size, bootstrap, rng)
    drawn = _replicates(outcome, predictions, measures, counts)
    if set(measures) & set(PERFECT_MODEL):
        values |= ici_of_perfect_model(predictions, loess_bootstrap, rng)
    result = {}
    for name in measures:
        if name == "auc":
            result[name] = auc_interval(outcome, predictions, level)
        elif name in drawn:
            result[name] = percentile_interval(values[name], _kept(drawn, name), level)
        else:
            result[name] = Measure(values[name], None, None)
    return result


def compare(
    y: npt.ArrayLike,
    p_a: npt.ArrayLike,
    p_b: npt.ArrayLike,
    measures: Sequence[str],
    *,
    bootstrap: int,
    rng: np.random.Generator,
    level: float = 0.95,
) -> dict[str, Measure]:
    """Return the paired difference a minus b of each measure, under the key ``delta_<measure>``.

    ``delta_auc`` has the paired DeLong interval, ``delta_auc_bootstrap`` and the other measures the
    percentile bootstrap over patients. Both models see the same samples.

    Parameters
    ----------
    y : array, shape (n,)
        Outcome, 0 or 1.
    p_a, p_b : array, shape (n,) or (repeats, n)
        Predicted probabilities of the two models for the same patients and, where there are repeats, the
        same folds.
    measures, bootstrap, rng, level
        As in ``evaluate``; measures without interval have no difference.

    Raises
    ------
    MeasureError
        If the models have different numbers of repeats, and as ``evaluate`` for either model.
    """
    outcome = as_outcome(y)
    a, b = as_repeats(p_a, outcome.size, "p_a"), as_repeats(p_b, outcome.size, "p_b")
    if a.shape != b.shape:
        raise MeasureError(f"p_a, p_b: must have the same number of repeats; got {len(a)} and {len(b)}")
    smoothed = [name for name in measures if name in (*LOESS_MEASURES, *PERFECT_MODEL)]
    if smoothed:
        raise MeasureError(f"{', '.join(smoothed)}: has no interval and no difference")
    values_a, values_b = (_values(outcome, p, measures) for p in (a, b))
    counts = draw_patients(outcome.size, bootstrap, rng)
    drawn_a, drawn_b = (_replicates(outcome, p, measures, counts) for p in (a, b))
    result = {}
    for name in measures:
        key = f"delta_{name}"
        if name == "auc":
            result[key] = auc_difference(outcome, a, b, level)[0]
            continue
        drawn = drawn_a[name] - drawn_b[name]
        share_failed_within(drawn, key)
        result[key] = percentile_interval(values_a[name] - values_b[name], drawn, level)
    return result


def _values(y: FloatArray, p: FloatArray, measures: Sequence[str]) -> dict[str, float]:
    """Return the point values of all measures but the AUC and those of a perfect model."""
    values: dict[str, float] = {name: point_value(name, y, p) for name in _bootstrapped(measures)}
    if set(measures) & set(LOESS_MEASURES):
        per_repeat = [calibration_errors(y, row) for row in p]
        values |= {name: float(np.mean([each[name] for each in per_repeat])) for name in LOESS_MEASURES}
    return values


def _bootstrapped(measures: Sequence[str]) -> list[str]:
    return [name for name in measures if name not in {"auc", *LOESS_MEASURES, *PERFECT_MODEL}]


def _replicates(
    y: FloatArray, p: FloatArray, measures: Sequence[str], counts: CountArray
) -> dict[str, FloatArray]:
    """Return each measure in every bootstrap sample, averaged over repeats, NaN where undefined."""
    kernels = {name: definition(name).kernel for name in _bootstrapped(measures)}
    drawn = {name: np.empty(len(counts)) for name in kernels}
    for block in blocks(*counts.shape):
        weights = counts[block].astype(np.float64)
        for name, kernel in kernels.items():
            drawn[name][block] = kernel(y, p, weights)
    return drawn


def _kept(drawn: Mapping[str, FloatArray], name: str) -> FloatArray:
    """Return the replicates of a measure, NaN where it failed, if few enough did."""
    share_failed_within(drawn[name], name)
    return drawn[name]


def observed_minus_expected(
    y: npt.ArrayLike,
    p: npt.ArrayLike,
    groups: npt.ArrayLike | None = None,
    *,
    bootstrap: int,
    rng: np.random.Generator,
    level: float = 0.95,
) -> pd.DataFrame:
    """Return observed minus expected risk per group: calibration where few predictions are distinct.

    Parameters
    ----------
    y, p, bootstrap, rng, level
        As in ``evaluate``.
    groups : array, shape (n,), optional
        The group of each patient, such as the branch of the rules (out-of-fold frequencies differ from fold
        to fold within a branch). By default patients with the same predictions in all repeats are a group.

    Returns
    -------
    DataFrame
        One row per group in sorted order: group, n, events, expected (mean p), value (observed minus
        expected), low, high (percentile bootstrap over patients).

    Raises
    ------
    MeasureError
        If no groups are given and there are 10 or more distinct predictions, or a group is so small that it
        is absent from more than 20 % of the bootstrap samples.
    """
    outcome = as_outcome(y)
    predictions = as_repeats(p, outcome.size)
    labels, member = _groups(predictions, groups)
    expected = predictions.mean(axis=0)
    inside = (member[:, None] == np.arange(labels.size)).astype(np.float64)
    size, excess = inside.sum(axis=0), (outcome - expected) @ inside
    counts = draw_patients(outcome.size, bootstrap, rng).astype(np.float64)
    drawn_size, drawn_excess = counts @ inside, counts @ (inside * (outcome - expected)[:, None])
    drawn = np.divide(drawn_excess, drawn_size, out=np.full_like(drawn_excess, np.nan), where=drawn_size > 0)
    rows = []
    for g, label in enumerate(labels):
        share_failed_within(drawn[:, g], f"observed_minus_expected: group {label}")
        measure = percentile_interval(float(excess[g] / size[g]), drawn[:, g], level)
        chosen = member == g
        events, mean_p = int(outcome[chosen].sum()), float(expected[chosen].mean())
        rows.append((label, int(size[g]), events, mean_p, measure.value, measure.low, measure.high))
    return pd.DataFrame(rows, columns=["group", "n", "events", "expected", "value", "low", "high"])


def _groups(
    p: FloatArray, groups: npt.ArrayLike | None
) -> tuple[npt.NDArray[np.generic], npt.NDArray[np.intp]]:
    """Return the sorted group labels and each patient's position among them."""
    if groups is not None:
        given = np.asarray(groups)
        if given.shape != (p.shape[1],):
            raise MeasureError(f"groups: must have shape ({p.shape[1]},); got {given.shape}")
        labels, member = np.unique(given, return_inverse=True)
        return labels, member
    patterns, member = np.unique(p, axis=1, return_inverse=True)
    if patterns.shape[1] >= MIN_DISTINCT:
        raise MeasureError(f"groups: must be given for {patterns.shape[1]} distinct predictions")
    return patterns.mean(axis=0), member
