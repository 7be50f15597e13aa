"""The gates of promotion: each number out of bounds fails its gate, and so does each that does not exist."""

from dataclasses import replace
from math import log
from pathlib import Path
from typing import Any

import pytest

from features.documents.parsing import parsed
from features.errors import UserError
from pipeline.project.estimates import Estimate, Measures
from pipeline.project.files import read_yaml
from pipeline.project.settings import read_settings
from pipeline.report.gates import Criteria, Evidence, Gate, NullCheck, Verdict, gates
from pipeline.report.results import Robustness, Truth

FILE = Path(__file__).parents[2] / "configs/gates.yaml"
CRITERIA = read_settings(Criteria, FILE)


def measures(**values: Estimate | float) -> Measures:
    return Measures({n: v if isinstance(v, Estimate) else Estimate(v) for n, v in values.items()})


def scaled(value: float, error: float, centres: float | None = None) -> Estimate:
    """Return a slope, or with its logarithm as estimate an O:E."""
    groups = {} if centres is None else {"pooled": centres}
    return Estimate(value, extra={"scaled": value, "scaled_se": error, **groups})


def ratio(value: float, error: float, centres: float | None = None) -> Estimate:
    estimate = scaled(value, error, centres)
    return replace(estimate, extra={**estimate.extra, "scaled": log(value)})


BENEFIT = "delta_net_benefit@0.65"
LATER = measures(calibration_slope=scaled(1.1, 0.1), o_e=ratio(1.0, 0.03), ici=0.02, ici_null95=0.035)
CENTRES = measures(calibration_slope=scaled(1.0, 0.06, 20), o_e=ratio(1.02, 0.02, 20))
DIFFERENCE = measures(delta_log_loss=Estimate(-0.05, -0.07, -0.03)) | {BENEFIT: Estimate(0.1, 0.05, 0.15)}
MODEL = measures(calibration_slope=0.95, log_loss=0.57)
TRUTH = Truth(1000, None, {"chosen": MODEL, "rules": measures(log_loss=0.62)})
GOOD = Evidence(
    performance={"chosen": measures(auc=0.74), "rules": measures(auc=0.6)},
    robustness=Robustness(
        instability=measures(mean_absolute_prediction_error=0.03), later=LATER, left_out_centres=CENTRES
    ),
    difference=Measures(DIFFERENCE),
    truth=TRUTH,
    null_check=NullCheck(0.499, 0.503, 50),
    leakage_acknowledged="",
)


def failed(evidence: Evidence) -> list[str]:
    return [gate.name for gate in gates(evidence, CRITERIA, 0.9) if not gate.passes]


def robustness(**changes: Any) -> dict[str, Any]:
    return {"robustness": replace(GOOD.robustness, **changes)}


def truth(**changes: float) -> dict[str, Any]:
    return {"truth": replace(TRUTH, models={**TRUTH.models, "chosen": Measures(MODEL | measures(**changes))})}


def difference(name: str, *numbers: float) -> dict[str, Any]:
    return {"difference": Measures(GOOD.difference | {name: Estimate(*numbers)})}


def test_a_model_for_which_everything_holds_passes() -> None:
    assert failed(GOOD) == []


@pytest.mark.parametrize(
    ("changes", "gate"),
    [
        (
            robustness(later=Measures(LATER | measures(calibration_slope=scaled(1.42, 0.1)))),
            "temporal.calibration_slope",
        ),
        (robustness(later=Measures(LATER | measures(o_e=ratio(0.8, 0.03)))), "temporal.o_e"),
        (robustness(later=Measures(LATER | measures(ici=0.08))), "temporal.ici"),
        (
            robustness(
                left_out_centres=Measures(CENTRES | measures(calibration_slope=scaled(0.7, 0.06, 20)))
            ),
            "left_out_centres.calibration_slope",
        ),
        (
            robustness(left_out_centres=Measures(CENTRES | measures(o_e=ratio(1.25, 0.02, 20)))),
            "left_out_centres.o_e",
        ),
        (robustness(instability=measures(mean_absolute_prediction_error=0.07)), "instability"),
        (difference("delta_log_loss", -0.05, -0.07, 0.001), "delta_log_loss"),
        (difference(BENEFIT, 0.1, -0.01, 0.15), BENEFIT),
        ({"null_check": NullCheck(0.51, 0.503, 50)}, "null_check"),
        ({"performance": {"chosen": measures(auc=0.95)}}, "leakage"),
        (truth(calibration_slope=0.5), "truth.calibration_slope"),
        (truth(log_loss=0.63), "truth.delta_log_loss"),
    ],
)
def test_one_number_out_of_bounds_fails_its_gate_alone(changes: dict[str, Any], gate: str) -> None:
    assert failed(replace(GOOD, **changes)) == [gate]


