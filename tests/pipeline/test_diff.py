"""`pcr diff` says in ten lines what changed against a commit, and which headline figures with it."""

import json
import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml

from features.errors import UserError
from pipeline.commands.diff import differences, figure_changes
from tests.registered_study import lock_outputs, write_study

LOCK = Path("dvc.lock")
FIGURES = Path("artifacts/made-up/metrics/c1.json")


def git(*words: str) -> None:
    who = ["-c", "user.name=test", "-c", "user.email=test@example.org"]
    subprocess.run(["git", *who, *words], check=True, capture_output=True)


def write(figures: dict[str, Any], **params: Any) -> None:
    """Write headline figures, and a dvc.lock with these parameters and a code file of that content."""
    FIGURES.write_text(json.dumps(figures))
    lock_outputs(Path.cwd())
    lock = yaml.safe_load(LOCK.read_text())
    lock["stages"]["package"]["params"] = {
        "configs/validation.yaml": params,
        "configs/study.yaml": {"study": "made-up"},
    }
    lock["stages"]["package"]["deps"] = [{"path": "models/procedure/configuration", "md5": str(params)}]
    LOCK.write_text(yaml.safe_dump(lock))


@pytest.fixture(autouse=True)
def checkout(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write_study(tmp_path)
    monkeypatch.chdir(tmp_path)
    write({"chosen": {"auc": {"value": 0.7, "low": 0.6, "high": 0.8}}}, branch_shrinkage=20)
    git("init", "-q")
    git("add", "-A")
    git("commit", "-q", "-m", "state")


def test_what_changed_and_the_figures_that_moved_most_within_their_interval_come_in_ten_lines() -> None:
    figures = {f"m{i}": {"value": 0.5 + i / 100, "low": 0.4, "high": 0.6} for i in range(9)}
    write({"chosen": figures}, branch_shrinkage=20)
    git("commit", "-q", "-a", "-m", "figures")
    moved = {f"m{i}": {"value": 0.5 + i / 50} for i in range(9)}
    write({"chosen": moved}, branch_shrinkage=40, folds=3, seed=1, repeats=2, level=0.9)
    lines = differences("made-up", "HEAD")
    assert lines[1].startswith("parameters: validation.branch_shrinkage 20 -> 40, validation.folds absent")
    assert lines[1].endswith("and 2 more")
    assert lines[2] == "files: models/procedure/configuration"
    assert lines[3] == "c1 chosen m8: 0.580 -> 0.660 (+0.080)"
    assert lines[-1] == "and 3 more figures: dvc metrics diff HEAD"
    assert len(lines) <= 10


def test_nothing_changed_is_said_and_rounding_is_no_difference() -> None:
    write({"chosen": {"auc": {"value": 0.70002, "low": 0.6, "high": 0.8}}}, branch_shrinkage=20)
    assert differences("made-up", "HEAD")[1:] == [
        "parameters: as they were", "files: as they were",
        "No headline figure differs in its first 3 decimals",
    ]  # fmt: skip


def test_what_dvc_keeps_of_a_stage_that_there_is_no_more_is_no_difference() -> None:
    lock = yaml.safe_load(LOCK.read_text())
    former = {"cmd": "python", "params": {"configs/validation.yaml": {"folds": 5}}}
    former["deps"] = [{"path": "models/former.py", "md5": "1"}]
    LOCK.write_text(yaml.safe_dump({"stages": {"train@dropped": former, **lock["stages"]}}))
    git("commit", "-q", "-a", "-m", "a landmark less")
    assert differences("made-up", "HEAD")[1:3] == ["parameters: as they were", "files: as they were"]


def test_a_figure_that_could_not_be_computed_has_no_difference() -> None:
    then: dict[str, Any] = {"a": {"auc": {"value": 0.7}, "slope": {"error": "no"}}}
    now: dict[str, Any] = {
        "a": {"auc": {"error": "no"}, "slope": {"value": 1.0}},
        "b": {"auc": {"value": 0.7}},
    }
    assert list(figure_changes("c1", then, now)) == []


def test_an_experiment_of_dvc_is_known_by_its_name() -> None:
    git("update-ref", "refs/exps/ab/cdef/brave-name", "HEAD")
    assert differences("made-up", "brave-name")[0].startswith("Study made-up, now against brave-name (")


def test_a_commit_of_another_study_is_told_apart_and_an_unknown_one_is_refused() -> None:
    lock = yaml.safe_load(LOCK.read_text())
    lock["stages"]["package"]["params"]["configs/study.yaml"] = {"study": "other"}
    LOCK.write_text(yaml.safe_dump(lock))
    git("commit", "-q", "-a", "-m", "other")
    write({"chosen": {"auc": {"value": 0.9}}})
    assert differences("made-up", "HEAD")[1] == (
        "The dvc.lock of the commit is of study other: only figures are compared"
    )
    with pytest.raises(UserError, match="commit nowhere does not exist"):
        differences("made-up", "nowhere")
