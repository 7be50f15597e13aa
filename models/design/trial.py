"""Trials simulated by the thousand, as counts: whom the rules send where, who has pCR, what is found."""

from dataclasses import dataclass

import numpy as np
from scipy.special import ndtri

from models.design.settings import DesignPlan, Scenario
from models.efficacy.proportions import Arms, newcombe, restricted, wilson
from models.measures.common import BoolArray, FloatArray

SUPERIORITY, NON_INFERIORITY = "superiority", "non_inferiority"


@dataclass(frozen=True)
class Truth:
    """What is true in a scenario, by branch in the order of its shares: each array of shape (branches,)."""

    shares: FloatArray
    control: FloatArray
    adaptive: FloatArray

    @property
    def pcr(self) -> tuple[float, float]:
        """The share with pCR of the adaptive and of the control arm, missing outcomes being non-pCR."""
        return float(self.shares @ self.adaptive), float(self.shares @ self.control)

    @property
    def difference(self) -> float:
        """The difference that the trial estimates: as delivered, missing outcomes being non-pCR."""
        adaptive, control = self.pcr
        return adaptive - control


def truth_of(scenario: Scenario, plan: DesignPlan) -> Truth:
    """Return pCR by branch: gains in the plan's relations, their mean `effect` at the shares of the base."""
    shares = np.array(list(scenario.shares.values()))
    names = list(scenario.shares)
    relative = np.array([plan.branches[name].relative_gain for name in names])
    mean = np.array([plan.base.shares[name] for name in names]) @ relative
    control = np.array([plan.branches[name].pcr for name in names])
    gain = scenario.effect * relative / mean
    known = 1 - scenario.dropout
    adaptive = np.clip(control + scenario.adherence * gain, 0.0, 1.0)
    return Truth(shares, known * control, known * adaptive)


@dataclass(frozen=True)
class Trials:
    """Simulated trials: counts (trials, looks), cumulative; of branches (trials, branches), at the end."""

    arms: Arms
    branch_n: FloatArray
    branch_events: FloatArray

    @property
    def final(self) -> Arms:
        """The counts at the end of the trials."""
        arms = self.arms
        return Arms(arms.events[:, -1], arms.n[:, -1], arms.events_reference[:, -1], arms.n_reference[:, -1])


def simulate(scenario: Scenario, truth: Truth, plan: DesignPlan, rng: np.random.Generator) -> Trials:
    """Draw `plan.trials` trials: branches of every arm by their shares, then pCR, look by look."""
    looks = np.array(plan.looks)
    drawn = []
    for pcr, share in ((truth.adaptive, scenario.treated), (truth.control, 1 - scenario.treated)):
        sizes = np.diff([0, *np.round(looks * scenario.n * share).astype(int)])
        branch = np.stack([rng.multinomial(size, truth.shares, plan.trials) for size in sizes], axis=1)
        drawn.append((branch, rng.binomial(branch, pcr)))
    (n, events), (n0, events0) = drawn
    totals = (np.cumsum(x.sum(axis=2), axis=1).astype(float) for x in (events, n, events0, n0))
    return Trials(Arms(*totals), n.sum(axis=1).astype(float), events.sum(axis=1).astype(float))


def z_values(arms: Arms, delta: float) -> FloatArray:
    """Return every trial's score statistic that the difference is `delta`, in the shape of the counts."""
    p, p0 = restricted(arms, delta)
    variance = p * (1 - p) / arms.n + p0 * (1 - p0) / arms.n_reference
    error = np.sqrt(variance * arms.total / (arms.total - 1))
    with np.errstate(divide="ignore", invalid="ignore"):
        return np.where(error > 0, (arms.difference - delta) / error, 0.0)


@dataclass(frozen=True)
class Share:
    """A share of the simulated trials and its Monte Carlo error."""

    value: float
    error: float


def share_of(trials: BoolArray) -> Share:
    """Return the share of the trials, with the standard error of a proportion."""
    value = float(trials.mean())
    return Share(value, float(np.sqrt(value * (1 - value) / trials.size)))


@dataclass(frozen=True)
class Characteristics:
    """What the trials of a scenario found.

    `superiority`: differs, two-sided; `non_inferiority`: not worse than by the margin, one-sided at half the
    error. `bias`, `coverage` and `width` are of the difference with Newcombe's interval.
    """

    difference: float
    pcr: float
    pcr_control: float
    superiority: Share
    non_inferiority: Share
    bias: Share
    coverage: Share
    width: float


def characteristics(trials: Trials, truth: Truth, plan: DesignPlan) -> Characteristics:
    """Return what the trials found at their end, beside what is true."""
    final = trials.final
    low, high = newcombe(final, plan.level)
    error = final.difference - truth.difference
    bound = ndtri(1 - plan.alpha / 2)
    return Characteristics(
        truth.difference,
        *truth.pcr,
        share_of(np.abs(z_values(final, 0.0)) >= bound),
        share_of(z_values(final, -plan.margin) >= bound),
        Share(float(error.mean()), float(error.std() / np.sqrt(error.size))),
        share_of((low <= truth.difference) & (truth.difference <= high)),
        float((high - low).mean()),
    )


@dataclass(frozen=True)
class BranchSize:
    """Patients of the adaptive arm in a branch: mean, the middle 95 % of trials, and the width of its pCR."""

    n: float
    low: float
    high: float
    width: float


def branch_sizes(trials: Trials, names: tuple[str, ...], level: float) -> dict[str, BranchSize]:
    """Return sizes of the branches and mean widths of Wilson's interval of their pCR."""
    sizes: dict[str, BranchSize] = {}
    for k, name in enumerate(names):
        n, events = trials.branch_n[:, k], trials.branch_events[:, k]
        low, high = wilson(events[n > 0], n[n > 0], level)
        width = float((high - low).mean()) if low.size else float("nan")
        ends = np.quantile(n, [0.025, 0.975])
        sizes[name] = BranchSize(float(n.mean()), float(ends[0]), float(ends[1]), width)
    return sizes


@dataclass(frozen=True)
class Sequential:
    """A group sequential test: how often it rejects, stops before the end, and with how many patients.

    `bias` is of the difference at the look at which it stops.
    """

    rejects: Share
    stops_early: Share
    mean_n: float
    bias: Share


def sequential(trials: Trials, truth: Truth, bounds: FloatArray) -> Sequential:
    """Return what a group sequential test with these boundaries (looks,) finds."""
    crossed = np.asarray(np.abs(z_values(trials.arms, 0.0)) >= bounds)
    rejects = np.asarray(crossed.any(axis=1))
    stop = np.where(rejects, crossed.argmax(axis=1), bounds.size - 1)
    rows = np.arange(stop.size)
    error = trials.arms.difference[rows, stop] - truth.difference
    return Sequential(
        share_of(rejects),
        share_of(rejects & (stop < bounds.size - 1)),
        float(trials.arms.total[rows, stop].mean()),
        Share(float(error.mean()), float(error.std() / np.sqrt(error.size))),
    )
