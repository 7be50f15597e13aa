"""The review of a decision table: complete, its gaps and conflicts named, and the weight of every reading."""

from copy import deepcopy
from functools import cache

import pandas as pd
import pytest

from features.cohort import build_cohort
from features.documents.study import parse_study
from models.rules.decisions import decisions
from models.rules.document import parse_rules
from models.rules.review import (
    as_text,
    branch_tables,
    changed_patients,
    combinations,
    enumerate_table,
    readable_table,
    readings_effect,
    table_faults,
)
from models.rules.table import rule_table
from tests.features.tables import ELIGIBILITY, ROOT, STUDY, trial
from tests.models.rule_tables import ISPY2, RULES, rules

DOCUMENT = deepcopy(RULES)
DOCUMENT["pam_genes"] = [
    {"gene": gene, "set": "core", "rule": "any_pathogenic"} for gene in ("PIK3CA", "PTEN")
]
READINGS = list(RULES["readings"].items())
TABLES = trial(seed=11, n=120)
COHORT = build_cohort(TABLES, parse_study(STUDY), ELIGIBILITY).frame
TREATED = COHORT.loc[COHORT["arm"] == "ADAPTIVE"]


@cache
def effects() -> pd.DataFrame:
    return readings_effect(TABLES, COHORT, parse_rules(DOCUMENT))


def answers(**overrides: str) -> pd.DataFrame:
    decided = decisions(TABLES, TREATED, rule_table(parse_rules(DOCUMENT), overrides))
    answered = decided.loc[~decided["virtual"]].astype({"start_cycle": "str"})
    return answered.set_index(["usubjid", "node"])[["rule", "regimen", "start_cycle"]].fillna("")


def test_every_combination_of_inputs_has_an_answer_at_both_nodes() -> None:
    table = enumerate_table(rules())
    assert len(table) == 3 * 3 * 3 * 5 * 5
    assert table.columns[:5].tolist() == ["ctdna_baseline", "ctdna_c1", "pam", "response_c2", "response_c4"]
    assert not table[["c2_gap", "c4_gap"]].to_numpy().any()
    for node in ("c2", "c4"):
        open_ = table[f"{node}_status"] == "indeterminate"
        assert (table.loc[open_, f"{node}_missing_inputs"] != "").all()
        assert table.loc[~open_, f"{node}_regimen"].notna().all()
    known = ~table.isin(["NE", "UNKNOWN"]).any(axis=1)
    assert set(table.loc[known, "c2_status"]) | set(table.loc[known, "c4_status"]) == {"determined"}


def test_the_default_table_has_no_gap_and_no_idle_rule_and_its_conflicts_are_r4_over_r1_and_r2() -> None:
    assert table_faults(rules()).to_numpy().tolist() == [
        ["c2", "conflict", "R4 over R1", 2],
        ["c2", "conflict", "R4 over R2", 2],
    ]


def test_with_r4_read_at_c1_alone_nothing_conflicts() -> None:
    assert table_faults(rules("r4_ctdna_time=c1")).empty


@pytest.mark.parametrize(
    ("reading", "node", "combinations_without_a_rule"),
    [("r1r2_negative=both", "c2", 4), ("cr_counts_as=own_branch", "c4", 6)],
)
def test_a_reading_that_leaves_a_gap_is_found(
    reading: str, node: str, combinations_without_a_rule: int
) -> None:
    found = table_faults(rules(reading))
    gaps = found.loc[(found["kind"] == "gap") & (found["node"] == node), "combinations"]
    assert gaps.tolist() == [combinations_without_a_rule]


def test_a_rule_that_can_never_fire_is_found() -> None:
    document = deepcopy(RULES)
    idle = {"rule": "R7", "when": {"all": ["negative", {"response": "PR"}]}, "regimen": "TCBHP"}
    document["nodes"]["c2"]["rules"].append(idle)
    found = table_faults(rule_table(parse_rules(document)))
    assert found.loc[found["kind"] == "unreachable", "rule"].tolist() == ["R7"]


