"""The table of branches that a served model looks up says what the rules decide."""

import itertools

import pandas as pd

from models.rules.branch_table import branch_table
from models.rules.document import parse_rules
from models.rules.table import RuleTable, decide, rule_table
from tests.models.rule_tables import ISPY2, rules

LANDMARKS = ("baseline", "c1", "c2", "c4")


def served(table: RuleTable, landmarks: tuple[str, ...], **inputs: str) -> list[str | None]:
    """Look up branch and status as the served model does."""
    document = branch_table(table, landmarks)
    combinations = list(itertools.product(*document["inputs"].values()))
    wanted = tuple(inputs[name] for name in document["inputs"])
    return list(document["answers"][document["index"][combinations.index(wanted)]])


def test_every_combination_at_c2_has_the_answer_of_the_rules() -> None:
    document = branch_table(rules(), LANDMARKS[:3])
    combinations = pd.DataFrame(
        list(itertools.product(*document["inputs"].values())), columns=list(document["inputs"]), dtype="str"
    )
    answers = decide(combinations.rename(columns={"response_c2": "response"}), rules(), "c2")
    looked_up = [document["answers"][place] for place in document["index"]]
    assert [status for _, status in looked_up] == answers["status"].tolist()
    assert [branch for branch, _ in looked_up] == answers["rule"].fillna("indeterminate").tolist()


def test_a_later_landmark_has_the_branch_of_the_earlier_one_before_its_own() -> None:
    cleared = {"ctdna_baseline": "POS", "ctdna_c1": "NEG", "pam": "WT", "regimen_given": "NAB_PHP"}
    answer = served(rules("r4_ctdna_time=c1"), LANDMARKS, **cleared, response_c2="PR", response_c4="SD")
    assert answer == ["R1>R6", "determined"]


def test_before_the_first_node_nothing_is_looked_up() -> None:
    assert branch_table(rules(), ("baseline",)) == {"inputs": {}, "answers": [], "index": []}


def test_an_unknown_input_has_no_branch_where_the_table_gives_none_and_names_take_a_prefix() -> None:
    document = branch_table(rule_table(parse_rules(ISPY2)), ("t0", "t1"), "rule_")
    assert document["inputs"] == {"rule_ftv_change_t1": ["RESPONDER", "NON_RESPONDER", "NE"]}
    assert [document["answers"][place] for place in document["index"]] == [
        ["I1", "determined"], ["I2", "determined"], [None, "indeterminate"],
    ]  # fmt: skip
