"""How far missing outcomes must differ from what is predicted before the comparison says something else.

A patient whose outcome is missing has pCR with the odds that the model predicts, times exp(shift): at shift 0
the outcome is missing at random. The tipping point is the shift nearest to 0 at which the verdict on the
difference in log loss changes (better, worse, not distinguishable). The worst case gives every such patient
the outcome that speaks against the model most. Nothing is drawn: each patient's expected difference and its
square are known.
"""

from dataclasses import dataclass

import numpy as np
from scipy.special import expit, ndtri

from models.measures.common import FloatArray, Measure, MeasureDocument

SHIFTS = np.arange(-50, 51) / 10
"""Of the log-odds: beyond, nearly all, or nearly none, have pCR."""


@dataclass(frozen=True)
class Paired:
    """Log-loss differences, model minus rules, of patients with a known outcome and of those without one.

    `known` (n,) at the outcome seen, `events` of them with pCR; `with_event` and `without` (m,) at either
    outcome of the others, whose log-odds of pCR by the model are `log_odds` (m,).
    """

    known: FloatArray
    events: int
    with_event: FloatArray
    without: FloatArray
    log_odds: FloatArray

    def difference(self, chance: FloatArray, level: float) -> Measure:
        """Return the mean difference with its interval if the others have pCR by this chance (m,)."""
        expected = chance * self.with_event + (1 - chance) * self.without
        squared = chance * self.with_event**2 + (1 - chance) * self.without**2
        n = self.known.size + expected.size
        mean = float(self.known.sum() + expected.sum()) / n
        variance = (np.sum(self.known**2) + squared.sum()) / n - mean**2
        half = float(ndtri((1 + level) / 2) * np.sqrt(max(variance, 0.0) / n))
        return Measure(mean, mean - half, mean + half)


def tipping_point(paired: Paired, level: float) -> dict[str, MeasureDocument]:
    """Return the difference at shift 0, and ``shift`` at the tipping point or why there is none."""
    at_random = paired.difference(expit(paired.log_odds), level)
    found: MeasureDocument = {
        "error": f"no shift of the log-odds up to {SHIFTS.max():g} either way changes what is said"
    }
    for shift in sorted(SHIFTS, key=abs):
        moved = paired.difference(expit(paired.log_odds + shift), level)
        if _side(moved) != _side(at_random):
            found = {"value": float(shift)}
            break
    return _document(paired, expit(paired.log_odds), at_random) | {"shift": found}


def worst_case(paired: Paired, level: float) -> dict[str, MeasureDocument]:
    """Return the difference if every missing outcome speaks against the model."""
    against = (paired.with_event > paired.without).astype(float)
    return _document(paired, against, paired.difference(against, level))


def _document(paired: Paired, chance: FloatArray, difference: Measure) -> dict[str, MeasureDocument]:
    return {
        "n": {"value": paired.known.size + chance.size},
        "events": {"value": paired.events + round(float(chance.sum()))},
        "missing": {"value": chance.size},
        "delta_log_loss": difference.as_dict(),
    }


def _side(difference: Measure) -> int:
    """Return -1 where the interval lies below 0, 1 where it lies above, 0 where it holds it."""
    low, high = difference.low, difference.high
    return 0 if low is None or high is None or low <= 0 <= high else int(np.sign(difference.value))
