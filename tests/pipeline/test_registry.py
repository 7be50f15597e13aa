"""A made-up study in a real registry: tracked once, verified, promoted by its gates, and opened again."""

import json
import shutil
from dataclasses import replace
from pathlib import Path

import pandas as pd
import pytest
import yaml
from mlflow.utils.validation import _validate_param

from features.errors import UserError
from models.serving.registry import DIGEST_TAG, MANIFEST_TAG, version_of
from pipeline.commands.registry import app
from pipeline.project.estimates import Estimate, Measures
from pipeline.project.files import write_json
from pipeline.registry.cards import model_card, shortened
from pipeline.registry.origin import Origin
from pipeline.registry.promotion import (
    PromotionError,
    gate_table,
    outcome_text,
    promote_model,
    read_evidence,
    read_subject,
    rollback_model,
)
from pipeline.registry.runs import (
    flat_metrics,
    input_example,
    landmark_card,
    mlflow_name,
    track_state,
    tracking_store,
)
from pipeline.registry.state import State, read_state, workspace_state
from pipeline.registry.stored_models import open_model, served_model
from pipeline.registry.verify import check_out, problems
from pipeline.report.gates import Gate, Verdict
from pipeline.stages.package import write_no_model
from tests.malformed import GOOD
from tests.registered_study import METRICS, NAME, ROBUSTNESS, enter, lock_outputs, write_study

# MLflow's own code meets deprecations of its dependencies.
pytestmark = pytest.mark.filterwarnings(
    "ignore::DeprecationWarning", "ignore::FutureWarning", "ignore::UserWarning"
)


