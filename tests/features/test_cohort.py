"""All randomised patients, one outcome each or the reason why not, and who is at risk when."""

from copy import deepcopy
from typing import Any

import numpy as np
import pandas as pd
import pytest

from features.cohort import Cohort, CohortError, build_cohort, not_at_risk, other_outcomes, outcomes
from features.definitions import OutcomeError, pcr
from features.documents.study import parse_study
from features.eligibility import criteria_states
from features.landmarks import decision_dates
from tests.features.tables import ELIGIBILITY, STUDY, shuffled, spec_rows, table, trial

DEFINITIONS = ["ypT0/is_ypN0", "ypT0_ypN0", "ypT0/is", "rcb_0_1", "recorded"]
READ = {"yes": 1.0, "no": 0.0, "?": np.nan}


def two_patients(**surgery: Any) -> dict[str, pd.DataFrame]:
    """Return a patient with pCR and one without; `surgery` overwrites cells of the second."""
    residual = {"usubjid": "P2", "performed": "Y", "yp_t": "ypT1", "yp_n": "ypN0"} | surgery
    clear = {"usubjid": "P1", "performed": "Y", "yp_t": "ypT0", "yp_n": "ypN0"}
    subjects = [{"usubjid": u, "arm": "ADAPTIVE", "siteid": "A"} for u in ("P2", "P1")]
    return {"subjects": table("subjects", subjects), "surgery": table("surgery", [residual, clear])}


def build(tables: dict[str, pd.DataFrame], definition: str = "ypT0/is_ypN0", **more: Any) -> Cohort:
    study = deepcopy(STUDY)
    study["outcome"]["definition"] = definition
    return build_cohort(tables, parse_study(study), ELIGIBILITY, **more)


def test_other_outcomes_are_those_of_a_cohort_with_the_other_definition() -> None:
    tables, study = two_patients(yp_t="ypTis"), deepcopy(STUDY)
    study["outcome"]["sensitivity"] = ["ypT0_ypN0", "ypT0/is"]
    found = other_outcomes(tables, parse_study(study))
    assert found.columns.tolist() == ["usubjid", "ypT0_ypN0", "ypT0/is"]
    for definition in study["outcome"]["sensitivity"]:
        frame = build(tables, definition, outcome_needed=False).frame
        pd.testing.assert_series_equal(found[definition], frame["outcome"], check_names=False)
    assert found["usubjid"].tolist() == ["P1", "P2"]
    assert found["ypT0_ypN0"].tolist() == [1, 0]


@pytest.mark.parametrize("definition", DEFINITIONS)
def test_pcr_follows_the_specification_under_every_definition(definition: str) -> None:
    rows = spec_rows("features_pcr.txt")
    surgery = table("surgery", [row | {"rcb_class": row["rcb"]} for row in rows])
    slnb = pd.Series([row["slnb"] for row in rows], dtype="str")
    expected = pd.Series([READ[row[definition]] for row in rows])
    pd.testing.assert_series_equal(pcr(surgery, slnb, definition), expected, check_names=False)


@pytest.mark.parametrize("definition", ["ypT0/is_ypN0", "ypT0_ypN0", "ypT0/is", "rcb_0_1"])
def test_residual_disease_after_a_positive_node_was_removed_is_no_pcr_where_the_study_says_so(
    definition: str,
) -> None:
    rows = spec_rows("features_pcr_node_removed.txt")
    surgery = table("surgery", [row | {"rcb_class": row["rcb"]} for row in rows])
    removed = pd.Series("positive", index=surgery.index)
    found = pcr(surgery, removed, definition, "residual_is_failure")
    expected = pd.Series([READ[row[definition]] for row in rows])
    pd.testing.assert_series_equal(found, expected, check_names=False)


@pytest.mark.parametrize(
    "row", spec_rows("features_outcome.txt"), ids=lambda r: " ".join(map(str, r.values()))
)
def test_the_outcome_and_its_status_follow_the_specification(row: dict[str, str]) -> None:
    surgery = {
        "performed": row["surgery"],
        "surgery_date": row["surgery_date"],
        "yp_t": row["yp_t"],
        "yp_n": "ypN0",
    }
    left = [{"event_date": row["left_date"], "reason": row["left"]}] if row["left"] else []
    tables = {
        "subjects": table("subjects", [{"usubjid": "P1"}]),
        "surgery": table("surgery", [{"usubjid": "P1"} | surgery] if row["surgery"] else []),
        "disposition": table("disposition", [{"usubjid": "P1"} | leaving for leaving in left]),
    }
    found = outcomes(tables, parse_study(STUDY).outcome).loc["P1"]
    assert found["outcome_status"] == row["status"]
    assert (None if np.isnan(found["outcome"]) else f"{found['outcome']:.0f}") == row["outcome"]
    assert (found["missing_reason"] if pd.notna(found["missing_reason"]) else None) == row["missing_reason"]


