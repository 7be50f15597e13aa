"""A model minus the rules: how often a trial of n patients finds a difference of known size.

Both forecasts are given: what learning them anew costs is not in these figures. The difference of two means
over the same patients is a mean, and that of two AUCs nearly one (DeLong et al., Biometrics 1988;44:837):
their power by normal theory stands beside the simulated one.
"""

from dataclasses import dataclass
from functools import partial

import numpy as np

from models.design.closed_form import detectable_mean, power_of_mean
from models.design.population import Given, Population, draw, given
from models.design.rows import DesignRow, generator, row
from models.design.settings import DesignPlan
from models.design.trial import Share, share_of
from models.measures.common import FloatArray, MeasureError
from models.measures.delong import auc_difference
from models.measures.net_benefit import net_benefit_contributions
from models.measures.weighted import negative_log_likelihood

PART = "forecasts"
WANTED = 0.8
"""The power at which a detectable difference is told."""
BETTER = {"log_loss": -1, "auc": 1, "net_benefit": 1}
"""The sign of a difference, model minus rules, in the model's favour."""


def questions(plan: DesignPlan) -> list[partial[list[DesignRow]]]:
    """Return what is asked of every model with every number of patients."""
    return [partial(_of_model, model, n, plan) for model in given(plan) for n in plan.sizes]


def _of_model(model: Given, n: int, plan: DesignPlan) -> list[DesignRow]:
    people, p, name = model.people, model.p, model.name
    rng = generator(f"{PART} {model.model} {n}", plan)
    trials = [compared(*draw_trial(people, p, n, rng), plan) for _ in range(plan.forecasts.trials)]
    rows = [
        row(PART, name, "auc", "model", people.value("auc", p), n),
        row(PART, name, "auc", "rules", people.value("auc", people.rules), n),
    ]
    for measure, true in expected(people, p, plan).items():
        value, low, high = np.array([trial[measure] for trial in trials]).T
        sign = BETTER[measure.partition("@")[0]]
        known = np.isfinite(value)
        error = value[known] - true.difference
        numbers: dict[str, float | Share] = {
            "difference": true.difference,
            "found": share_of((low if sign > 0 else -high) > 0),
            "found_closed_form": power_of_mean(sign * true.difference, true.sd, n, plan.alpha),
            "bias": mean_of(error),
            "coverage": share_of((low <= true.difference) & (true.difference <= high)),
            "width": mean_of((high - low)[known]).value,
            "detectable": detectable_mean(true.sd, n, plan.alpha, WANTED),
        }
        rows += [row(PART, name, measure, told, number, n) for told, number in numbers.items()]
    # What no trial could tell, as with a handful of patients, is no row.
    return [each for each in rows if np.isfinite(each["value"])]


def mean_of(values: FloatArray) -> Share:
    """Return the mean over trials with its standard error; NaN of none."""
    if not values.size:
        return Share(float("nan"), float("nan"))
    return Share(float(values.mean()), float(values.std() / np.sqrt(values.size)))


def draw_trial(
    people: Population, p: FloatArray, n: int, rng: np.random.Generator
) -> tuple[FloatArray, FloatArray, FloatArray]:
    """Return outcomes and the forecasts of model and rules of a trial, each (n,)."""
    kinds = draw(people, n, rng)
    y = (rng.random(n) < people.truth[kinds]).astype(float)
    return y, p[kinds], people.rules[kinds]


def compared(
    y: FloatArray, p: FloatArray, rules: FloatArray, plan: DesignPlan
) -> dict[str, tuple[float, float, float]]:
    """Return what a trial finds of model minus rules by measure: difference and interval.

    The AUC's is the pipeline's own; of the means the interval is by their standard error, which the pipeline
    takes from bootstrap samples. NaN where a trial has no interval.
    """
    found: dict[str, tuple[float, float, float]] = {}
    for measure, (with_pcr, without) in contributions(p, rules, plan.forecasts.threshold).items():
        each = np.where(y == 1, with_pcr, without)
        half = half_width(float(each.std(ddof=1)), y.size, plan.alpha)
        found[measure] = (float(each.mean()), float(each.mean()) - half, float(each.mean()) + half)
    try:
        area, _ = auc_difference(y, p, rules, plan.level)
        low, high = (np.nan if end is None else end for end in (area.low, area.high))
        found["auc"] = (area.value, low, high)
    except MeasureError:
        found["auc"] = (np.nan, np.nan, np.nan)
    return found


def half_width(sd: float, n: int, alpha: float) -> float:
    """Return half the width of a mean's interval."""
    return detectable_mean(sd, n, alpha, 0.5)


def contributions(
    p: FloatArray, rules: FloatArray, threshold: float
) -> dict[str, tuple[FloatArray, FloatArray]]:
    """Return what each patient adds to a difference of means, with pCR and without, each (n,)."""

    def of(y: float) -> dict[str, FloatArray]:
        outcome = np.full(p.size, y)
        loss = negative_log_likelihood(outcome, p) - negative_log_likelihood(outcome, rules)
        benefit = [
            net_benefit_contributions(outcome, each[None], threshold, "de_escalation")[:, 0]
            for each in (p, rules)
        ]
        return {"log_loss": loss, f"net_benefit@{threshold:g}": benefit[0] - benefit[1]}

    with_pcr, without = of(1.0), of(0.0)
    return {name: (with_pcr[name], without[name]) for name in with_pcr}


@dataclass(frozen=True)
class Expected:
    """A true difference, and the standard deviation of its estimate times the square root of n."""

    difference: float
    sd: float


def expected(people: Population, p: FloatArray, plan: DesignPlan) -> dict[str, Expected]:
    """Return what is true of model minus rules, by measure."""
    q, weight = people.truth, people.weight
    found: dict[str, Expected] = {}
    for measure, (with_pcr, without) in contributions(p, people.rules, plan.forecasts.threshold).items():
        mean = weight @ (q * with_pcr + (1 - q) * without)
        square = weight @ (q * with_pcr**2 + (1 - q) * without**2)
        found[measure] = Expected(float(mean), float(np.sqrt(np.maximum(square - mean**2, 0.0))))
    events, others = weight * q, weight * (1 - q)
    placed = [placements(x, events, others) for x in (p, people.rules)]
    of_events, of_others = (placed[0][k] - placed[1][k] for k in (0, 1))
    variance = _variance(of_events, events) / events.sum() + _variance(of_others, others) / others.sum()
    difference = float(events @ of_events / events.sum())
    found["auc"] = Expected(difference, float(np.sqrt(variance)))
    return found


def _variance(values: FloatArray, share: FloatArray) -> float:
    share = share / share.sum()
    return float(share @ (values - share @ values) ** 2)


def placements(p: FloatArray, events: FloatArray, others: FloatArray) -> tuple[FloatArray, FloatArray]:
    """Return for each kind the share of patients without pCR below it, and of those with pCR above it.

    Ties count half; `events` and `others` (kinds,) are the shares with and without pCR of each kind.
    """
    _, place = np.unique(p, return_inverse=True)
    with_pcr, without = np.bincount(place, events), np.bincount(place, others)
    below = np.cumsum(without) - without / 2
    above = np.cumsum(with_pcr[::-1])[::-1] - with_pcr / 2
    return (below / without.sum())[place], (above / with_pcr.sum())[place]
