"""Whether the versions of a state's models are what was registered and decided, and how files come back."""

import contextlib
import itertools
import json
import platform
import shutil
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from features.errors import UserError
from models.serving.champions import (
    CANDIDATE,
    CHAMPION,
    PREVIOUS,
    UPDATED_TAG,
    aliases_of,
    gate_tags,
    is_gate_tag,
)
from models.serving.foreign import beside_models, beside_stored, beside_version, renamed_models
from models.serving.history import History, HistoryError, entry_tag, read_history
from models.serving.manifest import (
    CARD,
    MANIFEST,
    NOT_LISTED,
    PROVENANCE,
    file_digests,
    listed_digests,
    texts_of,
)
from models.serving.records import STORED_NAME
from models.serving.registry import (
    DIGEST_TAG,
    MANIFEST_TAG,
    SIGNED_TAG,
    SUPERSEDED_TAG,
    download_version,
    entry_location,
    files_place,
    remove_files,
    store_files,
    stored_id,
    write_package,
)
from models.serving.serving import model_digest
from models.serving.stored_files import ANEW, GoneError
from pipeline.project.files import read_json, read_yaml
from pipeline.registry.bill import BILL, HASHED
from pipeline.registry.cards import shortened
from pipeline.registry.contents import ASIDE
from pipeline.registry.downloads import download_folder
from pipeline.registry.origin import origin_of
from pipeline.registry.runs import MAX_DESCRIPTION_CHARACTERS, landmark_release, tracking_store
from pipeline.registry.state import State
from pipeline.registry.trust import version_faults
from pipeline.registry.updates import EXAMPLE_FILE, rebuilt_release

VERSION_TAGS = (DIGEST_TAG, MANIFEST_TAG, SIGNED_TAG, SUPERSEDED_TAG)
"""Tags of this project that a version may have beside those of its files and of decisions."""
STATE_TAG = "state"
READY = "READY"
"""The status of a version that is whole."""


def modelled(state: State) -> list[str]:
    """Return the landmarks that have a model; from too few events none is learned."""
    return [name for name in state.landmarks if (_folder(state, name) / "model.json").is_file()]


def _folder(state: State, landmark: str) -> Path:
    return state.artifacts / "models" / landmark


def _name(state: State, landmark: str) -> str:
    return str(read_json(_folder(state, landmark) / "model.json")["model"])


def version_problems(state: State, client: Any, runs: list[Any]) -> Iterator[str]:
    """Yield what is missing, duplicate, orphan or altered among the versions of the state's models."""
    alive = {run.info.run_id for run in runs}
    experiment = client.get_experiment_by_name(tracking_store(state.study).experiment)
    yield from beside_models(client, [_name(state, landmark) for landmark in modelled(state)])
    yield from renamed_models(client, experiment.name, alive)
    for landmark in modelled(state):
        name, folder = _name(state, landmark), _folder(state, landmark)
        versions = client.search_model_versions(f"name = '{name}'")
        digests = Counter(v.tags.get(DIGEST_TAG) for v in versions if MANIFEST_TAG in v.tags)
        if model_digest(folder) not in digests:
            yield f"missing: a version of {name} with the content of {folder}"
        for digest, count in digests.items():
            if digest is None:
                yield f"orphan: {count} versions of {name} have no digest"
            elif count > 1:
                yield f"duplicate: {count} versions of {name} have the content {digest[:8]}"
        for version in versions:
            if version.run_id not in alive:
                yield (
                    f"orphan: the run of {name} version {version.version} is gone; if it was deleted, "
                    f"`mlflow runs restore --run-id {version.run_id}` brings it back"
                )
            yield from _altered(client, experiment, state, landmark, version)
            yield from _unlike_its_run(version, runs)
        if versions:
            yield from _decision_problems(client, name, versions, model_digest(folder))


def _altered(client: Any, experiment: Any, state: State, landmark: str, version: Any) -> Iterator[str]:
    """Yield where a version's files, tags or card are not those that were registered."""
    told = f"{version.name} version {version.version}"
    with download_folder() as scratch:
        try:
            folder = download_version(version, Path(scratch))
        except UserError:
            yield f"missing: the files of {told}"
            return
        if was_without_manifest(version, folder):
            if SUPERSEDED_TAG not in version.tags:
                yield (
                    f"outdated: {told} was registered before there were manifests and is never loaded: "
                    "`pcr sync` registers the model of the workspace anew"
                )
            return
        if faults := version_faults(version, folder):
            yield f"altered: the files of {told} are not those that were registered: {'; '.join(faults)}"
            return
        written = read_yaml(folder / "MLmodel")
        yield from _unlike_its_files(told, version, written)
        entries = client.search_logged_models(
            [experiment.experiment_id], f"model_id = '{written['model_id']}'"
        )
        yield from _unlike_its_version(told, version, entries, experiment.artifact_location)
        yield from _unlike_its_state(told, state, landmark, version.tags, folder)
        tags = json.loads((folder / PROVENANCE).read_text(encoding="utf-8"))
        card = (folder / CARD).read_text(encoding="utf-8")
    held = {
        tag: text for tag, text in version.tags.items() if not tag.startswith("pcr.") and not is_gate_tag(tag)
    }
    for tag in sorted({*tags, *held}):
        if tags.get(tag) != held.get(tag):
            yield f"altered: tag {tag} of {told}"
    for what in beside_version(version, VERSION_TAGS):
        yield f"altered: {what} of {told}"
    if (version.description or "") != shortened(card, MAX_DESCRIPTION_CHARACTERS):
        yield f"altered: the card of {told} in the registry"


