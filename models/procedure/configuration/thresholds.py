"""Threshold probabilities of the decision curves: as a study names them, or around its frequency of pCR."""

from dataclasses import dataclass
from typing import Annotated, Literal

import numpy as np

from features.documents.parsing import Between, InnerShare

Decision = Literal["de_escalation", "escalation"]
DIGITS = 6
"""A threshold is a name, too (net_benefit@0.65): it holds no rounding errors."""


@dataclass(frozen=True)
class ThresholdPlan:
    """Threshold probabilities of a decision curve; those `shown` are among the metrics."""

    min: InnerShare
    max: InnerShare
    step: InnerShare
    shown: tuple[InnerShare, ...]

    def grid(self) -> np.ndarray:
        """Return the thresholds of the curve."""
        return np.arange(self.min, self.max + self.step / 2, self.step).round(DIGITS)


@dataclass(frozen=True)
class ThresholdRule:
    """Where thresholds lie that a study does not name: about the frequency of the event, the centre.

    The centre is the frequency rounded to a multiple of `nearest`. The curve goes from `reach` below it to
    `reach` above it, but not beyond `lowest` and `highest`; `shown` are distances from the centre.
    """

    reach: InnerShare
    step: InnerShare
    nearest: InnerShare
    lowest: InnerShare
    highest: InnerShare
    shown: tuple[Annotated[float, Between(-1, 1)], ...]

    def around(self, pcr: float) -> dict[Decision, ThresholdPlan]:
        """Return the thresholds for a frequency of pCR; escalation is about the frequency of its absence.

        Parameters
        ----------
        pcr : float
            Share of the patients with a known outcome; NaN, where there is none, stands for a half.

        Examples
        --------
        >>> rule = ThresholdRule(0.25, 0.025, 0.05, 0.05, 0.95, (-0.15, 0.0, 0.15))
        >>> rule.around(0.27)["de_escalation"]
        ThresholdPlan(min=0.05, max=0.5, step=0.025, shown=(0.1, 0.25, 0.4))
        """
        known = 0.5 if np.isnan(pcr) else pcr
        return {"de_escalation": self._about(known), "escalation": self._about(1 - known)}

    def _about(self, frequency: float) -> ThresholdPlan:
        centre = float(np.clip(round(frequency / self.nearest) * self.nearest, self.lowest, self.highest))
        low, high = max(self.lowest, centre - self.reach), min(self.highest, centre + self.reach)
        shown = [round(centre + distance, DIGITS) for distance in self.shown]
        return ThresholdPlan(
            round(low, DIGITS),
            round(high, DIGITS),
            self.step,
            tuple(threshold for threshold in shown if low <= threshold <= high),
        )
