"""The operating characteristics of a design: scenarios, power curves, looks, branches; one row a number."""

import hashlib
from collections.abc import Iterator
from dataclasses import replace
from typing import NotRequired, TypedDict

import numpy as np
import pandas as pd
from scipy.special import ndtri

from models.design.closed_form import detectable, power
from models.design.settings import DesignPlan, Scenario
from models.design.spending import boundaries, crossing
from models.design.trial import (
    Share,
    Trials,
    Truth,
    branch_sizes,
    characteristics,
    sequential,
    share_of,
    simulate,
    truth_of,
    z_values,
)
from models.efficacy.proportions import arms

WANTED = 0.8
"""The power at which a detectable difference is told."""


class DesignRow(TypedDict):
    """A number of the design: `error` is its Monte Carlo standard error, where it was simulated."""

    part: str
    scenario: str
    group: str
    measure: str
    value: float
    error: NotRequired[float]


def operating_characteristics(plan: DesignPlan) -> list[DesignRow]:
    """Return everything that a design page tells.

    Every scenario has random numbers of its own, by its content: another scenario changes none of them.
    """
    rows: list[DesignRow] = []
    for name, scenario in plan.named().items():
        truth, trials = _drawn(scenario, plan)
        rows += _of_scenario(name, scenario, truth, trials, plan)
        rows += _of_looks(name, scenario, truth, trials, plan)
    rows += power_curves(plan)
    rows += rerandomised(plan)
    return rows


def _drawn(scenario: Scenario, plan: DesignPlan) -> tuple[Truth, Trials]:
    truth = truth_of(scenario, plan)
    return truth, simulate(scenario, truth, plan, _generator(repr(scenario), plan))


def _generator(content: str, plan: DesignPlan) -> np.random.Generator:
    digest = hashlib.sha256(content.encode()).digest()[:8]
    return np.random.default_rng([plan.seed, int.from_bytes(digest)])


def row(part: str, scenario: str, group: str, measure: str, value: float | Share) -> DesignRow:
    """Return a number, with its Monte Carlo error where it has one."""
    told: DesignRow = {"part": part, "scenario": scenario, "group": group, "measure": measure, "value": 0.0}
    if isinstance(value, Share):
        return {**told, "value": value.value, "error": value.error}
    return {**told, "value": float(value)}


def sizes_of(scenario: Scenario) -> tuple[int, int]:
    """Return the patients of the adaptive and of the control arm."""
    treated = round(scenario.n * scenario.treated)
    return treated, scenario.n - treated


def _of_scenario(
    name: str, scenario: Scenario, truth: Truth, trials: Trials, plan: DesignPlan
) -> Iterator[DesignRow]:
    found = characteristics(trials, truth, plan)
    n, n0 = sizes_of(scenario)
    adaptive, control = truth.pcr
    numbers: dict[str, float | Share] = {
        "patients": scenario.n,
        "pcr_adaptive": found.pcr,
        "pcr_control": found.pcr_control,
        "difference": found.difference,
        "superiority": found.superiority,
        "superiority_closed_form": power(adaptive, control, n, n0, plan.alpha),
        "non_inferiority": found.non_inferiority,
        "bias": found.bias,
        "coverage": found.coverage,
        "width": found.width,
        "detectable": detectable(control, n, n0, plan.alpha, WANTED),
    }
    for measure, value in numbers.items():
        yield row("scenario", name, "", measure, value)
    for branch, size in branch_sizes(trials, tuple(scenario.shares), plan.level).items():
        for measure, value in (
            ("n", size.n),
            ("n_low", size.low),
            ("n_high", size.high),
            ("width", size.width),
        ):
            if np.isfinite(value):
                yield row("branch", name, branch, measure, value)


def _of_looks(
    name: str, scenario: Scenario, truth: Truth, trials: Trials, plan: DesignPlan
) -> Iterator[DesignRow]:
    n, n0 = sizes_of(scenario)
    pooled = float(np.array([n, n0]) @ truth.pcr) / scenario.n
    drift = truth.difference / np.sqrt(pooled * (1 - pooled) * (1 / n + 1 / n0))
    for kind in plan.spending:
        bounds = boundaries(kind, plan.looks, plan.alpha)
        found = sequential(trials, truth, bounds)
        exact = crossing(bounds, plan.looks, float(drift))
        numbers: dict[str, float | Share] = {
            **{f"bound_{look:g}": float(bound) for look, bound in zip(plan.looks, bounds, strict=True)},
            "rejects": found.rejects,
            "rejects_by_integration": float(exact.sum()),
            "stops_early": found.stops_early,
            "mean_patients": found.mean_n,
            "bias_at_stop": found.bias,
        }
        for measure, value in numbers.items():
            yield row("looks", name, kind, measure, value)


def power_curves(plan: DesignPlan) -> Iterator[DesignRow]:
    """Yield power by number of patients and effect, simulated and by formula, all else as in the base."""
    for n in plan.sizes:
        for effect in plan.effects:
            scenario = replace(plan.base, n=n, effect=effect)
            truth, trials = _drawn(scenario, plan)
            found = characteristics(trials, truth, plan)
            adaptive, control = truth.pcr
            group = f"{effect:g}"
            yield row("curve", str(n), group, "superiority", found.superiority)
            formula = power(adaptive, control, *sizes_of(scenario), plan.alpha)
            yield row("curve", str(n), group, "superiority_closed_form", formula)


def rerandomised(plan: DesignPlan) -> Iterator[DesignRow]:
    """Yield how often a second randomisation 1:1 of patients without a response after C4 finds an effect."""
    second, n = plan.rerandomised, sizes_of(plan.base)[0]
    bound = ndtri(1 - plan.alpha / 2)
    for effect in second.effects:
        rng = _generator(f"rerandomised {effect}", plan)
        patients = np.maximum(rng.binomial(n, second.share, plan.trials), 2)
        half = patients // 2
        better, other = (
            rng.binomial(half, min(second.pcr + effect, 1.0)),
            rng.binomial(patients - half, second.pcr),
        )
        found = share_of(np.abs(z_values(arms(better, half, other, patients - half), 0.0)) >= bound)
        name = f"{effect:g}"
        yield row("rerandomised", name, "", "patients", float(patients.mean()))
        yield row("rerandomised", name, "", "superiority", found)


def as_frame(rows: list[DesignRow]) -> pd.DataFrame:
    """Return the rows as a table."""
    return pd.DataFrame(rows, columns=["part", "scenario", "group", "measure", "value", "error"])
