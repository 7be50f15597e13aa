"""Decisions for every patient and node, their branches, and whether they were followed."""

from typing import Any

import pandas as pd
import pytest

from features.cohort import build_cohort
from features.documents.study import parse_study
from models.rules.decisions import ALL, adherence, audit_lines, branches, decisions
from models.rules.document import parse_rules
from models.rules.table import decide, rule_table
from tests.features.tables import ELIGIBILITY, ROOT, STUDY, table, trial
from tests.models.rule_tables import (
    ISPY2,
    RULES,
    cohort,
    cycles,
    response,
    rules,
    sample,
    spec,
    tables,
    variant,
)

COLUMNS = "usubjid node arm ctdna_baseline ctdna_c1 pam response regimen rule status missing_inputs conflicts"


def cleared(**more: list[dict[str, Any]]) -> dict[str, pd.DataFrame]:
    """Return P1, positive with a PIK3CA mutation at baseline and negative after C1, in PR after C2 and C4."""
    usual = {
        "ctdna_samples": [sample("baseline"), sample("c1", "not_detected")],
        "ctdna_variants": [variant("baseline", "PIK3CA")],
        "response": [response("c2", "PR"), response("c4", "PR")],
        "exposure": cycles({1: "NAB_PHP", 2: "NAB_PHP", 3: "EVEROHT", 4: "EVEROHT", 5: "EVEROHT"}),
    }
    return tables(**(usual | more))


def test_an_escalation_may_start_as_soon_as_ctdna_is_reported() -> None:
    for row in spec("rules_start.txt"):
        reported = "2026-02-05" if row["late"] == "yes" else "2026-01-28"
        of_c1 = {"POS": "detected", "NEG": "not_detected"}[row["ctdna_c1"]]
        samples = [sample("baseline", "not_detected"), sample("c1", of_c1, report_date=reported)]
        given = cycles({1: "NAB_PHP", 2: "NAB_PHP", 3: row["given_c3"], 4: row["given_c4"]})
        raw = cleared(ctdna_samples=samples, ctdna_variants=[], exposure=given)
        found = at(decisions(raw, cohort(), rules(row["reading"])), "c2")
        answer = found[["rule", "regimen", "start_cycle", "regimen_after"]].astype("str").tolist()
        assert answer == [row["rule"], row["regimen"], row["start_cycle"], row["regimen_after"]], row


def at(decided: pd.DataFrame, node: str) -> pd.Series:
    return decided.set_index("node").loc[node]


def test_a_patient_has_a_row_per_node_with_inputs_answer_and_audit() -> None:
    decided = decisions(cleared(), cohort(), rules())
    assert decided["node"].tolist() == ["c1", "c2", "c4"]
    assert decided.columns[:13].tolist() == [*COLUMNS.split(), "regimen_given"]
    assert at(decided, "c2")[["rule", "regimen", "conflicts", "branch"]].tolist() == [
        "R4",
        "EVEROHT",
        "R1",
        "R4",
    ]
    assert at(decided, "c4")[["rule", "regimen", "branch"]].tolist() == ["R5", "EVEROHT", "R4>R5"]
    _, c2, c4 = audit_lines(decided, rules())
    inputs, answer = c2.split(" -> ")
    assert inputs == "c2: ctdna_baseline POS, ctdna_c1 NEG, pam MUT, response PR"
    assert answer == "R4 EVEROHT (determined, also matched R1)"
    assert c4 == "c4: response PR, regimen_given EVEROHT -> R5 EVEROHT (determined)"


def test_answers_can_be_recomputed_from_the_inputs_that_stand_beside_them() -> None:
    raw = trial(seed=7, n=120)
    decided = decisions(raw, build_cohort(raw, parse_study(STUDY), ELIGIBILITY).frame, rules())
    for node in ("c2", "c4"):
        rows = decided.loc[decided["node"] == node]
        again = decide(rows, rules(), node)
        pd.testing.assert_frame_equal(again, rows[again.columns])


