"""Simulated populations and what is checked in them: rows as in a run, the truth apart, coverage."""

import json
import shutil
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from features.contract.validation import ContractError
from models.evaluation.coverage import covered, trial_rows
from models.evaluation.truth import in_population
from models.procedure.landmark_features import as_documents
from pipeline.project.files import read_json, read_yaml, write_json
from pipeline.simulation_checks import populations
from pipeline.simulation_checks.attainable import flexible_auc
from pipeline.simulation_checks.coverage import main as coverage
from pipeline.simulation_checks.coverage_page import coverage_page
from pipeline.simulation_checks.plan import AttainablePlan, read_plan
from pipeline.simulation_checks.populations import (
    SimulationSpec,
    block_sizes,
    digest,
    population,
    read_simulation_spec,
    simulated_rows,
    split_truth,
)
from pipeline.sources.simulation.settings import changed
from pipeline.sources.simulator import simulate
from pipeline.stages.truth_check import attainable
from tests.patients import feature

ROOT = Path(__file__).parents[2]
CONFIGS = ROOT / "configs"


@pytest.fixture(scope="module")
def spec() -> SimulationSpec:
    study = read_yaml(CONFIGS / "studies/nct07239271.yaml")
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(ROOT)
        assert study["source"] == "configs/simulation.yaml"
        return read_simulation_spec(CONFIGS / "studies/nct07239271.yaml", CONFIGS)


@pytest.fixture(scope="module")
def rows(spec: SimulationSpec) -> dict[str, pd.DataFrame]:
    return simulated_rows(spec, 600, 9, ["baseline", "c2"])


def test_the_truth_stands_apart_and_belongs_to_the_patients_own_arm_and_fate(
    spec: SimulationSpec, rows: dict[str, pd.DataFrame]
) -> None:
    visible, truth = split_truth(rows["c2"])
    assert not [column for column in visible if "truth" in column or column.startswith("p_")]
    made = simulate(changed(spec.simulation, seed=9), n=600, rules=spec.by.rules).truth.set_index("usubjid")
    of = made.loc[visible["usubjid"]]
    adaptive = (visible["arm"] == "ADAPTIVE").to_numpy()
    own = np.where(adaptive, of["p_adaptive_given_fate"], of["p_control_given_fate"])
    assert np.array_equal(truth["p"], own)
    assert np.array_equal(truth["adaptive"], of["p_adaptive"])
    assert ((truth["p"] == 0) | (truth["p"] >= truth["adaptive"] * adaptive)).all()


def test_outcomes_occur_as_often_as_the_truth_says(rows: dict[str, pd.DataFrame]) -> None:
    known = rows["baseline"].loc[rows["baseline"]["outcome"].notna()]
    assert known["outcome"].mean() == pytest.approx(known["truth_p"].mean(), abs=0.05)
    assert (known.loc[known["truth_p"] == 0, "outcome"] == 0).all()


