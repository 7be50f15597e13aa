"""Performance measures over many sets of patient weights at once: the engine of the bootstrap.

Each function takes outcomes ``y`` in [0, 1], predictions, and ``weights`` of shape (samples, n): how often
each patient is in each bootstrap sample, or one row of ones for the point value. It returns one value per
sample, NaN where a sample does not determine the measure. An outcome strictly between 0 and 1 is the
probability of the event: the patient counts as an event with weight ``y``, as a non-event with ``1 - y``.
"""

import numpy as np
from scipy.special import comb, expit

from models.measures.common import BoolArray, FloatArray, blocks, log_odds

# Newton's method: the last step is below TOLERANCE, so the error after it is of the order of its square.
TOLERANCE = 1e-6
MAX_ITERATIONS = 200
# Longest step on the log-odds: one step from a flat likelihood would otherwise leave the numbers' range.
LONGEST_STEP = 25.0
ROUNDING = 1e-14
# Terms of the logistic function's series around the common start, which converges within pi; and the largest
# change of any log-odds for which it is used, and Newton steps along it.
SERIES_TERMS = 8
SERIES_REACH = 1.0
SERIES_STEPS = 4
BINOMIAL = [comb(k, np.arange(k + 1)) for k in range(SERIES_TERMS)]
# Patients are put together where at most this share of them differ.
FEW_ENOUGH = 0.25


def weighted_mean(contributions: FloatArray, weights: FloatArray) -> FloatArray:
    """Return ``sum w c / sum w``: shape (samples,) for contributions (n,), (samples, k) for (n, k)."""
    total = weights.sum(axis=1)
    means: FloatArray = (weights @ contributions).T / total
    return means.T


def squared_error(y: FloatArray, p: FloatArray) -> FloatArray:
    """Return each patient's ``y (1 - p)^2 + (1 - y) p^2``: ``(p - y)^2`` for y in {0, 1}; p (..., n)."""
    return y * (1 - p) ** 2 + (1 - y) * p**2


def negative_log_likelihood(y: FloatArray, p: FloatArray) -> FloatArray:
    """Return each patient's ``-y log p - (1 - y) log(1 - p)``; p (..., n) strictly between 0 and 1."""
    return -(y * np.log(p) + (1 - y) * np.log1p(-p))


def weighted_scaled_brier(y: FloatArray, p: FloatArray, weights: FloatArray) -> FloatArray:
    """Return ``1 - Brier / (prevalence (1 - prevalence))`` per sample, averaged over repeats; p (repeats, n).

    The average over repeats is taken of the Brier score, in which the measure is linear. NaN where a sample
    has one class only.
    """
    prevalence = weighted_mean(y, weights)
    brier = weighted_mean(squared_error(y, p).mean(axis=0), weights)
    reference = prevalence * (1 - prevalence)
    ratio: FloatArray = np.divide(brier, reference, out=np.full_like(brier, np.nan), where=reference > 0)
    scaled: FloatArray = 1 - ratio
    return scaled


def weighted_o_e(y: FloatArray, p: FloatArray, weights: FloatArray) -> FloatArray:
    """Return ``sum w y / sum w p`` per sample, the ratio averaged over repeats; p (repeats, n)."""
    average: FloatArray = ((weights @ y)[:, None] / (weights @ p.T)).mean(axis=1)
    return average


