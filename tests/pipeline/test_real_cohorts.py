"""Study files of real public cohorts, written from the documentation: they pass the check as they are."""

import os
import shutil
from pathlib import Path

import pytest

from pipeline.intake.preflight import checked
from tests.pipeline.formats import ROOT

DATA = ROOT / ".." / "shared" / "data"


@pytest.mark.parametrize(
    ("study", "folder", "patients", "pcr", "features"),
    [
        ("ispy1", "ispy1", 221, 58, {"longest_diameter"}),
        ("ispy1_her2", "ispy1", 67, 30, {"longest_diameter"}),
        ("transneo", "sammut2022", 147, 38, {"HRD.sum", "GGI.gsva", "TIDE.CD8", "median_lymph_KDE_knn_50"}),
        (
            "transneo_test",
            "sammut2022",
            75,
            19,
            {"HRD.sum", "GGI.gsva", "TIDE.CD8", "median_lymph_KDE_knn_50"},
        ),
    ],
)
def test_a_real_cohort_has_the_patients_and_the_responses_that_were_published(
    study: str,
    folder: str,
    patients: int,
    pcr: int,
    features: set[str],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    if not (DATA / folder).is_dir():
        if os.environ.get("CI") == "true":
            pytest.fail(f"{DATA / folder} is missing: the real cohorts are part of the checks")
        pytest.skip("the files of real cohorts are not here")
    shutil.copytree(ROOT / "configs", tmp_path / "configs")
    monkeypatch.chdir(tmp_path)
    tables = checked(study, (DATA / folder).resolve()).tables
    assert len(tables["subjects"]) == patients
    assert (tables["surgery"]["pcr"] == "Y").sum() == pcr
    measured = tables.get("imaging_features", tables.get("biomarkers"))
    assert measured is not None
    assert features <= set(measured["feature" if "feature" in measured else "biomarker"])


def test_the_external_set_has_the_features_of_the_training_set() -> None:
    texts = [
        (ROOT / "configs/studies" / f"{name}.yaml").read_text() for name in ("transneo", "transneo_test")
    ]
    tables = [text.partition("  tables:\n")[2] for text in texts]
    assert tables[0] == tables[1] != ""
