"""The gates of promotion: prespecified criteria on the numbers that the pipeline stored.

A number that is not there fails its gate: nothing is promoted for want of an evaluation.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

MODEL, RULES = "chosen", "rules"


@dataclass(frozen=True)
class Gate:
    """One criterion: what was found, what it must be, and whether it holds."""

    name: str
    found: str
    must: str
    passes: bool

    def __str__(self) -> str:
        return f"{'pass' if self.passes else 'FAIL'}: {self.found} (must be {self.must})"


@dataclass(frozen=True)
class Evidence:
    """What the gates of one landmark's model are judged on.

    `metrics`, `robustness`, `comparison` (of the landmark), `truth` (of the landmark; None for real patients)
    are the stored JSON files; `null_check` its entry, None where it was not made for this state.
    `leakage_acknowledged` is the study file's.
    """

    metrics: Mapping[str, Any]
    robustness: Mapping[str, Any]
    comparison: Mapping[str, Any]
    truth: Mapping[str, Any] | None
    null_check: Mapping[str, Any] | None
    leakage_acknowledged: str


def gates(evidence: Evidence, criteria: Mapping[str, Any], leakage_alarm_auc: float) -> list[Gate]:
    """Judge every gate; `criteria` is the content of configs/gates.yaml."""
    return [
        *_elsewhere(evidence.robustness, criteria),
        *_against_rules(evidence.comparison.get(f"{MODEL}-{RULES}", {}), criteria),
        _gate(
            "instability",
            evidence.robustness.get("instability", {}).get("mean_absolute_prediction_error"),
            criteria["instability"],
        ),
        _null(evidence.null_check),
        _no_leak(evidence.metrics, leakage_alarm_auc, evidence.leakage_acknowledged),
        *(_in_truth(evidence.truth, criteria) if evidence.truth is not None else ()),
    ]


def _elsewhere(robustness: Mapping[str, Any], criteria: Mapping[str, Any]) -> Iterator[Gate]:
    """Yield calibration in patients whom the model was not learned from: later ones, other centres."""
    made = [name for name in criteria["evaluations"] if name in robustness]
    if not made:
        wanted = ", ".join(criteria["evaluations"])
        yield Gate("calibration", "no evaluation", f"one of {wanted}", passes=False)
    for name in made:
        found = robustness[name]
        if name == "left_out_centres":
            found = {"calibration_slope": found["pooled"].get("slope"), "o_e": found["pooled"].get("o_e")}
        for measure in ("calibration_slope", "o_e"):
            yield _gate(f"{name}.{measure}", found.get(measure), criteria[measure])
    yield _gate("temporal.ici", robustness.get("temporal", {}).get("ici"), criteria["ici"])


def _against_rules(difference: Mapping[str, Any], criteria: Mapping[str, Any]) -> Iterator[Gate]:
    yield _gate("delta_log_loss", difference.get("delta_log_loss"), criteria["delta_log_loss"], at="high")
    benefit = criteria["delta_net_benefit"]
    yield _gate(benefit["at"], difference.get(benefit["at"]), benefit, at="low")


def _in_truth(truth: Mapping[str, Any], criteria: Mapping[str, Any]) -> Iterator[Gate]:
    model, rules = truth.get(MODEL, {}), truth.get(RULES, {})
    yield _gate("truth.calibration_slope", model.get("calibration_slope"), criteria["truth_slope"])
    pair = [entry.get("log_loss", {}).get("value") for entry in (model, rules)]
    difference = None if None in pair else {"value": pair[0] - pair[1]}
    yield _gate("truth.delta_log_loss", difference, criteria["truth_delta_log_loss"])


def _gate(name: str, measure: Mapping[str, Any] | None, bounds: Mapping[str, Any], at: str = "value") -> Gate:
    """Compare a measure (or the end of its interval) with its bounds."""
    low, high = bounds.get("min"), bounds.get("max")
    limits = {"at least": low, "at most": high}
    must = " and ".join(f"{word} {limit:g}" for word, limit in limits.items() if limit is not None)
    if measure is None or at not in measure:
        return Gate(name, "not evaluated", must, passes=False)
    value = float(measure[at])
    holds = (low is None or value >= low) and (high is None or value <= high)
    interval = f", {measure['low']:.3f} to {measure['high']:.3f}" if "low" in measure else ""
    shown = f"{measure['value']:.3f}{interval}"
    return Gate(name, shown, must if at == "value" else f"{must}, {at} bound", passes=holds)


def _null(entry: Mapping[str, Any] | None) -> Gate:
    must = "at most 0.5 + 2 standard errors over permuted outcomes"
    if entry is None:
        return Gate("null_check", "not evaluated for this state: run `make null-check`", must, passes=False)
    found = f"mean AUC {entry['mean']:.4f}, {entry['permutations']} permutations, bound {entry['bound']:.4f}"
    return Gate("null_check", found, must, passes=bool(entry["mean"] <= entry["bound"]))


def _no_leak(metrics: Mapping[str, Any], alarm: float, acknowledged: str) -> Gate:
    """Judge the alarm: an AUC too good to be true, unless the study file explains it."""
    aucs = {name: m["auc"]["value"] for name, m in metrics.items() if "value" in m.get("auc", {})}
    if not aucs:
        return Gate("leakage", "not evaluated", f"AUC at most {alarm:g}", passes=False)
    worst = max(aucs, key=lambda name: float(aucs[name]))
    note = ", acknowledged" if acknowledged and aucs[worst] > alarm else ""
    passes = aucs[worst] <= alarm or bool(acknowledged)
    return Gate("leakage", f"{aucs[worst]:.3f}{note} ({worst})", f"AUC at most {alarm:g}", passes=passes)
