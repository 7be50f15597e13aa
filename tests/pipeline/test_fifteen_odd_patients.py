"""Fifteen patients whom clinics meet seldom, from raw files to branch, eligibility and served answer."""

import pytest

from tests.pipeline.patients_by_hand import (
    Expected,
    Line,
    Story,
    assert_told,
    breast,
    call,
    followed,
    ids_of,
    node,
    problems,
)  # fmt: skip

PATIENTS: dict[str, tuple[Story, Expected]] = {
    # R4 is literal: positive at baseline with a PAM mutation, cleared after C1, in partial response.
    "cleared_with_pik3ca": (
        {"samples": {"baseline": {"result": "detected", "mean_vaf": 0.02}},
         "variants": [call("PIK3CA", "p.H1047R")]},
        Expected("R4", True, 1, "ok"),
    ),
    # A truncation in VEP's words, with nothing said of its meaning: loss of function of PTEN all the same.
    "pten_stop_gained": (
        {"ctdna": "detected", "variants": [
            call("PTEN", "p.R130*", classification="stop_gained", pathogenic=None)
        ]},
        Expected("R4", True, 1, "ok"),
    ),
    # A variant of unknown significance in mTOR is no mutation; with nothing else the status is unknown.
    "mtor_of_unknown_significance": (
        {"ctdna": "detected", "variants": [call("MTOR", "p.A1B", pathogenic="VUS"), call("TP53", "p.R175H")]},
        Expected("R3", True, 1, "ok"),
    ),
    # The panel does not read mTOR: nothing found is not "no mutation".
    "panel_without_mtor": (
        {"ctdna": "detected", "variants": [call("TP53", "p.R175H")],
         "samples": {v: {"panel_genes": "PIK3CA;AKT1;PTEN;TP53"} for v in ("baseline", "c1")}},
        Expected("indeterminate", True, 1, "ok"),
    ),
    # Haemolysed twice: no sample can be read.
    "no_evaluable_plasma": (
        {"samples": {v: {"qc": "fail", "result": "not_evaluable"} for v in ("baseline", "c1")}},
        Expected("indeterminate", True, 1, "ok"),
    ),
    # A man: the trial is of women.
    "male": ({"subjects": {"sex": "M"}}, Expected("R1", False, 1, "ineligible", "female")),
    # 19 mm by imaging, called T2 by the surgeon.
    "t2_of_19_mm": (
        {"subjects": {"tumour_size_mm": 19}}, Expected("R1", False, 1, "ineligible", "tumour_size"),
    ),
    # HER2 2+ and nobody did the hybridisation: not negative, not positive.
    "ihc_2_without_ish": (
        {"pathology": {"her2_ihc": "2+", "ish": "not_done"}}, Expected("R1", True, 1, "ok"),
    ),
    # Group 3: ratio below 2, copies 7, IHC 2+: positive.
    "her2_group_3": (
        {"pathology": {"her2_ihc": "2+", "ish": "amplified", "her2_cep17": 1.7, "her2_copies": 7.0}},
        Expected("R1", True, 1, "ok"),
    ),
    # Group 4: copies 4 to 6, ratio below 2, IHC 2+: negative.
    "her2_group_4": (
        {"pathology": {"her2_ihc": "2+", "ish": "not_amplified", "her2_cep17": 1.5, "her2_copies": 5.0}},
        Expected("R1", False, 1, "ineligible", "her2_positive"),
    ),
    # All gone in the breast, a macrometastasis in the axilla.
    "residual_in_the_node_alone": (
        {"recorded": "CR", "surgery": {"yp_t": "ypT0", "yp_n": "ypN1"}, "breast_at_c2": 0, "node_at_c2": 8},
        Expected("R1", True, 0, "ok"),
    ),
    # In-situ disease alone is left: pCR by the trial's definition.
    "in_situ_left": ({"surgery": {"yp_t": "ypTis"}}, Expected("R1", True, 1, "ok")),
    # A new lesion in the liver while the breast shrinks by more than half: progression.
    "new_lesion": (
        {"recorded": "PD", "surgery": {"yp_t": "ypT1"}, "targets": {
            "baseline": [breast(50), node(20)],
            "c2": [breast(20), node(12), ("L9", "new", "other", "longest", 15)],
        }},
        Expected("R2", True, 0, "ok"),
    ),
    # 29 % less is stable, however near.
    "just_not_a_partial_response": (
        {"recorded": "SD", "targets": {"baseline": [breast(70), node(30)], "c2": [breast(51), node(20)]}},
        Expected("R2", True, 1, "ok"),
    ),
    # Progressed before surgery and was never operated on.
    "never_operated": (
        {"surgery": {"performed": "N", "surgery_date": None, "yp_t": None, "yp_n": None}},
        Expected("R1", True, None, "ok"),
    ),
}  # fmt: skip
IDS = ids_of(PATIENTS)
NOT_ASSESSABLE = "eligibility_not_assessable"


@pytest.fixture(scope="module")
def line(tmp_path_factory: pytest.TempPathFactory) -> Line:
    return followed(tmp_path_factory.mktemp("odd"), PATIENTS)


@pytest.mark.parametrize("name", PATIENTS)
def test_an_odd_patient_is_told_as_a_clinician_would(line: Line, name: str) -> None:
    assert_told(line, IDS[name], PATIENTS[name][1])


def test_a_number_without_ish_is_served_with_the_criterion_that_stays_open(line: Line) -> None:
    open_ = {
        name: {r["input"] for r in line.served.loc[patient, "reasons"] if r["code"] == NOT_ASSESSABLE}
        for name, patient in IDS.items()
    }
    assert open_.pop("ihc_2_without_ish") == {"her2_positive"}
    assert set().union(*open_.values()) == set()


def test_what_looks_wrong_in_their_files_is_named(line: Line) -> None:
    assert problems(line) == {("t_contradicts_size", IDS["t2_of_19_mm"]), ("classification", "")}
