"""A study with an assay through the real stages: learned, packed, explained, and scored from a file."""

import contextlib
import importlib
import json
import os
from pathlib import Path
from typing import Any
from unittest import mock

import numpy as np
import pandas as pd
import pytest

from models.serving.serving import read_model
from pipeline.commands.score import score
from pipeline.project.stage import Run
from tests.cohort_campaign import SETTINGS, Odd, patients, study_of
from tests.in_process import write_study

GENES = [f"G{k}" for k in range(30)]
STAGES = ("raw", "cohort", "rules", "review", "features", "train", "resample", "package", "explain")
CHANGES: dict[str, Any] = {
    **SETTINGS,
    "configs/validation.yaml": {
        "leakage_alarm_auc": 0.999,
        "resampling": {"bootstrap": 4, "leave_centres_out": False},
    },
}


def run_stages(folder: Path, names: tuple[str, ...]) -> None:
    """Run stages of the study of a folder in this process, by one worker."""
    with contextlib.chdir(folder), mock.patch.dict(os.environ, {"PCR_WORKERS": "1"}):
        for name in names:
            module = importlib.import_module(f"pipeline.stages.{name}")
            items = {"landmark": "baseline"} if module.STAGE.items else {}
            module.main(Run(module.STAGE, items))


@pytest.fixture(scope="module", name="folder")
def _folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a study of 100 patients, ten of them without expression, run until it is explained."""
    made = tmp_path_factory.mktemp("assays")
    rng = np.random.default_rng(1)
    odd = Odd(100, 1, 0.4, "full", False, False, True, "nothing odd", False, False)
    frame = patients(odd, rng).assign(score=rng.normal(size=100))
    genes = rng.normal(size=(100, 30))
    genes[:, 0] += 2.0 * frame["pcr"].to_numpy(dtype=int)
    wide = pd.DataFrame(genes.round(4), columns=GENES)
    wide.insert(0, "ID", frame["id"])
    (made / "files").mkdir()
    frame.to_csv(made / "files/pat.csv", index=False)
    wide.iloc[:90].to_csv(made / "files/rna.csv", index=False)
    study = study_of(odd, frame)
    study["omics"] = {
        "rna": {
            "path": "rna.csv", "type": "expression", "visit": "baseline", "rows": "patients",
            "id": {"column": "ID"},
        }
    }  # fmt: skip
    write_study(made / "p", study, made / "files", CHANGES)
    run_stages(made / "p", STAGES)
    return made / "p"


def artifacts(folder: Path) -> Path:
    """Return the folder of the study's artifacts."""
    (found,) = (folder / "artifacts").iterdir()
    return found


def test_the_model_that_takes_the_assay_is_chosen_and_packed_in_readable_files(folder: Path) -> None:
    learning = json.loads((artifacts(folder) / "results/learning-baseline.json").read_text())
    assert learning["chosen"] in {"blocks", "late_fusion"}
    packed = artifacts(folder) / "models/baseline"
    assert {path.name for path in packed.iterdir()} == {"card.md", "model.json", "serving.py"}
    document = json.loads((packed / "model.json").read_text())
    assert document["blocks"]["blocks"]["rna"]["columns"] == sorted(f"rna:{gene}" for gene in GENES)
    assert set(document["serving"]["support"]["assays"]) == {"rna"}


def test_the_packed_model_predicts_from_its_folder_alone_for_patients_with_and_without_the_assay(
    folder: Path,
) -> None:
    model = read_model(artifacts(folder) / "models/baseline")
    rows = pd.read_parquet(artifacts(folder) / "features/baseline.parquet")
    wide = pd.read_parquet(artifacts(folder) / "features/omics/baseline.parquet")
    answers = model.predict(rows.merge(wide, on="usubjid"))
    lacking = [any(r["code"] == "no_assay" for r in reasons) for reasons in answers["reasons"]]
    assert sum(lacking) == 10
    assert answers["pcr_probability"].notna().all()


def test_rows_are_scored_from_a_file_with_the_columns_of_the_assay(folder: Path, tmp_path: Path) -> None:
    rows = pd.read_parquet(artifacts(folder) / "features/baseline.parquet")
    wide = pd.read_parquet(artifacts(folder) / "features/omics/baseline.parquet")
    both = rows.merge(wide, on="usubjid")
    both.to_parquet(tmp_path / "rows.parquet")
    packed, out = artifacts(folder) / "models/baseline", tmp_path / "answers.parquet"
    score(str(packed), None, tmp_path / "rows.parquet", None, out)
    p = read_model(packed).predict(both.drop(columns="usubjid"))["pcr_probability"].astype(float)
    np.testing.assert_allclose(pd.read_parquet(out)["pcr_probability"], p, atol=1e-12)


def test_contributions_out_of_fold_have_the_assay_as_a_whole_and_its_first_column(folder: Path) -> None:
    explained = pd.read_parquet(artifacts(folder) / "shap/baseline.parquet")
    assert explained.columns[-1] == "rna:*"
    summary = json.loads((artifacts(folder) / "shap/baseline.json").read_text())
    assert summary["assays"]["rna"][0]["column"] == "G0"
    assert {row["group"] for row in summary["domains"]} >= {"clinical", "rna"}
