"""Results are read from their files as typed records; what a study does not have is empty."""

from pathlib import Path
from typing import Any

import pandas as pd

from models.procedure.cohort_size.development import DevelopmentSize
from models.sample_size.documents import TrialSize, ValidationSize
from pipeline.project.estimates import Estimate
from pipeline.project.files import write_json
from pipeline.report.results import (
    RULES,
    read_comparison,
    read_results,
    read_robustness,
    read_subgroups,
    read_truth,
)

ONE = {"value": 0.7, "low": 0.6, "high": 0.8}
GROUP: dict[str, Any] = {"n": {"value": 40}, "events": {"value": 20}, "auc": ONE}
DECLARED = {"landmark": "c2", "arm": "B", "metric": "log_loss", "model": "chosen", "against": "rules"}
COMPARISON = {
    "primary": {"declared": DECLARED, "result": ONE},
    "c2": {"chosen-rules": GROUP},
    "domains": {"c2": {"all-clinical": GROUP, "adequacy": {"all": {"value": 1.0}}}},
    "common_patients": {"n": {"value": 40}},
}


def test_a_study_with_nothing_but_its_comparison_has_empty_parts(tmp_path: Path) -> None:
    write_json(tmp_path / "comparison.json", COMPARISON)
    write_json(tmp_path / "c2.json", {"chosen": GROUP})
    results = read_results(tmp_path, tmp_path, tmp_path / "curves", tmp_path / "review", ["c2"])
    assert results.landmarks["c2"]["chosen"].patients == 40
    assert results.robustness == {"c2": None}
    assert not any((results.sensitivity, results.size, results.strategies, results.truth, results.review))
    assert results.curves == {"c2": {}}


def test_a_comparison_tells_landmarks_from_its_other_parts(tmp_path: Path) -> None:
    write_json(tmp_path / "comparison.json", COMPARISON)
    comparison = read_comparison(tmp_path)
    assert set(comparison.landmarks) == {"c2"}
    assert comparison.model_minus(RULES, "c2").interval_of("auc") == Estimate(0.7, 0.6, 0.8)
    assert comparison.model_minus(RULES, "c9") == {}
    assert (comparison.declared.arm, comparison.primary.interval) == ("B", (0.6, 0.8))


def test_left_out_centres_have_a_slope_by_the_name_of_all_other_evaluations(tmp_path: Path) -> None:
    content = {"temporal": GROUP, "left_out_centres": {"pooled": {"slope": ONE}, "centres": {"S1": GROUP}}}
    write_json(tmp_path / "robustness-c2.json", content)
    robustness = read_robustness(tmp_path, "c2")
    assert robustness is not None
    assert robustness.left_out_centres["calibration_slope"] == Estimate(0.7, 0.6, 0.8)
    assert (robustness.centres["S1"].events, robustness.optimism_corrected) == (20, {})
    assert read_robustness(tmp_path, "c4") is None


def test_centres_are_no_subgroups(tmp_path: Path) -> None:
    write_json(
        tmp_path / "subgroups-c2.json",
        {"hr": {"pos": GROUP}, "centre": {"S1": GROUP}, "centre_pooled": {"auc": ONE}},
    )
    subgroups = read_subgroups(tmp_path, "c2")
    assert (set(subgroups.groups), set(subgroups.centres), set(subgroups.pooled)) == ({"hr"}, {"S1"}, {"auc"})


def test_the_truth_has_models_by_landmark_and_strategies_apart(tmp_path: Path) -> None:
    landmark = {"n": {"value": 100}, "chosen": {"auc": ONE}, "attainable_auc": {"value": 0.75}}
    write_json(tmp_path / "truth.json", {"c2": landmark, "strategies": {"A-B": {"policy": {"value": 0.6}}}})
    truth, strategies = read_truth(tmp_path)
    assert (truth["c2"].patients, set(truth["c2"].models)) == (100, {"chosen"})
    assert truth["c2"].attainable_auc == Estimate(0.75)
    assert truth["c2"].measures("rules") == {}
    assert strategies["A-B"]["policy"].point == 0.6


def test_sizes_curves_and_reviews_are_read_where_they_are(tmp_path: Path) -> None:
    write_json(tmp_path / "comparison.json", COMPARISON)
    write_json(tmp_path / "c2.json", {"chosen": GROUP})
    development: DevelopmentSize = {
        "n": 40, "prevalence": 0.5, "parameters": 9, "needed": 300, "needed_shrinkage": 300,
        "needed_optimism": 200, "needed_overall_risk": 30, "parameters_supported": 2, "enough": 0,
    }  # fmt: skip
    validation: ValidationSize = {
        "needed_o_e": 90, "needed_slope": 120, "needed_c_statistic": 80, "needed_net_benefit": 70,
    }  # fmt: skip
    size: TrialSize = {"development": development, "validation": validation}
    write_json(tmp_path / "size.json", {"c2": size})
    write_json(tmp_path / "strategy-B.json", {"B-A": {"n": {"value": 40}}})
    pd.DataFrame({"x": [1]}).to_csv(tmp_path / "c2-benefit.csv", index=False)
    results = read_results(tmp_path, tmp_path, tmp_path, tmp_path, ["c2"])
    assert (results.size["c2"].enough, results.size["c2"].to_validate) == (False, 120)
    assert (set(results.curves["c2"]), set(results.strategies)) == ({"benefit"}, {"B-A"})
    assert set(results.review) == {"c2-benefit"}
