"""The RECIST 1.1 category from lesions, as a table that a clinician can read; and which category counts."""

import re
from typing import Any

import pandas as pd
import pytest

from features.checks.across_tables import cross_problems
from features.recist import criteria_of, overall_response, recist_categories, unfit_targets
from pipeline.sources.ingest import judged_by_lesions
from tests.features.tables import CONTRACT, STUDY, spec_rows, table

KINDS = {
    "T": ("target", "breast", "longest"),
    "A": ("target", "axillary", "short"),
    "B": ("target", "breast", "longest"),
    "N": ("nontarget", "axillary", "short"),
    "W": ("new", "breast", "longest"),
    "X": ("new", "axillary", "short"),
}
CASES = spec_rows("features_recist.txt")


def lesions(case: dict[str, str | None]) -> pd.DataFrame:
    rows: list[dict[str, Any]] = []
    for visit in ("baseline", "c2", "c4"):
        for kind, size, mark in re.findall(r"([TABNWX])([\d./]+|\?|!|~[TAB])([u+-]?)", case[visit] or ""):
            target, site, axis = KINDS[kind]
            row = {
                "usubjid": "P1", "lesion_id": kind, "visit": visit, "reader": "INVESTIGATOR",
                "method": "US" if mark == "u" else "MRI", "target": target, "site": site, "axis": axis,
                "progressed": {"+": "Y", "-": "N"}.get(mark),
                "status": {"?": "not_evaluable", "!": "not_done"}.get(size, "done"),
                "merged_into": size[1:] if size.startswith("~") else None,
            }  # fmt: skip
            parts = size.split("/") if size[0].isdigit() else [None]
            for number, part in enumerate(parts, start=1):
                split = {"lesion_id": f"{kind}.{number}", "split_from": kind} if len(parts) > 1 else {}
                rows.append(row | split | {"diameter_mm": None if part is None else float(part)})
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


def test_the_overall_response_follows_from_its_parts() -> None:
    rows = spec_rows("features_overall_response.txt")
    names = {"target": "target_response", "nontarget": "nontarget_response", "new": "new_lesion"}
    response = table("response", [{names[k]: row[k] for k in names} for row in rows])
    found = overall_response(response)
    assert [None if pd.isna(value) else value for value in found] == [row["overall"] for row in rows]


def test_a_recorded_response_that_its_parts_contradict_is_reported() -> None:
    parts = {"usubjid": "P1", "visit": "c2", "target_response": "PR", "nontarget_response": "PD"}
    for overall, rows in {"PR": 1, "PD": 0, "NE": 0}.items():
        response = table("response", [parts | {"overall": overall}])
        problems = cross_problems({"response": response}, CONTRACT, STUDY["visits"])
        assert problems["rule"].tolist() == ["overall_contradicts_parts"] * rows, overall


def test_ultrasound_and_mammography_are_recist_like() -> None:
    methods = pd.Series(["MRI", "CT", "US", "MAMMO", "PET"])
    assert criteria_of(methods).tolist() == ["RECIST 1.1"] * 2 + ["RECIST-like"] * 3


@pytest.mark.parametrize(
    ("scan", "small", "many"),
    [
        ("T10 A15", 0, 0),
        ("T9.9 A15", 1, 0),
        ("T10 A14.9", 1, 0),
        ("T30 T20", 0, 0),
        ("T30 T20 T12", 0, 3),
        ("T30 A20 A16 A15", 0, 3),
        ("T? A?", 0, 0),
        ("N8 T30", 0, 0),
    ],
)
def test_targets_that_recist_does_not_allow_are_found(scan: str, small: int, many: int) -> None:
    rows = lesions({"baseline": scan, "c2": "T5 T5 T5", "c4": None})
    rows["lesion_id"] = [f"L{i}" for i in range(len(rows))]
    found = unfit_targets(rows, "baseline")
    assert [mask.sum() for mask in found] == [small, many]
    problems = cross_problems({"lesions": rows}, CONTRACT, STUDY["visits"])
    rules = problems["rule"].str.split(":").str[0]
    assert sorted(rules) == ["target_too_small"] * (small > 0) + ["too_many_targets"] * (many > 0)
