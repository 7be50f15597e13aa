"""Twelve patients made by hand, from raw files to branch, eligibility, outcome and served answer."""

from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from models.rules.decisions import decisions
from models.rules.table import rule_table
from models.serving.serving import told as in_words
from tests.pipeline.patients_by_hand import Expected, Line, followed, ids_of, problems, told

PATIENTS: dict[str, tuple[dict[str, Any], Expected]] = {
    "usual": ({}, Expected("R1", True, 1, "ok")),
    "her2_group_2": (
        {"pathology": {"her2_ihc": "2+", "ish": "amplified", "her2_cep17": 2.3, "her2_copies": 3.5}},
        Expected("R1", False, 1, "ineligible", "her2_positive"),
    ),
    "ihc_1": ({"pathology": {"her2_ihc": "1+"}}, Expected("R1", False, 1, "ineligible", "her2_positive")),
    "stage_iv": (
        {"subjects": {"cm": "M1", "stage": "IV"}},
        Expected("R1", False, 1, "ineligible", "no_metastasis"),
    ),
    "ecog_2": ({"subjects": {"ecog": 2}}, Expected("R1", False, 1, "ineligible", "ecog")),
    "age_85": ({"subjects": {"age_years": 85}}, Expected("R1", False, 1, "ineligible", "age")),
    "growing_nontarget": ({"progressed": "Y"}, Expected("R2", True, 1, "ok")),
    "missed_target": (
        {"breast_at_c2": 84, "node_at_c2": None, "recorded": "NE", "surgery": {"yp_t": "ypT2"}},
        Expected("R2", True, 0, "ok"),
    ),
    "germline_pten": (
        {"ctdna": "detected", "variant": ("PTEN", "p.R335*", "germline")},
        Expected("R3", True, 1, "ok"),
    ),
    "tested_without_variants": (
        {"ctdna": "detected", "tissue": {"pten_ihc": "retained"}},
        Expected("R3", True, 1, "ok"),
    ),
    "pten_lost_by_ihc": (
        {"ctdna": "detected", "tissue": {"pten_ihc": "lost"}},
        Expected("R3", True, 1, "ok"),
    ),
    "t2_of_80_mm": ({"subjects": {"tumour_size_mm": 80}}, Expected("R1", True, 1, "ok")),
    "positive_node_before": (
        {"subjects": {"pre_nat_slnb": "positive"}, "surgery": {"yp_t": "ypT1"}},
        Expected("R1", True, None, "ok"),
    ),
}
IDS = ids_of(PATIENTS)


@pytest.fixture(scope="module")
def line(tmp_path_factory: pytest.TempPathFactory) -> Line:
    return followed(tmp_path_factory.mktemp("twelve"), PATIENTS)


@pytest.mark.parametrize("name", PATIENTS)
def test_a_patient_is_told_from_raw_files_to_served_answer_as_a_clinician_would(
    line: Line, name: str
) -> None:
    patient, expected = IDS[name], PATIENTS[name][1]
    assert told(line, patient) == expected[:4]
    served = line.served.loc[patient]
    assert pd.isna(served["pcr_probability"]) == (expected.served == "ineligible")
    if expected.criterion:
        assert f"eligibility, {expected.criterion}: " in in_words(served["reasons"])
        assert line.prepared.cohort.criteria.loc[patient, expected.criterion] == "violated"
        assert served["protocol_branch"] is None
    else:
        assert served["protocol_branch"] == expected.branch


def test_what_contradicts_itself_is_named_and_nothing_else(line: Line) -> None:
    said = problems(line)
    assert ("t_contradicts_size", IDS["t2_of_80_mm"]) in said
    assert ("ish_contradicts_ratio_and_copies", IDS["her2_group_2"]) in said
    both = f"{IDS['growing_nontarget']}; {IDS['missed_target']}"
    assert ("lesions_count", both) in said
    assert ("no_tumour_variant_though_detected", IDS["germline_pten"]) in said
    assert len(said) == 4


def test_pten_lost_by_ihc_counts_where_the_reading_looks_at_tissue(line: Line) -> None:
    tables, cohort = line.prepared.tables, line.prepared.cohort.frame

    for source, branch in {"tissue": "R4", "either": "R4", "plasma": "R3"}.items():
        rules = rule_table(line.prepared.by.rules, {"pam_source": source})
        found = decisions(tables, cohort, rules).set_index(["usubjid", "node"])["branch"]
        assert found[(IDS["pten_lost_by_ihc"], "c2")] == branch
        assert found[(IDS["tested_without_variants"], "c2")] == "R3"


def test_residual_disease_after_a_removed_node_is_no_pcr_by_setting(tmp_path: Path) -> None:
    frame = followed(tmp_path, PATIENTS, "residual_is_failure").prepared.cohort.frame.set_index("usubjid")
    assert frame.loc[IDS["positive_node_before"], "outcome"] == 0
    assert frame.loc[IDS["positive_node_before"], "outcome_status"] == "observed"