@pytest.mark.parametrize("node", ["c1", "c2", "c4"])
def test_the_readable_table_holds_every_combination_once_with_its_answer(node: str) -> None:
    table, names = readable_table(rules(), node), list(rules().nodes[node].inputs)
    for _, row in combinations(rules(), node).iterrows():
        fits = [table[n].map(lambda cell, v=row[n]: cell == "any" or v in cell.split(" or ")) for n in names]
        (found,) = table.loc[pd.concat(fits, axis=1).all(axis=1)].to_dict("records")
        answer = row["regimen"] if pd.notna(row["regimen"]) else f"indeterminate: {row['possible']}"
        assert (found["regimen"], found["conflicts"]) == (answer, row["conflicts"])


def test_the_documentation_shows_the_table_that_is_run() -> None:
    page = (ROOT / "docs/rules.md").read_text(encoding="utf-8")
    for node in ("c2", "c4"):
        assert as_text(readable_table(rules(), node)) in page, f"docs/rules.md, table of {node}"
    for name, reading in RULES["readings"].items():
        assert f"| {reading['number']} | `{name}` | {reading['default']} |" in page


def test_the_effect_of_a_reading_is_the_number_of_patients_whose_answers_it_changes() -> None:
    before = answers()
    for row in effects().loc[effects()["note"] == ""].to_dict("records"):
        differ = (answers(**{row["setting"]: row["alternative"]}) != before).any(axis=1)
        assert row["changed"] == differ[differ].index.get_level_values("usubjid").nunique(), row
        assert row["changed_c2"] == differ.xs("c2", level="node").sum(), row
        assert row["changed_c4"] == differ.xs("c4", level="node").sum(), row


def test_the_patients_whom_a_reading_changes_can_be_named() -> None:
    differ = (answers(r4_ctdna_time="c1") != answers()).any(axis=1)
    named = changed_patients(TABLES, COHORT, parse_rules(DOCUMENT), {"r4_ctdna_time": "c1"})
    assert named == sorted(differ[differ].index.get_level_values("usubjid").unique())
    assert len(named) > 3


def test_every_alternative_has_a_row() -> None:
    effect = effects()
    assert len(effect) == sum(len(r["alternatives"]) for r in RULES["readings"].values())
    assert effect["changed"].notna().all()
    assert (effect["note"] == "").all()


def test_an_alternative_that_cannot_be_followed_says_why() -> None:
    refusing = deepcopy(DOCUMENT)
    refusing["readings"]["r6_set"]["refused"] = {"ADC": "the drug is not named"}
    found = readings_effect(TABLES, COHORT, parse_rules(refusing)).set_index(["setting", "alternative"])
    assert pd.isna(found.loc[("r6_set", "ADC"), "changed"])
    assert "cannot be followed yet (the drug is not named)" in found.loc[("r6_set", "ADC"), "note"]


def test_the_effect_is_measured_against_the_readings_in_force() -> None:
    alone = {
        name: r | {"refused": dict.fromkeys(r["alternatives"] * (name != "r4_ctdna_time"), "left out")}
        for name, r in READINGS
    }
    other = DOCUMENT | {"settings": RULES["settings"] | {"r4_ctdna_time": "c1"}, "readings": alone}
    found = readings_effect(TABLES, COHORT, parse_rules(other)).set_index(["setting", "alternative"])
    back = effects().set_index(["setting", "alternative"])
    assert found.loc[("r4_ctdna_time", "ever"), "changed"] == back.loc[("r4_ctdna_time", "c1"), "changed"]


def test_branch_tables_stand_side_by_side_and_count_the_same_patients() -> None:
    found = branch_tables(TABLES, COHORT, parse_rules(DOCUMENT), {"r4_ctdna_time": "c1"})
    assert found.columns.tolist() == ["node", "branch", "in_force", "r4_ctdna_time: c1"]
    totals = found.groupby("node")[["in_force", "r4_ctdna_time: c1"]].sum()
    for node in ("c2", "c4"):
        assert totals.loc[node].tolist() == [TREATED[f"at_risk_{node}"].sum()] * 2
    at_c2 = found.loc[found["node"] == "c2"].set_index("branch")
    assert at_c2.loc["R4", "in_force"] > at_c2.loc["R4", "r4_ctdna_time: c1"]


def test_a_table_without_readings_has_no_effects() -> None:
    effect = readings_effect({}, pd.DataFrame({"usubjid": ["P1"], "arm": ["TDM1_P"]}), parse_rules(ISPY2))
    assert effect.empty
    assert effect.columns.tolist()[:4] == ["number", "setting", "in_force", "alternative"]
