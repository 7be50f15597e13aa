"""The study's eligibility as a served model asks for it: the same answer as in the cohort."""

import json
from typing import Any

import pytest

from features.eligibility import Condition, criteria_states, parse_eligibility
from models.packaging.served_eligibility import served_eligibility
from models.serving.serving import PcrModel, told
from tests.features.tables import CONTRACT, ELIGIBILITY, spec_rows
from tests.features.test_eligibility import patient

SERVED = json.loads(json.dumps(served_eligibility(ELIGIBILITY, CONTRACT)))
NAMES = [criterion["id"] for criterion in SERVED["criteria"]]


def test_excluding_criteria_are_served_but_for_a_date_alone() -> None:
    assert SERVED["unserved"] == ["consent"]
    assert {c.id for c in ELIGIBILITY if c.excluding} == {"consent", *NAMES}
    assert not {c.id for c in ELIGIBILITY if not c.excluding} & set(NAMES)
    assert {"her2_positive", "age", "ecog", "stage", "no_metastasis", "lvef"} <= set(NAMES)


def test_inputs_have_the_levels_and_ranges_of_the_contract() -> None:
    by_name = {entry["name"]: entry for entry in SERVED["inputs"]}
    assert by_name["cm"]["levels"] == ["M0", "M1"]
    assert (by_name["age_years"]["high"], by_name["age_years"]["unit"]) == (100, "years")
    assert (by_name["LVEF"]["table"], by_name["LVEF"]["unit"]) == (None, "%")


OF_ONE = [row for row in spec_rows("eligibility.txt") if "study=recorded" not in row["change"]]
ROWS = [row for row in OF_ONE if row["criterion"] in NAMES]
DATED = {"not_pregnant", "consent"}
"""Criteria that no row of inputs shows to be met: they ask for a date."""


def served(change: str, x: object = 1.0) -> Any:
    """Return the answer of a model without any input but those of eligibility, plus one to predict from."""
    tables = patient(change)
    row = {"x": x}
    for entry in SERVED["inputs"]:
        if entry["table"] is None:
            labs = tables["labs"].set_index("testcd")["value"]
            row[entry["name"]] = labs.get(entry["name"])
        else:
            row[entry["name"]] = tables[entry["table"]].loc[0, entry["name"]]
    encoding = {"columns": [{"feature": "x"}], "mean": [0.0], "scale": [1.0], "low": [0.0], "high": [9.0]}
    document = {
        "features": [{"name": "x", "kind": "numeric", "levels": None, "low": None, "high": None}],
        "encoding": encoding | {"imputation": [[0.0]]},
        "linear": {"intercept": 0.0, "terms": [{"columns": [0]}], "mean": [0.0], "scale": [1.0],
                   "coefficients": [1.0]},
        "calibration": {"intercept": 0.0, "slope": 1.0},
        "serving": {"eligibility": SERVED},
    }  # fmt: skip
    return PcrModel(document).desk.answer(row)


@pytest.mark.parametrize("row", ROWS, ids=lambda row: row["change"])
def test_a_served_model_withholds_where_the_cohort_finds_a_violation(row: dict[str, str]) -> None:
    answer = served(row["change"])
    states = criteria_states(patient(row["change"]), ELIGIBILITY, "baseline").loc["P1"]
    violated = [n for n in NAMES if states[n] == "violated" and "date=" not in row["change"]]
    assert (answer["status"] == "ineligible") == bool(violated) == (answer["pcr_probability"] is None)
    for name in violated:
        assert name in [reason["input"] for reason in answer["reasons"]]


@pytest.mark.parametrize("row", ROWS, ids=lambda row: row["change"])
def test_a_number_is_served_with_every_criterion_that_the_cohort_cannot_assess(row: dict[str, str]) -> None:
    answer = served(row["change"])
    states = criteria_states(patient(row["change"]), ELIGIBILITY, "baseline").loc["P1"]
    unknown = {name for name in NAMES if states[name] == "not_assessable"}
    unknown |= {name for name in DATED if states[name] != "not_applicable"}
    # Of a major operation a row does not hold the date.
    unknown |= {"no_recent_surgery"} if "major_surgery" in row["change"] else set()
    assert open_criteria(answer) == (unknown if answer["status"] == "ok" else set())