def test_a_population_is_made_in_blocks_and_its_ids_are_unique(
    spec: SimulationSpec, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(populations, "BLOCK", 60)
    assert block_sizes(130) == [60, 60, 10]
    monkeypatch.setenv("PCR_WORKERS", "1")
    one = population(spec, 130, 4, ["baseline"])["baseline"]
    monkeypatch.setenv("PCR_WORKERS", "2")
    two = population(spec, 130, 4, ["baseline"])["baseline"]
    pd.testing.assert_frame_equal(one, two)
    assert one["usubjid"].is_unique
    assert one["age_years"].nunique() > 20


def test_two_specs_have_one_digest_where_only_size_and_seed_differ(spec: SimulationSpec) -> None:
    smaller = changed(spec.simulation, seed=1, cohort=changed(spec.simulation.cohort, n=7))
    assert digest(replace(spec, simulation=smaller)) == digest(spec)
    other = changed(spec.simulation, control_ctdna="not_planned")
    assert digest(replace(spec, simulation=other)) != digest(spec)


def test_a_real_study_has_no_truth() -> None:
    with pytest.raises(ValueError, match="study ispy2 is not simulated"):
        read_simulation_spec(CONFIGS / "studies/ispy2.yaml", CONFIGS)


def test_a_refusal_survives_the_way_from_a_worker() -> None:
    import pickle  # noqa: PLC0415

    error = pickle.loads(pickle.dumps(ContractError("two problems", pd.DataFrame({"rule": ["range"]}))))  # noqa: S301
    assert (str(error), error.problems["rule"].tolist()) == ("two problems", ["range"])


def test_the_truth_itself_is_calibrated_and_no_forecast_beats_it() -> None:
    rng = np.random.default_rng(2)
    truth = rng.beta(2, 2, 4000)
    found = in_population({"truth": truth, "blunt": 0.5 + 0.3 * (truth - 0.5)}, truth)
    assert found["truth"]["calibration_slope"]["value"] == pytest.approx(1)
    assert found["truth"]["o_e"]["value"] == pytest.approx(1)
    assert found["blunt"]["calibration_slope"]["value"] > 2
    assert found["blunt"]["log_loss"]["value"] > found["truth"]["log_loss"]["value"]


def test_a_flexible_model_finds_what_there_is_and_stays_below_the_latents(
    rows: dict[str, pd.DataFrame], spec: SimulationSpec
) -> None:
    learn = simulated_rows(spec, 1500, 10, ["c2"])["c2"]
    features = [feature("tumour_size_mm"), feature("imaging_c2_sum_change"), feature("hr", ["pos", "neg"])]
    settings = AttainablePlan(
        seed=1, learn=1500, judge=600, rounds=40, boosting={"num_leaves": 4, "learning_rate": 0.1}
    )
    found = flexible_auc(learn, rows["c2"], features, settings)
    assert 0.58 < found < 0.8


def test_the_attainable_auc_of_another_simulation_is_not_used() -> None:
    stored = {"spec": "x", "landmarks": {"c2": {"value": 0.75}}}
    assert attainable(stored, "x", "c2") == {"value": 0.75}
    assert "run: make attainable" in attainable(stored, "y", "c2")["error"]


def test_the_attainable_auc_of_a_former_simulation_is_called_so_and_not_used(spec: SimulationSpec) -> None:
    stored, now = read_json(ROOT / "docs/attainable.json"), digest(spec)
    used = "value" in attainable(stored, now, "c2")
    assert used == (stored["spec"] == now)
    told = "the committed file is of a former simulation" in (ROOT / "docs/simulation.md").read_text("utf-8")
    assert told != used, "docs/simulation.md says whether docs/attainable.json is of the simulation of now"
    assert all(each["learned_from"] >= 450_000 for each in stored["landmarks"].values())


def test_the_committed_coverage_says_whether_it_is_of_a_former_simulation(spec: SimulationSpec) -> None:
    stored, now = read_json(ROOT / "docs/coverage.json"), digest(spec)
    plan = read_plan(CONFIGS / "coverage.yaml").coverage
    page = (ROOT / "docs/coverage.md").read_text(encoding="utf-8")
    assert page == coverage_page(stored, plan, now)
    assert ("of a former simulation" in page) == (stored["spec"] != now)


def test_coverage_counts_intervals_that_hold_the_truth() -> None:
    trials = [
        {"auc": [0.7, 0.6, 0.8]},
        {"auc": [0.7, 0.71, 0.8]},
        {"auc": [0.7, 0.6, 0.69]},
        {"auc": [0.7, 0.7, 0.7]},
    ]
    found = covered(trials, "auc", [0.7] * 4)
    assert found["coverage"] == 0.5
    assert found["monte_carlo_error"] == pytest.approx(0.25)


def test_trials_are_disjoint_parts_of_the_patients() -> None:
    rows = pd.DataFrame({"x": range(20)})
    parts = [trial_rows(rows, number, 6, 1)["x"].tolist() for number in range(3)]
    assert len({x for each in parts for x in each}) == 18
    with pytest.raises(ValueError, match="4 trials of 6 need 24 patients; got 20"):
        trial_rows(rows, 3, 6, 1)


def test_a_coverage_study_goes_on_where_it_stopped_and_gives_the_same(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(ROOT)
    shutil.copytree(CONFIGS, tmp_path / "configs")
    few: dict[str, Any] = {"trials": 2, "patients": 120}
    plan = read_yaml(CONFIGS / "coverage.yaml")["coverage"]
    plan |= {"population": 300, "learned_from": 300}
    for name in ("stored_model", "strategies"):
        plan[name] |= few
    plan["out_of_fold"] |= {"sizes": [few], "samples": 3, "candidates": ["logistic"]}
    (tmp_path / "configs/coverage.yaml").write_text(
        json.dumps(read_yaml(CONFIGS / "coverage.yaml") | {"coverage": plan}), encoding="utf-8"
    )
    validation = read_yaml(CONFIGS / "validation.yaml") | {"bootstrap": 20, "folds": 2, "inner_folds": 2}
    (tmp_path / "configs/validation.yaml").write_text(json.dumps(validation), encoding="utf-8")
    models = read_yaml(CONFIGS / "models.yaml")
    models["candidates"] = {"logistic": {"kind": "logistic", "penalties_per_patient": [0.1]}}
    (tmp_path / "configs/models.yaml").write_text(json.dumps(models), encoding="utf-8")
    features = tmp_path / "features"
    features.mkdir()
    described = as_documents([feature("hr", ["pos", "neg"]), feature("tumour_size_mm")])
    for landmark in ("baseline", "c2"):
        write_json(features / f"{landmark}.json", {"features": described})
    folders = {name: str(tmp_path / name) for name in ("configs", "features", "work", "out", "page")}
    words = [word for name, path in folders.items() for word in (f"--{name}", path)]
    monkeypatch.setattr("sys.argv", ["coverage", "--study", "configs/studies/nct07239271.yaml", *words])
    coverage()
    first = read_json(tmp_path / "out")
    assert first["stored_model"]["auc"]["trials"] == 2
    lost = sorted((tmp_path / "work").rglob("120 patients-1-2.json"))
    assert len(lost) == 1
    of_procedure = first["out_of_fold"]["120"]
    assert {"delta_log_loss, expected", "auc, corrected for optimism, final model"} < set(of_procedure)
    assert all(0 < row["mean_width"] < 3 for row in of_procedure.values())
    lost[0].unlink()
    kept = {path: path.stat().st_mtime_ns for path in (tmp_path / "work").rglob("*.json")}
    coverage()
    assert read_json(tmp_path / "out") == first
    assert all(path.stat().st_mtime_ns == time for path, time in kept.items())
    assert "SIMULATED DATA - no patients" in (tmp_path / "page").read_text(encoding="utf-8")
