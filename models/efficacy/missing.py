"""Missing outcomes four ways, and how far they must differ between arms before the verdict changes.

Counted as non-pCR; left out; missing at random within arm and stratum; all against the treated arm, and all
for it. Nothing is drawn: within cells of arm and stratum the expectation of the missing outcomes is known,
and what is returned is what multiple imputation tends to with the number of imputations.
"""

from dataclasses import dataclass

import numpy as np
from scipy.special import ndtri

from models.efficacy.proportions import Arms, arms, newcombe, newcombe_difference
from models.measures.common import FloatArray, Measure, MeasureError

MAX_TRIED = 401
"""Counts of pCR among the missing outcomes of an arm that are tried."""


@dataclass(frozen=True)
class Outcomes:
    """Events, known outcomes and missing ones of every stratum: shape (2 arms, strata), treated first."""

    events: FloatArray
    known: FloatArray
    missing: FloatArray

    def counted(self, events: FloatArray) -> Arms:
        """Return the two arms without strata, all patients counted, with `events` (2,) of the missing."""
        n = (self.known + self.missing).sum(axis=1)
        x = self.events.sum(axis=1) + events
        return arms(x[0], n[0], x[1], n[1])

    @property
    def lost(self) -> FloatArray:
        """Missing outcomes by arm (2,)."""
        return np.asarray(self.missing.sum(axis=1))


def at_random(outcomes: Outcomes, level: float) -> Measure:
    """Return the difference if outcomes are missing at random within arm and stratum, with Wald's interval.

    With p the proportion of a cell, w its share of the arm's patients and m the number of its known
    outcomes, the arm's proportion is ``sum w p`` and its variance ``sum w^2 p (1 - p) / m + var(p) / n``,
    var(p) being that of the cells' proportions over the patients.

    Raises
    ------
    MeasureError
        If a stratum of an arm has patients but no known outcome.
    """
    n = outcomes.known + outcomes.missing
    empty = int(np.sum((n > 0) & (outcomes.known == 0)))
    if empty or n.sum(axis=1).min() == 0:
        raise MeasureError(f"missing at random: no known outcome in {empty} cells of arm and stratum")
    p = outcomes.events / np.maximum(outcomes.known, 1)
    share = n / n.sum(axis=1, keepdims=True)
    mean = np.sum(share * p, axis=1)
    within = np.sum(share**2 * p * (1 - p) / np.maximum(outcomes.known, 1), axis=1)
    between = np.sum(share * (p - mean[:, None]) ** 2, axis=1) / n.sum(axis=1)
    value = float(mean[0] - mean[1])
    half = float(ndtri((1 + level) / 2) * np.sqrt(np.sum(within + between)))
    return Measure(value, value - half, value + half)


def best_case(outcomes: Outcomes, level: float) -> Measure:
    """Return the difference if all missing outcomes speak for the treated arm, with Newcombe's interval."""
    return newcombe_difference(outcomes.counted(outcomes.lost * [1, 0]), level)


def worst_case(outcomes: Outcomes, level: float) -> Measure:
    """Return the difference if all missing outcomes speak against the treated arm."""
    return newcombe_difference(outcomes.counted(outcomes.lost * [0, 1]), level)


@dataclass(frozen=True)
class Tipping:
    """The pCR counts among missing outcomes, nearest to what is expected at random, that change the verdict.

    `treated` and `reference` are counts; None where no counts do. `expected` (2,) is what is expected.
    """

    treated: int | None
    reference: int | None
    expected: tuple[float, float]


def tipping_point(outcomes: Outcomes, level: float, null: float) -> Tipping:
    """Search all counts of pCR among the missing outcomes of both arms for the nearest change of verdict.

    The verdict is whether Newcombe's interval lies above `null`, below it, or holds it; distance is the sum
    over arms of the change of the share of pCR among the missing outcomes. None where an arm has no patients.
    """
    lost, n = outcomes.lost, (outcomes.known + outcomes.missing).sum(axis=1)
    if n.min() == 0:
        return Tipping(None, None, (0.0, 0.0))
    known = np.maximum(outcomes.known.sum(axis=1), 1)
    expected = lost * outcomes.events.sum(axis=1) / known
    treated, reference = np.meshgrid(_tried(lost[0]), _tried(lost[1]), indexing="ij")
    x = outcomes.events.sum(axis=1)
    verdict = _side(arms(x[0] + treated, np.full(treated.shape, n[0]),
                         x[1] + reference, np.full(treated.shape, n[1])), level, null)  # fmt: skip
    at_expected = _side(outcomes.counted(expected), level, null)[0]
    size = np.maximum(lost, 1)
    distance = np.abs(treated - expected[0]) / size[0] + np.abs(reference - expected[1]) / size[1]
    distance = np.where(verdict == at_expected, np.inf, distance)
    means = float(expected[0]), float(expected[1])
    if not np.isfinite(distance).any():
        return Tipping(None, None, means)
    nearest = np.unravel_index(np.argmin(distance), distance.shape)
    return Tipping(int(treated[nearest]), int(reference[nearest]), means)


def _tried(lost: float) -> FloatArray:
    """Return all counts from 0 to `lost`, or `MAX_TRIED` of them where there are more."""
    return np.round(np.linspace(0, lost, int(min(lost + 1, MAX_TRIED))))


def _side(counts: Arms, level: float, null: float) -> FloatArray:
    low, high = newcombe(counts, level)
    return np.where(low > null, 1.0, np.where(high < null, -1.0, 0.0))
