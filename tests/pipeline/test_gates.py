from copy import deepcopy
from pathlib import Path
from typing import Any

import pytest

from pipeline.project.files import read_yaml
from pipeline.registry.gates import Evidence, gates

CRITERIA: dict[str, Any] = read_yaml(Path(__file__).parents[2] / "configs/gates.yaml")


def measure(value: float, low: float | None = None, high: float | None = None) -> dict[str, float]:
    return {"value": value} | ({} if low is None or high is None else {"low": low, "high": high})


GOOD: dict[str, Any] = {
    "metrics": {"chosen": {"auc": measure(0.74)}, "rules": {"auc": measure(0.6)}},
    "robustness": {
        "temporal": {"calibration_slope": measure(1.1, 0.8, 1.4), "o_e": measure(1.0), "ici": measure(0.02)},
        "left_out_centres": {"pooled": {"slope": measure(1.0), "o_e": measure(1.02)}},
        "instability": {"mean_absolute_prediction_error": measure(0.03)},
    },
    "comparison": {
        "chosen-rules": {
            "delta_log_loss": measure(-0.05, -0.07, -0.03),
            "delta_net_benefit@0.65": measure(0.1, 0.05, 0.15),
        }
    },
    "truth": {
        "chosen": {"calibration_slope": measure(0.95), "log_loss": measure(0.57)},
        "rules": {"log_loss": measure(0.62)},
    },
    "null_check": {"mean": 0.499, "bound": 0.503, "permutations": 50},
    "leakage_acknowledged": "",
}


def failed(evidence: dict[str, Any]) -> list[str]:
    return [gate.name for gate in gates(Evidence(**evidence), CRITERIA, 0.9) if not gate.passes]


def test_a_model_for_which_everything_holds_passes() -> None:
    assert failed(GOOD) == []


@pytest.mark.parametrize(
    ("place", "value", "gate"),
    [
        (("robustness", "temporal", "calibration_slope", "value"), 1.42, "temporal.calibration_slope"),
        (("robustness", "temporal", "o_e", "value"), 0.85, "temporal.o_e"),
        (
            ("robustness", "left_out_centres", "pooled", "slope", "value"),
            0.7,
            "left_out_centres.calibration_slope",
        ),
        (("robustness", "left_out_centres", "pooled", "o_e", "value"), 1.2, "left_out_centres.o_e"),
        (("robustness", "temporal", "ici", "value"), 0.08, "temporal.ici"),
        (("comparison", "chosen-rules", "delta_log_loss", "high"), 0.001, "delta_log_loss"),
        (("comparison", "chosen-rules", "delta_net_benefit@0.65", "low"), -0.01, "delta_net_benefit@0.65"),
        (("robustness", "instability", "mean_absolute_prediction_error", "value"), 0.07, "instability"),
        (("null_check", "mean"), 0.51, "null_check"),
        (("metrics", "chosen", "auc", "value"), 0.95, "leakage"),
        (("truth", "chosen", "calibration_slope", "value"), 0.5, "truth.calibration_slope"),
        (("truth", "chosen", "log_loss", "value"), 0.63, "truth.delta_log_loss"),
    ],
)
def test_one_number_out_of_bounds_fails_its_gate_alone(
    place: tuple[str, ...], value: float, gate: str
) -> None:
    evidence = deepcopy(GOOD)
    part = evidence
    for name in place[:-1]:
        part = part[name]
    part[place[-1]] = value
    assert failed(evidence) == [gate]


def test_what_was_not_evaluated_fails() -> None:
    nothing = {"metrics": {}, "robustness": {}, "comparison": {}, "truth": {}, "null_check": None}
    names = failed(nothing | {"leakage_acknowledged": ""})
    assert names == [gate.name for gate in gates(Evidence(**nothing, leakage_acknowledged=""), CRITERIA, 0.9)]  # type: ignore[arg-type]


def test_a_landmark_without_left_out_centres_is_judged_on_later_patients_alone() -> None:
    evidence = deepcopy(GOOD)
    del evidence["robustness"]["left_out_centres"]
    assert failed(evidence) == []


def test_real_patients_have_no_truth_to_be_judged_on_and_an_alarm_can_be_acknowledged() -> None:
    evidence = deepcopy(GOOD) | {"truth": None}
    evidence["metrics"]["chosen"]["auc"]["value"] = 0.95
    assert failed(evidence) == ["leakage"]
    assert failed(evidence | {"leakage_acknowledged": "a reason"}) == []
