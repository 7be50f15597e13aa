"""The study of patients' intervals goes on where it stopped, and its page says what it measured."""

import json
import shutil
from pathlib import Path
from typing import Any

import pytest

from models.procedure.landmark_features import as_documents
from pipeline.project.files import read_json, read_yaml, write_json
from pipeline.simulation_checks.patient_intervals import main as patient_intervals
from pipeline.simulation_checks.patient_intervals import summary
from tests.patients import feature

ROOT = Path(__file__).parents[2]
CONFIGS = ROOT / "configs"


def changed(folder: Path, name: str, changes: dict[str, Any]) -> None:
    (folder / name).write_text(json.dumps(read_yaml(folder / name) | changes), encoding="utf-8")


def test_the_study_goes_on_where_it_stopped_and_gives_the_same(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(ROOT)
    monkeypatch.setenv("PCR_WORKERS", "1")
    configs = tmp_path / "configs"
    shutil.copytree(CONFIGS, configs)
    plan = read_yaml(CONFIGS / "coverage.yaml")["patient_intervals"] | {
        "learn": 400, "judge": 60, "samples": 5, "candidates": ["logistic"],
        "cohorts": [{"patients": 120, "trials": 2}],
    }  # fmt: skip
    changed(configs, "coverage.yaml", {"patient_intervals": plan})
    changed(configs, "validation.yaml", {"inner_folds": 2})
    changed(
        configs,
        "serving.yaml",
        {"interval": {"level": 0.9, "misfit": 0.2, "small_sample": 1.0, "min_samples": 5, "held": 0.9}},
    )
    ridge = {"kind": "logistic", "penalties_per_patient": [0.1]}
    changed(configs, "models.yaml", {"candidates": {"logistic": ridge}})
    described = as_documents([feature("hr", ["pos", "neg"]), feature("tumour_size_mm")])
    write_json(tmp_path / "features" / "c2.json", {"features": described})
    folders = {name: str(tmp_path / name) for name in ("configs", "features", "work", "out", "page")}
    words = [word for name, path in folders.items() for word in (f"--{name}", path)]
    monkeypatch.setattr("sys.argv", ["study", "--study", "configs/studies/nct07239271.yaml", *words])
    patient_intervals()
    first = read_json(tmp_path / "out")
    (only,) = first["cohorts"]
    assert (only["patients"], only["cohorts"], only["without_interval"]) == (120, 2, 0)
    assert 0 < only["held"] <= 1
    next((tmp_path / "work").rglob("*-1-2.json")).unlink()
    patient_intervals()
    assert read_json(tmp_path / "out") == first
    page = (tmp_path / "page").read_text(encoding="utf-8")
    assert "SIMULATED DATA - no patients" in page
    assert "Nominal level 90%" in page


def test_cohorts_without_an_interval_are_counted_apart() -> None:
    trials: list[Any] = [{"held": 0.9, "width": 0.2}, {"failed": "why"}, {"held": 0.7, "width": 0.4}]
    counted = summary(trials, 100)
    assert (counted["cohorts"], counted["without_interval"]) == (3, 1)
    assert counted["held"] == pytest.approx(0.8)
    assert counted["monte_carlo_error"] == pytest.approx(0.1)
