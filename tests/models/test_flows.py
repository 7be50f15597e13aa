"""How patients went from ctDNA over their branch to the outcome."""

import pandas as pd

from models.description.flows import flows

IDS = ["P1", "P2", "P3", "P4"]
STATES = {
    "baseline": pd.Series(["positive", "positive", "negative", "below_lod"], IDS),
    "c1": pd.Series(["negative", "not_done", "negative"], IDS[:3]),
}
OUTCOME = pd.Series([1.0, 0.0, None, 1.0], IDS)
NO_BRANCH = pd.Series([], index=pd.Index([], dtype="str"), dtype="str")


def steps(branches: pd.Series) -> list[tuple[str, str, str, int]]:
    found = flows(STATES, branches, OUTCOME)
    assert found is not None
    return [(f["stage"], f["source"], f["target"], f["patients"]) for f in found["flows"]]


def test_patients_with_states_at_every_visit_and_an_outcome_go_from_level_to_level() -> None:
    assert steps(NO_BRANCH) == [
        ("baseline", "positive", "negative", 1), ("baseline", "positive", "no_result", 1),
        ("c1", "negative", "pCR", 1), ("c1", "no_result", "no pCR", 1),
    ]  # fmt: skip


def test_where_rules_decided_only_patients_with_a_branch_are_counted() -> None:
    assert steps(pd.Series({"P2": "R4", "P3": "R1"})) == [
        ("baseline", "positive", "no_result", 1), ("c1", "no_result", "R4", 1), ("branch", "R4", "no pCR", 1),
    ]  # fmt: skip


def test_one_visit_or_nobody_is_no_flow() -> None:
    assert flows({"baseline": STATES["baseline"]}, NO_BRANCH, OUTCOME) is None
    assert flows(STATES, pd.Series({"P9": "R1"}), OUTCOME) is None
