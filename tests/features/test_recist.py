"""The RECIST 1.1 category from lesions, as a table that a clinician can read; and which category counts."""

import re
from typing import Any

import pandas as pd
import pytest

from features.cross_checks import cross_problems
from features.recist import recist_categories
from pipeline.sources.ingest import judged_by_lesions
from tests.features.tables import CONTRACT, STUDY, spec_rows, table

KINDS = {
    "T": ("target", "breast", "longest"),
    "A": ("target", "axillary", "short"),
    "N": ("nontarget", "axillary", "short"),
    "W": ("new", "breast", "longest"),
}
CASES = spec_rows("features_recist.txt")


def lesions(case: dict[str, str | None]) -> pd.DataFrame:
    rows: list[dict[str, Any]] = []
    for visit in ("baseline", "c2", "c4"):
        for kind, size, ultrasound in re.findall(r"([TANW])([\d.]+|\?|!)(u?)", case[visit] or ""):
            target, site, axis = KINDS[kind]
            status = {"?": "not_evaluable", "!": "not_done"}.get(size, "done")
            rows.append(
                {
                    "usubjid": "P1", "lesion_id": kind, "visit": visit, "reader": "INVESTIGATOR",
                    "method": "US" if ultrasound else "MRI", "target": target, "site": site, "axis": axis,
                    "status": status, "diameter_mm": float(size) if status == "done" else None,
                }
            )  # fmt: skip
    return table("lesions", rows)


@pytest.mark.parametrize("case", CASES, ids=lambda case: f"{case['baseline']}, {case['c2']}, {case['c4']}")
def test_the_category_is_that_of_the_published_rules(case: dict[str, str | None]) -> None:
    found = recist_categories(lesions(case), STUDY["visits"]).set_index("visit")["category"]
    assert found.to_dict() == {"c2": case["at_c2"], "c4": case["at_c4"]}


def test_the_order_of_the_rows_does_not_matter() -> None:
    rows = lesions(CASES[3])
    pd.testing.assert_frame_equal(
        recist_categories(rows, STUDY["visits"]), recist_categories(rows[::-1], STUDY["visits"])
    )


def test_a_recorded_category_that_the_lesions_contradict_is_reported_and_can_give_way() -> None:
    rows = lesions(CASES[1])
    scan = {"usubjid": "P1", "method": "MRI", "reader": "INVESTIGATOR"}
    response = table(
        "response", [scan | {"visit": "c2", "overall": "PR"}, scan | {"visit": "c4", "overall": "PR"}]
    )
    problems = cross_problems({"lesions": rows, "response": response}, CONTRACT, STUDY["visits"])
    assert problems[["column", "rows", "ids"]].to_numpy().tolist() == [["overall", 1, "P1"]]
    assert problems["rule"].str.startswith("recist_differs").all()
    assert judged_by_lesions(response, rows, STUDY["visits"])["overall"].tolist() == ["SD", "PR"]
