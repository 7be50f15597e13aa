"""The long studies of the simulation: their plan, and what an analysis of a trial sees."""

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import yaml

from features.errors import UserError
from models.evaluation.coverage import covered, stored_model_trial
from pipeline.simulation_checks.coverage import POPULATION_CODE, STUDY_CODE, work_folder
from pipeline.simulation_checks.plan import read_plan
from pipeline.simulation_checks.trials import analysed

ROOT = Path(__file__).parents[3]


def written(folder: Path, **changes: Any) -> Path:
    content = yaml.safe_load((ROOT / "configs/coverage.yaml").read_text(encoding="utf-8"))
    content["coverage"] |= changes
    path = folder / "coverage.yaml"
    path.write_text(yaml.safe_dump(content), encoding="utf-8")
    return path


def test_the_plan_is_read_with_its_parts_and_whole_numbers_stay_whole(tmp_path: Path) -> None:
    plan = read_plan(written(tmp_path))
    assert list(plan.coverage.parts) == ["stored_model", "strategies", "out_of_fold"]
    assert str(plan.attainable.boosting["num_leaves"]) == "15"


def test_a_misspelt_key_of_the_plan_is_refused_with_the_nearest_one(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"coverage\.yaml: coverage: populations .*population"):
        read_plan(written(tmp_path, populations=3))
    with pytest.raises(UserError, match=r"coverage\.learned_from"):
        read_plan(written(tmp_path, learned_from=0))


def test_an_analysis_sees_neither_the_truth_nor_patients_without_an_outcome() -> None:
    rows = pd.DataFrame({"x": [1, 2, 3], "outcome": [1.0, np.nan, 0.0], "truth_p": [0.9, 0.5, 0.2]})
    visible, y, truth = analysed(rows)
    assert list(visible) == ["x", "outcome"]
    assert (y.tolist(), truth.tolist()) == ([1.0, 0.0], [0.9, 0.2])


def test_an_interval_of_a_trial_holds_its_estimate_and_coverage_counts_both_ends() -> None:
    rng = np.random.default_rng(1)
    p = rng.uniform(size=300)
    rows = pd.DataFrame({"p": p, "outcome": (rng.uniform(size=300) < p).astype(float)})
    value, low, high = stored_model_trial(rows, ["auc"], bootstrap=50, level=0.95, seed=1)["auc"]
    assert low < value < high
    trials = [{"auc": [value, low, high]}]
    assert covered(trials, "auc", [low])["coverage"] == covered(trials, "auc", [high])["coverage"] == 1
    assert covered(trials, "auc", [high + 1e-9])["coverage"] == 0


def test_finished_parts_belong_to_all_code_that_learns_or_simulates(tmp_path: Path) -> None:
    listed = {path.as_posix() for glob in (*POPULATION_CODE, *STUDY_CODE) for path in Path(ROOT).glob(glob)}
    for file in ("features/ctdna.py", "models/policy.py", "models/measures/net_benefit.py"):
        assert (ROOT / file).as_posix() in listed
    assert work_folder(tmp_path, (), {"a": 1}) != work_folder(tmp_path, (), {"a": 2})
