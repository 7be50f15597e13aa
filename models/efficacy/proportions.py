"""Two proportions compared: intervals of difference, ratio and odds ratio, crude and over strata.

Every function takes counts as arrays, so that one trial, the strata of a trial, and thousands of simulated
trials are the same to it.
"""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy.optimize import brentq
from scipy.special import ndtr, ndtri

from models.measures.common import BoolArray, FloatArray, Measure, MeasureError

EDGE = 1 - 1e-12
"""A difference of proportions as near to 1 as the search for a limit goes."""


@dataclass(frozen=True)
class Arms:
    """Events and patients of the treated and of the reference arm; of one shape, such as (strata,)."""

    events: FloatArray
    n: FloatArray
    events_reference: FloatArray
    n_reference: FloatArray

    @property
    def total(self) -> FloatArray:
        """Patients of both arms."""
        return self.n + self.n_reference

    @property
    def difference(self) -> FloatArray:
        """Proportion of the treated minus that of the reference arm."""
        return self.events / self.n - self.events_reference / self.n_reference

    @property
    def weights(self) -> FloatArray:
        """Mantel-Haenszel weights n n0 / N of the strata, which sum to 1."""
        weights: FloatArray = self.n * self.n_reference / self.total
        return np.asarray(weights / weights.sum())

    def where(self, rows: BoolArray) -> "Arms":
        """Return some of the strata."""
        return Arms(self.events[rows], self.n[rows], self.events_reference[rows], self.n_reference[rows])

    @property
    def compared(self) -> "Arms":
        """The strata that have patients of both arms: the others tell nothing of the difference."""
        return self.where((self.n > 0) & (self.n_reference > 0))


def arms(
    events: npt.ArrayLike, n: npt.ArrayLike, events_reference: npt.ArrayLike, n_reference: npt.ArrayLike
) -> Arms:
    """Return counts as arrays of at least one dimension.

    Raises
    ------
    MeasureError
        If a count is negative, or there are more events than patients.
    """
    counts = Arms(
        *(np.atleast_1d(np.asarray(x, dtype=float)) for x in (events, n, events_reference, n_reference))
    )
    wrong = [
        np.any((x < 0) | (x > of))
        for x, of in ((counts.events, counts.n), (counts.events_reference, counts.n_reference))
    ]
    if any(wrong):
        raise MeasureError("events: must lie between 0 and the number of patients")
    return counts


def wilson(events: FloatArray, n: FloatArray, level: float) -> tuple[FloatArray, FloatArray]:
    """Return the limits of Wilson's score interval (J Am Stat Assoc 1927;22:209), shaped as the counts."""
    z = ndtri((1 + level) / 2)
    p = events / n
    middle = (p + z**2 / (2 * n)) / (1 + z**2 / n)
    half = z / (1 + z**2 / n) * np.sqrt(p * (1 - p) / n + z**2 / (4 * n**2))
    return np.where(events == 0, 0.0, middle - half), np.where(events == n, 1.0, middle + half)


def newcombe(counts: Arms, level: float) -> tuple[FloatArray, FloatArray]:
    """Return the limits of the difference by Newcombe's method 10 (Stat Med 1998;17:873)."""
    p, p0 = counts.events / counts.n, counts.events_reference / counts.n_reference
    low, high = wilson(counts.events, counts.n, level)
    low0, high0 = wilson(counts.events_reference, counts.n_reference, level)
    return p - p0 - np.hypot(p - low, high0 - p0), p - p0 + np.hypot(high - p, p0 - low0)


def restricted(counts: Arms, delta: float | FloatArray) -> tuple[FloatArray, FloatArray]:
    """Return the most likely proportions (treated, reference) whose difference is `delta`.

    The root in closed form of the cubic of Miettinen and Nurminen (Stat Med 1985;4:213).
    """
    n, x0, total = counts.n, counts.events_reference, counts.total
    events = counts.events + x0
    cubic = total
    square = (n + 2 * counts.n_reference) * delta - total - events
    linear = (counts.n_reference * delta - total - 2 * x0) * delta + events
    constant = x0 * delta * (1 - delta)
    q = square**3 / (3 * cubic) ** 3 - square * linear / (6 * cubic**2) + constant / (2 * cubic)
    radius = np.sqrt(np.maximum(square**2 / (3 * cubic) ** 2 - linear / (3 * cubic), 0.0))
    p = np.where(q >= 0, radius, -radius)
    with np.errstate(divide="ignore", invalid="ignore"):
        cosine = np.where(p == 0, 1.0, q / p**3)
    angle = (np.pi + np.arccos(np.clip(cosine, -1, 1))) / 3
    reference = np.clip(
        2 * p * np.cos(angle) - square / (3 * cubic), np.maximum(0, -delta), np.minimum(1, 1 - delta)
    )
    return reference + delta, reference


