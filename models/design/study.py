"""The operating characteristics of a design: scenarios, power curves, looks, branches; one row a number."""

from collections.abc import Callable, Iterator
from dataclasses import replace
from functools import partial

import numpy as np
from scipy.special import ndtri

from models.design import against_rules, interactions
from models.design.closed_form import detectable, power
from models.design.rows import DesignRow, generator, row, sizes_of
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
from models.procedure.backends import Backend, completed

WANTED = 0.8
"""The power at which a detectable difference is told."""
Question = Callable[[], list[DesignRow]]
"""A part of what a design page tells, which can be computed anywhere; asked again it answers the same."""


def questions(plan: DesignPlan) -> list[Question]:
    """Return everything that a design page tells of the trial and of models, but for the gates.

    Every question has random numbers of its own, by its content: another one changes none of them.
    """
    named = [partial(_of_named, name, scenario, plan) for name, scenario in plan.named().items()]
    curves = [partial(_of_curve, n, effect, plan) for n in plan.sizes for effect in plan.effects]
    second = [partial(_of_second, effect, plan) for effect in plan.rerandomised.effects]
    return [*named, *curves, *second, *against_rules.questions(plan), *interactions.questions(plan)]


def answered(asked: list[Question], backend: Backend) -> Iterator[tuple[int, list[DesignRow]]]:
    """Yield the rows of every question by its number, in the order in which they end."""
    yield from completed(_answer, None, list(enumerate(asked)), backend)


def _answer(_shared: None, question: Question) -> list[DesignRow]:
    return question()


def _drawn(scenario: Scenario, plan: DesignPlan) -> tuple[Truth, Trials]:
    truth = truth_of(scenario, plan)
    return truth, simulate(scenario, truth, plan, generator(repr(scenario), plan))


def _of_named(name: str, scenario: Scenario, plan: DesignPlan) -> list[DesignRow]:
    truth, trials = _drawn(scenario, plan)
    return [
        *_of_scenario(name, scenario, truth, trials, plan),
        *_of_looks(name, scenario, truth, trials, plan),
    ]


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


def _of_curve(n: int, effect: float, plan: DesignPlan) -> list[DesignRow]:
    """Return power by number of patients and effect, simulated and by formula, all else as in the base."""
    scenario = replace(plan.base, n=n, effect=effect)
    truth, trials = _drawn(scenario, plan)
    found = characteristics(trials, truth, plan)
    adaptive, control = truth.pcr
    formula = power(adaptive, control, *sizes_of(scenario), plan.alpha)
    return [
        row("curve", str(n), f"{effect:g}", "superiority", found.superiority),
        row("curve", str(n), f"{effect:g}", "superiority_closed_form", formula),
    ]


def _of_second(effect: float, plan: DesignPlan) -> list[DesignRow]:
    """Return how often a second randomisation 1:1 of patients without a response after C4 finds an effect."""
    second, n = plan.rerandomised, sizes_of(plan.base)[0]
    rng = generator(f"rerandomised {effect}", plan)
    patients = np.maximum(rng.binomial(n, second.share, plan.trials), 2)
    half = patients // 2
    better, other = (
        rng.binomial(half, min(second.pcr + effect, 1.0)),
        rng.binomial(patients - half, second.pcr),
    )
    score = z_values(arms(better, half, other, patients - half), 0.0)
    found = share_of(np.abs(score) >= ndtri(1 - plan.alpha / 2))
    name = f"{effect:g}"
    return [
        row("rerandomised", name, "", "patients", float(patients.mean())),
        row("rerandomised", name, "", "superiority", found),
    ]
