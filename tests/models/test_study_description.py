"""What the study report says of patients and data."""

import pandas as pd

from features.documents.study import parse_study
from features.exposure import Regimen, Regimens
from features.safety import EjectionFractionFall
from models.description.plan import Course, ToxicityPlan
from models.description.study import (
    Measured,
    coverage,
    cycles_given,
    over_time,
    toxicity,
    visit_features,
)
from models.procedure.landmark_features import Landmark
from tests.patients import feature

PEOPLE = pd.DataFrame(
    {"arm": ["A", "A", "B", "B"], "outcome": [1.0, 0.0, None, 1.0], "siteid": "S1"},
    index=pd.Index(["P1", "P2", "P3", "P4"], name="usubjid"),
)
STUDY = parse_study(
    {"visits": ["baseline", "c1"], "arms": ["A", "B"], "adaptive_arm": "B", "regimens": ["ADC"]}
)
PLAN = ToxicityPlan(3, 5, ("stop_drug",), EjectionFractionFall("LVEF", 10, 50), 30, ())
REGIMENS = Regimens({"ADC": Regimen(("conjugate",))}, {"conjugate": ("T-DXd", "T-DM1")})
NOTHING = pd.DataFrame({"usubjid": [], "regimen": [], "drug": []})
NO_DECISION: dict[str, list[str]] = {"usubjid": [], "node": [], "branch": []}
VAF = {name: feature(f"vaf_{name}", known_at=name) for name in ("baseline", "c1")}


def test_a_feature_is_described_as_the_first_landmark_that_has_it_knew_it() -> None:
    early = pd.DataFrame({"vaf_baseline": [1.0, 2.0]}, index=["P1", "P2"])
    late = pd.DataFrame({"vaf_baseline": [3.0], "vaf_c1": [4.0]}, index=["P1"])
    landmarks = [
        Landmark("baseline", (VAF["baseline"],), early),
        Landmark("c1", tuple(VAF.values()), late),
    ]
    measured = visit_features(landmarks)
    assert {name: (m.landmark, m.series.tolist()) for name, m in measured.items()} == {
        "vaf_baseline": ("baseline", [1.0, 2.0]), "vaf_c1": ("c1", [4.0]),
    }  # fmt: skip


def test_a_course_needs_two_visits_and_leaves_out_patients_without_outcome() -> None:
    values = pd.Series([1.0, 2.0, 3.0, 4.0], index=PEOPLE.index)
    measured = {f"vaf_{visit}": Measured(VAF[visit], visit, values) for visit in VAF}
    families = [Course("VAF", "vaf_{visit}"), Course("MTM", "mtm_{visit}")]
    (course,) = over_time(STUDY, families, measured, PEOPLE)
    assert course["name"] == "VAF"
    assert [(p["visit"], p["arm"], p["outcome"], p["median"]) for p in course["points"]] == [
        (visit, *group)
        for visit in ("baseline", "c1")
        for group in (("A", "no pCR", 2.0), ("A", "pCR", 1.0), ("B", "pCR", 4.0))
    ]
    del measured["vaf_c1"]
    assert over_time(STUDY, families, measured, PEOPLE) == []


def test_coverage_counts_patients_by_visit_and_variants_by_the_patient_of_their_sample() -> None:
    raw = {
        "subjects": pd.DataFrame({"usubjid": PEOPLE.index}),
        "ctdna_samples": pd.DataFrame({"usubjid": ["P1", "P2"], "sample_id": ["a", "b"], "visit": "c1"}),
        "ctdna_variants": pd.DataFrame({"sample_id": ["a", "a"], "gene": ["TP53", "PTEN"]}),
        "sites": pd.DataFrame({"siteid": ["S1"]}),
    }
    assert coverage(raw, PEOPLE) == [
        {"table": "ctdna_samples", "visit": "c1", "patients": 2, "of": 4},
        {"table": "ctdna_variants", "visit": "c1", "patients": 1, "of": 4},
    ]


def test_adverse_events_are_of_treated_patients_against_the_arm_without_rules() -> None:
    event = {"usubjid": ["P1"], "term": "x", "grade": 4, "serious": "N", "action": "none"}
    raw = {"adverse_events": pd.DataFrame(event), "exposure": pd.DataFrame({"usubjid": ["P1", "P3", "P4"]})}
    decided = pd.DataFrame({"usubjid": ["P3"], "node": "c2", "branch": "R1"})
    told = toxicity(STUDY, PLAN, raw, PEOPLE, decided, 0.95, NOTHING)
    assert told is not None
    assert (told["treated"], told["reference"]) == (3, "A")
    severe = [(row["arm"], row["events"], row["n"]) for row in told["by_arm"][:2]]
    assert severe == [("A", 1, 1), ("B", 0, 2)]
    assert [(row["branch"], row["events"], row["n"]) for row in told["by_branch"]] == [("R1", 0, 1)] * 4
    assert toxicity(STUDY, PLAN, {}, PEOPLE, decided, 0.95, NOTHING) is None


def test_measured_falls_are_of_patients_measured_and_doses_of_all_treated() -> None:
    event = {"usubjid": ["P1"], "term": "x", "grade": 5, "serious": "Y", "action": "none"}
    day = pd.to_datetime
    raw = {
        "adverse_events": pd.DataFrame(event),
        "exposure": pd.DataFrame({"usubjid": ["P1", "P3", "P4"], "start_date": day("2026-01-10")}),
        "safety_measurements": pd.DataFrame(
            {
                "usubjid": ["P3", "P3", "P4"], "testcd": "LVEF", "value": [60.0, 49.0, 45.0],
                "measured_date": day(["2026-01-10", "2026-03-01", "2026-03-01"]),
            }
        ),
        "drug_exposure": pd.DataFrame(
            {
                "usubjid": ["P1", "P4"], "cycle": 1, "drug": "T-DM1", "start_date": day("2026-01-10"),
                "modification": ["none", "reduced"], "dose_given": [3.6, 3.0], "dose_planned": 3.6,
                "delay_days": [2, 0],
            }
        ),
    }  # fmt: skip
    given = cycles_given(STUDY, raw, REGIMENS)
    told = toxicity(STUDY, PLAN, raw, PEOPLE, pd.DataFrame(NO_DECISION), 0.95, given)
    assert told is not None
    counts = {(row["event"], row["arm"]): (row["events"], row["n"]) for row in told["by_arm"]}
    assert counts["Fatal event, grade 5", "A"] == (1, 1)
    fall = "LVEF measured: 10 points or more down to below 50 %"
    assert counts[fall, "B"] == (1, 1), "P4 has no value before"
    assert counts["Dose of a drug reduced, left out or stopped", "B"] == (1, 2)
    assert counts["Drug given late", "A"] == (1, 1)
    assert told["drugs"] == [{"regimen": "ADC", "drug": "t-dm1", "cycles": 1, "patients": 2}]
