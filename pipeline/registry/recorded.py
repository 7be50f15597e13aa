"""Whether MLflow's runs are there, once each, with the parameters, metrics, tags and files recorded."""

import tempfile
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from features.errors import UserError
from models.serving.foreign import other_values, unlike_data
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
COLOUR_TAG = "mlflow.runColor"
"""Which colour somebody gave a run in MLflow's charts; it says nothing of the run."""
OWN_TAGS = {KEY_TAG, RECORD_TAG, FORMAT_TAG, PARENT_TAG, NOTE_TAG, NAME_TAG, USER_TAG, COLOUR_TAG}
"""Tags of MLflow and of this project that a run may have beside those of its record."""


def run_problems(state: State, client: Any, runs: list[Any]) -> Iterator[str]:
    """Yield what is missing, duplicate, orphan or altered among the runs of a study."""
    keys = Counter(run.data.tags[KEY_TAG] for run in runs if KEY_TAG in run.data.tags)
    wanted = _keys(state)
    parents = {run.info.run_id for run in runs if run.data.tags.get(KEY_TAG) == state.key}
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
            yield from _differences(client, state, run, wanted[key])
            yield from _parent_differences(run, wanted[key], parents)
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


def _differences(client: Any, state: State, run: Any, name: str) -> Iterator[str]:
    """Yield by name what a run of the present state holds otherwise than the artifacts say."""
    then, record = _record_of(state, run, name)
    for kind, key in [*_fixed(client, record, run), *_changed(record, run)]:
        yield f"altered: {kind} {key} of the run of {name}"
    if _digest(run) != run.data.tags.get(RECORD_TAG):
        yield f"altered: tag {RECORD_TAG} of the run of {name}, or what it was made from"
    if _names_user(run):
        yield f"altered: the user of the run of {name}"
    if _is_renamed(run, record, then):
        yield f"altered: the name of the run of {name}; `pcr sync` gives it its own again"
    if run.info.status != FINISHED:
        yield f"altered: the status of the run of {name} is {run.info.status}"
    location = client.get_experiment(run.info.experiment_id).artifact_location
    if run.info.artifact_uri != f"{location}/{run.info.run_id}/artifacts":
        yield f"altered: the place of the artifacts of the run of {name}"
    yield from _artifact_differences(then, record, run.info.run_id, name)


def _parent_differences(run: Any, name: str, parents: set[str]) -> Iterator[str]:
    """Yield where a landmark's run stands below another run than the state's, if that is there."""
    if parents and not {run.info.run_id, run.data.tags.get(PARENT_TAG)} & parents:
        yield f"altered: the parent of the run of {name}; `pcr sync` gives it its own again"


def _fixed(client: Any, record: Record, run: Any) -> Iterator[tuple[str, str]]:
    """Yield kind and name of what differs from the record and, once logged, MLflow never changes."""
    yield from (("parameter", key) for key in _unequal(record.params, run.data.params))
    yield from (("metric", key) for key in _unequal(record.metrics, run.data.metrics))
    yield from (("earlier value of metric", key) for key in other_values(client, run))
    yield from (("data", key) for key in unlike_data(record.inputs, run))


def _changed(record: Record, run: Any) -> Iterator[tuple[str, str]]:
    """Yield kind and name of tags and notes that differ from the record, which anybody can change."""
    ours = {tag: text for tag, text in run.data.tags.items() if not tag.startswith(("mlflow.", "pcr."))}
    foreign = sorted(run.data.tags.keys() - ours.keys() - OWN_TAGS)
    yield from (("tag", key) for key in [*_unequal(record.tags, ours), *foreign])
    yield from (("note", key) for key in _unequal({"": record.note} if record.note else {}, _note(run)))


def _names_user(run: Any) -> bool:
    """Tell whether a run names a user: the pipeline records none."""
    return {run.info.user_id, run.data.tags.get(USER_TAG, NO_USER)} != {NO_USER}


def _is_renamed(run: Any, record: Record, state: State) -> bool:
    named = is_name_of(run.info.run_name, record, state)
    return not named or run.data.tags.get(NAME_TAG) != run.info.run_name


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
    """Give the present state's runs what was recorded again; return what was done, a line each.

    Name, status, tags, note and artifacts are restored in place. A run whose parameters, metrics, data or
    user differ, which MLflow changes no more, or that names another commit, is superseded, and recorded anew
    when the state is tracked.
    """
    done, wanted = [], _keys(state)
    for run in runs:
        name = wanted.get(run.data.tags.get(KEY_TAG, ""))
        if name is None or is_outdated(run):
            continue
        then, record = _record_of(state, run, name)
        if fixed := _not_to_be_restored(client, record, run):
            supersede_run(client, run)
            done.append(f"superseded: the run of {name} is recorded anew; altered was {', '.join(fixed)}")
            continue
        done += [f"restored: {what} of the run of {name}" for what in _restored(client, run, record, then)]
        done += _repaired_files(client, then, record, run.info.run_id, name)
    return done


def _not_to_be_restored(client: Any, record: Record, run: Any) -> list[str]:
    """Return what of a run was altered and cannot, or must not, be put right in place."""
    fixed = [f"{kind} {key}" for kind, key in _fixed(client, record, run)]
    # The record is that of the commit which the run names: another digest is that of another commit.
    origin = ["what it was made from"] if run.data.tags.get(RECORD_TAG) != record.digest else []
    return [*fixed, *origin, *(["its user"] if _names_user(run) else [])]


def _restored(client: Any, run: Any, record: Record, state: State) -> Iterator[str]:
    """Restore what anybody can change of a run in MLflow; yield what it was."""
    run_id = run.info.run_id
    if _is_renamed(run, record, state):
        client.update_run(run_id, name=record.name)
        yield f"the name ({record.name})"
    if run.info.status != FINISHED:
        client.update_run(run_id, status=FINISHED)
        yield "the status"
    told = dict(record.tags) | ({NOTE_TAG: record.note} if record.note else {})
    for kind, key in _changed(record, run):
        tag = NOTE_TAG if kind == "note" else key
        if tag in told:
            client.set_tag(run_id, tag, told[tag])
        else:
            client.delete_tag(run_id, tag)
        yield f"{kind} {key}".strip()


def _repaired_files(client: Any, state: State, record: Record, run_id: str, name: str) -> Iterator[str]:
    """Store lost or altered artifacts of a run again, and say so."""
    held = _held_files(run_id)
    expected = _expected_files(state, record, name, held)
    if expected.get(PATCH) == b"":
        yield f"corrupt, and not to be repaired from this workspace: {PATCH} of the run of {name}"
        del expected[PATCH]
    wrong = sorted(path for path, content in held.items() if expected.get(path) != content)
    if not wrong and held.keys() == expected.keys():
        return
    with tempfile.TemporaryDirectory() as scratch:
        for path, content in expected.items():
            (Path(scratch) / path).parent.mkdir(parents=True, exist_ok=True)
            (Path(scratch) / path).write_bytes(content)
        store_run_files(client, run_id, Path(scratch), wrong)
    yield f"repaired, from the workspace: artifacts of the run of {name}"


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
