"""The gates of promotion: prespecified criteria on the numbers that the pipeline stored.

Calibration in other patients and differences from the rules are judged by interval: shown good, shown bad, or
too few patients to tell. A number that does not exist fails its gate: nothing is promoted without an
evaluation that the study allows.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from enum import StrEnum
from math import exp
from typing import Literal

from scipy.special import ndtri, stdtrit

from features.documents.parsing import InnerShare
from pipeline.project.estimates import Estimate, Measures, bounds_text, number_text
from pipeline.report.results import MODEL, RULES, Robustness, Truth

Evaluation = Literal["temporal", "left_out_centres"]
NULL_CHECK = "null_check"
"""The gate that is judged on a check apart from the pipeline."""


@dataclass(frozen=True, kw_only=True)
class Bounds:
    """What a number must be: at least `min`, at most `max`."""

    min: float | None = None
    max: float | None = None

    def hold(self, number: float) -> bool:
        """Tell whether a number is within the bounds."""
        return (self.min is None or number >= self.min) and (self.max is None or number <= self.max)

    def __str__(self) -> str:
        limits = {"at least": self.min, "at most": self.max}
        return " and ".join(f"{word} {limit:g}" for word, limit in limits.items() if limit is not None)


@dataclass(frozen=True, kw_only=True)
class NetBenefitBounds(Bounds):
    """Bounds of the difference in net benefit at one threshold, such as ``delta_net_benefit@0.65``."""

    at: str


@dataclass(frozen=True)
class Criteria:
    """configs/gates.yaml."""

    level: InnerShare
    evaluations: tuple[Evaluation, ...]
    calibration_slope: Bounds
    o_e: Bounds
    ici: Bounds
    delta_log_loss: Bounds
    delta_net_benefit: NetBenefitBounds
    instability: Bounds
    truth_slope: Bounds
    truth_delta_log_loss: Bounds


class Verdict(StrEnum):
    """What the patients show of one criterion."""

    GOOD = "shown good"
    BAD = "shown bad"
    TOO_FEW = "too few patients to tell"
    NOT_EVALUATED = "not evaluated"
    IMPOSSIBLE = "not possible in this study"


@dataclass(frozen=True)
class Gate:
    """One criterion: the result, what it must be, and what that shows.

    What a study cannot show, because it lacks dates or centres, is said and does not hold a model back.
    """

    name: str
    result: str
    must: str
    verdict: Verdict

    @property
    def passes(self) -> bool:
        """Whether the gate lets a model through."""
        return self.verdict in {Verdict.GOOD, Verdict.IMPOSSIBLE}

    def __str__(self) -> str:
        return f"{'pass' if self.passes else 'FAIL'}: {self.verdict}: {self.result} (must be {self.must})"


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
        *calibration_gates(evidence.robustness, criteria),
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


def evaluated(robustness: Robustness, evaluation: Evaluation) -> Measures:
    """Return the measures in later patients, or pooled over centres left out."""
    return robustness.later if evaluation == "temporal" else robustness.left_out_centres


def calibration_gates(robustness: Robustness, criteria: Criteria) -> Iterator[Gate]:
    """Yield calibration in patients whom the model was not learned from: later ones, other centres."""
    limits = {"calibration_slope": criteria.calibration_slope, "o_e": criteria.o_e}
    for evaluation in criteria.evaluations:
        measures, reason = evaluated(robustness, evaluation), robustness.impossible.get(evaluation, "")
        if reason:
            yield Gate(f"{evaluation}.calibration", reason, "evaluated", Verdict.IMPOSSIBLE)
            continue
        for name, bounds in limits.items():
            yield _calibration(f"{evaluation}.{name}", measures, name, bounds, criteria.level)
        if evaluation == "temporal":
            yield _smoothed("temporal.ici", measures, criteria.ici)


def _calibration(gate: str, measures: Measures, name: str, bounds: Bounds, level: float) -> Gate:
    """Judge a slope or an O:E by its interval: good inside the bounds, else bad if it excludes 1."""
    must = f"{bounds}, its {100 * level:.0f} % interval"
    if not measures:
        return Gate(gate, "no such evaluation was run", must, Verdict.NOT_EVALUATED)
    estimate = measures.get(name)
    if estimate is None or estimate.value is None or not has_calibration_interval(estimate):
        why = estimate.reason if estimate is not None and estimate.reason else "too few events or non-events"
        return Gate(gate, why, must, Verdict.TOO_FEW)
    low, high = calibration_interval(estimate, name, level)
    result = f"{number_text(estimate.value)}, {bounds_text(low, high)}"
    return Gate(gate, result, must, _by_interval(low, high, bounds, ideal=1.0))


def has_calibration_interval(estimate: Estimate) -> bool:
    """Tell whether a slope or an O:E has what its interval at any level is made of."""
    return "scaled_se" in estimate.extra


def calibration_interval(estimate: Estimate, name: str, level: float) -> tuple[float, float]:
    """Return the interval of a slope or an O:E at the level of the gates, by t over centres, else by z."""
    groups = estimate.extra.get("pooled")
    tail = (1 + level) / 2
    quantile = float(stdtrit(groups - 1, tail) if groups else ndtri(tail))
    half = quantile * estimate.extra["scaled_se"]
    low, high = (estimate.extra["scaled"] + side * half for side in (-1, 1))
    return (exp(low), exp(high)) if name == "o_e" else (low, high)


def _by_interval(low: float, high: float, bounds: Bounds, ideal: float) -> Verdict:
    if bounds.hold(low) and bounds.hold(high):
        return Verdict.GOOD
    return Verdict.TOO_FEW if low <= ideal <= high else Verdict.BAD


def _smoothed(gate: str, measures: Measures, bounds: Bounds) -> Gate:
    """Judge the ICI beside that of a perfect model: who may exceed the bound too, if patients are few."""
    ici, null = measures.get("ici"), measures.get("ici_null95")
    if ici is None or null is None or ici.value is None or null.value is None:
        verdict = Verdict.TOO_FEW if measures else Verdict.NOT_EVALUATED
        return Gate(gate, ici.reason if ici is not None and ici.reason else "no value", str(bounds), verdict)
    result = f"{number_text(ici.value)}, a perfect model's below {number_text(null.value)}"
    if bounds.hold(ici.value) and bounds.hold(null.value):
        return Gate(gate, result, str(bounds), Verdict.GOOD)
    bad = not bounds.hold(ici.value) and ici.value > null.value
    return Gate(gate, result, str(bounds), Verdict.BAD if bad else Verdict.TOO_FEW)


def _against_rules(difference: Measures, criteria: Criteria) -> Iterator[Gate]:
    yield _difference("delta_log_loss", difference, criteria.delta_log_loss)
    yield _difference(criteria.delta_net_benefit.at, difference, criteria.delta_net_benefit)


def _difference(name: str, difference: Measures, bounds: Bounds) -> Gate:
    """Judge a difference by its interval: good inside the bounds, bad outside them."""
    must, estimate = f"{bounds}, its interval", difference.interval_of(name)
    if estimate is None:
        return Gate(name, "no interval", must, Verdict.NOT_EVALUATED)
    low, high = estimate.interval
    verdict = {2: Verdict.GOOD, 1: Verdict.TOO_FEW, 0: Verdict.BAD}[bounds.hold(low) + bounds.hold(high)]
    return Gate(name, f"{number_text(estimate.point)}, {bounds_text(low, high)}", must, verdict)


def _in_truth(truth: Truth, criteria: Criteria) -> Iterator[Gate]:
    model, rules = truth.measures(MODEL), truth.measures(RULES)
    yield _gate("truth.calibration_slope", model.get("calibration_slope"), criteria.truth_slope)
    losses = [measures["log_loss"].value for measures in (model, rules) if "log_loss" in measures]
    difference = None
    if len(losses) == 2 and losses[0] is not None and losses[1] is not None:
        difference = Estimate(losses[0] - losses[1])
    yield _gate("truth.delta_log_loss", difference, criteria.truth_delta_log_loss)


def _gate(name: str, estimate: Estimate | None, bounds: Bounds) -> Gate:
    """Compare a value with its bounds."""
    if estimate is None or estimate.value is None:
        return Gate(name, "no value", str(bounds), Verdict.NOT_EVALUATED)
    return Gate(name, number_text(estimate.value), str(bounds), _verdict(passes=bounds.hold(estimate.value)))


def _verdict(*, passes: bool) -> Verdict:
    return Verdict.GOOD if passes else Verdict.BAD


def _null(check: NullCheck | None) -> Gate:
    must = "at most 0.5 + 2 standard errors over permuted outcomes"
    if check is None:
        return Gate(NULL_CHECK, "not of this state: run `make null-check`", must, Verdict.NOT_EVALUATED)
    result = f"mean AUC {check.mean:.4f}, {check.permutations} permutations, bound {check.bound:.4f}"
    return Gate(NULL_CHECK, result, must, _verdict(passes=check.mean <= check.bound))


def _no_leak(performance: Mapping[str, Measures], alarm: float, acknowledged: str) -> Gate:
    """Judge the alarm: an AUC too good to be true, unless the study file explains it."""
    must = f"AUC at most {alarm:g}"
    estimates = {name: measures["auc"].value for name, measures in performance.items() if "auc" in measures}
    aucs = {name: value for name, value in estimates.items() if value is not None}
    if not aucs:
        return Gate("leakage", "no AUC", must, Verdict.NOT_EVALUATED)
    worst = max(aucs, key=lambda name: aucs[name])
    note = ", acknowledged" if acknowledged and aucs[worst] > alarm else ""
    verdict = _verdict(passes=aucs[worst] <= alarm or bool(acknowledged))
    return Gate("leakage", f"{aucs[worst]:.3f}{note} ({worst})", must, verdict)