def weighted_auc(y: FloatArray, p: FloatArray, weights: FloatArray) -> FloatArray:
    """Return the area under the ROC curve per sample; p (n,); NaN where a sample has one class only.

    ``sum_ij a_i c_j (1[p_i > p_j] + 1/2 1[p_i = p_j]) / (sum a sum c)`` with ``a = w y``, ``c = w (1 - y)``:
    one sort for all samples, then cumulative sums over the distinct values of p. For fractional outcomes the
    pairs of a patient with itself stay in: their share is of order 1/n.
    """
    order = np.argsort(p, kind="stable")
    starts = np.flatnonzero(np.diff(p[order], prepend=-np.inf) > 0)
    auc = np.full(len(weights), np.nan)
    for block in blocks(*weights.shape):
        sorted_weights = weights[block][:, order]
        events = sorted_weights * y[order]
        non_events = sorted_weights - events
        if starts.size < order.size:
            events = np.add.reduceat(events, starts, axis=1)
            non_events = np.add.reduceat(non_events, starts, axis=1)
        below = np.cumsum(non_events, axis=1)
        pairs = events.sum(axis=1) * below[:, -1]
        below -= non_events / 2
        concordant = np.einsum("sv,sv->s", events, below)
        np.divide(concordant, pairs, out=auc[block], where=pairs > 0)
    return auc


def slope_exists(y: FloatArray, lp: FloatArray, weights: FloatArray) -> BoolArray:
    """Say per sample whether ``logit(y) ~ lp`` has a finite maximum-likelihood slope, shape (samples,).

    With one covariate it has one exactly when neither class lies on one side of the other: the largest lp of
    an event exceeds the smallest of a non-event, and the reverse (Silvapulle 1981).
    """
    order = np.argsort(lp, kind="stable")
    sorted_lp, present = lp[order], weights[:, order] > 0

    def ends(chosen: BoolArray) -> tuple[FloatArray, FloatArray]:
        """Smallest and largest lp of the chosen patients who are present: inf and -inf if none is."""
        values, there = sorted_lp[chosen], present[:, chosen]
        if not len(values):
            return np.full(len(weights), np.inf), np.full(len(weights), -np.inf)
        some, backwards = there.any(axis=1), np.ascontiguousarray(there[:, ::-1])
        smallest = np.where(some, values[there.argmax(axis=1)], np.inf)
        return smallest, np.where(some, values[::-1][backwards.argmax(axis=1)], -np.inf)

    (least_event, most_event), (least_other, most_other) = ends(y[order] > 0), ends(y[order] < 1)
    exists: BoolArray = (most_event > least_other) & (most_other > least_event)
    return exists


def weighted_slope(y: FloatArray, p: FloatArray, weights: FloatArray) -> FloatArray:
    """Return the slope of ``logit(y) ~ 1 + logit(p)`` per sample; p (n,).

    NaN where the slope is not finite (see ``slope_exists``) or Newton's method did not converge.
    """
    y, p, weights = _distinct(y, p, weights)
    lp = log_odds(p)
    slope = np.full(len(weights), np.nan)
    if not slope_exists(y, lp, np.ones((1, y.size)))[0]:
        return slope
    spread = lp.std()
    x = (lp - lp.mean()) / spread
    prevalence = y.mean()
    start = np.array([np.log(prevalence / (1 - prevalence)), 0.0])
    [start] = _maximise(y, x, np.ones((1, y.size)), start[None], slope_free=True)
    starts = start + _series_steps(y, x, weights, start, slope_free=True)
    for block in blocks(*weights.shape):
        rows = weights[block]
        finite = slope_exists(y, lp, rows)
        found = _maximise(y, x, rows[finite], starts[block][finite], slope_free=True)
        slope[block][finite] = found[:, 1] / spread
    return slope


def weighted_intercept(y: FloatArray, p: FloatArray, weights: FloatArray) -> FloatArray:
    """Return the intercept of ``logit(y) ~ 1 + offset(logit(p))`` per sample; p (n,).

    NaN where a sample has one class only (the intercept is infinite) or Newton's method did not converge.
    """
    y, p, weights = _distinct(y, p, weights)
    lp = log_odds(p)
    intercept = np.full(len(weights), np.nan)
    events = y.sum()
    if events in {0.0, float(y.size)}:
        return intercept
    everyone = np.ones((1, y.size))
    [start] = _maximise(y, lp, everyone, np.array([[0.0, 1.0]]), slope_free=False)
    starts = start + _series_steps(y, lp, weights, start, slope_free=False)
    for block in blocks(*weights.shape):
        rows = weights[block]
        observed = rows @ y
        finite = (observed > 0) & (rows @ (1 - y) > 0)
        found = _maximise(y, lp, rows[finite], starts[block][finite], slope_free=False)
        intercept[block][finite] = found[:, 0]
    return intercept


