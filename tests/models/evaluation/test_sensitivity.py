"""Scenarios of the primary comparison: figures by hand, weights, arms, and reasons instead of figures."""

import numpy as np
import pandas as pd
import pytest

from models.configuration.plan import validation_plan
from models.evaluation.refits import Refits, Refitted, no_refits
from models.evaluation.sensitivity import Analysis, refitted, scenario
from models.rules.table import BRANCH

PLAN = validation_plan({"min_events": 2, "bootstrap": 20, "level": 0.9, "seed": 1, "branch_shrinkage": 0.0})
ROWS = pd.DataFrame(
    {
        "usubjid": [f"P{i}" for i in range(8)],
        "arm": ["A"] * 6 + ["B"] * 2,
        BRANCH: ["R1", "R1", "R2", "R2", "R1", "R2", "R1", "R2"],
    }
)
Y = np.array([1.0, 0, 1, 0, 1, 0, 0, 0])
P = {"chosen": np.array([[0.8, 0.2, 0.8, 0.2, 0.8, 0.2, 0.9, 0.9]]), "rules": np.full((1, 8), 0.5)}
GAIN = np.log(0.5) - np.log(0.8)


def analysis(arm: str | None = "A") -> Analysis:
    return Analysis(ROWS, [], PLAN, arm)


def test_the_figures_are_those_of_the_declared_arm_alone() -> None:
    found = scenario(analysis(), ROWS, Y, P)
    assert (found["n"]["value"], found["events"]["value"]) == (6, 3)
    assert found["auc_chosen"]["value"] == 1
    assert found["auc_rules"]["value"] == 0.5
    assert found["delta_log_loss"]["value"] == pytest.approx(GAIN)
    everybody = scenario(analysis(None), ROWS, Y, P)
    assert everybody["delta_log_loss"]["value"] > found["delta_log_loss"]["value"], "arm B is forecast badly"


def test_a_patient_with_weight_two_counts_as_two() -> None:
    p = P | {"chosen": np.array([[0.9, 0.2, 0.8, 0.2, 0.8, 0.2, 0.9, 0.9]])}
    weights = np.array([2.0, 1, 1, 1, 1, 1, 1, 1])
    expected = (2 * -np.log(0.9) + 5 * -np.log(0.8)) / 7 + np.log(0.5)
    found = scenario(analysis(), ROWS, Y, p, weights)
    assert found["delta_log_loss"]["value"] == pytest.approx(expected)


def test_too_few_events_are_counted_and_not_judged() -> None:
    found = scenario(analysis("B"), ROWS, Y, P)
    assert found == {
        "n": {"value": 2}, "events": {"value": 0},
        "delta_log_loss": {"error": "fewer than 2 events or non-events"},
    }  # fmt: skip


def test_a_refit_that_failed_keeps_its_counts_and_its_reason() -> None:
    failed = Refitted("eligible patients", 5, 1, "nothing varies")
    found = refitted(analysis(), Refits((failed,), no_refits()), failed)
    assert (found["n"]["value"], found["delta_log_loss"]) == (5, {"error": "nothing varies"})


def test_the_rules_forecast_a_patient_from_the_other_folds_only() -> None:
    fold = np.array([0, 1, 0, 1, 1, 1, 0, 0])
    forecast = analysis(None).rules_forecast(ROWS, Y, fold)
    changed = analysis(None).rules_forecast(ROWS, np.where(fold == 0, 1 - Y, Y), fold)
    assert forecast[fold == 0].tolist() == changed[fold == 0].tolist()
    assert forecast[0] == 0.5, "of branch R1 in fold 1, one of two"
