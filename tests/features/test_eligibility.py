"""Eligibility criteria: three-valued, and refused where nothing could be judged."""

import re
from typing import Any

import pandas as pd
import pytest
import yaml

from features.definitions import her2_status
from features.eligibility import check_criteria, criteria_states, eligible, parse_eligibility
from features.errors import UserError
from tests.features.tables import CONTRACT, ELIGIBILITY, ROOT, spec_rows, table

ADULT = {"table": "subjects", "column": "age_years", "low": 18}
FIT = {"table": "subjects", "column": "ecog", "high": 1}


def criteria(rule: Any) -> Any:
    entry = {"id": "one", "text": "One", "excluding": True, "rule": rule}
    return parse_eligibility({"criteria": [entry]}, "e.yaml")


@pytest.mark.parametrize(
    ("rule", "expected"),
    [
        ({"all": [ADULT, FIT]}, ["met", "violated", "not_assessable"]),
        ({"any": [ADULT, FIT]}, ["met", "met", "met"]),
        ({"first_known": [FIT, ADULT]}, ["met", "violated", "met"]),
        (FIT | {"known": True} | {"high": None}, ["met", "met", "violated"]),
    ],
)
def test_rules_combine_in_three_valued_logic(rule: Any, expected: list[Any]) -> None:
    rows = [{"usubjid": f"P{i}", "age_years": 40.0, "ecog": ecog} for i, ecog in enumerate((0, 2, None))]
    states = criteria_states({"subjects": table("subjects", rows)}, criteria(rule), "baseline")["one"]
    assert states.tolist() == expected


@pytest.mark.parametrize(
    "rule", [{"test": "HGB", "low": 90}, {"table": "pathology", "column": "ki67_pct", "known": True}]
)
def test_a_study_without_the_table_cannot_judge(rule: Any) -> None:
    subjects = table("subjects", [{"usubjid": "P1"}])
    states = criteria_states({"subjects": subjects}, criteria(rule), "baseline")
    assert states["one"].tolist() == ["not_assessable"]


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


SUBJECT = {
    "usubjid": "P1", "rand_date": "2026-01-08", "consent_date": "2026-01-02", "sex": "F", "age_years": 50.0,
    "menopause": "pre", "ecog": 0, "ct": "T2", "cn": "N1", "cm": "M0", "stage": "II", "tumour_size_mm": 30.0,
    "bilateral": "N", "multifocal": "N", "prior_treatment": "N", "other_malignancy": "N", "other_trial": "N",
    "major_surgery": "N", "transfusion": "N",
}  # fmt: skip
BIOPSY = {"usubjid": "P1", "invasive": "Y", "her2_ihc": "3+", "er_pct": 90.0, "pr_pct": 5.0, "ki67_pct": 30.0}
TESTS = {
    "HCG": (0, ""), "ANC": (3, "10^9/L"), "PLT": (200, "10^9/L"), "HGB": (120, "g/L"), "WBC": (6, "10^9/L"),
    "TBIL": (10, "umol/L"), "ALT": (20, "U/L"), "AST": (20, "U/L"), "CREAT": (60, "umol/L"), "PT": (12, "s"),
    "APTT": (30, "s"), "INR": (1, ""), "LVEF": (62, "%"), "QTC": (420, "ms"), "SYSBP": (120, "mmHg"),
    "DIABP": (80, "mmHg"), "HBSAG": (0, ""), "HCVAB": (0, ""), "HIVAB": (0, ""), "TPAB": (0, ""),
}  # fmt: skip
ULN = {"TBIL": 20.0, "ALT": 40.0, "AST": 40.0, "CREAT": 100.0, "PT": 14.0, "APTT": 40.0, "INR": 1.2}


