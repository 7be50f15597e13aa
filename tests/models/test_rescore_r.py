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


def scored_by_r(folder: Path) -> subprocess.CompletedProcess[str]:
    """Score rows.csv of a folder by the model in its folder `model`."""
    words = [
        "Rscript",
        "--vanilla",
        str(SCRIPT),
        str(folder / "model/model.json"),
        str(folder / "rows.csv"),
    ]
    return subprocess.run(words, capture_output=True, text=True, check=False)


@pytest.mark.skipif(shutil.which("Rscript") is None, reason="R is not installed")
@pytest.mark.parametrize(
    ("rows", "given", "missing", "encoding"),
    [
        (200, 4, "", "utf-8"),
        (200, 4, "NA", "utf-8-sig"),
        (50, 4, "None", "utf-8"),
        (1, 4, "", "utf-8"),
        (1, 1, "", "utf-8"),
    ],
)
def test_r_scores_a_linear_model_from_model_json_alone(
    rows: int, given: int, missing: str, encoding: str, tmp_path: Path
) -> None:
    write_served_model(tmp_path / "model", "logistic")
    model, (frame, _) = read_model(tmp_path / "model"), patients(rows, seed=4, missing=0.2)
    frame[model.features[given:]] = None
    table = frame[model.features[:given]]
    table.to_csv(tmp_path / "rows.csv", index=False, na_rep=missing, encoding=encoding)
    done = scored_by_r(tmp_path)
    assert done.returncode == 0, done.stderr
    answered = np.array(done.stdout.split(), dtype=float)
    assert np.abs(answered - model.probability(frame)).max() < 1e-12


@pytest.mark.skipif(shutil.which("Rscript") is None, reason="R is not installed")
@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("arm;til_pct\nA;40\n", "no column is an input"),
        ("arm,til_pct\n", "no rows"),
        ("arm,til_pct\na,40\n", "arm: a cell is"),
        ('arm,til_pct\nA,"40,5"\n', "til_pct: a cell is"),
        ("arm,til_pct,arm\nA,40,B\n", "given twice"),
    ],
)
def test_r_stops_where_it_would_take_a_cell_for_another(text: str, told: str, tmp_path: Path) -> None:
    write_served_model(tmp_path / "model", "logistic")
    (tmp_path / "rows.csv").write_text(text, encoding="utf-8")
    done = scored_by_r(tmp_path)
    assert done.returncode != 0
    assert not done.stdout
    assert told in done.stderr


@pytest.mark.skipif(shutil.which("Rscript") is None, reason="R is not installed")
def test_r_says_that_a_boosted_model_is_not_for_it(tmp_path: Path) -> None:
    (tmp_path / "model.json").write_text('{"boosting": {}}')
    command = ["Rscript", "--vanilla", str(SCRIPT), str(tmp_path / "model.json"), "none.csv"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode != 0
    assert "holds no linear model" in done.stderr
