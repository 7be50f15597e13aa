"""Scenarios of the primary comparison: figures by hand, weights, arms, and reasons instead of figures."""

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

from features.documents.branch import BRANCH
from models.evaluation.refits import Refits, Refitted, no_refits
from models.evaluation.sensitivity import Analysis, forecasts, refitted, scenario
from models.procedure.comparators import rule_input_features
from models.procedure.configuration.plan import validation_plan
from models.procedure.configuration.settings import LogisticCandidate, ProcedureSettings
from tests.patients import SETTINGS

DOCUMENT = {
    "min_events": 2, "bootstrap": 20, "level": 0.9, "seed": 1, "branch_shrinkage": 0.0, "inner_folds": 2
}  # fmt: skip
PLAN = validation_plan(DOCUMENT)
ROWS = pd.DataFrame(
    {
        "usubjid": [f"P{i}" for i in range(8)],
        "arm": ["A"] * 6 + ["B"] * 2,
        BRANCH: ["R1", "R1", "R2", "R2", "R1", "R2", "R1", "R2"],
        "rule_ctdna": ["NEG", "POS"] * 4,
    }
)
Y = np.array([1.0, 0, 1, 0, 1, 0, 0, 0])
P = {"chosen": np.array([[0.8, 0.2, 0.8, 0.2, 0.8, 0.2, 0.9, 0.9]]), "rules": np.full((1, 8), 0.5)}
GAIN = np.log(0.5) - np.log(0.8)


def analysis(arm: str | None = "A") -> Analysis:
    inputs = rule_input_features([], {"rule_ctdna": ["NEG", "POS"]})
    ridge = ProcedureSettings(SETTINGS.encoding, {"ridge": LogisticCandidate("logistic", (0.1,))})
    return Analysis(ROWS, [], PLAN, arm, inputs, ridge)


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


THRICE = pd.concat([ROWS] * 3, ignore_index=True).assign(usubjid=[f"P{i:02}" for i in range(24)])
OUTCOMES = np.tile(Y, 3)
FOLD = np.repeat([0, 1], [13, 11])


def test_comparators_forecast_a_patient_from_the_other_folds_only() -> None:
    forecast = forecasts(analysis(None).comparators, THRICE, OUTCOMES, FOLD)
    other = np.where(FOLD == 0, 1 - OUTCOMES, OUTCOMES)
    changed = forecasts(analysis(None).comparators, THRICE, other, FOLD)
    assert set(forecast) == {"rules", "rule_inputs"}
    for name, of_patients in forecast.items():
        assert of_patients[FOLD == 0].tolist() == changed[name][FOLD == 0].tolist()
        assert of_patients[FOLD == 1].tolist() != changed[name][FOLD == 1].tolist()
    assert forecast["rules"][0] == pytest.approx(2 / 3), "of branch R1 in arm A in fold 1"


def test_a_refit_is_compared_with_the_rules_and_with_the_small_model_on_their_inputs() -> None:
    run, model = Refitted("eligible patients", 24, 9), np.tile(P["chosen"][0], 3)
    predicted = THRICE[["usubjid"]].assign(scenario=run.scenario, fold=FOLD, y=OUTCOMES, p=model, weight=1.0)
    everybody = replace(
        analysis(None), rows=THRICE, plan=validation_plan(DOCUMENT | {"branch_shrinkage": 1.0})
    )
    found = refitted(everybody, Refits((run,), predicted), run)
    compared = forecasts(everybody.comparators, THRICE, OUTCOMES, FOLD)

    def loss(p: np.ndarray) -> float:
        return float(-np.log(np.where(OUTCOMES == 1, p, 1 - p)).mean())

    assert found["delta_log_loss"]["value"] == pytest.approx(loss(model) - loss(compared["rules"]))
    beside = loss(model) - loss(compared["rule_inputs"])
    assert found["delta_log_loss_rule_inputs"]["value"] == pytest.approx(beside)
