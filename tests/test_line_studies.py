"""After the whole line: two branches of it merged, and a study of real patients in the same checkout."""

import json
import re
import shutil
from pathlib import Path
from typing import Any

import pytest

from tests.pages import WIDTHS, check_page
from tests.statements import forbidden_statements, visible_text
from tests.workspace import ROOT, Workspace, tracked

# What MLflow's own code warns of is not ours to mend.
pytestmark = [
    pytest.mark.line,
    pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::FutureWarning", "ignore::UserWarning"),
]


def test_two_branches_merged_with_a_conflict_and_run_again_have_the_figures_of_both(
    line: Workspace, tmp_path: Path
) -> None:
    folder = tmp_path / "merged"
    shutil.copytree(line.folder, folder, symlinks=True)
    project: Workspace = Workspace.at(folder)
    shutil.copy(ROOT / ".gitattributes", folder)
    project.commit()
    project.pcr_here("sync")
    base = len(tracked(project)["runs"])
    rules = project.read("configs/measures.yaml")["headline"]["rules"]
    changes: dict[str, tuple[str, dict[str, Any]]] = {
        "weaker": ("configs/validation.yaml", {"branch_shrinkage": 60}),
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


def test_real_patients_run_through_and_the_default_study_comes_back_from_the_cache(
    line: Workspace, ispy2_files: Path, browser: Any
) -> None:
    lock = (line.folder / "dvc.lock").read_bytes()
    done = line.pcr("run", "--study", "ispy2", "--source", str(ispy2_files))
    assert "SIMULATED" not in done.stdout
    artifacts = line.folder / "artifacts" / "ispy2"
    metrics = json.loads((artifacts / "results" / "t0.json").read_text())
    assert (metrics["chosen"]["n"]["value"], metrics["chosen"]["events"]["value"]) == (244, 112)
    described = json.loads((artifacts / "features" / "t1.json").read_text())
    offered = {f["name"] for f in described["features"] if f["domain"] == "imaging"}
    assert "imaging_ftv_t1_change" in offered
    assert described["absent_domains"] == []
    reports = artifacts / "reports"
    for page in sorted(reports.glob("*.html")):
        check_page(browser, page, WIDTHS[1])
        text = visible_text(page.read_text(encoding="utf-8"))
        assert "SIMULATED" not in text
        assert forbidden_statements(text, page="shap" if page.name.startswith("shap") else "") == []
    first = visible_text((reports / "index.html").read_text(encoding="utf-8"))
    for absent in (
        "Absent from this study: ctDNA",
        "no table of adverse events",
        "No arm of this study was treated by the rules",
        "not randomised with known probabilities, or the study file names no strategy",
    ):
        assert absent in first
    assert "adaptive rules" not in first, "no arm follows rules after randomisation"
    back = line.pcr("run", "--study", "nct07239271")
    assert re.findall(r"\] (\w+) \.\.\. \d+ s", back.stdout) == ["track"]
    assert (line.folder / "dvc.lock").read_bytes() == lock
