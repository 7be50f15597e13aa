"""Experiments of DVC with the small graph: one changed line each, queued, applied, branched, compared."""

import time
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.dvc_layout import with_kept_comments
from tests.toy import A, ToyProject

TITLES = ("one", "two")


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> ToyProject:
    """A run of study A, committed, and two experiments with other titles, queued and run at once."""
    folder = tmp_path_factory.mktemp("experiments") / "project"
    folder.mkdir()
    project = ToyProject(folder)
    for path in ("configs/study.yaml", f"configs/studies/{A}.yaml"):
        project.change(path, {"title": "first"})
        file = folder / path
        file.write_text(with_kept_comments(file.read_text()))
    project.call("dvc", "repro")
    project.commit()
    for title in TITLES:
        project.call(
            "dvc", "exp", "run", "--queue", "--name", title, "-S", f"configs/study.yaml:title={title}"
        )
    project.call("dvc", "queue", "start", "--jobs", "2")
    # To ask git for their commits costs a hundredth of what it costs to ask DVC how they are.
    wait_until(project, lambda: all(commits(project, title) for title in TITLES))
    wait_until(project, lambda: not {"Queued", "Running"} & set(queue(project).split()))
    return project


def queue(project: ToyProject) -> str:
    return project.call("dvc", "queue", "status").stdout


def commits(project: ToyProject, name: str) -> list[str]:
    """Return the commits of the experiments of a name."""
    words = ("git", "for-each-ref", "--format=%(objectname)", f"refs/exps/*/*/{name}")
    return project.call(*words).stdout.split()


def wait_until(project: ToyProject, done: Callable[[], bool]) -> None:
    end = time.monotonic() + 300
    while not done():
        assert time.monotonic() < end, queue(project)
        time.sleep(0.5)


def tables(project: ToyProject) -> set[str]:
    """Return the titles in the tables of study A."""
    files = (project.folder / "artifacts" / A / "raw").rglob("*.csv")
    return {path.read_text().splitlines()[1] for path in files}


def test_queued_experiments_have_names_and_leave_the_workspace_alone(project: ToyProject) -> None:
    names = project.call("dvc", "exp", "list", "--name-only").stdout.split()
    assert set(TITLES) <= set(names)
    assert project.call("git", "status", "--porcelain").stdout == ""
    assert tables(project).isdisjoint(TITLES)


def test_an_experiment_changes_one_line_of_configuration_and_its_figures(project: ToyProject) -> None:
    changed = project.call("git", "diff", "--numstat", "HEAD", experiment(project, "one"), "--", "configs")
    assert changed.stdout.split() == ["1", "1", "configs/study.yaml"]
    told = project.pcr("diff", "one").stdout
    assert "Study nct07239271, now against one (" in told
    assert "parameters: study.title one -> first" in told


def experiment(project: ToyProject, name: str) -> str:
    """Return the commit of an experiment."""
    (commit,) = commits(project, name)
    return commit


def test_an_experiment_is_branched_and_its_plots_are_compared(project: ToyProject, tmp_path: Path) -> None:
    project.call("dvc", "exp", "branch", "two", "with-two")
    study = project.call("git", "show", "with-two:configs/study.yaml").stdout
    assert "\ntitle: two\n" in study
    out = tmp_path / "plots"
    project.call("dvc", "plots", "diff", "HEAD", "with-two", "--out", str(out))
    assert "with-two" in (out / "index.html").read_text()


def test_an_applied_experiment_is_in_the_workspace_and_pcr_run_says_what_it_would_lose(
    project: ToyProject,
) -> None:
    project.call("dvc", "exp", "apply", "one")
    assert tables(project) == {"one"}
    refused = project.pcr("run", expect=1).stderr
    assert "+title: one" in refused
    assert "To keep the edit: cp configs/study.yaml" in refused
    project.call("git", "checkout", "--", "configs", "dvc.lock", "artifacts")
    project.call("dvc", "checkout")
    assert project.call("git", "status", "--porcelain").stdout == ""
