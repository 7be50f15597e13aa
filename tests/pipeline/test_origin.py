"""Run and card name the commit, what differed from it, and the experiment; the recipe gives that state."""

import subprocess
from pathlib import Path

import pytest
import yaml

from pipeline.registry.origin import Origin, origin_of, read_origin, recipe

STUDY = {"study": "a", "title": "first"}


def git(*words: str) -> str:
    who = ["-c", "user.name=test", "-c", "user.email=test@example.org"]
    return subprocess.run(["git", *who, *words], check=True, capture_output=True, text=True).stdout


@pytest.fixture(autouse=True)
def checkout(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A commit with the files of two studies, of which a is active."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("DVC_EXP_NAME", raising=False)
    Path("configs/studies").mkdir(parents=True)
    for path in ("configs/study.yaml", "configs/studies/a.yaml"):
        Path(path).write_text(yaml.safe_dump(STUDY))
    Path("configs/studies/b.yaml").write_text(yaml.safe_dump(STUDY | {"study": "b"}))
    Path("configs/validation.yaml").write_text("seed: 1\n")
    git("init", "-q")
    git("add", "-A")
    git("commit", "-q", "-m", "state")
    return tmp_path


def test_a_committed_state_is_that_of_its_commit() -> None:
    Path("notes.txt").write_text("no part of what decides")
    origin = read_origin()
    assert origin.tags == {"git_commit": git("rev-parse", "HEAD").strip()}
    assert "git apply" not in "".join(recipe("a", "key", origin))


def test_what_differs_is_a_patch_that_makes_the_state_again(tmp_path: Path) -> None:
    Path("configs/validation.yaml").write_text("seed: 2\n")
    Path("configs/studies/ä new.yaml").write_text("study: new\n")
    origin = read_origin()
    assert origin.is_patch(origin.patch.encode())
    assert not origin.is_patch(b"")
    assert "git apply card/changes.patch" in "".join(recipe("a", "key", origin))
    again = tmp_path / "again"
    git("worktree", "add", "-q", str(again), origin.commit)
    (tmp_path / "changes.patch").write_text(origin.patch)
    git("-C", str(again), "apply", str(tmp_path / "changes.patch"))
    assert (again / "configs/validation.yaml").read_text() == "seed: 2\n"
    assert (again / "configs/studies/ä new.yaml").read_text() == "study: new\n"


def test_another_active_study_is_no_change_and_an_edit_of_its_copy_is_one() -> None:
    Path("configs/study.yaml").write_text(yaml.safe_dump(STUDY | {"study": "b"}))
    assert "configs/study.yaml" in read_origin().patch, "b's file leaves out keys that have defaults"
    from features.documents.study import with_defaults  # noqa: PLC0415

    complete = with_defaults({"study": "b", "title": "first"})
    Path("configs/study.yaml").write_text(yaml.safe_dump(dict(complete)))
    assert read_origin().changes == ""
    Path("configs/study.yaml").write_text(yaml.safe_dump(dict(complete) | {"title": "another"}))
    assert "another" in read_origin().patch


def test_an_experiment_is_named_and_tags_give_the_origin_back(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DVC_EXP_NAME", "brave-name")
    Path("configs/validation.yaml").write_text("seed: 2\n")
    origin = read_origin()
    assert origin.tags["experiment"] == "brave-name"
    assert origin_of(origin.tags).tags == origin.tags
    assert "DVC experiment `brave-name`" in "".join(recipe("a", "key", origin))


def test_outside_a_repository_there_is_norecipe(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GIT_DIR", str(tmp_path / "nowhere"))
    origin = read_origin()
    assert origin == Origin("unknown")
    assert "no commit makes it again" in "".join(recipe("a", "key", origin))
