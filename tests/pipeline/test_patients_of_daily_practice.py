"""Patients as hospitals record them, from raw files to branch, eligibility and served answer."""

import pytest

from tests.models.rule_tables import SCANS
from tests.pipeline.patients_by_hand import (
    Expected,
    Line,
    Rows,
    Story,
    assert_told,
    branches_under,
    breast,
    call,
    followed,
    ids_of,
    node,
    problems,
)  # fmt: skip

PREMENOPAUSAL = {"menopause": "pre"}
R1_OK = Expected("R1", True, 1, "ok")
NEVER_OPERATED = {"performed": "N", "surgery_date": None, "yp_t": None, "yp_n": None}


def result(code: str, value: float, unit: str | None = None, uln: float | None = None) -> dict[str, Rows]:
    """Return a laboratory result two days before randomisation, with its upper limit of normal."""
    measured = {"testcd": code, "value": value, "unit": unit, "uln": uln}
    return {"labs": [{"visit": "baseline", "lab_date": "2026-01-03"} | measured]}


def altered(gene: str, kind: str, change: str = "as called") -> dict[str, Rows]:
    """Return an alteration of the diagnostic tissue, pathogenic and of the tumour."""
    row = {"gene": gene, "hgvsp": change, "alteration": kind, "origin": "tumor", "pathogenic": "Y"}
    return {"tissue_variants": [row]}


def left(event: str) -> Story:
    """Return a patient who left protocol treatment and was not operated on."""
    return {
        "surgery": NEVER_OPERATED,
        "more": {"disposition": [{"event_date": "2026-04-01", "reason": event}]},
    }


