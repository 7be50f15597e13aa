"""Sensitivity runs: models are fitted to other outcomes and patients once; comparators come later."""

from dataclasses import replace
from typing import Any

import numpy as np
import pandas as pd
import pytest

from features.documents.branch import BRANCH
from models.evaluation.refits import (
    IMPUTED,
    REFERENCE,
    UNKNOWN,
    WEIGHTED,
    Population,
    Refits,
    Refitted,
    Refitter,
    no_refits,
    read_refits,
)
from models.evaluation.sensitivity import (
    Analysis,
    forecasts,
    multiple_imputation,
    refitted,
    sensitivity_runs,
    unknown_outcomes,
)
from models.procedure.comparators import rule_input_features, rules_by_branch
from models.procedure.configuration.plan import ValidationPlan, validation_plan
from models.procedure.configuration.settings import ModelSettings, model_settings
from tests.patients import FEATURES, patients

SETTINGS: ModelSettings = model_settings(
    {
        "encoding": {"min_level_patients": 5, "max_missing_share": 0.8, "imputation_shrinkage": 0.2},
        "candidates": {"logistic": {"kind": "logistic", "penalties_per_patient": [0.1]}},
    }
)
DOCUMENT: dict[str, Any] = {
    "seed": 1, "folds": 3, "inner_folds": 3, "min_events": 5, "level": 0.95, "bootstrap": 50,
    "imputations": 2, "branch_shrinkage": 20, "domains": {"candidate": "logistic", "repeats": 1},
    "strategy": {"folds": 3, "penalty_per_patient": 0.1, "delta": 0.0},
}  # fmt: skip
PLAN: ValidationPlan = validation_plan(DOCUMENT)
REFITTER = Refitter(FEATURES, SETTINGS, PLAN)


def population(name: str = REFERENCE, n: int = 120, lost: int = 0) -> Population:
    """Return patients, the outcomes of the first of them lost."""
    frame, y = patients(n)
    outcome = pd.Series(y)
    outcome.iloc[:lost] = np.nan
    return Population(name, frame, outcome)


def analysis(plan: ValidationPlan = PLAN, arm: str | None = None) -> Analysis:
    rows = population().rows
    branch = np.where(np.arange(len(rows)) % 3 == 0, "R1", "R2")
    inputs = rule_input_features(FEATURES, {})
    return Analysis(rows.assign(**{BRANCH: branch}), FEATURES, plan, arm, inputs, SETTINGS.alone("logistic"))


def refits(*populations: Population) -> Refits:
    parts = [REFITTER.refitted(each) for each in populations]
    frame = pd.concat([predicted for _, predicted in parts], ignore_index=True)
    return Refits(tuple(scenario for scenario, _ in parts), frame)


def test_patients_whose_outcome_is_not_known_are_in_no_fit_and_have_no_prediction() -> None:
    scenario, predicted = REFITTER.refitted(population(lost=10))
    assert scenario == Refitted(REFERENCE, 110, int(predicted["y"].sum()))
    assert predicted["usubjid"].tolist() == [f"P{i:04d}" for i in range(10, 120)]
    assert sorted(predicted["fold"].unique()) == [0, 1, 2]
    assert predicted["p"].between(0, 1, inclusive="neither").all()


def test_too_few_events_are_counted_with_the_reason_and_nothing_is_fitted() -> None:
    few = population(n=40)
    scenario, predicted = REFITTER.refitted(replace(few, outcome=pd.Series([1.0] * 3 + [0.0] * 37)))
    assert scenario == Refitted(REFERENCE, 40, 3, "fewer than 5 events or non-events")
    assert predicted.empty
    told = refitted(analysis(), Refits((scenario,), no_refits()), scenario)
    assert told == {
        "n": {"value": 40}, "events": {"value": 3}, "delta_log_loss": {"error": scenario.error},
    }  # fmt: skip


def test_weights_are_of_the_observed_and_change_no_prediction() -> None:
    lost = population(lost=30)
    reference = REFITTER.refitted(lost)
    scenario, weighted = REFITTER.weighted(replace(lost, name=WEIGHTED), reference)
    assert scenario.scenario == WEIGHTED
    assert np.array_equal(weighted["p"], reference[1]["p"])
    assert (weighted["weight"] > 1).all()
    assert (reference[1]["weight"] == 1).all()


