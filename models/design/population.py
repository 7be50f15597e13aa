"""Patients whose true probability of pCR is known, and forecasts of a stated worth among them.

Kinds of patients on a grid: branch, quantile of the true log-odds within it, and quantile of what blurs a
model's view of them. What is true of a forecast is a sum over kinds, and a trial draws them.
"""

from dataclasses import dataclass, replace

import numpy as np
from scipy.optimize import brentq
from scipy.special import expit, logit, ndtri

from features.errors import UserError
from models.design.settings import FILE, DesignPlan, Forecaster
from models.design.trial import truth_of
from models.measures.common import FloatArray
from models.measures.evaluate import population_values

STEPS = 40
"""Quantiles of the true log-odds in a branch, and of the noise for each of them."""
NOISE = (-10.0, 15.0)
"""Logarithms of the least and the most noise of a model's view."""


@dataclass(frozen=True)
class Population:
    """Kinds of patients, each array (kinds,).

    Attributes
    ----------
    weight : array
        Share of the patients; sums to 1.
    truth, rules : array
        Probability of pCR: the true one, and the rules' forecast, which is that of the branch.
    noise : array
        Standard normal, independent of the truth.
    """

    weight: FloatArray
    truth: FloatArray
    rules: FloatArray
    noise: FloatArray

    @property
    def pcr(self) -> float:
        """The share with pCR."""
        return float(self.weight @ self.truth)

    def value(self, measure: str, p: FloatArray) -> float:
        """Return the true value of a measure of forecasts `p` (kinds,)."""
        weights = self.weight * self.weight.size
        return population_values(self.truth, p, [measure], weights)[measure]


def population(plan: DesignPlan) -> Population:
    """Return the patients of the base scenario, of both arms together, of those with an outcome.

    Raises
    ------
    UserError
        If a branch that patients are sent to has a pCR of 0 or 1: there is no spread about it.
    """
    base = replace(plan.base, dropout=0.0)
    true = truth_of(base, plan)
    pcr = base.treated * true.adaptive + (1 - base.treated) * true.control
    quantiles = ndtri((np.arange(STEPS) + 0.5) / STEPS)
    position, noise = (axis.ravel() for axis in np.meshgrid(quantiles, quantiles, indexing="ij"))
    parts: list[FloatArray] = []
    for name, share, mean in zip(base.shares, true.shares, pcr, strict=True):
        if share == 0:
            continue
        if not 0 < mean < 1:
            raise UserError(f"{FILE}, branches, {name}: pcr must stay strictly between 0 and 1")
        spread = plan.branches[name].spread
        centre = brentq(lambda x, s=spread, m=mean: expit(x + s * quantiles).mean() - m, -100, 100)
        truth = expit(centre + spread * position)
        parts.append(
            np.stack([np.full(truth.size, share / truth.size), truth, np.full(truth.size, mean), noise])
        )
    return Population(*np.concatenate(parts, axis=1))


def forecasts(people: Population, wanted: Forecaster, name: str) -> FloatArray:
    """Return a model's forecasts (kinds,): the true log-odds seen through noise, with the worth stated.

    So much noise that the AUC is as wanted; then a line in the log-odds that gives slope and O:E.

    Raises
    ------
    UserError
        If the true probabilities themselves have no such AUC.
    """
    known, (least, most) = logit(people.truth), NOISE

    def seen(noise: float) -> FloatArray:
        blurred = known + np.exp(noise) * people.noise
        return np.asarray((blurred - blurred.mean()) / blurred.std())

    def auc(noise: float) -> float:
        return people.value("auc", expit(seen(noise)))

    best = auc(least)
    if not auc(most) < wanted.auc < best:
        raise UserError(
            f"{FILE}, forecasts, {name}: auc is {wanted.auc:g}; it must lie above 0.5 and below {best:.3f}, "
            "that of the true probabilities"
        )
    score = seen(float(brentq(lambda noise: auc(noise) - wanted.auc, least, most)))
    line = people.value("calibration_slope", expit(score)) / wanted.slope * score
    expected = people.pcr / wanted.o_e
    if not 0 < expected < 1:
        raise UserError(f"{FILE}, forecasts, {name}: o_e is {wanted.o_e:g}, with {people.pcr:.0%} having pCR")
    start = brentq(lambda a: people.weight @ expit(a + line) - expected, -100, 100)
    return np.asarray(expit(start + line))


@dataclass(frozen=True)
class Given:
    """A model of the plan, as its forecasts among the kinds of a population, array (kinds,)."""

    name: str
    model: Forecaster
    people: Population
    p: FloatArray


def given(plan: DesignPlan) -> list[Given]:
    """Return every model of the plan.

    Raises
    ------
    UserError
        As `population` and `forecasts`.
    """
    people = population(plan)
    return [
        Given(name, model, people, forecasts(people, model, name))
        for name, model in plan.forecasts.models.items()
    ]


def draw(people: Population, n: int, rng: np.random.Generator) -> np.ndarray:
    """Return the kinds of a trial's patients, shape (n,)."""
    cumulated = np.cumsum(people.weight)
    drawn = np.searchsorted(cumulated, rng.random(n) * cumulated[-1], side="right")
    return np.asarray(np.minimum(drawn, cumulated.size - 1))
