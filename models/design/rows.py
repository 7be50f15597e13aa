"""Numbers of a design as rows, and random numbers that follow from what is asked."""

import hashlib
from typing import NotRequired, TypedDict

import numpy as np
import pandas as pd

from models.design.settings import DesignPlan, Scenario
from models.design.trial import Share

COLUMNS = ("part", "scenario", "group", "n", "measure", "value", "error")


class DesignRow(TypedDict):
    """A number of the design: `error` is its Monte Carlo standard error, where it was simulated.

    `n` is the number of patients where a scenario is asked with several.
    """

    part: str
    scenario: str
    group: str
    n: NotRequired[int]
    measure: str
    value: float
    error: NotRequired[float]


def row(
    part: str, scenario: str, group: str, measure: str, value: float | Share, n: int | None = None
) -> DesignRow:
    """Return a number, with its Monte Carlo error where it has one."""
    told: DesignRow = {"part": part, "scenario": scenario, "group": group, "measure": measure, "value": 0.0}
    if n is not None:
        told["n"] = n
    if isinstance(value, Share):
        return {**told, "value": value.value, "error": value.error}
    return {**told, "value": float(value)}


def generator(content: str, plan: DesignPlan) -> np.random.Generator:
    """Return random numbers of a question's own: another question changes none of them."""
    digest = hashlib.sha256(content.encode()).digest()[:8]
    return np.random.default_rng([plan.seed, int.from_bytes(digest)])


def sizes_of(scenario: Scenario) -> tuple[int, int]:
    """Return the patients of the adaptive and of the control arm."""
    treated = round(scenario.n * scenario.treated)
    return treated, scenario.n - treated


def as_frame(rows: list[DesignRow]) -> pd.DataFrame:
    """Return the rows as a table."""
    return pd.DataFrame(rows, columns=list(COLUMNS)).astype({"n": "Int64"})
