"""Random streams, and the few small distributions and dates that the parts of the simulator share."""

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pipeline.sources.simulation.section import Bounded, Days

Array = NDArray[Any]
Columns = dict[str, Array]
"""Named arrays; unless said otherwise their first axis is the patients, in the order of randomisation."""

NEVER = 99
"""A cycle after the last of any course."""


class Streams:
    """One independent generator for each named part: a new part leaves the draws of all others as they were.

    Two objects with the same seed give the same draws. The two strategies are followed with such twins,
    which is what makes their potential outcomes share all random numbers.
    """

    def __init__(self, seed: int) -> None:
        self.seed = seed
        self._generators: dict[str, np.random.Generator] = {}

    def __call__(self, part: str) -> np.random.Generator:
        """Return the part's generator; it goes on from where it was left."""
        if part not in self._generators:
            child = np.random.SeedSequence(self.seed, spawn_key=tuple(part.encode()))
            self._generators[part] = np.random.default_rng(child)
        return self._generators[part]


def expit(x: Array) -> Array:
    """Return the inverse of the logit."""
    return np.asarray(1.0 / (1.0 + np.exp(-x)))


def line(columns: Columns, weights: Mapping[str, float]) -> Array:
    """Return intercept + sum of weight x column, over the columns that `weights` names."""
    total = np.full(len(next(iter(columns.values()))), float(weights["intercept"]))
    for name, weight in weights.items():
        if name != "intercept":
            total = total + weight * columns[name]
    return total


def shifted_chance(chance: float, shift: Array) -> Array:
    """Return probabilities: `chance` moved by `shift` on the logit scale."""
    return expit(np.log(chance / (1.0 - chance)) + shift)


def pick(uniform: Array, shares: Mapping[str, float] | Mapping[int, float]) -> Array:
    """Return one label per uniform number, with probabilities proportional to `shares`."""
    edges = np.cumsum(np.fromiter(shares.values(), dtype=float))
    labels = np.array(list(shares), dtype=object)
    return labels[np.minimum(np.searchsorted(edges / edges[-1], uniform, side="right"), len(labels) - 1)]


def only_where(known: Array, values: Array | str) -> Array:
    """Return `values`, None where `known` is false."""
    spread = np.broadcast_to(np.asarray(values, dtype=object), known.shape)
    kept = np.full(known.shape, None, dtype=object)
    kept[known] = spread[known]
    return kept


def bounded_normal(rng: np.random.Generator, n: int, entry: Bounded) -> Array:
    """Return draws from a normal distribution (``mean``, ``sd``), cut to ``low`` and ``high``."""
    return np.clip(rng.normal(entry.mean, entry.sd, n), entry.low, entry.high)


def days_within(rng: np.random.Generator, n: int, span: Days) -> Array:
    """Return whole days drawn evenly from ``earliest`` to ``latest``, both included."""
    return rng.integers(span.earliest, span.latest + 1, size=n)


def as_dates(first_day: str, days: Array, known: Array | None = None) -> Array:
    """Return dates `days` after `first_day`; NaT where `known` is false."""
    dates = (np.datetime64(first_day, "D") + days.astype("timedelta64[D]")).astype("datetime64[us]")
    return dates if known is None else np.where(known, dates, np.datetime64("NaT", "us"))
