"""What the models must beat: learned in the training part alone, from what each is named after."""

import numpy as np
import pandas as pd
import pytest

from features.documents.branch import BRANCH
from models.procedure.comparators import (
    RuleInputs,
    arm_and_receptor,
    comparators,
    rule_input_features,
    rules_by_branch,
)
from models.procedure.configuration.plan import validation_plan
from models.procedure.configuration.settings import comparator_settings, model_settings
from models.rules.decisions import decisions, input_levels, known_inputs, rule_rows
from models.rules.document import parse_rules
from models.rules.table import INPUT, rule_table
from tests.models.rule_tables import ISPY2, cohort, response, rules, sample, tables
from tests.patients import feature

ENCODING = {"min_level_patients": 1, "max_missing_share": 0.9, "imputation_shrinkage": 0.2}
SETTINGS = comparator_settings(
    {"rule_inputs": {"kind": "logistic", "penalties_per_patient": [0.05, 0.005]}}
).procedure(model_settings({"encoding": ENCODING}).encoding)
PLAN = validation_plan({"branch_shrinkage": 5, "inner_folds": 3})
FEATURES = [feature("arm", ["A", "B"]), feature("hr", ["pos", "neg"]), feature("age")]
LEVELS = {"rule_ctdna_c1": ["POS", "NEG", "NE"]}


def patients(n: int = 300, seed: int = 2) -> tuple[pd.DataFrame, np.ndarray]:
    rng = np.random.default_rng(seed)
    rows = pd.DataFrame(
        {
            "arm": rng.choice(["A", "B"], n),
            "hr": rng.choice(["pos", "neg"], n),
            "age": rng.normal(50, 9, n),
            "rule_ctdna_c1": rng.choice(["POS", "NEG", "NE"], n),
        }
    ).astype({"arm": "str", "hr": "str", "rule_ctdna_c1": "str"})
    rows[BRANCH] = rows["rule_ctdna_c1"].map({"POS": "R3", "NEG": "R1", "NE": "indeterminate"})
    lp = 0.4 + 0.9 * (rows["hr"] == "neg") - 1.1 * (rows["rule_ctdna_c1"] == "POS")
    return rows, (rng.random(n) < 1 / (1 + np.exp(-lp))).to_numpy().astype(float)


def test_each_comparator_forecasts_under_its_own_name() -> None:
    X, y = patients()
    every = comparators(FEATURES, rule_input_features(FEATURES, LEVELS), SETTINGS, PLAN, 1)
    found: dict[str, np.ndarray] = {}
    for comparator in every:
        found |= comparator.fit(X, y).predictions(X)
    assert list(found) == ["rules", "prevalence", "rule_inputs"]
    assert len({round(float(p), 12) for p in found["prevalence"]}) == 4
    assert len({round(float(p), 12) for p in found["rules"]}) == 6


def test_without_receptor_status_the_prevalence_is_that_of_the_arm() -> None:
    X, y = patients()
    without = X.drop(columns="hr")
    _, prevalence, inputs = comparators(FEATURES[:1], FEATURES[:1], SETTINGS, PLAN, 1)
    found = prevalence.fit(without, y).predictions(without)["prevalence"]
    of_arm = np.array([y[X["arm"] == arm].mean() for arm in X["arm"]])
    assert found == pytest.approx(of_arm, abs=0.01)
    assert set(inputs.fit(without, y).predictions(without)) == {"rule_inputs"}


def test_rule_inputs_that_do_not_vary_forecast_the_prevalence() -> None:
    X, y = patients()
    found = RuleInputs([], SETTINGS, 3, 1).fit(X, y).predictions(X)["rule_inputs"]
    assert found == pytest.approx(np.full(len(y), y.mean()))


def test_the_rule_inputs_model_sees_nothing_but_arm_receptor_and_inputs() -> None:
    X, y = patients()
    features = rule_input_features(FEATURES, LEVELS)
    assert [each.name for each in features] == ["arm", "hr", "rule_ctdna_c1"]
    before = RuleInputs(features, SETTINGS, 3, 1).fit(X, y).predictions(X)["rule_inputs"]
    after = RuleInputs(features, SETTINGS, 3, 1).fit(X.assign(age=0.0), y).predictions(X.assign(age=0.0))
    assert np.array_equal(before, after["rule_inputs"])
    positive, negative = before[X["rule_ctdna_c1"] == "POS"], before[X["rule_ctdna_c1"] == "NEG"]
    assert positive.mean() < negative.mean() - 0.15


def test_nothing_is_learned_from_patients_who_are_predicted() -> None:
    X, y = patients()
    test = X.iloc[200:]
    for make in (lambda: rules_by_branch(5.0), lambda: arm_and_receptor(5.0)):
        one = make().fit(X.iloc[:200], y[:200]).predictions(test)
        other = make().fit(X.iloc[:200], y[:200]).predictions(test.iloc[::-1])
        (a,), (b,) = one.values(), other.values()
        assert np.array_equal(a, b[::-1])


def test_the_inputs_known_at_a_landmark_are_those_of_its_node_and_the_ones_before() -> None:
    raw = tables(
        ctdna_samples=[sample("baseline"), sample("c1", "not_detected")],
        ctdna_variants=[],
        response=[response("c2", "PR"), response("c4", "SD")],
    )
    decided = decisions(raw, cohort(), rules())

    def known(*landmarks: str) -> dict[str, str]:
        return known_inputs(decided, rules(), landmarks).loc["P1"].to_dict()

    assert known("baseline") == {}
    assert known("baseline", "c1") == {"ctdna_baseline": "POS", "ctdna_c1": "NEG", "pam": "WT"}
    at_c4 = known("baseline", "c1", "c2", "c4")
    assert {name: at_c4[name] for name in ("response_c2", "response_c4", "regimen_given")} == {
        "response_c2": "PR", "response_c4": "SD", "regimen_given": "NAB_PHP",
    }  # fmt: skip
    assert not {"rule_c2", "regimen_assigned"} & set(at_c4)
    at_c2 = rule_rows(decided, rules(), ["baseline", "c1", "c2"]).loc[0]
    assert (at_c2["usubjid"], at_c2[BRANCH], at_c2[f"{INPUT}response_c2"]) == ("P1", "R1", "PR")
    assert "rule_response_c4" not in at_c2
    assert input_levels(rules(), "response_c2") == ["CR", "PR", "SD", "PD", "NE"]


def test_what_would_tell_the_future_is_missing_and_no_level() -> None:
    table = rule_table(parse_rules(ISPY2))
    decided = decisions({}, pd.DataFrame({"usubjid": ["P1"], "arm": ["TDM1_P"]}), table)
    known = known_inputs(decided, table, ["t0", "t1"])
    assert known.columns.tolist() == ["ftv_change_t1"]
    assert known["ftv_change_t1"].isna().all()
    assert INPUT == "rule_"