def open_criteria(answer: dict[str, Any]) -> set[str]:
    """Return the criteria that an answer names as neither met nor broken."""
    named = {r["input"] for r in answer["reasons"] if r["code"] == "eligibility_not_assessable"}
    return named.union(
        *(r["rule"].split(", ") for r in answer["reasons"] if r["code"] == "eligibility_not_supplied")
    )


@pytest.mark.parametrize(
    ("change", "status", "named"),
    [
        ("labs.HCG=1", "ineligible", False),
        ("labs.HCG=1; subjects.menopause=-", "ineligible", False),
        ("labs.HCG=0", "ok", True),
        ("labs.HCG=-", "ok", True),
        ("labs.HCG=-; subjects.menopause=post", "ok", False),
        ("labs.HCG=1; subjects.menopause=post", "ok", False),
    ],
)
def test_a_positive_pregnancy_test_withholds_before_menopause_and_a_negative_one_without_its_date_is_named(
    change: str, status: str, named: bool
) -> None:
    answer = served(change)
    assert (answer["status"], "not_pregnant" in open_criteria(answer)) == (status, named)


def test_a_part_that_stays_open_is_not_told_by_a_later_one() -> None:
    dated = {"table": "subjects", "column": "major_surgery_date", "measure": "days_before_randomisation"}
    known = {"table": "subjects", "column": "consent_date", "known": True}
    fit = {"table": "subjects", "column": "ecog", "high": 1}
    rules = [{"first_known": [dated | {"above": 28}, fit]}, known, {"any": [known, fit]}]
    criteria = parse_eligibility(
        {"criteria": [{"id": f"{i}", "text": "T", "excluding": True, "rule": r} for i, r in enumerate(rules)]}
        | {"settings": None}
    )
    document = served_eligibility(criteria, CONTRACT)
    assert (document["unserved"], [c["id"] for c in document["criteria"]]) == (["0", "1"], ["2"])
    assert document["criteria"][0]["rule"] == {"any": [{}, {"column": "ecog", "high": 1}]}


def test_a_criterion_asked_of_some_by_what_no_row_holds_is_not_served() -> None:
    entry = {"id": "x", "text": "T", "excluding": True, "rule": {"test": "HCG", "high": 0}}
    applies = {"table": "subjects", "column": "consent_date", "known": True}
    criteria = parse_eligibility({"criteria": [entry | {"applies_if": applies}]})
    assert served_eligibility(criteria, CONTRACT) == {"inputs": [], "criteria": [], "unserved": ["x"]}


def test_her2_2_without_ish_is_answered_with_the_criterion_that_stays_open() -> None:
    answer = served("pathology.her2_ihc=2+; pathology.ish=not_done")
    assert (answer["status"], answer["pcr_probability"] is None) == ("ok", False)
    assert [(r["code"], r["input"], r["rule"]) for r in answer["reasons"]][:1] == [
        ("eligibility_not_assessable", "her2_positive", "HER2 positive, IHC 3+ or IHC 2+ with ISH positive")
    ]
    assert open_criteria(answer) == {"her2_positive", "not_pregnant", "consent"}
    assert told(answer["reasons"]).startswith("eligibility cannot be judged, her2_positive: HER2 positive")


@pytest.mark.parametrize(("x", "status"), [(None, "ineligible"), ("much", "rejected")])
def test_a_broken_criterion_is_told_though_inputs_are_missing_but_not_of_a_faulty_row(
    x: object, status: str
) -> None:
    answer = served("subjects.ecog=2", x)
    assert (answer["status"], answer["pcr_probability"]) == (status, None)
    assert "ecog" in [reason["input"] for reason in answer["reasons"]]


def test_every_kind_of_condition_that_is_served_has_been_tried() -> None:
    tried = {key for criterion in SERVED["criteria"] for key in _keys(criterion["rule"])}
    assert tried >= {
        "among",
        "low",
        "high",
        "above",
        "below",
        "unknown",
        "known",
        "all",
        "any",
        "first_known",
    }
    assert Condition.__dataclass_fields__.keys() >= tried - {"all", "any", "first_known", "column"}


def _keys(rule: object) -> set[str]:
    if isinstance(rule, dict):
        return set(rule) | {key for value in rule.values() for key in _keys(value)}
    return {key for part in rule for key in _keys(part)} if isinstance(rule, list) else set()
