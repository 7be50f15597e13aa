"""The whole line once more, by one worker with nothing to go on from, and what becomes of it afterwards."""

import json
import shutil
from pathlib import Path
from typing import Any

import pytest
import yaml

from models.serving.champions import promote
from models.serving.registry import Store
from tests.in_process import run_again
from tests.kill_track import Tracker, killed_and_recovered
from tests.malformed import GOOD
from tests.pages import WIDTHS, check_page
from tests.serving import ask, pcr_serve, register, server, write_served_model
from tests.statements import forbidden_statements, visible_text
from tests.workspace import ROOT, FirstLine, Workspace, tracked

# What MLflow's own code warns of is not ours to mend.
pytestmark = [
    pytest.mark.line,
    pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::FutureWarning", "ignore::UserWarning"),
]


@pytest.fixture(scope="module")
def line(first_line: FirstLine, tmp_path_factory: pytest.TempPathFactory) -> Workspace:
    """A copy of the simulated trial after its run, with records of its own: MLflow's name their folder."""
    folder = tmp_path_factory.mktemp("again") / "line"
    shutil.copytree(first_line.kept, folder, symlinks=True)
    (folder / "mlflow.db").unlink()
    shutil.rmtree(folder / "mlartifacts")
    line: Workspace = Workspace.at(folder)
    line.pcr_here("sync")
    return line


def test_one_worker_with_nothing_to_go_on_from_gives_the_same_bits(
    first_line: FirstLine, tmp_path: Path
) -> None:
    done = run_again(tmp_path, first_line.kept)
    assert done.returncode == 0, done.stderr
    again, first = (contents(folder / "artifacts") for folder in (tmp_path, first_line.kept))
    assert again.keys() == first.keys()
    assert [name for name in first if again[name] != first[name]] == []
    lock = yaml.safe_load((first_line.kept / "dvc.lock").read_text())
    outputs = [out["path"] for stage in lock["stages"].values() for out in stage.get("outs", ())]
    assert len(outputs) > 40
    assert all(any(name == out or name.startswith(f"{out}/") for name in again) for out in outputs)


def contents(artifacts: Path) -> dict[str, bytes]:
    """Return the bytes of every file, by its path from the checkout's root."""
    files = (path for path in sorted(artifacts.rglob("*")) if path.is_file() and path.name != ".gitignore")
    return {path.relative_to(artifacts.parent).as_posix(): path.read_bytes() for path in files}


def test_killing_track_and_running_it_again_ends_as_one_clean_run(line: Workspace, tmp_path: Path) -> None:
    _, differing = killed_and_recovered(line, tmp_path / "stores", kills=2, seed=5)
    assert differing == []


def test_after_a_failed_promotion_the_former_champion_answers_as_before(
    line: Workspace, tmp_path: Path
) -> None:
    name = "pcr-nct07239271-c2"
    tracker = Tracker(line, tmp_path / "store")
    write_served_model(tmp_path / "former")
    store = Store(tracker.uri, "former", tracker.folder / "mlartifacts")
    former = register(store, name, tmp_path / "former")
    with store.locked() as client:
        promote(client, name, former)
    tracker.run()
    own = {"DVC_ROOT": str(tracker.folder)}

    def answered() -> list[dict[str, Any]]:
        command = pcr_serve(f"models:/{name}@champion")
        with server(command, line.folder, tracker.uri, tmp_path / "serve.log", **own) as port:
            return ask(port, {"dataframe_records": [GOOD]})

    before = answered()
    assert before[0]["status"] == "ok"
    done = line.pcr("promote", name, expect=1, MLFLOW_TRACKING_URI=tracker.uri, **own)
    assert f"{name} version 2" in done.stdout
    assert "The champion is as before." in " ".join(done.stdout.split())
    assert answered() == before


def test_a_lost_database_comes_back_with_the_same_keys_and_the_same_models(line: Workspace) -> None:
    before = tracked(line)
    (line.folder / "mlflow.db").unlink()
    missing = line.pcr("verify", expect=1).stdout
    assert missing.count("missing: the run of") == 3
    assert missing.count("missing: a version of") == 2
    (line.folder / "artifacts/nct07239271/shap/c2.parquet").unlink()
    line.pcr("sync")
    assert tracked(line) == before
    (line.folder / "mlflow.db").unlink()
    assert "3 runs and 2 model versions added" in line.pcr("sync", "--rev", "HEAD").stdout
    assert tracked(line) == before
    assert "git worktree add failed" in line.pcr("sync", "--rev", "nowhere", expect=1).stderr
    assert "unaltered" in line.pcr("verify").stdout


def test_an_experiment_with_one_parameter_changed_gets_runs_of_its_own(line: Workspace) -> None:
    before = tracked(line)
    line.call("dvc", "exp", "run", "--temp", "-S", "configs/validation.yaml:branch_shrinkage=40")
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
    assert back.stdout.count("Running stage") == 1
    assert (line.folder / "dvc.lock").read_bytes() == lock
