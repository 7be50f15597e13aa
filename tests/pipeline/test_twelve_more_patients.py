"""Twelve more patients of kinds that pathologists and radiologists meet, from raw files to served answer."""

import pytest

from features.definitions import her2_status
from tests.pipeline.patients_by_hand import (
    Expected,
    Line,
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

PR = {"recorded": "PR"}
PATIENTS: dict[str, tuple[Story, Expected]] = {
    # HER2 3+ on the left, 0 on the right: the index focus is positive, the patient is not of the trial.
    "bilateral_with_different_her2": (
        {"subjects": {"bilateral": "Y"}, "more": {"foci": [
            {"focus_id": "left", "laterality": "left", "her2_ihc": "3+"},
            {"focus_id": "right", "laterality": "right", "her2_ihc": "0"},
        ]}},
        Expected("R1", False, 1, "ineligible", "not_bilateral"),
    ),
    # Axillary disease without a tumour in the breast: T0 is no stage of the trial's. Isolated cells remain.
    "occult_primary": (
        {"subjects": {"ct": "T0", "tumour_size_mm": None}, "recorded": "CR", "surgery": {"yp_n": "ypN0i+"},
         "targets": {"baseline": [node(22)], "c2": [node(9)]}},
        # The size is all that the made-up model predicts from: whatever is missing, the stage is the reason.
        Expected("R1", False, 0, "ineligible", "stage"),
    ),
    # Two clones in one biopsy; copies and ratio of the whole make it group 1.
    "her2_heterogeneity": (
        {"pathology": {"her2_ihc": "2+", "ish": "amplified", "her2_cep17": 2.1, "her2_copies": 4.2,
                       "her2_heterogeneity": "present"}},
        Expected("R1", True, 1, "ok"),
    ),
    # The primary cannot be measured, the node can: below 10 mm in short axis it is normal, and all is gone.
    "node_is_the_only_target": (
        {"recorded": "CR", "targets": {
            "baseline": [("L1", "nontarget", "breast", "longest", None), node(21)],
            "c2": [("L1", "nontarget", "breast", "longest", 0), node(9.5)],
        }},
        Expected("R1", True, 1, "ok"),
    ),
    # A liver lesion was biopsied and measured, and the stage says M0.
    "biopsy_of_a_metastasis": (
        {"recorded": "PR", "targets": {
            "baseline": [breast(50), ("L9", "target", "other", "longest", 20)],
            "c2": [breast(20), ("L9", "target", "other", "longest", 10)],
        }},
        Expected("R1", True, 1, "ok"),
    ),
    "pik3ca_double_mutant": (
        {"ctdna": "detected", "variants": [call("PIK3CA", "p.E545K"), call("PIK3CA", "p.E726K")]},
        Expected("R4", True, 1, "ok"),
    ),
    # Only blood: the laboratory called ctDNA detected by variants of clonal haematopoiesis.
    "clonal_haematopoiesis_alone": (
        {"ctdna": "detected", "variants": [call("TP53", "p.R248Q", "ch", wbc_vaf=0.021)]},
        Expected("R3", True, 1, "ok"),
    ),
    # Li-Fraumeni: half of all reads, and no tumour DNA.
    "tp53_germline": (
        {"variants": [call("TP53", "p.R273H", "germline", vaf=0.49, wbc_vaf=0.5)]},
        Expected("R1", True, 1, "ok"),
    ),
    # The tubes of baseline and C1 were exchanged: what is called C1 was drawn before treatment.
    "samples_exchanged": (
        {"samples": {"baseline": {"draw_date": "2026-01-25"}, "c1": {"draw_date": "2026-01-05"}}},
        Expected("indeterminate", True, 1, "ok"),
    ),
    "lesion_that_split": (
        PR | {"targets": {
            "baseline": [breast(50), node(20)],
            "c2": [breast(14, "L1a", split_from="L1"), breast(10, "L1b", split_from="L1"), node(12)],
        }},
        Expected("R1", True, 1, "ok"),
    ),
    # Two tumours grew together and are measured as one: 45 of 60 mm is no partial response.
    "lesions_that_merged": (
        {"recorded": "SD", "surgery": {"yp_t": "ypT2"}, "targets": {
            "baseline": [breast(40), breast(20, "L3")],
            "c2": [breast(45), breast(None, "L3", merged_into="L1")],
        }},
        Expected("R2", True, 0, "ok"),
    ),
    # Non-mass enhancement that stays: non-CR/non-PD, no partial response.
    "disease_that_cannot_be_measured": (
        {"recorded": "SD", "targets": {
            "baseline": [("L1", "nontarget", "breast", "longest", None)],
            "c2": [("L1", "nontarget", "breast", "longest", None)],
        }},
        Expected("R2", True, 1, "ok"),
    ),
    # A part of one tumour does not stand for the other, which nobody recorded.
    "split_lesion_hides_a_missing_one": (
        {"recorded": "NE", "targets": {
            "baseline": [breast(40), breast(30, "L3")],
            "c2": [breast(12, "L1a", split_from="L1"), breast(10, "L1b", split_from="L1")],
        }},
        Expected("indeterminate", True, 1, "ok"),
    ),
}  # fmt: skip
IDS = ids_of(PATIENTS)


@pytest.fixture(scope="module")
def line(tmp_path_factory: pytest.TempPathFactory) -> Line:
    return followed(tmp_path_factory.mktemp("more"), PATIENTS)


@pytest.mark.parametrize("name", PATIENTS)
def test_a_patient_is_told_as_a_pathologist_and_a_radiologist_would(line: Line, name: str) -> None:
    assert_told(line, IDS[name], PATIENTS[name][1])


def test_what_a_reader_of_the_files_should_ask_about_is_named(line: Line) -> None:
    said = problems(line)
    assert ("foci_differ_in_her2", IDS["bilateral_with_different_her2"]) in said
    assert ("lesion_elsewhere_though_m0", IDS["biopsy_of_a_metastasis"]) in said
    assert ("visits_out_of_order", IDS["samples_exchanged"]) in said
    assert ("no_tumour_variant_though_detected", IDS["clonal_haematopoiesis_alone"]) in said
    assert not {rule for rule, _ in said} & {"recist_differs", "lesions_count"}


def test_ctdna_of_clonal_haematopoiesis_alone_is_negative_where_the_call_is_derived(line: Line) -> None:
    branch = branches_under(line, ctdna_call="derived")
    assert branch[IDS["clonal_haematopoiesis_alone"]] == "R1"
    assert branch[IDS["pik3ca_double_mutant"]] == "R4"


def test_a_heterogeneous_tumour_counts_by_ratio_and_copies_of_the_whole(line: Line) -> None:
    biopsies = line.prepared.tables["pathology"].set_index("usubjid")
    status = her2_status(biopsies)
    assert status[IDS["her2_heterogeneity"]] == "pos"
    assert biopsies.loc[IDS["her2_heterogeneity"], "her2_heterogeneity"] == "present"
