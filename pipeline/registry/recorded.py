"""Whether MLflow's runs are there, once each, with the parameters, metrics, tags and files recorded."""

import tempfile
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from features.errors import UserError
from models.serving.records import FORMAT_TAG, RECORD_FORMAT, RECORD_TAG, Record, record_digest
from models.serving.registry import (
    KEY_TAG,
    NOTE_TAG,
    PARENT_TAG,
    PENDING_TAG,
    SUPERSEDED_TAG,
    download_run_artifacts,
    store_run_files,
    supersede_run,
)
from pipeline.registry.downloads import download_folder
from pipeline.registry.origin import PATCH, origin_of
from pipeline.registry.runs import card_text, is_name_of, landmark_record, state_record
from pipeline.registry.state import State

NAME_TAG, USER_TAG = "mlflow.runName", "mlflow.user"
NO_USER = "unknown"
"""What MLflow has as the user of a run that was made without one."""
FINISHED = "FINISHED"
"""The status of a run that is whole."""


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
            yield from _without_key(run)
        elif is_outdated(run):
            tag = f"{FORMAT_TAG} {run.data.tags.get(FORMAT_TAG, 'absent')}"
            yield (
                f"outdated: the run of {wanted.get(key, key[:8])} was recorded by another version of this "
                f"project ({tag}): `pcr sync` registers it anew"
            )
        elif key in wanted:
            yield from _differences(state, run, wanted[key])
        elif _digest(run) != run.data.tags.get(RECORD_TAG):
            yield f"altered: parameters, metrics or tags of run {run.info.run_id}"


def _without_key(run: Any) -> Iterator[str]:
    if SUPERSEDED_TAG not in run.data.tags:
        kind = "was never finished" if PENDING_TAG in run.data.tags else "was not made by the pipeline"
        yield f"orphan: run {run.info.run_id} {kind}"


def is_outdated(run: Any) -> bool:
    """Tell whether a run was recorded in another format, so that it cannot be compared."""
    return bool(run.data.tags.get(FORMAT_TAG) != RECORD_FORMAT)


def supersede_outdated(client: Any, state: State, runs: list[Any]) -> list[str]:
    """Let outdated runs count no longer; return what was done, a line each.

    Those of the present state are made again when it is tracked; what others hold is no longer compared.
    """
    done, wanted = [], _keys(state)
    for run in runs:
        key = run.data.tags.get(KEY_TAG)
        if key is not None and is_outdated(run):
            supersede_run(client, run)
            then = "registered anew" if key in wanted else "kept, and compared no longer"
            done.append(f"superseded: the run of {wanted.get(key, key[:8])} of an earlier version is {then}")
    return done


def _keys(state: State) -> dict[str, str]:
    """Return what the run of every key is of."""
    return {state.key: "the state"} | {state.landmark_key(name): name for name in state.landmarks}


def _digest(run: Any) -> str:
    return record_digest(run.data.params, run.data.metrics, run.data.tags)


def _differences(state: State, run: Any, name: str) -> Iterator[str]:
    """Yield by name what a run of the present state holds otherwise than the artifacts say."""
    then, record = _record_of(state, run, name)
    tags = {tag: text for tag, text in run.data.tags.items() if not tag.startswith(("mlflow.", "pcr."))}
    for kind, recorded, held in (
        ("parameter", record.params, run.data.params),
        ("metric", record.metrics, run.data.metrics),
        ("tag", record.tags, tags),
        ("data", {data.name: data.digest for data in record.inputs}, _data(run)),
        ("note", {"": record.note} if record.note else {}, _note(run)),
    ):
        for key in _unequal(recorded, held):
            yield f"altered: {kind} {key} of the run of {name}"
    if _digest(run) != run.data.tags.get(RECORD_TAG):
        yield f"altered: tag {RECORD_TAG} of the run of {name}, or what it was made from"
    yield from _owner_differences(run, name)
    if not is_name_of(run.info.run_name, record, then) or run.data.tags.get(NAME_TAG) != run.info.run_name:
        yield f"altered: the name of the run of {name}"
    if run.info.status != FINISHED:
        yield f"altered: the status of the run of {name} is {run.info.status}"
    yield from _artifact_differences(then, record, run.info.run_id, name)