def patient(change: str = "") -> dict[str, pd.DataFrame]:
    """Return the tables of a patient who meets every criterion, but for what is changed.

    ``study=recorded`` adds a second patient, of whom everything is recorded.
    """
    subject, biopsy, date = dict(SUBJECT), dict(BIOPSY), "2026-01-05"
    others: dict[str, pd.DataFrame] = {}
    values = {code: (float(value), unit) for code, (value, unit) in TESTS.items()}
    for part in filter(None, change.split("; ")):
        name, value = part.split("=")
        if name == "study":
            others = patient()
            continue
        known = None if value == "-" else value
        place, _, column = name.rpartition(".")
        if name == "date":
            date = known
        elif place == "labs":
            values[column] = (float(known or "nan"), values[column][1])
        else:
            {"subjects": subject, "pathology": biopsy}[place][column] = known
    labs = [
        {"usubjid": "P1", "visit": "baseline", "testcd": code, "value": value, "unit": unit,
         "uln": ULN.get(code), "lab_date": date}
        for code, (value, unit) in values.items() if value == value  # noqa: PLR0124 - a test not done has no row
    ]  # fmt: skip
    rows = {"subjects": [subject], "pathology": [biopsy], "labs": labs}
    tables = {name: table(name, each) for name, each in rows.items()}
    if others:
        second = {name: other.assign(usubjid="P2") for name, other in others.items()}
        tables = {name: pd.concat([each, second[name]], ignore_index=True) for name, each in tables.items()}
    return tables


def test_a_patient_who_meets_every_criterion_is_eligible() -> None:
    states = criteria_states(patient(), ELIGIBILITY, "baseline")
    assert states.loc["P1"].unique().tolist() == ["met"]


@pytest.mark.parametrize("row", spec_rows("eligibility.txt"), ids=lambda row: row["change"])
def test_every_criterion_is_judged_as_the_specification_says(row: dict[str, str]) -> None:
    states = criteria_states(patient(row["change"]), ELIGIBILITY, "baseline")
    assert states.loc["P1", row["criterion"]] == row["state"]
    assert eligible(states, ELIGIBILITY)["P1"] == (row["eligible"] == "yes")


@pytest.mark.parametrize(
    ("dna", "state"), [(None, "not_assessable"), (5000.0, "violated"), (20.0, "met"), (10.0, "met")]
)
def test_virology_can_be_read_as_hbsag_with_raised_hbv_dna(dna: float | None, state: str) -> None:
    document = yaml.safe_load((ROOT / "configs/eligibility/nct07239271.yaml").read_text(encoding="utf-8"))
    criteria = parse_eligibility(document | {"settings": {"virology": "hbsag_and_dna"}})
    tables = patient("labs.HBSAG=1")
    row = {"usubjid": "P1", "visit": "baseline", "testcd": "HBVDNA", "value": dna, "uln": 20.0}
    labs = [tables["labs"], table("labs", [row])] if dna is not None else [tables["labs"]]
    tables["labs"] = pd.concat(labs, ignore_index=True)
    assert criteria_states(tables, criteria, "baseline").loc["P1", "virology"] == state
    assert criteria_states(patient(), criteria, "baseline").loc["P1", "virology"] == "met"


def test_a_setting_that_does_not_exist_is_refused() -> None:
    entry = {"id": "one", "text": "One", "excluding": True, "rule": {"by": "virolgy", "a": ADULT}}
    with pytest.raises(UserError, match="setting virolgy is unknown, did you mean virology"):
        parse_eligibility({"settings": {"virology": "a"}, "criteria": [entry]})
    entry["rule"] = {"by": "virology", "a": ADULT}
    with pytest.raises(UserError, match="by virology: b is unknown; must be one of a"):
        parse_eligibility({"settings": {"virology": "b"}, "criteria": [entry]})


def test_the_criterion_on_her2_says_what_the_definition_of_her2_says() -> None:
    rows = [row | {"usubjid": f"P{i:02d}"} for i, row in enumerate(spec_rows("features_her2.txt"))]
    names = {"ihc": "her2_ihc", "ratio": "her2_cep17", "copies": "her2_copies", "her2": "expected"}
    cells = [{names.get(k, k): v for k, v in row.items()} for row in rows if row["ihc"]]
    tables = {"subjects": table("subjects", cells), "pathology": table("pathology", cells)}
    states = criteria_states(tables, ELIGIBILITY, "baseline")["her2_positive"].tolist()
    status = her2_status(tables["pathology"])
    # A tumour that is not IHC 2+ or 3+ is not positive in this trial, whatever ISH says.
    expected = status.mask(tables["pathology"]["her2_ihc"].isin(["0", "1+"]), "neg")
    words = {"pos": "met", "neg": "violated"}
    assert states == [words.get(value, "not_assessable") for value in expected]
