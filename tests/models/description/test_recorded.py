"""What is recorded of tumour and surgery, by arm, and what patients go without under a rule."""

import pandas as pd

from features.exposure import Regimen, Regimens
from models.description.recorded import recorded_rows
from models.description.study import _conflicts
from tests.features.tables import table

ARMS = pd.Series(["A", "A", "B"], index=pd.Index(["P1", "P2", "P3"], name="usubjid"))


def test_er_low_and_residual_her2_are_described_by_arm_and_what_nobody_recorded_is_not() -> None:
    biopsy = [{"usubjid": p, "er_pct": er} for p, er in {"P1": 5, "P2": 80, "P3": 0.5}.items()]
    surgery = [
        {"usubjid": "P1", "performed": "Y", "residual_her2_ihc": "0", "axillary_surgery": "sentinel_node"}
    ]
    rows = recorded_rows(
        {"pathology": table("pathology", biopsy), "surgery": table("surgery", surgery)}, ARMS
    )
    counts = {
        (row["feature"], row["level"]): row["cells"]["A"]["count"]
        for row in rows
        if row["cells"]["all"]["count"]
    }
    assert counts == {
        ("er_category", "negative"): 0, ("er_category", "low"): 1, ("er_category", "positive"): 1,
        ("axillary_surgery", "sentinel_node"): 1, ("residual_her2", "neg"): 1,
    }  # fmt: skip
    assert not {"breast_surgery", "ish_group"} & {row["feature"] for row in rows}


def test_the_drugs_that_a_rule_takes_from_those_who_match_others_are_named() -> None:
    decisions = pd.DataFrame(
        {
            "node": "c2",
            "rule": ["R4", "R1", "R2", "R4"],
            "regimen": ["EVEROHT", "NAB_PHP", "TCBHP", "EVEROHT"],
            "conflicts": ["R1", "", "", ""],
        }
    )
    parts = {"EVEROHT": ("e",), "NAB_PHP": ("n", "p"), "TCBHP": ("d", "c", "p")}
    regimens = Regimens({name: Regimen(drugs, ("t",)) for name, drugs in parts.items()}, {})
    assert [row["lacking"] for row in _conflicts(decisions, regimens)] == [["n", "p"]]
    both = decisions.assign(conflicts=["R1; R2", "", "", ""])
    assert [row["lacking"] for row in _conflicts(both, regimens)] == [["p"]]
    assert [row["lacking"] for row in _conflicts(both, Regimens({}, {}))] == [[]]
