"""After the whole line: an experiment with one parameter changed, and two branches merged."""

import json
import shutil
from pathlib import Path
from typing import Any

import pytest

from tests.database import write_database
from tests.workspace import ROOT, Workspace, tracked

# What MLflow's own code warns of is not ours to mend.
pytestmark = [
    pytest.mark.line,
    pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::FutureWarning", "ignore::UserWarning"),
]
WEAKER = 40
"""A shrinkage of the comparator: an experiment computes what one of the merged branches has, too."""


def test_an_experiment_with_one_parameter_changed_gets_runs_of_its_own(line: Workspace) -> None:
    before = tracked(line)
    line.call("dvc", "exp", "run", "--temp", "-S", f"configs/validation.yaml:branch_shrinkage={WEAKER}")
    after = tracked(line)
    assert set(before["runs"]) < set(after["runs"])
    assert len(after["runs"]) == len(set(after["runs"])) == 6
    assert after["versions"] == before["versions"], "the models are the same"


def test_two_branches_merged_with_a_conflict_and_run_again_have_the_figures_of_both(
    line: Workspace, tmp_path: Path
) -> None:
    folder = tmp_path / "merged"
    shutil.copytree(line.folder, folder, symlinks=True)
    project: Workspace = Workspace.at(folder)
    # Records of its own, without those of the experiment; its results are in the cache.
    (folder / "mlflow.db").unlink()
    write_database(folder / "mlflow.db")
    shutil.rmtree(folder / "mlartifacts")
    shutil.copy(ROOT / ".gitattributes", folder)
    project.commit()
    project.pcr_here("sync")
    base = len(tracked(project)["runs"])
    rules = project.read("configs/measures.yaml")["headline"]["rules"]
    changes: dict[str, tuple[str, dict[str, Any]]] = {
        "weaker": ("configs/validation.yaml", {"branch_shrinkage": WEAKER}),
        "shown": ("configs/measures.yaml", {"headline": {"rules": [*rules, "o_e"]}}),
    }
    figures = {}
    for branch, change in changes.items():
        project.call("git", "checkout", "-q", "-b", branch, "HEAD" if branch == "weaker" else "weaker~1")
        project.change(*change)
        project.pcr("run")
        project.commit()
        figures[branch] = rule_figures(project)
    told = project.call("git", "merge", "weaker", expect=1).stdout
    assert {"dvc.lock", "artifacts/nct07239271/metrics/c2.json"} <= {
        line.rpartition(" ")[2] for line in told.splitlines() if line.startswith("CONFLICT")
    }
    # As docs/runs.md says.
    project.call("git", "checkout", "--theirs", "dvc.lock", "artifacts")
    project.call("git", "add", "dvc.lock", "artifacts")
    project.pcr("run")
    assert "unaltered" in project.pcr_here("verify").stdout
    project.commit()
    merged = rule_figures(project)
    assert {name: merged[name] for name in figures["weaker"]} == figures["weaker"]
    assert merged.keys() == figures["shown"].keys() == figures["weaker"].keys() | {"o_e"}
    assert merged["log_loss"] != figures["shown"]["log_loss"]
    runs = tracked(project)["runs"]
    assert len(runs) == len(set(runs)) == base + 3 * 3, "three runs of either branch, and of the merge"
    assert project.call("git", "status", "--porcelain").stdout == ""


def rule_figures(project: Workspace) -> Any:
    """Return the committed figures of the rules after two cycles."""
    return json.loads((project.folder / "artifacts/nct07239271/metrics/c2.json").read_text())["rules"]
