"""What was recorded by other versions, moved, lost or added to is told, and `pcr sync` mends it."""

import shutil
import sqlite3
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from models.serving import serving
from models.serving.history import ENTRY_TAG
from models.serving.records import FORMAT_TAG
from models.serving.registry import KEY_TAG, SUPERSEDED_TAG, store_signature, stored_id, version_of
from models.serving.store_errors import StoreError
from models.serving.stored_files import GoneError
from pipeline.registry.relocation import relocate
from pipeline.registry.runs import track_state, tracking_store
from pipeline.registry.state import State, workspace_state
from pipeline.registry.stored_models import open_model
from pipeline.registry.verify import problems, repair_registry
from tests.registered_study import NAME, enter, write_study

pytestmark = pytest.mark.filterwarnings(
    "ignore::DeprecationWarning", "ignore::FutureWarning", "ignore::UserWarning"
)
CANDIDATE = f"models:/{NAME}@candidate"
PLAIN_LOAD = f"import mlflow; mlflow.pyfunc.load_model('{CANDIDATE}').predict([{{'arm': 'A'}}])"


@pytest.fixture(scope="module")
def template(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A study that was tracked; its database names this folder."""
    folder = tmp_path_factory.mktemp("tracked") / "home"
    folder.mkdir()
    write_study(folder)
    with pytest.MonkeyPatch.context() as patch:
        enter(folder, patch)
        track_state(workspace_state("made-up"))
    yield folder


@pytest.fixture
def state(template: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> State:
    """The study in a copy of its folder, which is the current one and has taken over the database."""
    enter(Path(shutil.copytree(template, tmp_path / "home")), monkeypatch)
    relocate(tracking_store("made-up"))
    return workspace_state("made-up")


def synced() -> list[str]:
    """Do what `pcr sync` does with the registry, and return what `pcr verify` then says."""
    state = workspace_state("made-up")
    relocate(tracking_store("made-up"))
    repair_registry(state)
    track_state(state)
    return problems(state)


def files(state: State) -> Path:
    """Return the folder of the registered version."""
    (folder,) = {
        path.parent for path in (state.artifacts.resolve().parents[1]).glob("mlartifacts/**/MLmodel")
    }
    return folder


def set_tag(run: Any, tag: str, value: str | None) -> None:
    with tracking_store("made-up").locked() as client:
        if value is None:
            client.delete_tag(run.info.run_id, tag)
        else:
            client.set_tag(run.info.run_id, tag, value)


def runs() -> list[Any]:
    store = tracking_store("made-up")
    with store.locked() as client:
        return list(client.search_runs([client.get_experiment_by_name(store.experiment).experiment_id]))


def test_a_plain_load_leaves_no_bytecode_in_the_files_of_a_version(state: State) -> None:
    command = [sys.executable, "-c", PLAIN_LOAD]
    uri = tracking_store("made-up").uri
    own = {"MLFLOW_TRACKING_URI": uri, "PATH": "/usr/bin:/bin"}
    done = subprocess.run(command, env=own, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert list(files(state).rglob("*.pyc")) == []
    assert problems(state) == []


def test_planted_bytecode_is_refused_named_and_removed_by_sync(state: State) -> None:
    guard = files(state) / "__pycache__"
    guard.unlink()
    guard.mkdir()
    (guard / f"serving.{sys.implementation.cache_tag}.pyc").write_bytes(b"anything")
    (line,) = problems(state)
    assert "__pycache__ is missing" in line
    assert ".pyc was added" in line
    with pytest.raises(ValueError, match=r"\.pyc was added"):
        open_model(CANDIDATE)
    assert synced() == []
    assert guard.is_file()
    assert list(Path(".pcr/altered").rglob("*.pyc"))


def test_runs_of_an_earlier_version_are_told_and_recorded_anew(state: State) -> None:
    before = {run.info.run_id for run in runs()}
    for run in runs():
        set_tag(run, FORMAT_TAG, None)
        set_tag(run, "study", "as it was called then")
    found = problems(state)
    assert [line.partition(" was recorded by another version")[0] for line in sorted(found)] == [
        "outdated: the run of c1", "outdated: the run of the state",
    ]  # fmt: skip
    assert all("`pcr sync` registers it anew" in line for line in found)
    assert synced() == []
    kept = {run.info.run_id: run for run in runs()}
    assert all(SUPERSEDED_TAG in kept[run].data.tags for run in before)
    assert sum(KEY_TAG in run.data.tags for run in kept.values()) == 2


def test_a_version_from_before_there_were_manifests_is_told_once(state: State) -> None:
    folder = files(state)
    with tracking_store("made-up").locked() as client:
        version = version_of(client, CANDIDATE)
        client.delete_model_version_tag(NAME, version.version, "pcr.manifest")
    assert any("altered" in line and "pcr.manifest" in line for line in problems(state))
    (folder / "manifest.sha256").unlink()
    assert any(line.startswith(f"outdated: {NAME} version 1") for line in problems(state))
    assert synced() == []
    with tracking_store("made-up").locked() as client:
        assert version_of(client, CANDIDATE).version == 2


def test_lost_files_of_versions_and_runs_come_back(state: State) -> None:
    shutil.rmtree("mlartifacts")
    found = problems(state)
    assert f"missing: the files of {NAME} version 1" in found
    assert "missing: artifact predictions/c1.parquet of the run of c1" in found
    assert synced() == []
    assert open_model(CANDIDATE).version


def test_what_cannot_be_copied_is_moved_away_and_an_empty_folder_removed(state: State) -> None:
    folder = files(state)
    (folder / "all").symlink_to("/")
    assert any("missing: the files of" in line for line in problems(state))
    assert synced() == []
    assert not (folder / "all").is_symlink()
    assert (Path(".pcr/altered") / NAME / "1/all").is_symlink()
    (folder / "numpy/core").mkdir(parents=True)
    assert any("numpy was added" in line for line in problems(state))
    assert synced() == []
    assert not (folder / "numpy").exists()


def test_altered_artifacts_of_a_run_are_replaced_and_added_ones_removed(state: State) -> None:
    (predictions,) = Path.cwd().glob("mlartifacts/**/predictions/c1.parquet")
    predictions.write_bytes(b"altered")
    predictions.with_name("added.txt").write_text("added")
    assert len(problems(state)) == 2
    assert synced() == []
    assert not predictions.with_name("added.txt").exists()


def test_a_moved_checkout_is_told_and_sync_lets_the_database_follow(
    state: State, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    former = Path.cwd()
    enter(Path(shutil.move(former, tmp_path / "a place of its own")), monkeypatch)
    with pytest.raises(StoreError, match=r"was moved or copied here: .* `pcr sync`"):
        problems(state)
    assert synced() == []
    assert open_model(CANDIDATE).version
    assert not former.exists()


def test_a_copied_checkout_leaves_the_files_of_the_other_alone(
    state: State, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    former = Path.cwd()
    shutil.copytree(former, tmp_path / "copy", ignore=shutil.ignore_patterns("mlartifacts"))
    before = {path: path.read_bytes() for path in former.rglob("mlartifacts/**/*") if path.is_file()}
    enter(tmp_path / "copy", monkeypatch)
    assert synced() == []
    assert {path: path.read_bytes() for path in before} == before
    shutil.rmtree(former)
    assert problems(state) == []


def test_a_run_or_an_experiment_that_was_deleted_is_told_with_the_command(state: State) -> None:
    store = tracking_store("made-up")
    with store.locked() as client:
        version = version_of(client, CANDIDATE)
        client.delete_run(version.run_id)
    assert any(f"mlflow runs restore --run-id {version.run_id}" in line for line in problems(state))
    with store.locked() as client:
        client.delete_experiment(client.get_experiment_by_name(store.experiment).experiment_id)
    with pytest.raises(StoreError, match=r"deleted: `.* mlflow experiments restore --experiment-id 1`"):
        problems(state)


def of_landmark() -> Any:
    return next(run for run in runs() if run.data.tags.get("landmark") == "c1" and KEY_TAG in run.data.tags)


def test_a_run_that_was_renamed_or_annotated_in_mlflow_is_told_and_restored_in_place(state: State) -> None:
    before = of_landmark()
    with tracking_store("made-up").locked() as client:
        client.update_run(before.info.run_id, status="FAILED", name="final, approved")
        for tag, text in {
            "study": "another", "mlflow.note.content": "approved", "mlflow.source.git.commit": "f00",
            "pcr.approved": "yes", "board": "yes", "mlflow.runColor": "#ff0000",
            "mlflow.parentRunId": before.info.run_id,
        }.items():  # fmt: skip
            client.set_tag(before.info.run_id, tag, text)
    found = problems(state)
    assert sorted(line.partition(" of the run of c1")[0] for line in found) == [
        "altered: note ", "altered: tag board", "altered: tag mlflow.source.git.commit",
        "altered: tag pcr.approved", "altered: tag pcr.record", "altered: tag study", "altered: the name",
        "altered: the parent", "altered: the status",
    ]  # fmt: skip
    done = repair_registry(state)
    assert f"restored: the name ({before.info.run_name}) of the run of c1" in done
    assert not any(line.startswith("superseded") for line in done)
    assert synced() == []
    after = of_landmark()
    assert after.info.run_id == before.info.run_id
    assert after.info.end_time == before.info.end_time
    colour = {"mlflow.runColor": "#ff0000"}
    assert after.data.tags == before.data.tags | colour


@pytest.mark.parametrize("what", ["metric", "commit", "nothing, but its record"])
def test_a_run_of_other_figures_or_another_commit_is_recorded_anew(state: State, what: str) -> None:
    before = of_landmark()
    with tracking_store("made-up").locked() as client:
        if what == "metric":
            client.log_metric(before.info.run_id, "AUC", 0.99, step=1)
        else:
            tag = "git_commit" if what == "commit" else "pcr.record"
            client.set_tag(before.info.run_id, tag, "f00")
    assert problems(state)
    (line,) = repair_registry(state)
    assert line.startswith("superseded: the run of c1 is recorded anew; altered was ")
    assert synced() == []
    after = of_landmark()
    assert after.info.run_id != before.info.run_id
    assert after.data.metrics == before.data.metrics
    assert (after.data.tags["git_commit"]) == before.data.tags["git_commit"]


@pytest.mark.parametrize("lost", ["entry", "run"])
def test_files_whose_entry_or_run_was_deleted_for_good_are_told_and_another_version_helps(
    lost: str, state: State
) -> None:
    (files(state) / "card.md").write_text("x")
    database = sqlite3.connect("mlflow.db")
    with database:
        # As `mlflow gc` does.
        if lost == "entry":
            database.execute("delete from logged_models")
        else:
            database.execute("delete from runs where run_uuid in (select run_id from model_versions)")
    database.close()
    (told,) = repair_registry(state)
    assert told.startswith("not repaired, as MLflow's entry of it, or its run, was deleted")
    assert told.endswith(f"`pcr sync` registers its model anew): {NAME} version 1")
    store = tracking_store("made-up")
    with store.locked() as client, pytest.raises(GoneError, match="delete the version in MLflow"):
        store_signature(client, version_of(client, CANDIDATE), files(state) / "card.md", "")
    with store.locked() as client:
        client.delete_model_version(NAME, "1")
    assert synced() == []
    assert open_model(CANDIDATE).version


def test_an_entry_of_sound_files_that_was_deleted_is_told_with_what_helps(state: State) -> None:
    store = tracking_store("made-up")
    with store.locked() as client:
        client.delete_logged_model(stored_id(version_of(client, CANDIDATE)))
    (told,) = problems(state)
    assert told.startswith("missing: MLflow's entry of the stored files")
    assert "delete the version in MLflow" in told


def test_a_registered_model_that_took_its_history_to_another_name_is_told(state: State) -> None:
    store = tracking_store("made-up")
    with store.locked() as client:
        client.set_registered_model_tag(NAME, f"{ENTRY_TAG}00001", "{}")
        client.rename_registered_model(NAME, "somebody's")
        client.create_registered_model("pcr-other-c1", tags={f"{ENTRY_TAG}00001": "{}"})
    (told,) = synced()
    assert told.startswith(
        'foreign: registered model "somebody\'s" has versions and the promotion history of'
    )


def test_a_model_that_other_code_is_to_read_is_told(
    state: State, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    assert state.landmarks
    open_model(CANDIDATE)
    assert "Warning" not in capsys.readouterr().err
    later = tmp_path / "serving.py"
    later.write_text(Path(serving.__file__).read_text() + "# a later release")
    monkeypatch.setattr(serving, "__file__", str(later))
    open_model(CANDIDATE)
    assert "registered with another serving.py than that of this checkout" in capsys.readouterr().err