def test_who_lost_the_outcome_is_predicted_by_a_model_of_the_others_and_changes_none_of_theirs() -> None:
    lost = population(lost=30)
    reference = REFITTER.refitted(lost)
    scenario, predicted = REFITTER.unknown(replace(lost, name=UNKNOWN), reference)
    others = predicted[predicted["fold"] == -1]
    assert (scenario.n, len(others)) == (120, 30)
    assert others["y"].isna().all()
    assert others["p"].between(0, 1, inclusive="neither").all()
    assert np.array_equal(predicted.loc[predicted["fold"] >= 0, "p"], reference[1]["p"])


def test_missing_outcomes_are_shifted_to_the_tipping_point_and_set_against_the_model() -> None:
    lost = population(lost=30)
    scenario, predicted = REFITTER.unknown(replace(lost, name=UNKNOWN), REFITTER.refitted(lost))
    told = unknown_outcomes(analysis(), Refits((scenario,), predicted), scenario)
    at_random, worst = told[UNKNOWN], told["missing outcomes: all against the model"]
    assert at_random["missing"] == worst["missing"] == {"value": 30}
    assert {"value", "error"} & set(at_random["shift"])
    assert worst["delta_log_loss"]["value"] > at_random["delta_log_loss"]["value"]


def test_the_number_of_an_imputation_decides_its_draws() -> None:
    one, again, other = (
        REFITTER.refitted(replace(population(), imputation=number))[1]["p"].to_numpy() for number in (0, 0, 1)
    )
    assert np.array_equal(one, again)
    assert not np.array_equal(one, other)


def test_stored_refits_are_read_as_they_were() -> None:
    made = refits(population())
    again = read_refits(made.listed(), made.predictions)
    assert again.scenarios == made.scenarios
    assert again.at(REFERENCE).equals(made.at(REFERENCE))
    assert again.at("another").empty


def test_the_rules_are_learned_on_the_folds_of_the_refit() -> None:
    made, asked = refits(population()), analysis()
    told = refitted(asked, made, made.scenarios[0])
    predicted = made.at(REFERENCE)
    y, fold = predicted["y"].to_numpy(), predicted["fold"].to_numpy()
    rules = forecasts(asked.rules, asked.rows, y, fold)["rules"]
    first = (
        rules_by_branch(20)
        .fit(asked.rows.loc[fold != 0], y[fold != 0])
        .predictions(asked.rows.loc[fold == 0])
    )
    assert np.array_equal(rules[fold == 0], first["rules"])
    loss = [-(y * np.log(p) + (1 - y) * np.log(1 - p)).mean() for p in (predicted["p"].to_numpy(), rules)]
    assert told["delta_log_loss"]["value"] == pytest.approx(loss[0] - loss[1])


def test_another_shrinkage_changes_the_rules_and_no_model() -> None:
    made = refits(population())
    one, other = (
        refitted(analysis(validation_plan(DOCUMENT | {"branch_shrinkage": k})), made, made.scenarios[0])
        for k in (1, 500)
    )
    assert one["auc_chosen"] == other["auc_chosen"]
    assert one["delta_log_loss"] != other["delta_log_loss"]


def test_imputations_are_combined_in_the_arm_of_the_comparison() -> None:
    numbered = [replace(population(f"{IMPUTED}{number + 1}"), imputation=number) for number in range(2)]
    told = multiple_imputation(analysis(arm="B"), refits(population(), *numbered))
    assert told["imputations"] == {"value": 2}
    assert told["n"]["value"] == int((population().rows["arm"] == "B").sum())
    assert told["auc_chosen"]["low"] < told["auc_chosen"]["value"] < told["auc_chosen"]["high"]


def test_an_imputation_that_cannot_be_learned_is_said() -> None:
    made = refits(population())
    failed = Refitted(f"{IMPUTED}1", 120, 60, "3 patients have the rarer outcome")
    told = multiple_imputation(analysis(), replace(made, scenarios=(*made.scenarios, failed)))
    assert told["delta_log_loss"] == {"error": "imputation 1: 3 patients have the rarer outcome"}


def test_a_run_in_which_nothing_was_learned_has_the_counts_and_the_reason_alone() -> None:
    none = Refits((Refitted(REFERENCE, 40, 3, "fewer than 5 events or non-events"),), no_refits())
    nothing: Any = None
    told = sensitivity_runs(analysis(), none, {}, pd.DataFrame(), pd.DataFrame(), nothing, "c2")
    assert list(told) == ["as in the run"]
    assert told["as in the run"]["events"] == {"value": 3}
