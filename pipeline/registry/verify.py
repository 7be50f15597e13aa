"""`pcr sync` and `pcr verify`: MLflow should hold exactly what was computed, once, and unaltered."""

import os
import shlex
import subprocess
import sys
import tempfile
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from features.errors import UserError
from models.serving.registry import DIGEST_TAG, KEY_TAG, PENDING_TAG, stored_model
from models.serving.serving import model_digest
from pipeline.project.files import read_json, read_yaml
from pipeline.registry.runs import tracking_store
from pipeline.registry.state import LOCK, State


def check_out(folder: Path = Path()) -> None:
    """Bring the outputs that dvc.lock names into place from DVC's cache; changed files are not overwritten.

    Raises
    ------
    UserError
        If DVC refuses; its message says why.
    """
    _run([sys.executable, "-m", "dvc", "checkout", "--quiet"], folder)


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
    """Return what is missing, duplicate, orphan or altered in MLflow, a line each.

    missing: a run of the state or a landmark, or a version of a model, that the artifacts here call for.
    duplicate: two runs with one key, two versions of a model with one content. orphan: a run that was never
    finished, a version whose run is gone. altered: a version whose files are not those it was made from.
    """
    store = tracking_store(state.study)
    with store.locked() as client:
        experiment = client.get_experiment_by_name(store.experiment).experiment_id
        runs = _all_runs(client, experiment)
        return [*_of_runs(state, runs), *_of_versions(state, client, runs)]


def _all_runs(client: Any, experiment: str) -> list[Any]:
    runs, token = [], None
    while True:
        page = client.search_runs([experiment], page_token=token)
        runs += page
        token = page.token
        if not token:
            return runs


def _of_runs(state: State, runs: list[Any]) -> Iterator[str]:
    keys = Counter(run.data.tags[KEY_TAG] for run in runs if KEY_TAG in run.data.tags)
    wanted = {"the state": state.key} | {
        landmark: state.landmark_key(landmark) for landmark in state.landmarks
    }
    for name, key in wanted.items():
        if key not in keys:
            yield f"missing: the run of {name} ({key[:8]})"
    for key, count in sorted(keys.items()):
        if count > 1:
            yield f"duplicate: {count} runs have the key {key[:8]}"
    for run in runs:
        if KEY_TAG not in run.data.tags:
            kind = "was never finished" if PENDING_TAG in run.data.tags else "was not made by the pipeline"
            yield f"orphan: run {run.info.run_id} {kind}"


def _of_versions(state: State, client: Any, runs: list[Any]) -> Iterator[str]:
    alive = {run.info.run_id for run in runs}
    for landmark in state.landmarks:
        folder = state.artifacts / "models" / landmark
        if not (folder / "model.json").is_file():
            # No model was learned from so few events.
            continue
        name = read_json(folder / "model.json")["model"]
        versions = client.search_model_versions(f"name = '{name}'")
        digests = Counter(version.tags.get(DIGEST_TAG) for version in versions)
        if model_digest(folder) not in digests:
            yield f"missing: a version of {name} with the content of {folder}"
        for digest, count in digests.items():
            if digest is None:
                yield f"orphan: {count} versions of {name} have no digest"
            elif count > 1:
                yield f"duplicate: {count} versions of {name} have the content {digest[:8]}"
        for version in versions:
            if version.run_id not in alive:
                yield f"orphan: the run of {name} version {version.version} is gone"
            yield from _altered(name, version)


def _altered(name: str, version: Any) -> Iterator[str]:
    with tempfile.TemporaryDirectory() as scratch:
        digest = stored_model(name, str(version.version), Path(scratch))
    if digest is None:
        yield f"missing: the files of {name} version {version.version}"
    elif digest != version.tags.get(DIGEST_TAG):
        yield f"altered: the files of {name} version {version.version} are not those that were registered"