def test_a_look_ahead_and_other_arms_are_virtual() -> None:
    treated = decisions(cleared(), cohort(), rules())
    assert treated.loc[~treated["virtual"], "node"].tolist() == ["c2", "c4"]
    assert decisions(cleared(), cohort(arm="CONTROL_TCBHP"), rules())["virtual"].all()


@pytest.mark.parametrize(
    ("landmark", "branch"), [("baseline", ALL), ("c1", "R4"), ("c2", "R4"), ("c4", "R4>R5")]
)
def test_the_branch_is_what_is_known_of_it_at_the_landmark(landmark: str, branch: str) -> None:
    found = branches(decisions(cleared(), cohort(), rules()), landmark)
    assert (found.index.name, found.to_dict()) == ("usubjid", {"P1": branch})


def test_at_c1_the_ctdna_negative_branch_is_one_whatever_imaging_will_show() -> None:
    for overall in ("PR", "PD", "NE"):
        raw = cleared(response=[response("c2", overall)])
        decided = decisions(raw, cohort(), rules("r4_ctdna_time=c1"))
        assert branches(decided, "c1")["P1"] == "ctdna_negative"


def test_a_c1_result_reported_after_the_second_cycle_began_is_not_yet_known_at_c1() -> None:
    late = sample("c1", "not_detected", report_date="2026-02-02")
    decided = decisions(cleared(ctdna_samples=[late], ctdna_variants=[]), cohort(), rules("r4_ctdna_time=c1"))
    assert branches(decided, "c1")["P1"] == "indeterminate"
    assert branches(decided, "c2")["P1"] == "R1"


def test_the_regimen_assigned_and_the_rule_come_from_the_decision_after_c2() -> None:
    raw = cleared(exposure=cycles({2: "NAB_PHP", 3: "TCBHP", 4: "TCBHP"}))
    assert at(decisions(raw, cohort(), rules()), "c4")["regimen"] == "TCBHP"
    assert at(decisions(raw, cohort(), rules("r5_continue=assigned")), "c4")["regimen"] == "EVEROHT"


@pytest.mark.parametrize(
    ("given", "kinds"),
    [
        ({3: "EVEROHT", 4: "EVEROHT", 5: "EVEROHT"}, ["as_assigned", "as_assigned"]),
        ({3: "TCBHP", 4: "TCBHP", 5: "TCBHP"}, ["deviation", "as_assigned"]),
        ({3: "EVEROHT", 4: "EVEROHT", 5: "ADC"}, ["as_assigned", "deviation"]),
        ({3: "EVEROHT"}, ["as_assigned", "not_given"]),
        ({2: "NAB_PHP"}, ["not_given", "indeterminate"]),
    ],
)
def test_adherence_compares_the_answer_with_what_was_given_afterwards(
    given: dict[int, str], kinds: list[str]
) -> None:
    found = adherence(decisions(cleared(exposure=cycles(given)), cohort(), rules()))
    assert found.sort_values("node")["kind"].tolist() == kinds
    assert found["patients"].tolist() == [1, 1]


def test_either_regimen_of_the_set_agrees_with_r6() -> None:
    given = cycles({3: "EVEROHT", 4: "EVEROHT", 5: "ACH"})
    raw = cleared(exposure=given, response=[response("c2", "PR"), response("c4", "SD")])
    found = adherence(decisions(raw, cohort(), rules())).set_index("node").loc["c4"]
    assert found[["regimen", "regimen_after", "kind"]].tolist() == ["ADC|ACH", "ACH", "as_assigned"]


def test_a_deviation_has_the_reason_recorded_with_the_cycle() -> None:
    given = cycles({3: "TCBHP", 4: "TCBHP"})
    given[0]["change_reason"] = "toxicity"
    found = adherence(decisions(cleared(exposure=given), cohort(), rules())).set_index("node")
    assert found.loc["c2", "reason"] == "toxicity"
    unexplained = adherence(decisions(cleared(exposure=cycles({3: "TCBHP"})), cohort(), rules()))
    assert unexplained.set_index("node").loc["c2", "reason"] == "not recorded"