def test_what_was_not_evaluated_fails() -> None:
    nothing = Evidence({}, Robustness(), Measures(), Truth(), None, "")
    assert failed(nothing) == [
        "temporal.calibration_slope", "temporal.o_e", "temporal.ici", "left_out_centres.calibration_slope",
        "left_out_centres.o_e", "delta_log_loss", BENEFIT, "instability", "null_check", "leakage",
        "truth.calibration_slope", "truth.delta_log_loss",
    ]  # fmt: skip


def verdict(gate: str, **changes: Any) -> Verdict:
    judged = gates(replace(GOOD, **robustness(**changes)), CRITERIA, 0.9)
    return next(found.verdict for found in judged if found.name == gate)


@pytest.mark.parametrize(
    ("slope", "expected"),
    [
        (scaled(1.0, 0.09), Verdict.GOOD),
        (scaled(0.9, 0.09), Verdict.GOOD),
        (scaled(0.7, 0.09), Verdict.BAD),
        (scaled(1.0, 0.25), Verdict.TOO_FEW),
        (scaled(0.7, 0.25), Verdict.TOO_FEW),
        (scaled(2.5, 0.25), Verdict.BAD),
        (Estimate(reason="is infinite"), Verdict.TOO_FEW),
    ],
)
def test_a_slope_is_good_bad_or_cannot_be_told(slope: Estimate, expected: Verdict) -> None:
    later = Measures(LATER | {"calibration_slope": slope})
    assert verdict("temporal.calibration_slope", later=later) == expected


def test_few_centres_widen_the_interval_that_is_judged() -> None:
    twenty, three = (
        Measures(CENTRES | {"calibration_slope": scaled(0.9, 0.1, centres)}) for centres in (20, 3)
    )
    assert verdict("left_out_centres.calibration_slope", left_out_centres=twenty) == Verdict.GOOD
    assert verdict("left_out_centres.calibration_slope", left_out_centres=three) == Verdict.TOO_FEW


def test_an_ici_tells_nothing_where_a_perfect_model_exceeds_the_bound() -> None:
    few = Measures(LATER | measures(ici=0.04, ici_null95=0.09))
    assert verdict("temporal.ici", later=few) == Verdict.TOO_FEW
    assert verdict("temporal.ici", later=Measures(LATER | measures(ici=0.1, ici_null95=0.09))) == Verdict.BAD


def test_a_number_without_the_interval_that_its_gate_needs_fails() -> None:
    assert failed(replace(GOOD, **difference("delta_log_loss", -0.05))) == ["delta_log_loss"]


def test_what_the_study_lacks_is_said_and_does_not_hold_a_model_back() -> None:
    undated = robustness(later=Measures(), impossible={"temporal": "no dates"})
    judged = gates(replace(GOOD, **undated), CRITERIA, 0.9)
    assert failed(replace(GOOD, **undated)) == []
    assert str(judged[0]) == "pass: not possible in this study: no dates (must be evaluated)"


def test_real_patients_have_no_truth_to_be_judged_on_and_an_alarm_can_be_acknowledged() -> None:
    evidence = replace(GOOD, truth=None, performance={"chosen": measures(auc=0.95)})
    assert failed(evidence) == ["leakage"]
    assert failed(replace(evidence, leakage_acknowledged="a reason")) == []


def test_a_gate_says_its_result_with_interval_and_what_it_must_be() -> None:
    shown = {gate.name: str(gate) for gate in gates(GOOD, CRITERIA, 0.9)}
    assert shown["temporal.calibration_slope"] == (
        "pass: shown good: 1.100, 0.936 to 1.264 (must be at least 0.7 and at most 1.43, its 90 % interval)"
    )
    assert (
        shown["delta_log_loss"]
        == "pass: shown good: -0.050, -0.070 to -0.030 (must be at most 0, its interval)"
    )
    assert str(Gate("g", "0.1", "at most 0", Verdict.BAD)) == "FAIL: shown bad: 0.1 (must be at most 0)"


def test_a_misspelt_criterion_is_refused_with_file_key_and_the_nearest_valid_key() -> None:
    document = read_yaml(FILE)
    document["calibration_slope"] = {"minimum": 0.8}
    document["instabilty"] = document.pop("instability")
    with pytest.raises(UserError) as refusal:
        parsed(Criteria, document, "configs/gates.yaml")
    message = str(refusal.value)
    assert "configs/gates.yaml: key instabilty is unknown, did you mean instability?" in message
    assert "configs/gates.yaml, calibration_slope: key minimum is unknown, did you mean min?" in message
