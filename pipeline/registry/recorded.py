"""Whether MLflow's runs are there, once each, with the parameters, metrics, tags and files recorded."""

import tempfile
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from features.errors import UserError
from models.serving.records import Record, record_digest
from models.serving.registry import (
    KEY_TAG,
    PARENT_TAG,
    PENDING_TAG,
    RECORD_TAG,
    download_run_artifacts,
)
from pipeline.registry.origin import PATCH, origin_of
from pipeline.registry.runs import card_text, landmark_record, state_record
from pipeline.registry.state import State


def run_problems(state: State, runs: list[Any]) -> Iterator[str]:
    """Yield what is missing, duplicate, orphan or altered among the runs of a study."""
    keys = Counter(run.data.tags[KEY_TAG] for run in runs if KEY_TAG in run.data.tags)
    wanted = _keys(state)
    for key, name in wanted.items():
        if key not in keys:
            yield f"missing: the run of {name} ({key[:8]})"
    for key, count in sorted(keys.items()):
        if count > 1:
            yield f"duplicate: {count} runs have the key {key[:8]}"
    for run in runs:
        key = run.data.tags.get(KEY_TAG)
        if key is None:
            kind = "was never finished" if PENDING_TAG in run.data.tags else "was not made by the pipeline"
            yield f"orphan: run {run.info.run_id} {kind}"
        elif key in wanted:
            yield from _differences(state, run, wanted[key])
        elif _digest(run) != run.data.tags.get(RECORD_TAG):
            yield f"altered: parameters, metrics or tags of run {run.info.run_id}"


def _keys(state: State) -> dict[str, str]:
    """Return what the run of every key is of."""
    return {state.key: "the state"} | {state.landmark_key(name): name for name in state.landmarks}


def _digest(run: Any) -> str:
    return record_digest(run.data.params, run.data.metrics, run.data.tags)


def _differences(state: State, run: Any, name: str) -> Iterator[str]:
    """Yield by name what a run of the present state holds otherwise than the artifacts say."""
    # The same state may have been tracked at another commit.
    then = replace(state, origin=origin_of(run.data.tags))
    parent = run.data.tags.get(PARENT_TAG)
    record = state_record(then) if name == "the state" else landmark_record(then, name, parent or "")
    tags = {tag: text for tag, text in run.data.tags.items() if not tag.startswith(("mlflow.", "pcr."))}
    for kind, recorded, held in (
        ("parameter", record.params, run.data.params),
        ("metric", record.metrics, run.data.metrics),
        ("tag", record.tags, tags),
    ):
        for key in _unequal(recorded, held):
            yield f"altered: {kind} {key} of the run of {name}"
    if _digest(run) != run.data.tags.get(RECORD_TAG):
        yield f"altered: tag {RECORD_TAG} of the run of {name}, or what it was made from"
    yield from _artifact_differences(then, record, run.info.run_id, name)


def _unequal(recorded: Mapping[str, Any], held: Mapping[str, Any]) -> list[str]:
    names = sorted({*recorded, *held})
    return [name for name in names if name not in recorded or recorded[name] != held.get(name)]


def _artifact_differences(state: State, record: Record, run_id: str, name: str) -> Iterator[str]:
    expected = dict(_artifacts(record))
    if name != "the state":
        expected["card/card.md"] = card_text(state, name).encode()
    with tempfile.TemporaryDirectory() as scratch:
        try:
            folder = download_run_artifacts(run_id, Path(scratch) / "run")
        except UserError as error:
            yield f"missing: {error}"
            return
        held = dict(_files(folder))
    if state.origin.changes:
        patch = held.get(PATCH, b"")
        expected[PATCH] = patch if state.origin.is_patch(patch) else b""
    for path in sorted({*expected, *held}):
        if path not in held:
            yield f"missing: artifact {path} of the run of {name}"
        elif held[path] != expected.get(path):
            yield f"altered: artifact {path} of the run of {name}"


def _artifacts(record: Record) -> Iterator[tuple[str, bytes]]:
    """Yield path and content of every file that a record puts into its run."""
    for folder, path in record.artifacts.items():
        files = _files(path) if path.is_dir() else [(path.name, path.read_bytes())]
        for name, content in files:
            yield f"{folder}/{name}", content


def _files(folder: Path) -> Iterator[tuple[str, bytes]]:
    for path in sorted(folder.rglob("*")):
        if path.is_file():
            yield path.relative_to(folder).as_posix(), path.read_bytes()
