"""Whether inputs are spread as in training patients: population stability, with limits for small samples."""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy.stats import chi2

MIN_EXPECTED = 3.0
"""Groups in which fewer are expected are put together with their neighbour."""


@dataclass(frozen=True)
class Stability:
    """The population stability index of an input, its limit without drift, and the shares without a value."""

    index: float
    limit: float
    missing: float
    missing_before: float

    @property
    def has_drifted(self) -> bool:
        """Whether the index is beyond its limit."""
        return self.index > self.limit


def stability(before: npt.NDArray[np.int64], now: npt.NDArray[np.int64], error: float) -> Stability:
    """Compare the counts of an input's groups, shape (groups,), those without a value last.

    The index is ``sum (q - p) log(q / p)`` over groups. Without drift it is about ``(1/n + 1/m)`` times a
    chi-squared variable with a degree less than there are groups (Yurdakul, Statistical properties of
    population stability index, Western Michigan University 2018), of which the limit is the quantile
    ``1 - error``.
    """
    missing_before, missing = before[-1] / before.sum(), now[-1] / now.sum()
    first, second = _together(before, now)
    if len(first) < 2:
        return Stability(0.0, 0.0, float(missing), float(missing_before))
    n, m = first.sum(), second.sum()
    # Half a patient keeps an empty group from being infinitely far.
    p, q = (first + 0.5) / (first + 0.5).sum(), (second + 0.5) / (second + 0.5).sum()
    index = float(((q - p) * np.log(q / p)).sum())
    limit = float((1 / n + 1 / m) * chi2.isf(error, len(first) - 1))
    return Stability(index, limit, float(missing), float(missing_before))


def _together(
    before: npt.NDArray[np.int64], now: npt.NDArray[np.int64]
) -> tuple[npt.NDArray[np.float64], npt.NDArray[np.float64]]:
    """Put groups together until enough are expected in each."""
    share, groups = (before + now) / (before.sum() + now.sum()), []
    smaller = min(before.sum(), now.sum())
    held: list[int] = []
    for place in np.argsort(-share, kind="stable").tolist():
        held.append(place)
        if share[held].sum() * smaller >= MIN_EXPECTED:
            groups.append(held)
            held = []
    if held and groups:
        groups[-1] = groups[-1] + held
    return (
        np.array([before[group].sum() for group in groups], dtype=float),
        np.array([now[group].sum() for group in groups], dtype=float),
    )


def drifted(found: Mapping[str, Stability]) -> list[str]:
    """Return the inputs that have drifted, the furthest beyond its limit first."""
    beyond = {name: entry.index / entry.limit for name, entry in found.items() if entry.has_drifted}
    return sorted(beyond, key=lambda name: -beyond[name])