@pytest.mark.parametrize(
    "row", spec_rows("features_at_risk.txt"), ids=lambda r: " ".join(map(str, r.values()))
)
def test_the_set_at_risk_follows_the_specification(row: dict[str, str]) -> None:
    starts = [("2026-01-08", 1), ("2026-02-01", 2), ("2026-03-01", 3)][
        : 3 if row["cycle_3"] == "given" else 2
    ]
    left = [{"usubjid": "P1", "event_date": row["left_date"], "reason": row["left"]}] if row["left"] else []
    tables = {
        "subjects": table("subjects", [{"usubjid": "P1", "rand_date": "2026-01-01"}]),
        "exposure": table("exposure", [{"usubjid": "P1", "cycle": c, "start_date": d} for d, c in starts]),
        "surgery": table("surgery", [{"usubjid": "P1", "surgery_date": row["surgery_date"]}]),
        "disposition": table("disposition", left),
    }
    landmark = parse_study(STUDY).landmarks["c2"]
    reason = not_at_risk(tables, landmark, decision_dates(tables, landmark))["P1"]
    assert (None if pd.isna(reason) else reason) == row["reason"]
    assert pd.isna(reason) == (row["at_risk"] == "yes")


def test_the_cohort_has_every_randomised_patient_sorted_with_the_promised_columns() -> None:
    frame = build(trial(1, 80)).frame
    landmarks = [f"{kind}_{name}" for name in STUDY["landmarks"] for kind in ("decision", "at_risk")]
    base = ["usubjid", "siteid", "arm", "rand_date", "eligible", "outcome", "outcome_status", "outcome_date"]
    assert frame.columns.tolist() == base + landmarks
    assert frame["usubjid"].tolist() == [f"P{i:05d}" for i in range(80)]
    assert frame["eligible"].dtype == bool
    assert frame["at_risk_c2"].dtype == bool
    assert frame["decision_c2"].dtype == "datetime64[us]"


def test_the_flow_adds_up() -> None:
    cohort = build(trial(2, 120))
    flow, frame = cohort.flow, cohort.frame
    assert flow["randomised"] == sum(flow["by_arm"].values()) == sum(flow["outcome"].values()) == 120
    assert flow["outcome_missing"].keys() <= {"lost", "toxicity", "not_operated", "pathology_not_evaluable"}
    for name, counts in flow["landmarks"].items():
        assert counts["at_risk"] == sum(counts["by_arm"].values()) == frame[f"at_risk_{name}"].sum()
        assert counts["at_risk"] + sum(counts["not_at_risk"].values()) == 120
    assert flow["landmarks"]["baseline"]["at_risk"] > flow["landmarks"]["c4"]["at_risk"]


def test_the_order_of_rows_does_not_matter_and_inputs_stay_as_they_are() -> None:
    tables = trial(3, 60)
    before = {name: frame.copy() for name, frame in tables.items()}
    first = build(tables)
    again = build({name: shuffled(frame, np.random.default_rng(9)) for name, frame in tables.items()})
    pd.testing.assert_frame_equal(first.frame, again.frame)
    assert first.flow == again.flow
    for name, frame in tables.items():
        pd.testing.assert_frame_equal(frame, before[name])


def test_without_dates_everybody_is_at_risk_at_every_landmark() -> None:
    frame = build(two_patients()).frame
    assert frame.filter(like="at_risk").all(axis=None)
    assert frame.filter(like="decision").isna().all(axis=None)


def test_after_the_data_cut_nothing_has_happened_yet() -> None:
    tables = two_patients()
    tables["subjects"] = table("subjects", [{"usubjid": f"P{i}", "arm": "ADAPTIVE"} for i in range(1, 5)])
    tables["subjects"]["rand_date"] = pd.to_datetime(["2026-01-05"] * 3 + ["2026-06-20"])
    later = {"usubjid": "P3", "performed": "Y", "surgery_date": "2026-08-01", "yp_t": "ypT2", "yp_n": "ypN0"}
    tables["surgery"] = pd.concat([tables["surgery"], table("surgery", [later])])
    gone = {"usubjid": "P2", "event_date": "2026-07-20", "reason": "death"}
    tables["disposition"] = table("disposition", [gone])
    cohort = build(tables, data_cut=pd.Timestamp("2026-07-01"))
    assert cohort.frame["outcome_status"].tolist() == ["observed", "observed", "not_due", "missing"]
    assert cohort.flow["landmarks"]["baseline"]["not_at_risk"] == {"not_reached": 1}
    assert build(tables).flow["outcome"] == {"counted_as_failure": 1, "missing": 1, "observed": 2}


