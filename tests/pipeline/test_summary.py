"""What the terminal shows at the end of a run."""

from dataclasses import replace
from pathlib import Path

import pandas as pd
import pytest

from pipeline.commands.summary import interval, rules_tables, summary_row
from pipeline.report.facts import Facts

VALUE = {"value": 0.71234, "low": 0.65, "high": 0.8}
FAILED = {"error": "one class"}
MEASURES = {"n": {"value": 120}, "events": {"value": 60}, "auc": VALUE, "brier": VALUE}


@pytest.mark.parametrize(
    ("measure", "text"),
    [
        (VALUE, "0.712\n0.650 to 0.800"),
        ({"value": -0.0504}, "-0.050"),
        (FAILED, "not computable"),
    ],
)
def test_a_measure_is_shown_with_its_interval_or_that_it_has_none(
    measure: dict[str, object], text: str
) -> None:
    assert interval(measure) == text


TRIAL = Facts(
    simulated=False, randomised=True, arms=2, centres=3, entry_dates=True, decision_dates=True, rules=True,
    adaptive_arm="B", ctdna=True, imaging=True, trial="",
)  # fmt: skip
DIFFERENCES = {"chosen-rules": {"delta_log_loss": {"value": -0.06}}}


def test_a_landmark_is_one_line_with_the_model_against_the_rules() -> None:
    metrics = {"chosen": MEASURES, "rules": {"auc": FAILED}}
    assert list(summary_row("c2", metrics, DIFFERENCES, "logistic", TRIAL).values()) == [
        "c2", "120", "60", "logistic", interval(VALUE), "not computable", "-0.060",
    ]  # fmt: skip


def test_without_rules_there_is_no_column_of_them_and_what_was_not_evaluated_says_so() -> None:
    row = summary_row("c2", {"chosen": MEASURES}, {}, "logistic", replace(TRIAL, rules=False))
    assert not any("AUC\nrules" in header for header in row)
    assert list(row.values())[-1] == "not evaluated"


def review(folder: Path, branches: list[dict[str, object]]) -> Path:
    columns = ["node", "branch", "in_force", "r4_ctdna_time: c1"]
    pd.DataFrame(branches, columns=columns).to_csv(folder / "branches.csv", index=False)
    reading = {"number": 6, "setting": "pam_genes", "in_force": "core", "alternative": "extended"}
    pd.DataFrame(
        [
            reading | {"note": None, "patients": 120, "changed": 7},
            reading
            | {"alternative": "all", "note": "cannot be followed yet", "patients": 120, "changed": None},
        ]
    ).to_csv(folder / "readings.csv", index=False)
    return folder


def test_readings_show_whom_they_change_or_why_they_cannot_be_followed(tmp_path: Path) -> None:
    branch = {"node": "c2", "branch": "R1", "in_force": 5, "r4_ctdna_time: c1": 6}
    side_by_side, changed = rules_tables(review(tmp_path, [branch]))
    assert [str(column.header) for column in side_by_side.columns] == [
        "node", "branch", "readings in force", "r4_ctdna_time: c1",
    ]  # fmt: skip
    assert list(changed.columns[-1].cells) == ["7 of 120", "cannot be followed yet"]


def test_a_study_in_which_no_arm_follows_rules_has_no_tables_of_them(tmp_path: Path) -> None:
    assert rules_tables(review(tmp_path, [])) == []
