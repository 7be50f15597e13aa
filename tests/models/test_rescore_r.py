"""docs/rescore.R, an implementation of its own in another language, answers as the served model does."""

import shutil
import subprocess
from pathlib import Path

import numpy as np
import pytest

from models.serving.serving import read_model
from tests.patients import patients
from tests.serving import write_served_model

SCRIPT = Path(__file__).parents[2] / "docs/rescore.R"


@pytest.mark.skipif(shutil.which("Rscript") is None, reason="R is not installed")
@pytest.mark.parametrize(("rows", "given"), [(200, 4), (1, 4), (1, 1)])
def test_r_scores_a_linear_model_from_model_json_alone(rows: int, given: int, tmp_path: Path) -> None:
    write_served_model(tmp_path / "model", "logistic")
    model, (frame, _) = read_model(tmp_path / "model"), patients(rows, seed=4, missing=0.2)
    frame[model.features[given:]] = None
    frame[model.features[:given]].to_csv(tmp_path / "rows.csv", index=False)
    command = [
        "Rscript",
        "--vanilla",
        str(SCRIPT),
        str(tmp_path / "model/model.json"),
        str(tmp_path / "rows.csv"),
    ]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    answered = np.array(done.stdout.split(), dtype=float)
    assert np.abs(answered - model.probability(frame)).max() < 1e-12


@pytest.mark.skipif(shutil.which("Rscript") is None, reason="R is not installed")
def test_r_says_that_a_boosted_model_is_not_for_it(tmp_path: Path) -> None:
    (tmp_path / "model.json").write_text('{"boosting": {}}')
    command = ["Rscript", "--vanilla", str(SCRIPT), str(tmp_path / "model.json"), "none.csv"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode != 0
    assert "holds no linear model" in done.stderr