def _distinct(y: FloatArray, p: FloatArray, weights: FloatArray) -> tuple[FloatArray, FloatArray, FloatArray]:
    """Return patients alike in outcome and prediction as one, their weights added, where few differ.

    A frequency by branch has a few dozen distinct predictions for thousands of patients.
    """
    # Of predictions alone first: pairs are at least as many, and sorted more slowly.
    if np.unique(p).size > FEW_ENOUGH * len(p):
        return y, p, weights
    order = np.lexsort((y, p))
    in_order = np.column_stack([p, y])[order]
    starts = np.flatnonzero(np.r_[True, (np.diff(in_order, axis=0) != 0).any(axis=1)])
    if len(starts) > FEW_ENOUGH * len(p):
        return y, p, weights
    added = np.empty((len(weights), len(starts)))
    for block in blocks(*weights.shape):
        added[block] = np.add.reduceat(weights[block][:, order], starts, axis=1)
    pairs = in_order[starts]
    return pairs[:, 1], pairs[:, 0], added


def _maximise(
    y: FloatArray, x: FloatArray, weights: FloatArray, starts: FloatArray, *, slope_free: bool
) -> FloatArray:
    """Return the coefficients (samples, 2) of ``logit(y) ~ a + b x`` that maximise each weighted likelihood.

    Newton's method from `starts` (samples, 2) for all samples at once. A step at whose end the likelihood
    falls more than half as steeply as it rose at the start went too far past the top, and is halved. Rows
    that do not converge are NaN.
    """
    coefficients = starts
    gradient, step = _gradient_and_step(y, x, weights, coefficients, slope_free=slope_free)
    result = np.full_like(coefficients, np.nan)
    accepted = np.ones(len(weights), dtype=bool)
    open_rows = np.arange(len(weights))
    for _ in range(MAX_ITERATIONS):
        done = accepted & (np.abs(step).max(axis=1) < TOLERANCE)
        result[open_rows[done]] = coefficients[done] + step[done]
        if done.all():
            break
        if done.any():
            weights, open_rows = weights[~done], open_rows[~done]
            coefficients, gradient, step = coefficients[~done], gradient[~done], step[~done]
        trial = coefficients + step
        new_gradient, new_step = _gradient_and_step(y, x, weights, trial, slope_free=slope_free)
        before, after = (step * gradient).sum(axis=1), (step * new_gradient).sum(axis=1)
        accepted = after >= -before / 2
        coefficients = np.where(accepted[:, None], trial, coefficients)
        gradient = np.where(accepted[:, None], new_gradient, gradient)
        step = np.where(accepted[:, None], new_step, step / 2)
    return result


def _gradient_and_step(
    y: FloatArray, x: FloatArray, weights: FloatArray, coefficients: FloatArray, *, slope_free: bool
) -> tuple[FloatArray, FloatArray]:
    """Return gradient and Newton step (samples, 2) of the weighted log-likelihood of ``a + b x``."""
    p = _risk(coefficients[:, :1] + coefficients[:, 1:] * x)
    powers = np.column_stack([np.ones_like(x), x, x * x])
    gradient = (weights * (y - p)) @ powers[:, :2]
    np.multiply(p, 1 - p, out=p)
    p *= weights
    i_aa, i_ab, i_bb = (p @ powers).T
    if not slope_free:
        gradient[:, 1] = 0.0
        i_ab, i_bb = np.zeros_like(i_ab), np.ones_like(i_bb)
    return gradient, _newton_step(gradient, i_aa, i_ab, i_bb)


