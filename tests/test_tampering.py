"""Alterations of each kind to a registered study: refused or named, and no altered code runs."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from pipeline.registry.runs import tracking_store
from pipeline.registry.state import State
from tests.registered_study import NAME
from tests.tampering import (
    CANDIDATE,
    Kept,
    computed_alterations,
    make_study,
    named,
    outcome,
    row_alterations,
    stored_alterations,
    told_otherwise,
)
from tests.tampering_beside import beside_alterations, consistent_alterations
from tests.tampering_bytes import odd_files, odd_forms, odd_sources

# MLflow's own code meets deprecations of its dependencies.
pytestmark = pytest.mark.filterwarnings(
    "ignore::DeprecationWarning", "ignore::FutureWarning", "ignore::UserWarning"
)
# One way of altering each file that is run, read or installed from; every table of the database.
FILES = {
    "serving.py: code before it",
    "artifacts/serving.py: code before it",
    "artifacts/model.json: a bit flipped",
    "artifacts/booster.txt: a byte more",
    "MLmodel: code: code",
    "MLmodel: sitecustomize",
    "MLmodel: cut",
    "requirements.txt: a byte more",
    "conda.yaml: a byte more",
    "python_env.yaml: gone",
    "card.md: a byte more",
    "provenance.json: a byte more",
    "manifest.sha256: a bit flipped",
    "model.sig: gone",
    "code/numpy.py added",
    "python_model.pkl added",
    "input_example.json: a bit flipped",
    "bytecode of other code", "a link to a folder", "a link to itself", "a link upwards", "a pipe",
    "Artifacts/model.json added", "se\u0301rving.py added", "metadata/MLmodel added",
}  # fmt: skip
ROWS = {
    "registered_model_aliases champion: changed", "registered_model_aliases champion: gone",
    "registered_model_tags pcr.history.00001: changed", "registered_model_tags pcr.history.00001: gone",
    "model_version_tags pcr.manifest: changed", "model_version_tags pcr.history_entry: gone",
    "model_version_tags gates: changed", "model_version_tags study: changed", "model_versions card: changed",
    "latest_metrics AUC: changed", "params models.seed: changed", "tags pcr.record: changed",
}  # fmt: skip


@pytest.fixture(scope="module")
def study(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Path, State, Kept]]:
    """A study in the current folder, tracked, signed and promoted, whose alterations can be taken back."""
    home = tmp_path_factory.mktemp("tampering") / "home"
    home.mkdir()
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(home)
        patch.setenv("MLFLOW_TRACKING_URI", "")
        patch.setenv("DVC_ROOT", str(home))
        state = make_study(home)
        yield home, state, Kept(home)


def test_what_nobody_altered_is_sound(study: tuple[Path, State, Kept]) -> None:
    assert named(study[1], workspace=True) == []


def test_an_altered_file_of_a_version_is_not_loaded_and_is_named(
    study: tuple[Path, State, Kept], tmp_path: Path
) -> None:
    home, state, kept = study
    chosen = [one for one in stored_alterations(home, tmp_path / "canary") if one.name in FILES]
    assert {one.name for one in chosen} == FILES
    assert [told for one in chosen if (told := outcome(one, state, kept, tmp_path / "canary"))] == []


def test_an_altered_row_of_the_database_is_named(study: tuple[Path, State, Kept], tmp_path: Path) -> None:
    home, state, kept = study
    chosen = [one for one in row_alterations(home) if one.name in ROWS]
    assert {one.name for one in chosen} == ROWS
    assert [told for one in chosen if (told := outcome(one, state, kept, tmp_path / "canary"))] == []


def test_what_the_registry_tells_otherwise_than_a_versions_files_is_named(
    study: tuple[Path, State, Kept], tmp_path: Path
) -> None:
    home, state, kept = study
    every = list(told_otherwise(home))
    assert [told for one in every if (told := outcome(one, state, kept, tmp_path / "canary"))] == []


def test_an_altered_output_cache_or_artifact_is_named(
    study: tuple[Path, State, Kept], tmp_path: Path
) -> None:
    home, state, kept = study
    every = list(computed_alterations(home, state, tmp_path / "canary"))
    chosen = [one for one in every if one.name.endswith("a bit flipped")][::3]
    assert len(chosen) >= 4
    assert [told for one in chosen if (told := outcome(one, state, kept, tmp_path / "canary"))] == []


def test_what_others_wrote_beside_the_projects_own_is_named(
    study: tuple[Path, State, Kept], tmp_path: Path
) -> None:
    home, state, kept = study
    every = list(beside_alterations(home))[::2]
    assert len(every) >= 12
    assert [told for one in every if (told := outcome(one, state, kept, tmp_path / "canary"))] == []


def test_files_that_were_altered_with_their_database_are_refused_without_a_signature_and_named(
    study: tuple[Path, State, Kept], tmp_path: Path
) -> None:
    home, state, kept = study
    every = list(consistent_alterations(home, tmp_path / "canary"))
    assert [told for one in every if (told := outcome(one, state, kept, tmp_path / "canary"))] == []


def test_odd_files_and_places_are_refused_before_they_are_copied(
    study: tuple[Path, State, Kept], tmp_path: Path
) -> None:
    home, state, kept = study
    every = [*odd_files(home, tmp_path / "canary"), *odd_sources(home)]
    assert len(every) >= 30
    assert [told for one in every if (told := outcome(one, state, kept, tmp_path / "canary"))] == []
    assert (tmp_path / "victim").read_text() == "mine"


def test_tags_and_aliases_of_peoples_own_are_theirs(study: tuple[Path, State, Kept]) -> None:
    _, state, kept = study
    with tracking_store("made-up").locked() as client:
        client.set_registered_model_alias(NAME, "board-2027", "1")
        client.set_registered_model_tag(NAME, "owner", "the board")
        client.update_registered_model(NAME, "of the board")
    assert named(state, workspace=False) == []
    kept.restore()


def test_a_form_that_no_model_has_is_refused_though_nothing_need_be_signed_and_all_digests_fit(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    home, canary = tmp_path / "home", tmp_path / "canary"
    home.mkdir()
    monkeypatch.chdir(home)
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "")
    monkeypatch.setenv("DVC_ROOT", str(home))
    state = make_study(home, trusted=False)
    kept = Kept(home)
    assert named(state, workspace=True) == []
    every = list(odd_forms(home))
    assert len(every) >= 18
    assert [told for one in every if (told := outcome(one, state, kept, canary, CANDIDATE))] == []