@pytest.mark.parametrize(
    ("ihc", "ish", "her2", "met"),
    [
        ("3+", None, None, "met"),
        ("2+", "amplified", None, "met"),
        ("2+", "not_amplified", None, "violated"),
        ("2+", "not_done", None, "not_assessable"),
        ("2+", "not_evaluable", "pos", "met"),
        ("1+", None, "pos", "violated"),
        (None, None, "pos", "met"),
        (None, None, "neg", "violated"),
        (None, None, None, "not_assessable"),
    ],
)
def test_her2_is_positive_by_ihc_and_ish_and_ish_not_done_is_not_negative(
    ihc: str | None, ish: str | None, her2: str | None, met: str
) -> None:
    pathology = table("pathology", [{"usubjid": "P1", "her2_ihc": ihc, "ish": ish, "her2": her2}])
    tables = {"subjects": table("subjects", [{"usubjid": "P1"}]), "pathology": pathology}
    assert criteria_states(tables, ELIGIBILITY, "baseline")["her2_positive"]["P1"] == met


def test_organ_function_is_counted_and_never_excludes() -> None:
    tables = two_patients()
    anaemic = {"usubjid": "P1", "visit": "baseline", "testcd": "HGB", "value": 80.0, "unit": "g/L"}
    other_unit = anaemic | {"usubjid": "P2", "value": 8.0, "unit": "g/dL"}
    tables["labs"] = table("labs", [anaemic, other_unit, anaemic | {"usubjid": "P2", "visit": "c1"}])
    cohort = build(tables)
    [haemoglobin] = [c for c in cohort.flow["criteria"] if c["id"] == "haemoglobin"]
    assert (haemoglobin["violated"], haemoglobin["not_assessable"]) == (1, 1)
    assert cohort.frame["eligible"].all()


def test_a_limit_in_multiples_of_normal_needs_the_upper_limit() -> None:
    labs = [("P1", 101.0, 40.0), ("P2", 100.0, 40.0), ("P3", 500.0, None)]
    rows = [{"usubjid": u, "visit": "baseline", "testcd": "ALT", "value": v, "uln": n} for u, v, n in labs]
    tables = {"subjects": table("subjects", rows), "labs": table("labs", rows)}
    found = criteria_states(tables, ELIGIBILITY, "baseline")["alt"]
    assert found.tolist() == ["violated", "met", "not_assessable"]


@pytest.mark.parametrize(
    ("column", "value", "criterion"),
    [
        ("sex", "M", "female"),
        ("age_years", 71.0, "age"),
        ("ecog", 2, "ecog"),
        ("tumour_size_mm", 20.0, "tumour_size"),
        ("ct", "T1", "stage"),
        ("stage", "IV", "stage"),
        ("cm", "M1", "no_metastasis"),
        ("bilateral", "Y", "not_bilateral"),
        ("multifocal", "Y", "not_multifocal"),
    ],
)
def test_a_violated_criterion_takes_the_patient_out_of_the_eligible_set(
    column: str, value: Any, criterion: str
) -> None:
    tables = two_patients()
    tables["subjects"].loc[tables["subjects"]["usubjid"] == "P2", column] = value
    cohort = build(tables)
    assert cohort.frame["eligible"].tolist() == [True, False]
    assert [c["id"] for c in cohort.flow["criteria"] if c["violated"]] == [criterion]


def test_a_receptor_left_open_is_a_violation_only_in_a_study_that_records_it() -> None:
    tables = two_patients()
    rows = [
        {"usubjid": "P1", "er_pct": 1.0, "pr_pct": 1.0, "ki67_pct": 20.0},
        {"usubjid": "P2", "er_pct": 1.0},
    ]
    tables["pathology"] = table("pathology", rows)
    assert build(tables).frame["eligible"].tolist() == [True, False]
    tables["pathology"] = tables["pathology"].assign(ki67_pct=np.nan, pr_pct=np.nan)
    assert build(tables).frame["eligible"].all()


def test_a_cohort_without_two_outcomes_is_refused() -> None:
    with pytest.raises(CohortError, match="all 2 known outcomes are pCR"):
        build(two_patients(yp_t="ypT0"))
    with pytest.raises(
        CohortError, match=r"no outcome by definition recorded for any of 2 patients \(2 missing\)"
    ):
        build(two_patients(), "recorded")
    with pytest.raises(CohortError, match="no patients"):
        build({"subjects": table("subjects", []), "surgery": table("surgery", [])})
    with pytest.raises(OutcomeError, match="clinical is unknown; must be one of ypT0/is_ypN0"):
        build(two_patients(), "clinical")