PATIENTS: dict[str, tuple[Story, Expected]] = {
    # hCG in IU/L: up to its limit nobody is pregnant, above it somebody is.
    "hcg_within_its_limit": ({"subjects": PREMENOPAUSAL, "more": result("HCG", 3.2, "IU/L", 5)}, R1_OK),
    "hcg_above_its_limit": (
        {"subjects": PREMENOPAUSAL, "more": result("HCG", 840, "IU/L", 5)},
        Expected("R1", False, 1, "ineligible", "not_pregnant"),
    ),
    "hcg_without_a_limit": ({"subjects": PREMENOPAUSAL, "more": result("HCG", 3.2, "IU/L")}, R1_OK),
    "hcg_positive_menopause_unknown": (
        {"subjects": {"menopause": None}, "more": result("HCG", 1)},
        Expected("R1", False, 1, "ineligible", "not_pregnant"),
    ),
    "hcg_positive_after_menopause": ({"more": result("HCG", 1)}, R1_OK),
    # Serology as an index.
    "hbsag_index_negative": ({"more": result("HBSAG", 0.42, "S/CO", 1)}, R1_OK),
    "hcv_index_positive": (
        {"more": result("HCVAB", 12.4, "S/CO", 1)}, Expected("R1", False, 1, "ineligible", "virology"),
    ),
    "pressure_in_kpa": (
        {"more": {"labs": result("SYSBP", 22, "kPa")["labs"] + result("DIABP", 11, "kPa")["labs"]
                  + result("ALT", 30, "U/L", 40)["labs"]}},
        Expected("R1", False, 1, "ineligible", "blood_pressure"),
    ),
    # A fraction of 62 %, as 0.62 without its unit: told as recorded, and named.
    "fraction_without_unit": (
        {"more": result("LVEF", 0.62)}, Expected("R1", False, 1, "ineligible", "lvef"),
    ),
    "er_positive_without_per_cent": ({"pathology": {"er_pct": None, "er": "pos"}}, R1_OK),
    "pr_not_recorded": ({"pathology": {"pr_pct": None}}, Expected("R1", False, 1, "ok")),
    # The day of an operation is recorded, the question was not answered.
    "operated_ten_days_before": (
        {"subjects": {"major_surgery": None, "major_surgery_date": "2025-12-26"}},
        Expected("R1", False, 1, "ok"),
    ),
    "operated_long_before": (
        {"subjects": {"major_surgery": None, "major_surgery_date": "2015-12-26"}}, R1_OK,
    ),
    "no_consent": ({"subjects": {"consent_date": None}}, Expected("R1", False, 1, "ok")),
    # N3 makes IIIC of any T, and the trial asks for T2 to T4.
    "t1_n3": (
        {"subjects": {"ct": "T1", "cn": "N3", "stage": "III", "stage_group": "IIIC", "tumour_size_mm": 18}},
        Expected("R1", False, 1, "ineligible", "stage"),
    ),
    "her2_by_one_probe": ({"pathology": {"her2_ihc": "2+", "her2_copies": 7}}, R1_OK),
    "her2_by_one_probe_in_between": ({"pathology": {"her2_ihc": "2+", "her2_copies": 5}}, R1_OK),
    "her2_1_with_many_copies": (
        {"pathology": {"her2_ihc": "1+", "her2_copies": 7}},
        Expected("R1", False, 1, "ineligible", "her2_positive"),
    ),
    "pten_fusion": ({"ctdna": "detected", "tissue": {}, "more": altered("PTEN", "fusion")},
                    Expected("R3", True, 1, "ok")),
    "pik3ca_amplified": ({"ctdna": "detected", "tissue": {}, "more": altered("PIK3CA", "amplification")},
                         Expected("R3", True, 1, "ok")),
    # Sequencing failed, the stain did not.
    "pten_lost_by_stain_alone": (
        {"ctdna": "detected", "tissue": {"status": "failed", "qc": "fail", "pten_ihc": "lost"}},
        Expected("R3", True, 1, "ok"),
    ),
    "pik3ca_in_frame_deletion": (
        {"ctdna": "detected", "variants": [call("PIK3CA", "p.E109del", classification="In_Frame_Del")]},
        Expected("indeterminate", True, 1, "ok"),
    ),
    "pik3ca_in_long_form": (
        {"ctdna": "detected", "variants": [call("PIK3CA", "p.His1047Arg", pathogenic=None)]},
        Expected("R4", True, 1, "ok"),
    ),
    "mtor_by_its_former_name": (
        {"ctdna": "detected", "variants": [call("FRAP1", "p.S2215Y")]}, Expected("R4", True, 1, "ok"),
    ),
    "drawn_after_the_second_dose": (
        {"ctdna": "detected", "samples": {"c1": {"draw_date": "2026-01-30"}}},
        Expected("indeterminate", True, 1, "ok"),
    ),
    "reported_after_the_decision": (
        {"ctdna": "detected", "samples": {"c1": {"report_date": "2026-02-25"}}},
        Expected("indeterminate", True, 1, "ok"),
    ),
    # The target is gone, a node that is none of them is not: no complete response.
    "non_target_node_left": (
        {"recorded": "PR", "targets": {
            "baseline": [breast(40), node(12, target="nontarget")],
            "c2": [breast(0), node(11, target="nontarget")],
        }},
        R1_OK,
    ),
    "perhaps_a_new_lesion": (
        {"recorded": "SD", "targets": {
            "baseline": [breast(40)],
            "c2": [breast(30), ("L9", "new", "other", "longest", None, {"status": "not_evaluable"})],
        }},
        Expected("R2", True, 1, "ok"),
    ),
    # A node of 9 mm is normal, so that nothing new is there.
    "new_node_of_9_mm": (
        {"recorded": "PD", "targets": {
            "baseline": [breast(40)], "c2": [breast(20), node(9, "L9", target="new")],
        }},
        R1_OK,
    ),
    "ultrasound_throughout": (
        {"targets": {"baseline": [breast(50, method="US")], "c2": [breast(20, method="US")]},
         "more": {"response": [{"visit": "c2", "overall": "PR", "assessment_date": SCANS["c2"],
                                "method": "US", "reader": "INVESTIGATOR"}]}},
        R1_OK,
    ),
    "axilla_not_operated": (
        {"surgery": {"yp_n": None, "axillary_surgery": "none"}}, Expected("R1", True, None, "ok"),
    ),
    "died_before_surgery": (left("death"), Expected("R1", True, 0, "ok")),
    "withdrew_before_surgery": (left("consent_withdrawn"), Expected("R1", True, None, "ok")),
}  # fmt: skip
IDS = ids_of(PATIENTS)


@pytest.fixture(scope="module")
def line(tmp_path_factory: pytest.TempPathFactory) -> Line:
    return followed(tmp_path_factory.mktemp("daily"), PATIENTS)


@pytest.mark.parametrize("name", PATIENTS)
def test_a_patient_of_daily_practice_is_told_as_a_clinician_would(line: Line, name: str) -> None:
    assert_told(line, IDS[name], PATIENTS[name][1])


def test_tissue_tells_of_a_loss_that_plasma_does_not_see(line: Line) -> None:
    branch = branches_under(line, pam_source="tissue")
    told = {
        name: branch[IDS[name]] for name in ("pten_fusion", "pten_lost_by_stain_alone", "pik3ca_amplified")
    }
    assert told == {"pten_fusion": "R4", "pten_lost_by_stain_alone": "R4", "pik3ca_amplified": "R3"}


def test_what_cannot_be_judged_or_looks_wrong_is_named(line: Line) -> None:
    named = {
        (r["code"], r["input"])
        for name in ("hcg_without_a_limit", "her2_by_one_probe_in_between")
        for r in line.served.loc[IDS[name], "reasons"]
        if r["code"] == "eligibility_not_assessable"
    }
    assert {input_ for _, input_ in named} >= {"her2_positive"}
    said = {rule for rule, _ in problems(line)}
    assert {"range_by_name", "presence_by_limit", "presence_unknown", "unit_converted"} <= said
