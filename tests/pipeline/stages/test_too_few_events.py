"""Every stage on a study with too few events: nothing is learned, the reason stands where results would."""

import shutil
from pathlib import Path
from types import ModuleType
from typing import Any

import pandas as pd
import pytest
import yaml

from features.documents.study import with_defaults
from features.errors import UserError
from pipeline.project.files import read_json, read_yaml, write_table, write_tables
from pipeline.project.stage import Run
from pipeline.simulation_checks import null_check
from pipeline.stages import (
    cohort,
    comparators,
    compare,
    describe,
    domains,
    efficacy,
    explain,
    features,
    judge,
    package,
    refit,
    reports,
    resample,
    review,
    rules,
    sensitivity,
    size,
    strategy,
    track,
    train,
    truth,
)
from tests.features.tables import ROOT, STUDY, trial
from tests.workspace import SMALL, merged

LANDMARKS = ["baseline", "c2"]
PATIENTS = 40
REASON = "fewer than 1000"


def run(root: Path, stage: ModuleType, **items: str) -> None:
    stage.main(Run(stage.STAGE, items, root))


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A checkout with raw tables of 40 made-up patients, on which every stage has been run."""
    root = tmp_path_factory.mktemp("stages")
    shutil.copytree(ROOT / "configs", root / "configs")
    shutil.copy(ROOT / "requirements.lock", root)
    study = with_defaults(STUDY) | {"landmarks": LANDMARKS}
    (root / "configs/study.yaml").write_text(yaml.safe_dump(study))
    change(root / "configs/validation.yaml", min_events=1000, folds=2, inner_folds=2, permutations=2)
    models = root / "configs/models.yaml"
    models.write_text(yaml.safe_dump(merged(read_yaml(models), SMALL["configs/models.yaml"])))
    change(root / "configs/simulation.yaml", cohort={"n": 30})
    artifacts = root / "artifacts" / study["study"]
    write_tables(artifacts / "raw", trial(seed=7, n=PATIENTS))
    write_table(artifacts / "raw" / "problems.csv", pd.DataFrame(columns=PROBLEMS))
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("PCR_WORKERS", "1")
        run_all(root)
    return root


def run_all(root: Path) -> None:
    for stage in (cohort, rules, review, features):
        run(root, stage)
    for landmark in LANDMARKS:
        run(root, train, landmark=landmark)
        run(root, resample, landmark=landmark)
    for stage in (package, comparators):
        run(root, stage)
    for landmark in LANDMARKS:
        run(root, judge, landmark=landmark)
    run(root, strategy, landmark="baseline", strategy="ADAPTIVE")
    for stage in (size, domains, compare, explain, describe, efficacy, truth):
        run(root, stage)
    for stage in (refit, sensitivity):
        run(root, stage, landmark="c2")
    run(root, reports)


PROBLEMS = ["where", "column", "rule", "severity", "rows", "ids"]


def change(path: Path, **changes: Any) -> None:
    content = read_yaml(path)
    for key, value in changes.items():
        content[key] = content[key] | value if isinstance(value, dict) else value
    path.write_text(yaml.safe_dump(content, sort_keys=False))


@pytest.fixture(scope="module")
def artifacts(root: Path) -> Path:
    return root / "artifacts" / STUDY["study"]


def test_cohort_keeps_every_patient_and_counts_them(artifacts: Path) -> None:
    assert len(pd.read_parquet(artifacts / "cohort/cohort.parquet")) == PATIENTS
    assert read_json(artifacts / "cohort/flow.json")["randomised"] == PATIENTS


def test_rules_give_every_patient_a_branch_at_every_landmark(artifacts: Path) -> None:
    for landmark in LANDMARKS:
        assert len(pd.read_parquet(artifacts / f"rules/{landmark}.parquet")) == PATIENTS
    treated = pd.read_parquet(artifacts / "rules/decisions.parquet")
    assert set(treated["arm"]) == {"ADAPTIVE"}, "decisions of other arms are virtual"


def test_review_has_a_row_for_every_alternative_of_every_reading(artifacts: Path) -> None:
    readings = read_yaml(ROOT / "configs/rules/nct07239271.yaml")["readings"].values()
    listed = pd.read_csv(artifacts / "review/readings.csv")
    assert len(listed) == sum(len(reading["alternatives"]) for reading in readings)


def test_features_have_one_row_a_patient_at_risk(artifacts: Path) -> None:
    at_risk = pd.read_parquet(artifacts / "cohort/cohort.parquet").set_index("usubjid")
    for landmark in LANDMARKS:
        ids = pd.read_parquet(artifacts / f"features/{landmark}.parquet")["usubjid"].tolist()
        assert ids == sorted(at_risk.index[at_risk[f"at_risk_{landmark}"]])


@pytest.mark.parametrize("landmark", LANDMARKS)
def test_train_learns_nothing_and_says_why(artifacts: Path, landmark: str) -> None:
    learning = read_json(artifacts / f"results/learning-{landmark}.json")
    assert REASON in learning["error"]
    assert learning["single_features"]
    assert read_json(artifacts / f"fits/{landmark}.json.gz")["fits"] == []
    assert pd.read_parquet(artifacts / f"out_of_fold/{landmark}.parquet").empty


@pytest.mark.parametrize("folder", ["resampled_fits", "resampled", "predictions", "domains"])
def test_resample_comparators_and_domains_predict_nothing(artifacts: Path, folder: str) -> None:
    for landmark in LANDMARKS:
        frame = pd.read_parquet(artifacts / folder / f"{landmark}.parquet")
        assert frame.empty
        assert {"usubjid", "model", "p"} <= set(frame.columns)


def test_package_packs_no_model_and_leaves_a_card_with_the_reason(artifacts: Path) -> None:
    for landmark in LANDMARKS:
        folder = artifacts / "models" / landmark
        assert [path.name for path in folder.iterdir()] == ["card.md"]
        assert REASON in (folder / "card.md").read_text()


def test_judge_counts_and_gives_the_reason_for_every_measure(artifacts: Path) -> None:
    measures = read_json(artifacts / "results/c2.json")["chosen"]
    assert 0 < measures["events"]["value"] < measures["n"]["value"] <= PATIENTS
    assert all(REASON in measures[name]["error"] for name in ("auc", "brier", "ici"))
    assert pd.read_csv(artifacts / "curves/c2-roc.csv").empty


def test_strategy_counts_who_was_randomised(artifacts: Path) -> None:
    (found,) = read_json(artifacts / "results/strategy-ADAPTIVE.json").values()
    assert found["n"]["value"] == PATIENTS
    assert set(found["difference"]) in ({"value", "low", "high"}, {"error"})


def test_size_says_how_many_patients_would_be_enough(artifacts: Path) -> None:
    found = read_json(artifacts / "results/size.json")
    assert list(found) == LANDMARKS
    assert all(at["development"]["needed"] > PATIENTS for at in found.values())
    assert not any(at["development"]["enough"] for at in found.values())


def test_compare_and_sensitivity_have_no_difference_but_a_reason(artifacts: Path) -> None:
    primary = read_json(artifacts / "metrics/comparison.json")["primary"]
    assert primary["declared"]["landmark"] == "c2"
    assert "error" in primary["result"]
    (run_itself,) = read_json(artifacts / "results/sensitivity.json").values()
    assert REASON in run_itself["delta_log_loss"]["error"]


def test_refit_fits_nothing(artifacts: Path) -> None:
    assert pd.read_parquet(artifacts / "refits/predictions.parquet").empty


def test_explain_has_the_reason_and_no_values(artifacts: Path) -> None:
    assert REASON in read_json(artifacts / "shap/c2.json")["error"]
    assert pd.read_parquet(artifacts / "shap/c2.parquet").empty


def test_describe_still_describes_and_names_what_was_used(artifacts: Path) -> None:
    described = read_json(artifacts / "description.json")
    assert len(described["used"]["key"]) == 64
    assert "subjects.parquet" in described["used"]["digests"]


def test_efficacy_compares_the_arms_and_the_report_tells_it(artifacts: Path) -> None:
    told = read_json(artifacts / "results/efficacy.json")
    assert told["plan"]["reference"] == "CONTROL_TCBHP"
    (crude,) = (
        row for row in told["rows"]
        if (row["population"], row["measure"], row["method"], row["level"])
        == ("intention_to_treat", "risk_difference", "Newcombe", "")
    )  # fmt: skip
    shown = read_json(artifacts / "metrics/efficacy.json")["ADAPTIVE - CONTROL_TCBHP"]["risk_difference"]
    assert shown["value"] == pytest.approx(crude["value"], rel=1e-5)
    page = (artifacts / "reports/index.html").read_text(encoding="utf-8")
    assert "Tested: no difference in pCR, two-sided" in page
    assert 'id="efficacy-differences"' in page


def test_truth_knows_the_probability_of_every_simulated_patient(artifacts: Path) -> None:
    known = pd.read_parquet(artifacts / "truth/truth.parquet")
    assert len(known) == 30
    shares = known.drop(columns="usubjid").select_dtypes("number")
    assert shares.filter(like="p_").apply(lambda column: column.between(0, 1)).to_numpy().all()


def test_reports_say_the_reason_on_every_page(artifacts: Path) -> None:
    for page in ("index", *(f"shap-{landmark}" for landmark in LANDMARKS)):
        assert REASON in (artifacts / f"reports/{page}.html").read_text(encoding="utf-8")


def test_the_null_check_is_written_with_its_bound_and_told(
    root: Path, artifacts: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PCR_WORKERS", "1")
    run(root, null_check, landmark="baseline")
    answer = read_json(artifacts / "null_check/baseline.json")
    assert answer["bound"] == pytest.approx(0.5 + 2 * answer["standard_error"])
    assert answer["passes"] == (answer["mean"] <= answer["bound"])
    told = f"mean AUC {answer['mean']:.4f} over 2 permutations"
    assert told in " ".join(capsys.readouterr().out.split())


def test_track_needs_a_finished_run(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(root)
    with pytest.raises(UserError, match=r"dvc\.lock does not exist: run `pcr run` first"):
        track.main(Run(track.STAGE, {}))
