"""Patients on whom clinicians dispute, from raw files to branch, eligibility and served answer."""

import pytest

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
DRIVER = call("TP53", "p.R175H")


def pregnancy_test(value: float, day: str) -> dict[str, Rows]:
    """Return a pregnancy test (0 = negative); randomisation is on 2026-01-05."""
    return {"labs": [{"visit": "baseline", "lab_date": day, "testcd": "HCG", "value": value}]}


def lost_copies(kind: str, copies: float) -> dict[str, Rows]:
    """Return a deletion of PTEN in the diagnostic tissue."""
    deletion = {"gene": "PTEN", "hgvsp": "deletion", "alteration": kind, "copy_number": copies}
    return {"tissue_variants": [deletion | {"origin": "tumor", "pathogenic": "Y"}]}


PATIENTS: dict[str, tuple[Story, Expected]] = {
    # 3+ is positive and asks for no hybridisation; one that disagrees is a question to pathology.
    "ihc_3_without_amplification": (
        {"pathology": {"her2_ihc": "3+", "ish": "not_amplified", "her2_cep17": 1.2, "her2_copies": 2.5}},
        Expected("R1", True, 1, "ok"),
    ),
    # Amplified by any measure, 0 by IHC: the trial asks for 3+, or 2+ with ISH.
    "ihc_0_amplified": (
        {"pathology": {"her2_ihc": "0", "ish": "amplified", "her2_cep17": 4.0, "her2_copies": 9.0}},
        Expected("R1", False, 1, "ineligible", "her2_positive"),
    ),
    "isolated_tumour_cells": (
        {"surgery": {"yp_t": "ypT0", "yp_n": "ypN0i+"}}, Expected("R1", True, 0, "ok"),
    ),
    "in_situ_with_a_micrometastasis": (
        {"surgery": {"yp_t": "ypTis", "yp_n": "ypN1mi"}}, Expected("R1", True, 0, "ok"),
    ),
    "another_carcinoma_before": (
        {"subjects": {"other_malignancy": "Y"}},
        Expected("R1", False, 1, "ineligible", "no_other_malignancy"),
    ),
    "pregnant": (
        {"subjects": PREMENOPAUSAL, "more": pregnancy_test(1, "2026-01-03")},
        Expected("R1", False, 1, "ineligible", "not_pregnant"),
    ),
    # The cohort sees the date, a row of inputs does not: answered, and said.
    "tested_after_randomisation": (
        {"subjects": PREMENOPAUSAL, "more": pregnancy_test(0, "2026-01-06")},
        Expected("R1", False, 1, "ok"),
    ),
    "operated_two_weeks_before": (
        {"subjects": {"major_surgery": "Y", "major_surgery_date": "2025-12-20"}},
        Expected("R1", False, 1, "ok"),
    ),
    # An asymptomatic fraction of 54 % at entry: an exclusion, whatever the patient feels.
    "fraction_of_54": (
        {"more": {"labs": [{"visit": "baseline", "lab_date": "2026-01-03", "testcd": "LVEF", "value": 54,
                            "unit": "%"}]}},
        Expected("R1", False, 1, "ineligible", "lvef"),
    ),
    # One copy of PTEN is left: no loss by anybody's rule.
    "one_copy_of_pten": (
        {"ctdna": "detected", "tissue": {}, "more": lost_copies("heterozygous_deletion", 1)},
        Expected("R3", True, 1, "ok"),
    ),
    "no_copy_of_pten": (
        {"ctdna": "detected", "tissue": {}, "more": lost_copies("homozygous_deletion", 0)},
        Expected("R3", True, 1, "ok"),
    ),
    # Off the hotspots and of unknown significance: no mutation. Pathogenic or not assessed there: open.
    "pik3ca_of_unknown_significance": (
        {"ctdna": "detected", "variants": [call("PIK3CA", "p.A222T", pathogenic="VUS"), DRIVER]},
        Expected("R3", True, 1, "ok"),
    ),
    "pik3ca_off_the_hotspots": (
        {"ctdna": "detected", "variants": [call("PIK3CA", "p.A222T", pathogenic="Y"), DRIVER]},
        Expected("indeterminate", True, 1, "ok"),
    ),
    "pik3ca_of_the_blood": (
        {"ctdna": "detected", "variants": [call("PIK3CA", "p.H1047R", "ch", wbc_vaf=0.02), DRIVER]},
        Expected("R3", True, 1, "ok"),
    ),
    "pik3ca_without_white_cells": (
        {"ctdna": "detected", "variants": [call("PIK3CA", "p.H1047R", "unknown"), DRIVER]},
        Expected("indeterminate", True, 1, "ok"),
    ),
    # A quarter more, and 3 mm: below 5 mm nobody can tell.
    "growth_within_the_error": (
        {"recorded": "SD", "targets": {"baseline": [breast(12)], "c2": [breast(15)]}},
        Expected("R2", True, 1, "ok"),
    ),
    # 10 mm is the first size at which a node is not normal.
    "node_of_10_mm_left": (
        {"recorded": "PR", "targets": {"baseline": [breast(50), node(20)], "c2": [breast(0), node(10)]}},
        Expected("R1", True, 1, "ok"),
    ),
    "detected_at_zero": (
        {"ctdna": "detected", "samples": {"c1": {"mean_vaf": 0}}, "variants": [DRIVER]},
        Expected("R3", True, 1, "ok"),
    ),
}  # fmt: skip
IDS = ids_of(PATIENTS)


@pytest.fixture(scope="module")
def line(tmp_path_factory: pytest.TempPathFactory) -> Line:
    return followed(tmp_path_factory.mktemp("disputed"), PATIENTS)


@pytest.mark.parametrize("name", PATIENTS)
def test_a_disputed_patient_is_told_by_the_published_rules(line: Line, name: str) -> None:
    assert_told(line, IDS[name], PATIENTS[name][1])


def test_a_deletion_counts_in_tissue_where_no_copy_is_left(line: Line) -> None:
    branch = branches_under(line, pam_source="tissue")
    assert branch[IDS["no_copy_of_pten"]] == "R4"
    assert branch[IDS["one_copy_of_pten"]] == "R3"


def test_what_only_a_date_tells_is_named_beside_the_number(line: Line) -> None:
    named = {
        name: {r["input"] for r in line.served.loc[patient, "reasons"] if r["input"]}
        for name, patient in IDS.items()
    }
    assert named["tested_after_randomisation"] == {"not_pregnant"}
    assert named["operated_two_weeks_before"] == {"no_recent_surgery"}
    assert named["node_of_10_mm_left"] == set()


def test_what_pathology_and_the_laboratory_should_be_asked_is_named(line: Line) -> None:
    disagree = f"{IDS['ihc_3_without_amplification']}; {IDS['ihc_0_amplified']}"
    assert problems(line) == {
        ("ihc_contradicts_ish", disagree), ("detected_at_zero", IDS["detected_at_zero"]),
    }  # fmt: skip