def test_patients_who_had_left_and_indeterminate_answers_are_counted_apart() -> None:
    left = cohort().assign(at_risk_c4=False)
    assert adherence(decisions(cleared(), left, rules()))["kind"].tolist() == ["as_assigned", "not_at_risk"]
    unknown = cleared(ctdna_variants=[], ctdna_samples=[sample("c1", assay_type="tumor_informed")])
    assert adherence(decisions(unknown, cohort(), rules()))["kind"].tolist()[0] == "indeterminate"


def test_adherence_counts_every_decision_of_the_protocol_once() -> None:
    raw = trial(seed=8, n=120)
    decided = decisions(raw, build_cohort(raw, parse_study(STUDY), ELIGIBILITY).frame, rules())
    counted = adherence(decided).groupby("node")["patients"].sum()
    assert counted.to_dict() == decided.loc[~decided["virtual"], "node"].value_counts().to_dict()
    stored = decided.loc[~decided["virtual"]].drop(columns="virtual")
    pd.testing.assert_frame_equal(adherence(stored), adherence(decided))


def test_later_data_do_not_change_the_branch_at_an_earlier_landmark() -> None:
    raw = trial(seed=9, n=120)
    frame = build_cohort(raw, parse_study(STUDY), ELIGIBILITY).frame
    later = raw["response"]["visit"].isin(["c4", "presurgery"])
    changed = raw | {"response": raw["response"].assign(overall=raw["response"]["overall"].mask(later, "PD"))}
    before, after = decisions(raw, frame, rules()), decisions(changed, frame, rules())
    for landmark in ("c1", "c2"):
        pd.testing.assert_series_equal(branches(before, landmark), branches(after, landmark))
    assert not branches(before, "c4").equals(branches(after, "c4"))


def test_ispy2_classes_follow_from_the_decrease_in_volume() -> None:
    specification = spec("rules_ispy2.txt")
    ids = [f"P{i}" for i in range(len(specification))]
    scans = [
        {
            "usubjid": patient,
            "visit": visit,
            "method": "MRI",
            "feature": "FTV",
            "status": "done",
            "value": float(row[visit]),
        }
        for patient, row in zip(ids, specification, strict=True)
        for visit in ("t0", "t1", "t2")
        if row[visit]
    ]
    people = pd.DataFrame({"usubjid": ids, "arm": "TDM1_P"}, dtype="str")
    decided = decisions(
        {"imaging_features": table("imaging_features", scans)}, people, rule_table(parse_rules(ISPY2))
    )
    classes = decided.set_index(["usubjid", "node"])["regimen"]
    for patient, row in zip(ids, specification, strict=True):
        found = [classes[patient, "t1"], classes[patient, "t2"], branches(decided, "t2")[patient]]
        assert [None if pd.isna(x) else x for x in found] == [
            row["class_t1"],
            row["class_t2"],
            row["branch_t2"],
        ]
    assert decided["virtual"].all()
    assert set(branches(decided, "t0")) == {ALL}


def test_a_study_without_rules_has_one_branch_and_no_decisions() -> None:
    empty = {key: dict[str, Any]() for key in ("settings", "readings", "parameters", "inputs", "nodes")}
    none = rule_table(parse_rules(RULES | empty | {"arm": None}))
    decided = decisions({}, cohort("P2", "P1"), none)
    assert branches(decided, "baseline").to_dict() == {"P1": ALL, "P2": ALL}
    assert decided["virtual"].all()
    assert adherence(decided).empty


def test_the_answers_never_call_themselves_a_recommendation() -> None:
    words = " ".join(audit_lines(decisions(cleared(), cohort(), rules()), rules()))
    document = (ROOT / "configs/rules/nct07239271.yaml").read_text(encoding="utf-8")
    for said in ("recommended", "optimal", "best regimen", "should receive"):
        assert said not in words
        assert said not in document