def _newton_step(gradient: FloatArray, i_aa: FloatArray, i_ab: FloatArray, i_bb: FloatArray) -> FloatArray:
    """Return the inverse of each information matrix times each gradient (samples, 2), not too long."""
    # Rounding may take a nearly singular matrix's determinant; with any positive one the step leads uphill.
    determinant = np.maximum(i_aa * i_bb - i_ab * i_ab, ROUNDING * i_aa * i_bb)
    with np.errstate(divide="ignore", invalid="ignore"):
        step = np.column_stack(
            [
                (i_bb * gradient[:, 0] - i_ab * gradient[:, 1]) / determinant,
                (i_aa * gradient[:, 1] - i_ab * gradient[:, 0]) / determinant,
            ]
        )
        longest = np.abs(step).max(axis=1, keepdims=True)
        bounded: FloatArray = step * np.minimum(1.0, LONGEST_STEP / longest)
    return bounded


def _risk(margin: FloatArray) -> FloatArray:
    """Return ``expit(margin)`` in the memory of `margin`, by numpy's vectorised exponential."""
    np.negative(margin, out=margin)
    with np.errstate(over="ignore"):
        np.exp(margin, out=margin)
    margin += 1.0
    np.reciprocal(margin, out=margin)
    return margin


def _series_steps(
    y: FloatArray, x: FloatArray, weights: FloatArray, start: FloatArray, *, slope_free: bool
) -> FloatArray:
    """Return each sample's step (samples, 2) from `start` (2,) to its maximum, by series; 0 where it is far.

    A bootstrap sample's maximum is near that of all patients. With ``expit(m + t) = sum_k c_k t^k``, gradient
    and information at ``t = da + db x`` are polynomials in da and db, whose coefficients are weighted sums
    over the patients: one matrix product for all samples instead of an exponential per patient and sample.
    """
    terms = _logistic_series(start[0] + start[1] * x)
    powers = np.vander(x, SERIES_TERMS + 2, increasing=True).T
    scores = np.vstack([y - terms[0], (y - terms[0]) * x])
    rows = [scores, *(terms[k] * powers[: k + 2] for k in range(1, SERIES_TERMS))]
    sums = np.split(weights @ np.vstack(rows).T, np.cumsum([len(row) for row in rows])[:-1], axis=1)
    step = np.zeros((len(weights), 2))
    reach = np.array([1.0, np.abs(x).max()])
    for _ in range(SERIES_STEPS):
        gradient = sums[0].copy()
        information = np.zeros((len(weights), 3))
        powers_of_step = step[:, :, None] ** np.arange(SERIES_TERMS - 1)
        for k in range(1, SERIES_TERMS):
            below = _binomial_powers(powers_of_step, k - 1)
            derivative = np.stack([np.einsum("si,si->s", below, sums[k][:, j : j + k]) for j in range(3)], 1)
            information += k * derivative
            gradient -= step[:, :1] * derivative[:, :2] + step[:, 1:] * derivative[:, 1:]
        if not slope_free:
            gradient[:, 1], information[:, 1], information[:, 2] = 0.0, 0.0, 1.0
        step = step + _newton_step(gradient, *information.T)
        step[~(np.abs(step) @ reach < SERIES_REACH)] = 0.0
    return step


def _logistic_series(margin: FloatArray) -> FloatArray:
    """Return c_0 to c_(SERIES_TERMS - 1) of ``expit(margin + t) = sum_k c_k t^k``, shape (terms, n)."""
    terms = np.empty((SERIES_TERMS, len(margin)))
    terms[0] = expit(margin)
    for k in range(SERIES_TERMS - 1):
        square = sum(terms[i] * terms[k - i] for i in range(k + 1))
        terms[k + 1] = (terms[k] - square) / (k + 1)
    return terms


def _binomial_powers(powers: FloatArray, k: int) -> FloatArray:
    """Return ``C(k, i) da^(k - i) db^i`` for i = 0 to k, shape (samples, k + 1).

    Of the `powers` (samples, 2, at least k + 1) of da and db.
    """
    product: FloatArray = BINOMIAL[k] * powers[:, 0, k::-1] * powers[:, 1, : k + 1]
    return product
