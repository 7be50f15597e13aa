"""Cohorts on which a run once stopped: what cannot be computed is an error with its reason."""

import os
import re
from pathlib import Path
from typing import Any

import pytest
import yaml

from pipeline.project.files import read_json
from tests.cohort_campaign import Odd, outcome_of
from tests.in_process import told_here, write_study
from tests.page_numbers import untraced
from tests.workspace import ROOT

CASES = ROOT / ".." / "shared" / "cases"
SETTINGS: dict[str, Any] = {
    "configs/models.yaml": {"candidates": {"logistic": {"penalties_per_patient": [2.0, 0.1, 0.01]}}},
    "configs/validation.yaml": {"resampling": {"bootstrap": 3}},
}
pytestmark = pytest.mark.line


class Finished:
    """A case that was run: exit code, what was said, and its results."""

    def __init__(self, case: str, folder: Path, **changes: Any) -> None:
        if not CASES.is_dir():
            if os.environ.get("CI") == "true":
                pytest.fail(f"{CASES} is missing: the cases are part of the checks")
            pytest.skip("the cases are not here")
        (file,) = (CASES / case).glob("*.yaml")
        study = yaml.safe_load(file.read_text(encoding="utf-8")) | changes
        write_study(folder / "run", study, CASES / case / "files", SETTINGS)
        self.code, _, said = told_here(folder / "run")
        self.said = " ".join(said.split())
        self.artifacts = folder / "run" / "artifacts" / study["study"]

    def result(self, name: str) -> Any:
        """Return a results file."""
        return read_json(self.artifacts / f"results/{name}.json")

    def page(self) -> str:
        """Return the study report."""
        return (self.artifacts / "reports/index.html").read_text(encoding="utf-8")


def test_a_study_of_two_arms_balanced_by_design_runs_whatever_its_penalties_do(tmp_path: Path) -> None:
    done = Finished("cohorts/convergence-warning", tmp_path)
    assert done.code == 0, done.said
    assert done.result("baseline")["chosen"]["auc"]["value"] > 0.5


def test_a_study_without_clinical_domain_runs_and_is_stratified_by_its_arm(tmp_path: Path) -> None:
    done = Finished("cohorts/domains-without-clinical", tmp_path)
    assert done.code == 0, done.said
    assert "arm" not in {f["name"] for f in read_json(done.artifacts / "features/baseline.json")["features"]}
    assert read_json(done.artifacts / "models/baseline/model.json")["training"]["by_arm"].keys() == {"NAC"}


def test_one_arm_without_receptors_runs_and_is_compared_with_its_prevalence(tmp_path: Path) -> None:
    done = Finished("cohorts/one-arm-no-receptors", tmp_path)
    assert done.code == 0, done.said
    assert {"prevalence", "rule_inputs", "rules"} <= set(done.result("baseline"))
    assert "Candidates that could not be learned" in done.page()


def test_a_sensitivity_definition_with_few_events_is_counted_and_said_to_have_too_few(tmp_path: Path) -> None:
    done = Finished("cohorts/sensitivity-with-few-events", tmp_path)
    assert done.code == 0, done.said
    run = done.result("sensitivity")["outcome: ypT0_ypN0"]
    assert run["events"] == {"value": 8}
    assert run["delta_log_loss"] == {"error": "fewer than 10 events or non-events"}
    assert "fewer than 10 events or non-events" in done.page()


def test_boosting_on_fifty_patients_is_passed_over_and_the_reason_is_on_the_page(tmp_path: Path) -> None:
    done = Finished("cohorts/small-constant-boosting", tmp_path)
    assert done.code == 0, done.said
    passed = done.result("learning-baseline")["passed_over"]["lightgbm"]
    assert (passed["splits"], passed["of"], passed["in_all_patients"]) == (6, 6, True)
    assert passed["error"] in done.page()
    assert "lightgbm" not in done.result("baseline")


def test_a_page_says_only_what_is_true_of_a_cohort_without_dates_randomisation_centres_or_rules(
    tmp_path: Path,
) -> None:
    done = Finished("cohorts/pages-wrong-claims", tmp_path)
    assert done.code == 0, done.said
    assert untraced(done.artifacts, tmp_path / "run/configs")[0] == []
    said = " ".join(re.sub(r"<script.*?</script>|<[^>]+>", " ", done.page(), flags=re.DOTALL).split())
    untrue = (
        "randomised patients", "eligible", "AUC, rules", "minus rules", "later patients apart", "Trial data",
        "No measurement was repeated", "Yes by time", "prediction interval", "prespecified around",
    )  # fmt: skip
    assert [words for words in untrue if words in said] == []
    assert "the data do not date the patients' entry" in said
    slopes = re.findall(r"not computable \(its (?:value|interval), (-?[0-9.]+), lies beyond", said)
    assert slopes, "a slope of -66.92 is no result"
    assert all(abs(float(value)) > 10 for value in slopes)


def test_a_copy_of_the_outcome_is_refused_by_its_name_before_anything_is_computed(tmp_path: Path) -> None:
    done = Finished("cohorts/outcome-column-as-feature", tmp_path)
    assert done.code == 1
    assert "rcbi" in done.said
    assert not done.artifacts.exists()


def test_sixty_patients_in_one_arm_with_two_landmarks_run_where_the_separation_is_acknowledged(
    tmp_path: Path,
) -> None:
    done = Finished("files/25-small-single-arm", tmp_path, leakage_acknowledged="made up")
    assert done.code == 0, done.said
    assert done.result("robustness-c2")["optimism_corrected"].keys() >= {"auc", "calibration_slope"}
    assert (done.artifacts / "reports/shap-c2.html").is_file()


def test_too_few_events_give_flow_table_one_single_features_and_a_page_that_says_so(tmp_path: Path) -> None:
    odd = Odd(40, 2, 0.05, "full", False, False, True, "nothing odd", True, True)
    became, said = outcome_of(tmp_path, odd, 3)
    assert became == "ran: no model", said
    artifacts = tmp_path / "project/artifacts/odd"
    chosen = read_json(artifacts / "metrics/baseline.json")["chosen"]
    assert chosen["events"] == {"value": 2}
    assert "no model is learned from fewer than 10 of either" in chosen["auc"]["error"]
    page = (artifacts / "reports/index.html").read_text(encoding="utf-8")
    assert all(words in page for words in ("No model at baseline", "What single features tell", "Table one"))
    assert [path.name for path in (artifacts / "models/baseline").iterdir()] == ["card.md"]


def test_features_that_are_all_constant_leave_the_prevalence_with_contributions_of_zero(
    tmp_path: Path,
) -> None:
    odd = Odd(60, 1, 0.3, "clinical alone", True, False, True, "all constant", False, False)
    became, said = outcome_of(tmp_path, odd, 4)
    assert became == "ran: intercept_only", said
    shap = read_json(tmp_path / "project/artifacts/odd/shap/baseline.json")
    assert {row["mean_abs"] for row in shap["features"]} == {0.0}
    card = (tmp_path / "project/artifacts/odd/models/baseline/card.md").read_text(encoding="utf-8")
    assert "the answer is the prevalence" in card