def score(counts: Arms, delta: float) -> float:
    """Return the score statistic of the hypothesis that the difference is `delta`, over the strata.

    Mantel-Haenszel weights; variance under the hypothesis, times N / (N - 1) in every stratum (Miettinen and
    Nurminen 1985). At delta 0 without strata its square is Pearson's chi-square times (N - 1) / N.
    """
    distance, error = _distance(counts, delta), _error(counts, delta)
    if error > 0:
        return distance / error
    return 0.0 if distance == 0 else float(np.copysign(np.inf, distance))


def _distance(counts: Arms, delta: float) -> float:
    return float(counts.weights @ (counts.difference - delta))


def _error(counts: Arms, delta: float) -> float:
    p, p0 = restricted(counts, delta)
    variance = p * (1 - p) / counts.n + p0 * (1 - p0) / counts.n_reference
    total = counts.total
    return float(np.sqrt(np.sum(counts.weights**2 * variance * total / (total - 1))))


def miettinen_nurminen(counts: Arms, level: float) -> Measure:
    """Return the difference with its score interval; over strata weighted as Mantel and Haenszel do."""
    counts = _both_arms(counts)
    value = float(counts.weights @ counts.difference)
    z = float(ndtri((1 + level) / 2))

    def limit(sign: int) -> float:
        def beyond(delta: float) -> float:
            return sign * _distance(counts, delta) + z * _error(counts, delta)

        end = sign * EDGE
        if beyond(end) > 0:
            return float(sign)
        return float(brentq(beyond, value, end, xtol=1e-13)) if beyond(value) > 0 else value

    return Measure(value, limit(-1), limit(1))


def newcombe_difference(counts: Arms, level: float) -> Measure:
    """Return the difference of two proportions with Newcombe's interval."""
    counts = _both_arms(counts)
    low, high = newcombe(counts, level)
    return Measure(float(counts.difference[0]), float(low[0]), float(high[0]))


def difference(counts: Arms, level: float) -> Measure:
    """Return the Mantel-Haenszel risk difference with Sato's interval (Biometrics 1989;45:1323).

    Without strata it is the difference with Wald's interval.
    """
    counts = _both_arms(counts)
    x, n, x0, n0, total = _columns(counts)
    weight = np.sum(n * n0 / total)
    value = float(np.sum((x * n0 - x0 * n) / total) / weight)
    slope = np.sum((x0 * n**2 - x * n0**2 + n * n0 * (n0 - n) / 2) / total**2)
    spread = np.sum((x * (n0 - x0) + x0 * (n - x)) / total) / 2
    half = float(ndtri((1 + level) / 2) * np.sqrt(max(value * slope + spread, 0.0)) / weight)
    return Measure(value, value - half, value + half)


def ratio(counts: Arms, level: float) -> Measure:
    """Return the Mantel-Haenszel risk ratio with the interval of Greenland and Robins, without strata Katz'.

    Raises
    ------
    MeasureError
        If an arm has no events.
    """
    counts = _both_arms(counts)
    x, n, x0, n0, total = _columns(counts)
    above, below = np.sum(x * n0 / total), np.sum(x0 * n / total)
    if min(above, below) == 0:
        raise MeasureError("risk ratio: an arm has no events")
    variance = np.sum((n * n0 * (x + x0) - x * x0 * total) / total**2) / (above * below)
    return _on_log_scale(above / below, variance, level)


def odds_ratio(counts: Arms, level: float) -> Measure:
    """Return the Mantel-Haenszel odds ratio with the interval of Robins, Breslow and Greenland.

    Biometrics 1986;42:311. Without strata it is the odds ratio with Woolf's interval.

    Raises
    ------
    MeasureError
        If a cell of the table is empty in every stratum.
    """
    counts = _both_arms(counts)
    x, n, x0, n0, total = _columns(counts)
    r, s = x * (n0 - x0) / total, x0 * (n - x) / total
    if min(r.sum(), s.sum()) == 0:
        raise MeasureError("odds ratio: a cell of the table of arm and outcome is empty")
    p, q = (x + n0 - x0) / total, (x0 + n - x) / total
    variance = (
        np.sum(p * r) / (2 * r.sum() ** 2)
        + np.sum(p * s + q * r) / (2 * r.sum() * s.sum())
        + np.sum(q * s) / (2 * s.sum() ** 2)
    )
    return _on_log_scale(r.sum() / s.sum(), variance, level)


def two_sided(statistic: float) -> float:
    """Return the two-sided p value of a standard normal statistic."""
    return float(2 * ndtr(-abs(statistic)))


def _on_log_scale(value: float, variance: float, level: float) -> Measure:
    half = float(ndtri((1 + level) / 2) * np.sqrt(variance))
    return Measure(float(value), float(value * np.exp(-half)), float(value * np.exp(half)))


def _columns(counts: Arms) -> tuple[FloatArray, FloatArray, FloatArray, FloatArray, FloatArray]:
    return counts.events, counts.n, counts.events_reference, counts.n_reference, counts.total


def _both_arms(counts: Arms) -> Arms:
    compared = counts.compared
    if not compared.n.size:
        raise MeasureError("no stratum has patients of both arms")
    return compared
