"""`pcr sync` and `pcr verify`: MLflow, DVC's cache and workspace hold what was computed, unaltered."""

import os
import shlex
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from features.errors import UserError
from models.serving.foreign import planted_in
from pipeline.project.files import read_yaml
from pipeline.registry.contents import (
    altered_outputs,
    contradictions,
    outputs,
    read_cache,
    repair_workspace,
    require_computed,
)
from pipeline.registry.recorded import repair_runs, run_problems, supersede_outdated
from pipeline.registry.runs import tracking_store
from pipeline.registry.state import LOCK, State
from pipeline.registry.versions import modelled, repair_versions, version_problems

ACTIVE, WITH_DELETED = 1, 3
"""Which runs are looked for, as `mlflow.entities.ViewType` numbers them."""
TAKE_ONE_SIDE = "after a merge take dvc.lock and artifacts from one side, then `pcr run` (docs/runs.md)"


def check_out(folder: Path = Path()) -> None:
    """Bring the outputs that dvc.lock names into place from DVC's cache; changed files are not overwritten.

    Raises
    ------
    UserError
        If DVC refuses; its message says why.
    """
    # Not `--quiet`: that keeps back why it failed.
    _run([sys.executable, "-m", "dvc", "checkout"], folder)


def track_revision(revision: str) -> str:
    """Track the state of a commit, by that commit's own code, from DVC's cache; return what it says.

    The commit is looked at in a folder of its own; the workspace stays as it is.

    Raises
    ------
    UserError
        If there is no such commit, its outputs are no longer in the cache, or it has no stage `track`.
    """
    root, store = Path.cwd(), tracking_store("any")
    with tempfile.TemporaryDirectory() as scratch:
        tree = Path(scratch) / "tree"
        _run(["git", "worktree", "add", "--quiet", "--detach", str(tree), revision], root)
        try:
            (tree / ".dvc" / "config.local").write_text(
                f"[cache]\n    dir = {root / '.dvc' / 'cache'}\n", encoding="utf-8"
            )
            check_out(tree)
            stage = read_yaml(tree / LOCK)["stages"].get("track")
            if stage is None:
                raise UserError(
                    f"{revision} has no stage track in its dvc.lock: nothing was tracked at that commit"
                )
            words = [sys.executable if word == "python" else word for word in shlex.split(stage["cmd"])]
            own = {"DVC_ROOT": str(root), "MLFLOW_TRACKING_URI": store.uri, "PYTHONPATH": str(tree)}
            return _run(words, tree, **own)
        finally:
            _run(["git", "worktree", "remove", "--force", str(tree)], root)


def _run(words: list[str], folder: Path, **environment: str) -> str:
    """Run a command, and return its standard output, or raise UserError with what it wrote to the other."""
    done = subprocess.run(  # noqa: S603 - our own words
        words, cwd=folder, capture_output=True, text=True, check=False, env=os.environ | environment
    )
    if done.returncode != 0:
        name = " ".join(word for word in words[:5] if not word.startswith(("-", "/")))
        raise UserError(f"{name} failed: {done.stderr.strip()}")
    return done.stdout.strip()


def problems(state: State) -> list[str]:
    """Return what is missing, duplicate, orphan, corrupt or altered, a line each.

    missing: a run of the state or a landmark, or a version of a model, that the artifacts here call for.
    duplicate: two runs with one key, two versions of a model with one content. orphan: a run that was never
    finished, a version whose run is gone. corrupt: a file of the workspace or of DVC's cache that is not the
    one in dvc.lock; with such a workspace MLflow is not compared. altered: what MLflow holds is not what was
    registered, recorded or decided. foreign: what others wrote beside it, and looks like it.
    """
    cached = [
        f"corrupt: {path} in DVC's cache is not the content of its digest {digest[:8]}"
        for path, digest in read_cache().corrupt(state.stages)
    ]
    if broken := list(workspace_problems(state)):
        return [*broken, *cached]
    store = tracking_store(state.study)
    with store.locked() as client:
        experiment = client.get_experiment_by_name(store.experiment).experiment_id
        runs = all_runs(client, experiment)
        return [
            *cached,
            *planted_in(store.uri),
            *run_problems(state, client, runs),
            *version_problems(state, client, runs),
        ]


def workspace_problems(state: State) -> Iterator[str]:
    """Yield what in the workspace is not the content that dvc.lock names, and what is of no run or of two."""
    made = outputs(state.stages)
    for path in made:
        if not Path(path).exists():
            yield f"missing: {path}; `pcr sync` brings it back from DVC's cache"
    metrics = state.artifacts / "metrics"
    for path in altered_outputs(state.stages):
        merged = f": no run of this state made it; {TAKE_ONE_SIDE}" if Path(path).parent == metrics else ""
        yield f"corrupt: {path} is not the one in dvc.lock{merged}"
    for file in sorted(metrics.glob("*.json")):
        if file.as_posix() not in made:
            yield f"orphan: {file}: no stage in dvc.lock made it; remove it, or run its landmark"
    for told in contradictions(state.stages):
        yield f"mixed: {told}; {TAKE_ONE_SIDE}"


def all_runs(client: Any, experiment: str, view: int = ACTIVE) -> list[Any]:
    """Return every run of an experiment that was not deleted, or `WITH_DELETED` those, too."""
    runs, token = [], None
    while True:
        page = client.search_runs([experiment], run_view_type=view, page_token=token)
        runs += page
        token = page.token
        if not token:
            return runs


def repair_files(state: State) -> list[str]:
    """Repair workspace and DVC's cache from each other; return what was done, a line each."""
    cache = read_cache()
    return [*cache.repair(state.stages), *repair_workspace(state.stages, cache)]


def repair_registry(state: State) -> list[str]:
    """Repair MLflow's runs and versions from a sound workspace; return what was done, a line each.

    Raises
    ------
    CorruptionError
        If the workspace is not sound: nothing is taken from it.
    """
    require_computed(state.stages)
    done: list[str] = []
    store = tracking_store(state.study)
    with store.locked() as client:
        experiment = client.get_experiment_by_name(store.experiment).experiment_id
        runs = all_runs(client, experiment)
        done += [*supersede_outdated(client, state, runs), *repair_runs(client, state, runs)]
        for landmark in modelled(state):
            done += repair_versions(client, state, landmark)
    return done
