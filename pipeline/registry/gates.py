"""The gates of promotion: prespecified criteria on the numbers that the pipeline stored.

A number that does not exist fails its gate: nothing is promoted without an evaluation.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Literal

from pipeline.project.estimates import Estimate, Measures, bounds_text, number_text
from pipeline.project.settings import Settings
from pipeline.report.results import MODEL, RULES, Robustness, Truth

Side = Literal["value", "low", "high"]


class Bounds(Settings):
    """What a number must be: at least `min`, at most `max`."""

    min: float | None = None
    max: float | None = None

    def hold(self, number: float) -> bool:
        """Tell whether a number is within the bounds."""
        return (self.min is None or number >= self.min) and (self.max is None or number <= self.max)

    def __str__(self) -> str:
        limits = {"at least": self.min, "at most": self.max}
        return " and ".join(f"{word} {limit:g}" for word, limit in limits.items() if limit is not None)


class NetBenefitBounds(Bounds):
    """Bounds of the difference in net benefit at one threshold, such as ``delta_net_benefit@0.65``."""

    at: str


class Criteria(Settings):
    """configs/gates.yaml."""

    evaluations: list[Literal["temporal", "left_out_centres"]]
    calibration_slope: Bounds
    o_e: Bounds
    ici: Bounds
    delta_log_loss: Bounds
    delta_net_benefit: NetBenefitBounds
    instability: Bounds
    truth_slope: Bounds
    truth_delta_log_loss: Bounds


@dataclass(frozen=True)
class Gate:
    """One criterion: the result, what it must be, and whether it holds."""

    name: str
    result: str
    must: str
    passes: bool

    def __str__(self) -> str:
        return f"{'pass' if self.passes else 'FAIL'}: {self.result} (must be {self.must})"


@dataclass(frozen=True)
class NullCheck:
    """Mean AUC over permuted outcomes, and the bound of 0.5 plus two standard errors."""

    mean: float
    bound: float
    permutations: int


@dataclass(frozen=True)
class Evidence:
    """What the gates of one landmark's model are judged on.

    `performance` holds the measures of every model; `difference` is model minus rules; `truth` is None for
    real patients; `null_check` is None where it was not made for this state; `leakage_acknowledged` is the
    study file's.
    """

    performance: Mapping[str, Measures]
    robustness: Robustness
    difference: Measures
    truth: Truth | None
    null_check: NullCheck | None
    leakage_acknowledged: str


def gates(evidence: Evidence, criteria: Criteria, leakage_alarm_auc: float) -> list[Gate]:
    """Judge every gate."""
    return [
        *_in_other_patients(evidence.robustness, criteria),
        *_against_rules(evidence.difference, criteria),
        _gate(
            "instability",
            evidence.robustness.instability.get("mean_absolute_prediction_error"),
            criteria.instability,
        ),
        _null(evidence.null_check),
        _no_leak(evidence.performance, leakage_alarm_auc, evidence.leakage_acknowledged),
        *(_in_truth(evidence.truth, criteria) if evidence.truth is not None else ()),
    ]


def _in_other_patients(robustness: Robustness, criteria: Criteria) -> Iterator[Gate]:
    """Yield calibration in patients whom the model was not learned from: later ones, other centres."""
    parts = {"temporal": robustness.later, "left_out_centres": robustness.left_out_centres}
    evaluated = [name for name in criteria.evaluations if parts[name]]
    if not evaluated:
        yield Gate("calibration", "no evaluation", f"one of {', '.join(criteria.evaluations)}", passes=False)
    for name in evaluated:
        yield _gate(
            f"{name}.calibration_slope", parts[name].get("calibration_slope"), criteria.calibration_slope
        )
        yield _gate(f"{name}.o_e", parts[name].get("o_e"), criteria.o_e)
    yield _gate("temporal.ici", robustness.later.get("ici"), criteria.ici)


def _against_rules(difference: Measures, criteria: Criteria) -> Iterator[Gate]:
    yield _gate("delta_log_loss", difference.get("delta_log_loss"), criteria.delta_log_loss, side="high")
    benefit = criteria.delta_net_benefit
    yield _gate(benefit.at, difference.get(benefit.at), benefit, side="low")


def _in_truth(truth: Truth, criteria: Criteria) -> Iterator[Gate]:
    model, rules = truth.measures(MODEL), truth.measures(RULES)
    yield _gate("truth.calibration_slope", model.get("calibration_slope"), criteria.truth_slope)
    losses = [measures["log_loss"].value for measures in (model, rules) if "log_loss" in measures]
    difference = None
    if len(losses) == 2 and losses[0] is not None and losses[1] is not None:
        difference = Estimate(losses[0] - losses[1])
    yield _gate("truth.delta_log_loss", difference, criteria.truth_delta_log_loss)


def _gate(name: str, estimate: Estimate | None, bounds: Bounds, side: Side = "value") -> Gate:
    """Compare an estimate, or one of its limits, with its bounds."""
    must = str(bounds) if side == "value" else f"{bounds}, {side} bound"
    number = (
        None
        if estimate is None
        else {"value": estimate.value, "low": estimate.low, "high": estimate.high}[side]
    )
    if estimate is None or estimate.value is None or number is None:
        return Gate(name, "not evaluated", must, passes=False)
    interval = f", {bounds_text(*estimate.interval)}" if estimate.has_interval else ""
    return Gate(name, f"{number_text(estimate.value)}{interval}", must, passes=bounds.hold(number))


def _null(check: NullCheck | None) -> Gate:
    must = "at most 0.5 + 2 standard errors over permuted outcomes"
    if check is None:
        return Gate("null_check", "not evaluated for this state: run `make null-check`", must, passes=False)
    result = f"mean AUC {check.mean:.4f}, {check.permutations} permutations, bound {check.bound:.4f}"
    return Gate("null_check", result, must, passes=check.mean <= check.bound)


def _no_leak(performance: Mapping[str, Measures], alarm: float, acknowledged: str) -> Gate:
    """Judge the alarm: an AUC too good to be true, unless the study file explains it."""
    estimates = {name: measures["auc"].value for name, measures in performance.items() if "auc" in measures}
    aucs = {name: value for name, value in estimates.items() if value is not None}
    if not aucs:
        return Gate("leakage", "not evaluated", f"AUC at most {alarm:g}", passes=False)
    worst = max(aucs, key=lambda name: aucs[name])
    note = ", acknowledged" if acknowledged and aucs[worst] > alarm else ""
    passes = aucs[worst] <= alarm or bool(acknowledged)
    return Gate("leakage", f"{aucs[worst]:.3f}{note} ({worst})", f"AUC at most {alarm:g}", passes=passes)
