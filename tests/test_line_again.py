"""The line once more, by one worker with nothing to go on from, and what becomes of its records."""

from pathlib import Path
from typing import Any

import pytest
import yaml

from models.serving.champions import promote
from models.serving.registry import Store
from pipeline.record.again import FITTING, outputs, stages_to_repeat
from tests.in_process import run_again
from tests.kill_track import Tracker, killed_and_recovered
from tests.malformed import GOOD
from tests.serving import ask, pcr_serve, register, server, write_served_model
from tests.workspace import FirstLine, Workspace, contents, tracked

# What MLflow's own code warns of is not ours to mend.
pytestmark = [
    pytest.mark.line,
    pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::FutureWarning", "ignore::UserWarning"),
]


def test_one_worker_with_nothing_to_go_on_from_gives_the_same_bits(
    first_line: FirstLine, tmp_path: Path
) -> None:
    """What `pcr reproduce` does not compute; the rest it does in tests/test_line.py, also by one worker."""
    stages = yaml.safe_load((first_line.kept / "dvc.lock").read_text())["stages"]
    given: dict[str, list[str]] = {}
    for name in stages_to_repeat(stages, fits=False):
        given.setdefault(name.partition("@")[0], []).extend(outputs(stages[name]))
    assert given.keys().isdisjoint({"raw", "truth", *FITTING, "reports"})
    done = run_again(tmp_path, first_line.kept, given)
    assert done.returncode == 0, done.stderr
    again, first = (contents(folder, folder / "artifacts") for folder in (tmp_path, first_line.kept))
    assert again.keys() == first.keys()
    assert [name for name in first if again[name] != first[name]] == []
    written = [path for stage in stages.values() for path in outputs(stage)]
    assert len(written) > 40
    assert all(any(name == path or name.startswith(f"{path}/") for name in again) for path in written)


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
