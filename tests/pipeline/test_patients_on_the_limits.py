"""Twelve patients on a limit, from raw files to branch, eligibility and served answer."""

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

BASELINE = [breast(50), node(20)]


def results(**values: float) -> dict[str, Rows]:
    """Return laboratory results at the first visit."""
    units = {"QTC": "ms", "SYSBP": "mmHg", "DIABP": "mmHg", "LVEF": "%"}
    return {
        "labs": [
            {"visit": "baseline", "lab_date": "2026-01-03", "testcd": code, "value": value,
             "unit": units.get(code)}
            for code, value in values.items()
        ]
    }  # fmt: skip


PATIENTS: dict[str, tuple[Story, Expected]] = {
    # Both copies of PTEN are gone in tissue; plasma does not see it.
    "pten_deleted_in_tissue": (
        {"ctdna": "detected", "tissue": {}, "more": {"tissue_variants": [
            {"gene": "PTEN", "hgvsp": "deletion", "alteration": "homozygous_deletion", "copy_number": 0,
             "origin": "tumor", "pathogenic": "Y"}
        ]}},
        Expected("R3", True, 1, "ok"),
    ),
    # Nothing shed before treatment, tumour DNA after the first cycle.
    "positive_after_c1_alone": (
        {"samples": {"c1": {"result": "detected", "mean_vaf": 0.02}}, "variants": [call("TP53", "p.R175H")]},
        Expected("R3", True, 1, "ok"),
    ),
    # What plasma holds comes from white cells, and the laboratory says so.
    "haematopoiesis_alone": ({"variants": [call("TP53", "p.R175H", "ch")]}, Expected("R1", True, 1, "ok")),
    # Ratio 2.0 and 4.0 copies are amplified, by either limit.
    "ratio_and_copies_on_the_limit": (
        {"pathology": {"her2_ihc": "2+", "ish": "amplified", "her2_cep17": 2.0, "her2_copies": 4.0}},
        Expected("R1", True, 1, "ok"),
    ),
    # The hybridisation was done and cannot be read: as open as one that was not done.
    "ish_not_evaluable": (
        {"pathology": {"her2_ihc": "2+", "ish": "not_evaluable"}}, Expected("R1", True, 1, "ok"),
    ),
    # Inflammatory, size not measurable: the stage stands; the made-up model predicts from size alone.
    "inflammatory_without_size": (
        {"subjects": {"ct": "T4", "cn": "N3", "stage": "III", "tumour_size_mm": None, "inflammatory": "Y"}},
        Expected("R1", True, 1, "rejected"),
    ),
    "seventy": ({"subjects": {"age_years": 70}}, Expected("R1", True, 1, "ok")),
    # "QTc < 470 ms" and "blood pressure <= 150/100": one limit is excluded, the other included.
    "qtc_of_470": ({"more": results(QTC=470)}, Expected("R1", False, 1, "ineligible", "qtc")),
    "pressure_of_150_over_100": ({"more": results(SYSBP=150, DIABP=100)}, Expected("R1", True, 1, "ok")),
    "hbsag_positive": ({"more": results(HBSAG=1)}, Expected("R1", False, 1, "ineligible", "virology")),
    # MRI before, ultrasound after: not compared.
    "ultrasound_after_mri": (
        {"targets": {"baseline": BASELINE, "c2": [breast(20, method="US"), node(9, method="US")]},
         "more": {"response": [{"visit": "c2", "overall": "PR", "assessment_date": SCANS["c2"],
                                "method": "US", "reader": "INVESTIGATOR"}]}},
        Expected("indeterminate", True, 1, "ok"),
    ),
    # The breast is clear and the node normal (8 mm): complete by imaging, which is no proof of pCR.
    "clear_by_imaging": (
        {"recorded": "CR", "surgery": {"yp_t": "ypT1"},
         "targets": {"baseline": BASELINE, "c2": [breast(0), node(8)]}},
        Expected("R1", True, 0, "ok"),
    ),
}  # fmt: skip
IDS = ids_of(PATIENTS)


@pytest.fixture(scope="module")
def line(tmp_path_factory: pytest.TempPathFactory) -> Line:
    return followed(tmp_path_factory.mktemp("limits"), PATIENTS)


@pytest.mark.parametrize("name", PATIENTS)
def test_a_patient_on_a_limit_is_told_as_a_clinician_would(line: Line, name: str) -> None:
    assert_told(line, IDS[name], PATIENTS[name][1])


def test_a_deletion_counts_where_the_reading_looks_at_tissue(line: Line) -> None:
    branch = branches_under(line, pam_source="tissue")
    assert branch[IDS["pten_deleted_in_tissue"]] == "R4"
    assert branch[IDS["positive_after_c1_alone"]] == "indeterminate", "no tissue, nothing known"


def test_what_stays_open_is_named_and_what_was_supplied_is_not(line: Line) -> None:
    def said(name: str, code: str) -> list[str]:
        reasons = line.served.loc[IDS[name], "reasons"]
        return [str(r["input"] or r["rule"]) for r in reasons if r["code"] == code]

    assert said("ish_not_evaluable", "eligibility_not_assessable") == ["her2_positive"]
    assert said("ratio_and_copies_on_the_limit", "eligibility_not_assessable") == []
    (pressed,) = said("pressure_of_150_over_100", "eligibility_not_supplied")
    assert {"lvef", "qtc"} <= set(pressed.split(", "))
    assert "blood_pressure" not in pressed.split(", ")


def test_what_looks_wrong_in_their_files_is_named(line: Line) -> None:
    assert problems(line) == {("lesions_count", IDS["ultrasound_after_mri"])}, "recorded PR, not comparable"