def _unlike_its_run(version: Any, runs: list[Any]) -> Iterator[str]:
    """Yield where a version of a learned model is of another state than its run."""
    states = {run.data.tags.get(STATE_TAG) for run in runs if run.info.run_id == version.run_id}
    if UPDATED_TAG not in version.tags and states and version.tags.get(STATE_TAG) not in states:
        yield f"altered: tag {STATE_TAG} of {version.name} version {version.version} is not that of its run"


def _unlike_its_state(
    told: str, state: State, landmark: str, tags: Mapping[str, str], folder: Path
) -> Iterator[str]:
    """Yield texts of a version of the present state that its artifacts do not give.

    Who writes files and database alters both alike. What lists packages is compared in the same Python only.
    """
    if tags.get(STATE_TAG) != state.key or tags.get(DIGEST_TAG) != model_digest(_folder(state, landmark)):
        return
    then = replace(state, origin=origin_of(tags))
    release = landmark_release(then, landmark)
    example = read_json(folder / EXAMPLE_FILE) == release.example
    python = read_yaml(folder / "python_env.yaml")["python"] == platform.python_version()
    texts = {name: text for name, text in texts_of(release).items() if python or name not in {BILL, HASHED}}
    for name, same in {
        EXAMPLE_FILE: example, **{name: _text(folder / name) == text for name, text in texts.items()},
    }.items():  # fmt: skip
        if not same:
            yield (
                f"altered: {name} of {told} is not that of the state: delete the version in MLflow, then "
                "`pcr sync` registers the model anew"
            )


def _text(path: Path) -> str:
    return path.read_text(encoding="utf-8") if path.is_file() else ""


def _unlike_its_files(told: str, version: Any, written: Mapping[str, object]) -> Iterator[str]:
    """Yield where the registry tells of a version's making otherwise than its file MLmodel does."""
    if version.source != f"models:/{written['model_id']}":
        yield f"altered: the source of {told} is not where its files were registered"
    if version.run_id != written["run_id"]:
        yield f"altered: the run of {told} is not the one that its files name"
    if version.status != READY:
        yield f"altered: the status of {told} is {version.status}"


def _unlike_its_version(told: str, version: Any, entries: list[Any], location: str) -> Iterator[str]:
    """Yield where MLflow's entry of a version's stored files is not as it was registered."""
    if not entries:
        yield f"missing: MLflow's entry of the stored files of {told}: {ANEW}"
        return
    (stored,) = entries
    if stored.source_run_id != version.run_id:
        yield f"altered: the run of the stored files of {told}"
    if stored.name != STORED_NAME:
        yield f"altered: the name of the stored files of {told}"
    if stored.status != READY:
        yield f"altered: the status of the stored files of {told} is {stored.status}"
    for what in beside_stored(stored, version, location):
        yield f"altered: {what} of the stored files of {told}"


def was_without_manifest(version: Any, folder: Path) -> bool:
    """Tell whether a version never had a manifest; whoever takes away its tag alone leaves the file."""
    return MANIFEST_TAG not in version.tags and not (folder / MANIFEST).exists()


def _decision_problems(client: Any, name: str, versions: list[Any], digest: str) -> Iterator[str]:
    """Yield where aliases and gates are not what was decided."""
    try:
        history = read_history(client, name)
    except HistoryError as error:
        yield f"altered: {error}"
        return
    if history.pending:
        tag = entry_tag(history.pending)
        yield f"altered: the promotion history of {name} lacks {tag}, its last; `pcr promote` writes it again"
    aliases = aliases_of(client, name)
    yield from _alias_problems(history, aliases)
    present = {
        str(v.version)
        for v in versions
        if digest in {v.tags.get(DIGEST_TAG), v.tags.get(UPDATED_TAG)} and MANIFEST_TAG in v.tags
    }
    if present and aliases.get(CANDIDATE) not in present:
        alias, own = aliases.get(CANDIDATE, "absent"), min(present, key=int)
        yield f"altered: alias {CANDIDATE} of {name} is {alias}, this state's is {own}; `pcr sync` moves it"
    for version in versions:
        entry = history.newest(str(version.version))
        wanted = gate_tags(entry.gates, entry.verdict, entry.override) if entry else {}
        if entry and entry.manifest != version.tags.get(MANIFEST_TAG):
            yield f"altered: the files of {name} version {version.version} are not those that were judged"
        held = {tag: text for tag, text in version.tags.items() if is_gate_tag(tag)}
        for tag in sorted({*wanted, *held}):
            if wanted.get(tag) != held.get(tag):
                yield f"altered: tag {tag} of {name} version {version.version} is not what was decided"