@pytest.fixture(scope="module")
def template(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("template")
    write_study(folder)
    return folder


@pytest.fixture
def home(template: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The study's folder, the current one."""
    folder = tmp_path / "home"
    shutil.copytree(template, folder)
    return enter(folder, monkeypatch)


@pytest.fixture
def state(home: Path) -> State:
    """The state of the study, tracked."""
    assert home == Path.cwd()
    current = workspace_state("made-up")
    track_state(current)
    return current


def test_a_state_is_tracked_once_and_its_landmark_below_it(home: Path) -> None:
    first, again = (track_state(workspace_state("made-up")) for _ in range(2))
    assert (first.runs, first.versions, again.runs, again.versions) == (2, 1, 0, 0)
    assert again.told.startswith("MLflow: 0 runs and 0 model versions added at sqlite")
    assert problems(workspace_state("made-up")) == []


def test_changed_figures_are_a_new_state_of_the_same_version(state: State, home: Path) -> None:
    write_json(home / "artifacts/made-up/results/c1.json", METRICS | {"rules": {}})
    lock_outputs(home)
    changed = workspace_state("made-up")
    assert changed.key != state.key
    assert [line.split(" (")[0] for line in problems(changed)] == [
        "missing: the run of the state", "missing: the run of c1",
    ]  # fmt: skip
    added = track_state(changed)
    assert (added.runs, added.versions) == (2, 0)


def test_what_is_missing_altered_or_duplicate_is_named(state: State, home: Path) -> None:
    (stored,) = home.glob("mlartifacts/**/artifacts/model.json")
    stored.write_text(stored.read_text() + " ")
    told = f"altered: the files of {NAME} version 1 are not those that were registered: "
    assert problems(state) == [f"{told}artifacts/model.json is altered"]
    store = tracking_store("made-up")
    with store.locked() as client:
        version = version_of(client, f"models:/{NAME}/1")
        tags = {tag: version.tags[tag] for tag in (DIGEST_TAG, MANIFEST_TAG)}
        client.create_model_version(NAME, source=version.source, run_id=version.run_id, tags=tags)
        client.create_run(client.get_experiment_by_name(store.experiment).experiment_id)
    found = problems(state)
    assert any(line.startswith(f"duplicate: 2 versions of {NAME}") for line in found)
    assert any(line.startswith("orphan: run ") and "was not made by the pipeline" in line for line in found)


def test_metrics_that_no_run_made_and_a_lock_of_two_sides_are_named(state: State, home: Path) -> None:
    metrics = home / "artifacts/made-up/metrics"
    write_json(metrics / "c9.json", {})
    (metrics / "comparison.json").write_text("{}")
    lock = yaml.safe_load((home / "dvc.lock").read_text())
    other = {"path": "artifacts/made-up/metrics/comparison.json", "md5": "0" * 32}
    lock["stages"]["reports"]["deps"] = [other]
    (home / "dvc.lock").write_text(yaml.safe_dump(lock))
    lines = problems(workspace_state(state.study))
    for told in (
        "corrupt: artifacts/made-up/metrics/comparison.json is not the one in dvc.lock: no run of this state",
        "orphan: artifacts/made-up/metrics/c9.json: no stage in dvc.lock made it",
        "mixed: reports was computed from another artifacts/made-up/metrics/comparison.json; after a merge",
    ):
        assert any(line.startswith(told) for line in lines), lines


def test_a_candidate_that_passes_becomes_champion_and_can_be_rolled_back(
    state: State, capsys: pytest.CaptureFixture[str]
) -> None:
    assert promote_model(NAME)
    assert f"{NAME} version 1 is champion." in capsys.readouterr().out
    with tracking_store(state.study).locked() as client:
        version = version_of(client, f"models:/{NAME}@champion")
    assert version.tags["gates"] == "all passed"
    with pytest.raises(UserError, match="no previous champion"):
        rollback_model(NAME)


def test_a_failed_gate_keeps_the_champion_unless_it_is_overridden(state: State, home: Path) -> None:
    worse = ROBUSTNESS | {"instability": {"mean_absolute_prediction_error": {"value": 0.2}}}
    write_json(home / "artifacts/made-up/results/robustness-c1.json", worse)
    lock_outputs(home)
    assert not promote_model(NAME)
    assert promote_model(NAME, "the board decided")
    with tracking_store(state.study).locked() as client:
        version = version_of(client, f"models:/{NAME}@champion")
    assert version.tags["gates"] == "failed: instability"
    assert version.tags["gates.override"] == "the board decided"


def test_figures_that_were_changed_by_hand_are_not_judged(home: Path) -> None:
    path = home / "artifacts/made-up/metrics/comparison.json"
    path.write_text(path.read_text().replace("-0.0", "-0.5"))
    with pytest.raises(PromotionError, match=r"comparison\.json was changed after dvc\.lock was written"):
        read_evidence(read_subject(NAME))


def test_a_null_check_of_another_state_counts_for_nothing(home: Path) -> None:
    assert read_evidence(read_subject(NAME)).null_check is not None
    features = home / "artifacts/made-up/features/c1.parquet"
    pd.read_parquet(features).head(2).to_parquet(features)
    assert read_evidence(read_subject(NAME)).null_check is None


def test_only_a_model_of_the_active_study_can_be_promoted_and_only_the_stored_one(
    state: State, home: Path
) -> None:
    with pytest.raises(PromotionError, match=f"pcr-other-c1 is not a model .* must be one of {NAME}"):
        promote_model("pcr-other-c1")
    model = home / "artifacts" / state.study / "models/c1/model.json"
    model.write_text(model.read_text() + " ")
    with pytest.raises(PromotionError, match=f"is not the candidate of {NAME}"):
        promote_model(NAME)


def test_a_model_of_simulated_patients_is_never_champion_of_a_real_study(home: Path) -> None:
    path = home / "artifacts/made-up/models/c1/model.json"
    write_json(path, json.loads(path.read_text()) | {"simulated": True})
    lock_outputs(home)
    track_state(workspace_state("made-up"))
    with pytest.raises(PromotionError, match="never be champion of a real study"):
        promote_model(NAME, "whatever the reason")


def test_a_promotion_says_what_it_did() -> None:
    assert outcome_text("m", "2", [], "1", "") == "m version 2 is champion; version 1 is kept as @previous."
    assert outcome_text("m", "2", [], "2", "") == "m version 2 is the champion already."
    assert outcome_text("m", "2", ["ici"], None, "") == "Not promoted: ici. The champion is as before."
    assert "by override (why), although ici failed" in outcome_text("m", "2", ["ici"], None, "why")
    columns = gate_table([Gate("ici", "0.1", "at most 0.05", Verdict.BAD)], "m").columns
    assert [next(iter(column.cells)) for column in columns] == [
        "ici",
        "0.1",
        "at most 0.05",
        "[bold red]FAIL[/]",
        "shown bad",
    ]


def test_a_model_opens_from_its_folder_and_from_the_registry_alike(state: State, home: Path) -> None:
    folder = str(home / "artifacts/made-up/models/c1")
    stored, fetched = open_model(folder), open_model(f"models:/{NAME}@candidate")
    assert stored.document == fetched.document
    answer = served_model(f"models:/{NAME}@candidate").predict([GOOD])
    assert answer["pcr_probability"].tolist() == stored.predict([GOOD])["pcr_probability"].tolist()
    with pytest.raises(UserError, match="has no model models:/unknown/1"):
        open_model("models:/unknown/1")
    assert state.origin.commit == "unknown" or len(state.origin.commit) == 40


def test_a_folder_that_holds_no_model_of_the_pipeline_is_refused(tmp_path: Path) -> None:
    (tmp_path / "model.json").write_text("{}")
    with pytest.raises(UserError, match="is not a model of this pipeline"):
        open_model(str(tmp_path))


@pytest.mark.parametrize(
    "part",
    [
        {"encoding.mean": [1.0]}, {"encoding.imputation": [[0.0]]}, {"encoding.scale": "x"},
        {"calibration": None}, {"calibration.slope": float("inf")}, {"serving": []},
        {"serving.support.root": [[1.0]]},
        {"serving.interval.spread": []}, {"features": []}, {"encoding.low": [[1.0], [2.0]]},
    ],
    ids=str,
)  # fmt: skip
def test_a_document_whose_parts_do_not_fit_is_refused_and_not_stretched(
    part: dict[str, object], template: Path, tmp_path: Path
) -> None:
    shutil.copytree(template / "artifacts/made-up/models/c1", tmp_path / "model")
    document = json.loads((tmp_path / "model/model.json").read_text())
    ((place, value),) = part.items()
    *above, name = place.split(".")
    parent = document
    for key in above:
        parent = parent[key]
    parent[name] = value
    (tmp_path / "model/model.json").write_text(json.dumps(document))
    with pytest.raises(UserError, match="is not a model of this pipeline"):
        open_model(str(tmp_path / "model"))


@pytest.mark.parametrize(
    ("file", "content"),
    [
        ("model.json", "[" * 100_000),
        ("model.json", "null"),
        ("booster.txt", ""),
        ("booster.txt", "tree\nv=4\n\nTree=0"),
    ],
)
def test_a_file_of_a_model_that_was_cut_or_is_another_is_refused(
    file: str, content: str, template: Path, tmp_path: Path
) -> None:
    shutil.copytree(template / "artifacts/made-up/models/c1", tmp_path / "model")
    open_model(str(tmp_path / "model"))
    (tmp_path / "model" / file).write_text(content)
    with pytest.raises(UserError, match="is not a model of this pipeline"):
        open_model(str(tmp_path / "model"))


def test_a_landmark_without_a_model_is_refused_with_the_reason_of_its_card(tmp_path: Path) -> None:
    write_no_model(tmp_path, "c1", "40 patients, 2 events: too few")
    with pytest.raises(UserError, match="has no model: 40 patients, 2 events: too few"):
        open_model(str(tmp_path))


def test_nothing_computed_is_told_with_what_to_do(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"dvc\.lock does not exist: run `pcr run` first"):
        read_state(tmp_path / "study.yaml", tmp_path / "dvc.yaml", tmp_path / "dvc.lock", tmp_path)


def test_what_dvc_cannot_check_out_is_told_with_its_reason(home: Path) -> None:
    check_out(home)
    (home / "dvc.yaml").write_text("stages: {judge: {matrix: {landmark: '${landmarks}'}, cmd: x}}\n")
    with pytest.raises(UserError, match=r"dvc checkout failed: .*Could not find 'landmarks'"):
        check_out(home)


def test_metrics_are_flat_numbers_under_names_that_mlflow_takes() -> None:
    measures = Measures({"net_benefit@0.5": Estimate(0.1, 0.0, 0.2), "auc": Estimate(reason="none")})
    assert flat_metrics({"R1>R5": measures}) == {
        "R1-R5.net_benefit/0.5": 0.1, "R1-R5.net_benefit/0.5.low": 0.0, "R1-R5.net_benefit/0.5.high": 0.2,
    }  # fmt: skip


def test_the_input_example_is_no_patient() -> None:
    rows = pd.DataFrame({"age": [40.0, 50.0, 70.0], "hr": ["pos", "neg", "neg"], "ish": [None] * 3})
    features = [
        {"name": "age", "kind": "numeric", "levels": []},
        {"name": "hr", "kind": "categorical", "levels": ["pos", "neg"]},
        {"name": "ish", "kind": "categorical", "levels": ["amplified"]},
    ]
    assert input_example(rows, features) == {"age": 50.0, "hr": "neg", "ish": "amplified"}


def test_the_card_says_how_the_model_was_made_judged_and_limited(home: Path) -> None:
    current = replace(workspace_state("made-up"), origin=Origin("abc123"))
    card = landmark_card(current, "c1")
    for text in (
        "44 randomised patients, 42 at risk at the landmark; 40 with a known outcome.",
        "| auc | 0.700 (0.600 to 0.800) | not evaluated |",
        "Model minus rules: log loss -0.050 (-0.080 to -0.020).",
        "| measure | later patients |\n",
        "| calibration_slope | 1.000 |\n",
        "git checkout abc123\npcr run --study made-up",
        "A row is rejected if arm is missing",
        f"Content key `{current.landmark_key('c1')}`",
    ):
        assert text in card
    assert "SIMULATED" not in card
    assert home.exists()


def test_the_models_own_card_says_the_same_and_carries_the_banner_of_simulated_data(home: Path) -> None:
    document = json.loads((home / "artifacts/made-up/models/c1/model.json").read_text())
    card, simulated = model_card(document), model_card(document | {"simulated": True})
    whole = landmark_card(workspace_state("made-up"), "c1")
    assert card.split("\n")[2] in whole
    assert "not a treatment recommendation; says nothing on what another treatment would do" in card
    assert "**SIMULATED DATA - no patients.** These figures say nothing clinical." in simulated
    assert "SIMULATED" not in card


def test_parameters_that_are_named_by_a_study_are_taken_by_mlflow_and_stay_apart() -> None:
    names = [
        "study.arms.TC+H",
        "TC-H",
        "a|b",
        "AC (dd) 5 %",
        "..",
        ".",
        "a//b",
        "/x",
        "x" * 300,
        "*",
        "a\nb",
        "µ",
    ]
    taken = {mlflow_name(name) for name in names}
    assert len(taken) == len(names)
    for name in taken:
        _validate_param(name, "0.5")


def test_a_long_card_is_cut_at_a_line_and_says_where_the_rest_is() -> None:
    card = "\n".join(f"line {i}" for i in range(100))
    short = shortened(card, 200)
    assert len(short) <= 200
    assert short.endswith("artifact card/card.md of the version's run.\n")
    assert set(short.split("\n")[:-3]) <= set(card.split("\n"))
    assert shortened(card, len(card)) == card


def test_the_registry_has_a_command_for_every_way_of_using_a_model() -> None:
    names = {command.name or getattr(command.callback, "__name__", "") for command in app.registered_commands}
    assert names == {
        "score",
        "validate",
        "monitor",
        "serve",
        "update",
        "disclose",
        "promote",
        "rollback",
        "history",
        "sign",
        "sync",
        "verify",
    }
