"""The diagnostic biopsy, its hormone receptors, and molecular scores by name."""

import pandas as pd
import pytest

from features.feature import FeatureError, contract_columns
from features.pathology import build, her2, hormone_receptor, single_receptor
from tests.features.tables import CONTRACT, SETTINGS, STUDY, domain_settings, table

PATIENTS = pd.Index(["P1", "P2"], name="usubjid")


@pytest.mark.parametrize(
    ("recorded", "er", "pr", "expected"),
    [
        (None, 1.0, None, "pos"),
        (None, 0.0, 90.0, "pos"),
        (None, 0.9, 0.0, "neg"),
        (None, 0.0, None, None),
        (None, None, None, None),
        ("neg", 5.0, 5.0, "neg"),
        ("pos", None, None, "pos"),
    ],
)
def test_hormone_receptor_status_is_as_recorded_else_from_er_and_pr_at_one_per_cent(
    recorded: str | None, er: float | None, pr: float | None, expected: str | None
) -> None:
    rows = table("pathology", [{"usubjid": "P1", "hr": recorded, "er_pct": er, "pr_pct": pr}])
    [found] = hormone_receptor(rows)
    assert (None if pd.isna(found) else found) == expected


def test_pathology_columns_come_per_patient_and_missing_stays_missing() -> None:
    columns = contract_columns(CONTRACT, SETTINGS.pathology.columns, "pathology", "baseline", STUDY)
    rows = [{"usubjid": "P2", "grade": 3, "her2_ihc": "2+", "ish": "not_done", "er_pct": 80.0}]
    frame, _ = build(
        {"pathology": table("pathology", rows)}, PATIENTS, *domain_settings("pathology", columns=columns)
    )
    assert frame.loc["P2", ["grade", "her2_ihc", "ish", "hr"]].tolist() == [3, "2+", "not_done", "pos"]
    assert frame.loc["P1"].isna().all()


def test_scores_become_one_column_each_with_safe_names_in_order() -> None:
    scores = [
        ("mTOR.S2448", "P1", 0.5, "baseline"),
        ("B_cells", "P2", -1.0, "baseline"),
        ("B_cells", "P2", 2.0, "c1"),
    ]
    rows = [{"usubjid": u, "visit": v, "biomarker": b, "value": x, "assay": "A"} for b, u, x, v in scores]
    frame, features = build(
        {"biomarkers": table("biomarkers", rows)}, PATIENTS, *domain_settings("pathology")
    )
    assert frame.columns.tolist() == ["biomarker_b_cells", "biomarker_mtor_s2448", "biomarker_b_cells_c1"]
    assert frame.loc["P2", ["biomarker_b_cells", "biomarker_b_cells_c1"]].tolist() == [-1, 2]
    assert [feature.known_at for feature in features] == ["baseline", "baseline", "c1"]


def test_two_scores_that_become_one_name_are_refused() -> None:
    rows = [{"usubjid": "P1", "visit": "baseline", "biomarker": b, "value": 1.0} for b in ("A.1", "a_1")]
    with pytest.raises(FeatureError, match="names that differ only in punctuation or case: a_1"):
        build({"biomarkers": table("biomarkers", rows)}, PATIENTS, *domain_settings("pathology"))


def test_receptors_are_features_where_the_study_names_them_as_recorded_else_as_measured() -> None:
    cells = [
        {"er": "neg", "er_pct": 90.0, "her2_ihc": "3+"},
        {"er_pct": 1.0, "her2_ihc": "2+", "ish": "not_amplified"},
        {"er_pct": 0.9, "her2": "neg", "her2_ihc": "3+"},
    ]
    rows = table("pathology", cells)
    assert single_receptor(rows, "er").tolist() == ["neg", "pos", "neg"]
    assert her2(rows).tolist() == ["pos", "neg", "neg"]
