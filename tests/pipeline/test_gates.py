"""The gates of promotion: each number out of bounds fails its gate, and so does each that does not exist."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from features.errors import UserError
from pipeline.project.estimates import Estimate, Measures
from pipeline.project.files import read_yaml
from pipeline.project.settings import parse_settings, read_settings
from pipeline.registry.gates import Criteria, Evidence, Gate, NullCheck, gates
from pipeline.report.results import Robustness, Truth

FILE = Path(__file__).parents[2] / "configs/gates.yaml"
CRITERIA = read_settings(Criteria, FILE)


def measures(**values: Estimate | float) -> Measures:
    return Measures({n: v if isinstance(v, Estimate) else Estimate(v) for n, v in values.items()})


BENEFIT = "delta_net_benefit@0.65"
LATER = measures(calibration_slope=Estimate(1.1, 0.8, 1.4), o_e=1.0, ici=0.02)
CENTRES = measures(calibration_slope=1.0, o_e=1.02)
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
        (robustness(later=Measures(LATER | measures(calibration_slope=1.42))), "temporal.calibration_slope"),
        (robustness(later=Measures(LATER | measures(o_e=0.85))), "temporal.o_e"),
        (robustness(later=Measures(LATER | measures(ici=0.08))), "temporal.ici"),
        (
            robustness(left_out_centres=Measures(CENTRES | measures(calibration_slope=0.7))),
            "left_out_centres.calibration_slope",
        ),
        (robustness(left_out_centres=Measures(CENTRES | measures(o_e=1.2))), "left_out_centres.o_e"),
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
        "calibration", "temporal.ici", "delta_log_loss", BENEFIT, "instability", "null_check", "leakage",
        "truth.calibration_slope", "truth.delta_log_loss",
    ]  # fmt: skip


def test_a_number_without_the_interval_that_its_gate_needs_fails() -> None:
    assert failed(replace(GOOD, **difference("delta_log_loss", -0.05))) == ["delta_log_loss"]


def test_a_landmark_without_left_out_centres_is_judged_on_later_patients_alone() -> None:
    assert failed(replace(GOOD, **robustness(left_out_centres=Measures()))) == []


def test_real_patients_have_no_truth_to_be_judged_on_and_an_alarm_can_be_acknowledged() -> None:
    evidence = replace(GOOD, truth=None, performance={"chosen": measures(auc=0.95)})
    assert failed(evidence) == ["leakage"]
    assert failed(replace(evidence, leakage_acknowledged="a reason")) == []


def test_a_gate_says_its_result_with_interval_and_what_it_must_be() -> None:
    shown = {gate.name: str(gate) for gate in gates(GOOD, CRITERIA, 0.9)}
    assert shown["temporal.calibration_slope"] == (
        "pass: 1.100, 0.800 to 1.400 (must be at least 0.8 and at most 1.25)"
    )
    assert shown["delta_log_loss"] == "pass: -0.050, -0.070 to -0.030 (must be at most 0, high bound)"
    assert str(Gate("g", "0.1", "at most 0", passes=False)) == "FAIL: 0.1 (must be at most 0)"


def test_a_misspelt_criterion_is_refused_with_file_key_and_the_nearest_valid_key() -> None:
    document = read_yaml(FILE)
    document["calibration_slope"] = {"minimum": 0.8}
    document["instabilty"] = document.pop("instability")
    with pytest.raises(UserError) as refusal:
        parse_settings(Criteria, document, "configs/gates.yaml")
    message = str(refusal.value)
    assert "configs/gates.yaml: key instabilty is unknown, did you mean instability?" in message
    assert "configs/gates.yaml: calibration_slope: key minimum is unknown, did you mean min?" in message
