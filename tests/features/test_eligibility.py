"""Eligibility criteria: three-valued, and refused where nothing could be judged."""

import re
from typing import Any

import pandas as pd
import pytest

from features.eligibility import check_criteria, criteria_met, parse_eligibility
from features.errors import UserError
from tests.features.tables import CONTRACT, ELIGIBILITY, table

ADULT = {"table": "subjects", "column": "age_years", "low": 18}
FIT = {"table": "subjects", "column": "ecog", "high": 1}


def criteria(rule: Any) -> Any:
    entry = {"id": "one", "text": "One", "excluding": True, "rule": rule}
    return parse_eligibility({"criteria": [entry]}, "e.yaml")


@pytest.mark.parametrize(
    ("rule", "expected"),
    [
        ({"all": [ADULT, FIT]}, [True, False, pd.NA]),
        ({"any": [ADULT, FIT]}, [True, True, True]),
        ({"first_known": [FIT, ADULT]}, [True, False, True]),
        (FIT | {"known": True} | {"high": None}, [True, True, False]),
    ],
)
def test_rules_combine_in_three_valued_logic(rule: Any, expected: list[Any]) -> None:
    rows = [{"usubjid": f"P{i}", "age_years": 40.0, "ecog": ecog} for i, ecog in enumerate((0, 2, None))]
    met = criteria_met({"subjects": table("subjects", rows)}, criteria(rule), "baseline")["one"]
    assert [found is want or found == want for found, want in zip(met, expected, strict=True)] == [True] * 3


def test_a_study_without_the_table_cannot_judge() -> None:
    subjects = table("subjects", [{"usubjid": "P1"}])
    met = criteria_met({"subjects": subjects}, criteria({"test": "HGB", "low": 90}), "baseline")
    assert met["one"].isna().all()


@pytest.mark.parametrize(
    ("rule", "message"),
    [
        (
            {"table": "subject", "column": "ecog", "high": 1},
            "table subject is unknown, did you mean",
        ),
        ({"any": [ADULT, FIT | {"column": "ecgo"}]}, "subjects: column ecgo is unknown, did you mean ecog?"),
        ({"table": "lesions", "column": "diameter_mm", "low": 1}, "lesions: has several rows for a patient"),
        (
            {"table": "subjects", "column": "sex", "low": 1},
            "subjects.sex: has no numbers, so low",
        ),
        (
            {"table": "subjects", "column": "sex", "among": ["female"]},
            "subjects.sex: level female is",
        ),
        (ADULT | {"low": "18"}, "low: must be a number"),
    ],
)
def test_a_criterion_that_no_table_can_be_judged_by_is_refused(rule: Any, message: str) -> None:
    with pytest.raises(UserError, match=f"e.yaml, criterion one: {re.escape(message)}"):
        check_criteria(criteria(rule), CONTRACT, "e.yaml")


def test_the_criteria_of_the_trial_can_be_judged_by_the_contract() -> None:
    check_criteria(ELIGIBILITY, CONTRACT, "nct07239271.yaml")


@pytest.mark.parametrize(
    ("rule", "message"),
    [
        (ADULT | {"hig": 70}, "e.yaml, criterion one: key hig is unknown, did you mean high?"),
        ({"all": [ADULT, {"tabel": "x"}]}, "e.yaml, criterion one, all: key tabel is unknown"),
        ({"table": "subjects", "low": 1}, "needs either `test`, or `table` and `column`"),
        ({"test": "HGB"}, "needs either `known: true`, or what to judge by"),
    ],
)
def test_a_rule_that_nobody_can_judge_is_refused(rule: Any, message: str) -> None:
    with pytest.raises(UserError) as error:
        criteria(rule)
    assert message in str(error.value)
