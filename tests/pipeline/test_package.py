"""Stage package: folders of served models from what was learned, each with its card; nothing is fitted."""

import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import yaml

from models.procedure.landmark_features import as_documents
from models.procedure.learned import LearnedModel
from models.procedure.response_model import ResponseModel
from models.procedure.robustness_splits import nothing_resampled
from models.serving.serving import read_model
from pipeline.project import paths
from pipeline.project.files import read_json, write_json, write_table
from pipeline.project.stage import Run
from pipeline.stages.package import STAGE, main
from tests.patients import FEATURES, SETTINGS, patients

ROOT = Path(__file__).parents[2]
STUDY: dict[str, Any] = {
    "study": "made-up", "simulated": False, "source": "data", "rules": "none", "eligibility": "none",
    "visits": ["baseline", "c1", "c2"], "landmarks": ["c1", "c2"],
    "schedule": {"c1": {"visits": ["baseline", "c1"]}, "c2": {"visits": ["baseline", "c1", "c2"]}},
    "outcome": {"definition": "ypT0", "sensitivity": []},
}  # fmt: skip
REASON = "9 patients with a known outcome: no model is learned"


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Run:
    """A study whose model was learned at c1, and where too few events left nothing to learn at c2."""
    root = tmp_path_factory.mktemp("study")
    shutil.copytree(ROOT / "configs", root / "configs")
    (root / paths.STUDY).write_text(yaml.safe_dump(STUDY), encoding="utf-8")
    frame, y = patients(150)
    run = Run(STAGE, {}, root)
    write_json(run.path(paths.LEARNED, landmark="c2"), {"error": REASON})
    fitted = ResponseModel(FEATURES, SETTINGS, 3, 1).fit(frame, y)
    write_json(run.path(paths.LEARNED, landmark="c1"), LearnedModel.of(fitted).stored())
    write_table(run.path(paths.FEATURES, landmark="c1"), frame)
    write_json(run.path(paths.FEATURE_LIST, landmark="c1"), {"features": as_documents(FEATURES)})
    write_table(run.path(paths.COHORT), pd.DataFrame({"usubjid": frame["usubjid"], "outcome": y}))
    write_json(run.path(paths.SERVED_ELIGIBILITY), {"inputs": [], "criteria": []})
    write_json(run.path(paths.BRANCH_TABLE, landmark="c1"), {})
    write_table(run.path(paths.RESAMPLED_FITS, landmark="c1"), nothing_resampled())
    main(run)
    return run


def test_the_folder_holds_a_model_that_predicts_as_the_one_that_was_learned(run: Run) -> None:
    rows, _ = patients(30, seed=5)
    packed = read_model(run.path(paths.STORED_MODEL, landmark="c1"))
    learned = LearnedModel.read(run.json(paths.LEARNED, landmark="c1"))
    assert np.array_equal(packed.probability(rows), learned.model.probability(rows))


def test_the_card_and_the_document_are_of_the_study(run: Run) -> None:
    folder = run.path(paths.STORED_MODEL, landmark="c1")
    document = read_json(folder / "model.json")
    assert (document["model"], document["outcome"]) == ("pcr-made-up-c1", "ypT0")
    assert document["serving"]["refused"]["later"] == ["c2"]
    assert (folder / "card.md").read_text(encoding="utf-8").startswith("# pcr-made-up-c1\n")


def test_a_landmark_without_a_model_has_the_reason_alone(run: Run) -> None:
    folder = run.path(paths.STORED_MODEL, landmark="c2")
    assert [file.name for file in folder.iterdir()] == ["card.md"]
    assert REASON in (folder / "card.md").read_text(encoding="utf-8")