def _alias_problems(history: History, aliases: dict[str, str]) -> Iterator[str]:
    if not history.champion and CHAMPION in aliases:
        yield f"altered: alias {CHAMPION} of {history.name} was set by hand: no promotion was recorded"
        return
    for alias, version in {CHAMPION: history.champion, PREVIOUS: history.previous}.items():
        if aliases.get(alias, "") != version:
            yield (
                f"altered: alias {alias} of {history.name} is {aliases.get(alias) or 'absent'}, but "
                f"{version or 'none'} by the promotion history"
            )


def repair_versions(client: Any, state: State, landmark: str) -> list[str]:
    """Store lost or altered files of a landmark's versions again, where sound ones are at hand.

    The package is made again from the workspace; a file is taken only if it is the one in the manifest.
    """
    name, done = _name(state, landmark), []
    if not client.search_registered_models(f"name = '{name}'"):
        return []
    for version in client.search_model_versions(f"name = '{name}'"):
        with download_folder() as scratch:
            try:
                told = _repair(client, state, landmark, version, Path(scratch))
            except GoneError:
                told = f"not repaired, as MLflow's entry of it, or its run, was deleted ({ANEW}):"
        done += [f"{told} {name} version {version.version}"] if told else []
    return done


def _repair(client: Any, state: State, landmark: str, version: Any, scratch: Path) -> str:
    """Repair one version, and tell what was done; nothing where its files are sound."""
    stored = scratch / "stored"
    stored.mkdir()
    try:
        stored, whole = download_version(version, stored), True
    except UserError:
        whole = False
    if MANIFEST_TAG not in version.tags:
        return _retire(client, version, stored)
    held = file_digests(stored)
    added: set[str] = set()
    if held.get(MANIFEST) == version.tags[MANIFEST_TAG]:
        listed: dict[str, str] = {}
        with contextlib.suppress(ValueError):
            listed = listed_digests(stored)
        wrong = {path for path, digest in listed.items() if held.get(path) != digest}
        added = set(held) - set(listed) - NOT_LISTED
        if listed and not wrong:
            return _without_added(client, version, stored, added) if added else ""
    rebuilt = scratch / "rebuilt"
    if _rebuild(client, state, landmark, version, stored, rebuilt) != version.tags[MANIFEST_TAG]:
        return "corrupt, and not to be repaired from this workspace:"
    own = file_digests(rebuilt)
    wrong = {path for path, digest in held.items() if own.get(path) != digest} - NOT_LISTED
    kept = _kept_aside(version, stored) if wrong else ""
    kept = kept if whole else _moved_aside(client, version)
    store_files(client, version, rebuilt, _removable(wrong, own))
    return f"repaired, from the workspace{kept}:"


def _retire(client: Any, version: Any, stored: Path) -> str:
    """Mark a version that never had a manifest, which is never loaded; nothing of any other."""
    if not was_without_manifest(version, stored) or SUPERSEDED_TAG in version.tags:
        return ""
    client.set_model_version_tag(
        version.name, version.version, SUPERSEDED_TAG, "by a version with a manifest"
    )
    return "superseded, as it was registered before there were manifests:"


def _without_added(client: Any, version: Any, stored: Path, added: set[str]) -> str:
    kept = _kept_aside(version, stored)
    remove_files(client, version, sorted(added))
    return f"repaired: {', '.join(sorted(added))} removed{kept} from the files of"


def _kept_aside(version: Any, stored: Path) -> str:
    """Keep what was stored, and tell where."""
    aside = _aside(version)
    shutil.copytree(stored, aside, symlinks=True)
    return f" (what was there is {aside})"


def _moved_aside(client: Any, version: Any) -> str:
    """Move away what is stored and cannot be downloaded, such as links, and tell where to; if anything is."""
    place = files_place(client, version)
    if place is None or not place.exists():
        return ""
    aside = _aside(version)
    aside.parent.mkdir(parents=True, exist_ok=True)
    shutil.move(place, aside)
    return f" (what was there is {aside})"


def _aside(version: Any) -> Path:
    aside: Path = ASIDE / version.name / str(version.version)
    shutil.rmtree(aside, ignore_errors=True)
    return aside


def _removable(wrong: set[str], own: Mapping[str, str]) -> list[str]:
    """Return what must go before files are stored: a folder as a whole, where a file has its name."""
    parents = {path: [p.as_posix() for p in Path(path).parents if p.as_posix() in own] for path in wrong}
    return sorted({*itertools.chain.from_iterable(parents.values()), *(p for p in wrong if not parents[p])})


def _rebuild(client: Any, state: State, landmark: str, version: Any, stored: Path, out: Path) -> str:
    """Make a version's files again, as they were registered, and return the digest of their manifest.

    Of an updated version that needs its update.json, as it is `stored`; nothing is returned without it.
    Raises GoneError where MLflow no longer has the version's run, or the entry of its files.
    """
    entry_location(client, version)
    then = replace(state, origin=origin_of(version.tags))
    try:
        release = rebuilt_release(landmark_release(then, landmark), stored, out.parent / "updates")
    except UserError:
        return ""
    return write_package(release, out, client.get_run(version.run_id), stored_id(version))
