"""Time is the design: one gate, and every row it hides is counted."""

from copy import deepcopy
from typing import Any

import pandas as pd
import pytest

from features.documents.study import LandmarkError, parse_study
from features.landmarks import decision_dates, visible
from tests.features.tables import CONTRACT, STUDY, spec_rows, table

LANDMARKS = parse_study(STUDY).landmarks
DECISION = pd.Series(pd.to_datetime(["2026-03-10"]), index=pd.Index(["P1"], name="usubjid"))
REQUIRED = {"lesion_id": "L1", "biomarker": "b", "feature": "FTV", "testcd": "ANC", "sample_id": "S1"}


def gate(tables: dict[str, pd.DataFrame], landmark: str = "c1", decision: pd.Series = DECISION) -> Any:
    return visible(tables, LANDMARKS[landmark], decision, CONTRACT)


@pytest.mark.parametrize(
    "row", spec_rows("features_visibility.txt"), ids=lambda r: " ".join(map(str, r.values()))
)
def test_a_row_is_visible_as_the_specification_says(row: dict[str, str]) -> None:
    timing = CONTRACT[row["table"]].timing
    cells = {"usubjid": "P1", timing.visit: row["visit"], timing.performed: row["performed"]}
    cells |= {timing.reported: row["reported"]} | REQUIRED
    seen = gate({row["table"]: table(row["table"], [cells])})
    assert len(seen.tables.get(row["table"], [])) == (row["visible"] == "yes")
    assert " ".join(seen.late["reason"]) == (row["counted"] or "")


def test_variants_are_visible_through_their_sample_and_counted_with_it() -> None:
    samples = [
        {"sample_id": "S0", "visit": "baseline", "report_date": "2026-02-01"},
        {"sample_id": "S1", "visit": "c1", "report_date": "2026-03-11"},
        {"sample_id": "S2", "visit": "c2", "report_date": "2026-03-01"},
    ]
    variants = [{"sample_id": s, "gene": g} for s in ("S0", "S1", "S2", "S9") for g in ("TP53", "PTEN")]
    seen = gate(
        {
            "ctdna_variants": table("ctdna_variants", variants),
            "ctdna_samples": table("ctdna_samples", [{"usubjid": "P1", **s} for s in samples]),
        }
    )
    assert seen.tables["ctdna_variants"]["sample_id"].tolist() == ["S0", "S0"]
    assert seen.late.to_numpy().tolist() == [
        ["ctdna_samples", "c1", "reported_late", 1],
        ["ctdna_variants", "c1", "reported_late", 2],
    ]


def test_variants_without_their_samples_cannot_be_placed_in_time() -> None:
    with pytest.raises(LandmarkError, match="ctdna_variants: there is no table ctdna_samples"):
        gate({"ctdna_variants": table("ctdna_variants", [{"sample_id": "S1"}])})


@pytest.mark.parametrize(
    ("landmark", "cycles"), [("baseline", []), ("c1", [1]), ("c2", [1, 2]), ("c4", [1, 2, 3, 4])]
)
def test_exposure_shows_the_cycles_given_before_the_decision_only(landmark: str, cycles: list[int]) -> None:
    exposure = table("exposure", [{"usubjid": "P1", "cycle": c} for c in (5, 3, 1, 2, 4)])
    assert sorted(gate({"exposure": exposure}, landmark).tables["exposure"]["cycle"]) == cycles


def test_a_study_without_dates_is_cut_by_visit_alone_and_nothing_is_counted() -> None:
    rows = [{"usubjid": "P1", "visit": v, "feature": "FTV"} for v in STUDY["visits"]]
    undated = pd.Series(pd.NaT, index=DECISION.index, dtype="datetime64[us]")
    seen = gate({"imaging_features": table("imaging_features", rows)}, "c2", undated)
    assert seen.tables["imaging_features"]["visit"].tolist() == ["baseline", "c1", "c2"]
    assert seen.late.empty


def test_only_patients_with_a_decision_are_shown_and_centres_stay() -> None:
    subjects = table("subjects", [{"usubjid": "P1"}, {"usubjid": "P2"}])
    seen = gate({"subjects": subjects, "sites": table("sites", [{"siteid": "A"}])})
    assert seen.tables["subjects"]["usubjid"].tolist() == ["P1"]
    assert len(seen.tables["sites"]) == 1


def test_the_decision_is_the_start_of_the_next_cycle_else_the_plan_else_unknown() -> None:
    subjects = [
        {"usubjid": u, "rand_date": d} for u, d in (("P3", None), ("P2", "2026-01-01"), ("P1", "2026-01-01"))
    ]
    exposure = [{"usubjid": "P1", "cycle": 2, "start_date": "2026-02-20"}, {"usubjid": "P2", "cycle": 1}]
    tables = {"subjects": table("subjects", subjects), "exposure": table("exposure", exposure)}
    dates = decision_dates(tables, LANDMARKS["c1"])
    # 28 planned days and a window of 14.
    assert dates.to_dict() == {
        "P1": pd.Timestamp("2026-02-20"),
        "P2": pd.Timestamp("2026-02-12"),
        "P3": pd.NaT,
    }
    assert dates.index.tolist() == ["P1", "P2", "P3"]


def test_a_study_without_schedule_has_no_decision_dates() -> None:
    study = deepcopy(STUDY) | {"schedule": {k: {"visits": v["visits"]} for k, v in STUDY["schedule"].items()}}
    tables = {"subjects": table("subjects", [{"usubjid": "P1", "rand_date": "2026-01-01"}])}
    assert decision_dates(tables, parse_study(study).landmarks["c2"]).isna().all()


@pytest.mark.parametrize(
    ("landmark", "visits", "fault"),
    [
        ("c1", ["baseline", "c9"], "landmark c1 sees unknown visits c9"),
        ("c2", ["baseline", "c2"], "landmark c2 does not see all that an earlier landmark saw"),
    ],
)
def test_landmarks_that_contradict_the_visits_are_refused(
    landmark: str, visits: list[str], fault: str
) -> None:
    study = deepcopy(STUDY)
    study["schedule"][landmark]["visits"] = visits
    with pytest.raises(LandmarkError, match=fault):
        _ = parse_study(study).landmarks


def test_a_landmark_without_schedule_is_refused() -> None:
    with pytest.raises(LandmarkError, match="landmark t9 has no entry in schedule"):
        _ = parse_study(deepcopy(STUDY) | {"landmarks": ["baseline", "t9"]}).landmarks


def test_a_table_without_a_contract_is_refused() -> None:
    with pytest.raises(LandmarkError, match="without a contract cannot be placed in time: truth"):
        gate({"truth": pd.DataFrame({"usubjid": ["P1"]})})