def _owner_differences(run: Any, name: str) -> Iterator[str]:
    """Yield where a run names a user: the pipeline records none."""
    if {run.info.user_id, run.data.tags.get(USER_TAG, NO_USER)} != {NO_USER}:
        yield f"altered: the user of the run of {name}"


def _data(run: Any) -> dict[str, str]:
    held = run.inputs.dataset_inputs if run.inputs else []
    return {entry.dataset.name: entry.dataset.digest for entry in held}


def _note(run: Any) -> dict[str, str]:
    return {"": run.data.tags[NOTE_TAG]} if NOTE_TAG in run.data.tags else {}


def _record_of(state: State, run: Any, name: str) -> tuple[State, Record]:
    """Return the state as it was when a run of it was made, and what is then recorded."""
    # The same state may have been tracked at another commit.
    origin = origin_of(run.data.tags)
    here = state.origin.changes == origin.changes and state.origin.commit == origin.commit
    then = replace(state, origin=replace(origin, patch=state.origin.patch if here else ""))
    if name == "the state":
        return then, state_record(then)
    return then, landmark_record(then, name, run.data.tags.get(PARENT_TAG) or "")


def _unequal(recorded: Mapping[str, Any], held: Mapping[str, Any]) -> list[str]:
    names = sorted({*recorded, *held})
    return [name for name in names if name not in recorded or recorded[name] != held.get(name)]


def _artifact_differences(state: State, record: Record, run_id: str, name: str) -> Iterator[str]:
    held = _held_files(run_id)
    expected = _expected_files(state, record, name, held)
    for path in sorted({*expected, *held}):
        if path not in held:
            yield f"missing: artifact {path} of the run of {name}"
        elif held[path] != expected.get(path):
            yield f"altered: artifact {path} of the run of {name}"


def _expected_files(state: State, record: Record, name: str, held: Mapping[str, bytes]) -> dict[str, bytes]:
    """Return what a run must hold by path; of the patch of its origin only the digest is known."""
    expected = dict(_artifacts(record))
    if name != "the state":
        expected["card/card.md"] = card_text(state, name).encode()
    if state.origin.changes:
        patch = held.get(PATCH, b"")
        expected[PATCH] = patch if state.origin.is_patch(patch) else state.origin.patch.encode()
    return expected


def _held_files(run_id: str) -> dict[str, bytes]:
    """Return the content of a run's artifacts by path; none where they are gone."""
    with download_folder() as scratch:
        try:
            return dict(_files(download_run_artifacts(run_id, Path(scratch) / "run")))
        except UserError:
            return {}


def repair_runs(client: Any, state: State, runs: list[Any]) -> list[str]:
    """Store lost or altered artifacts of the present state's runs again; return a line for each."""
    done, wanted = [], _keys(state)
    for run in runs:
        name = wanted.get(run.data.tags.get(KEY_TAG, ""))
        if name is None or is_outdated(run):
            continue
        then, record = _record_of(state, run, name)
        held = _held_files(run.info.run_id)
        expected = _expected_files(then, record, name, held)
        if expected.get(PATCH) == b"":
            done.append(f"corrupt, and not to be repaired from this workspace: {PATCH} of the run of {name}")
            del expected[PATCH]
        wrong = sorted(path for path, content in held.items() if expected.get(path) != content)
        if not wrong and held.keys() == expected.keys():
            continue
        with tempfile.TemporaryDirectory() as scratch:
            for path, content in expected.items():
                (Path(scratch) / path).parent.mkdir(parents=True, exist_ok=True)
                (Path(scratch) / path).write_bytes(content)
            store_run_files(client, run.info.run_id, Path(scratch), wrong)
        done.append(f"repaired, from the workspace: artifacts of the run of {name}")
    return done


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
