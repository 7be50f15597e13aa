"""Whether the versions of a state's models are what was registered and decided, and how files come back."""

import contextlib
import json
import tempfile
from collections import Counter
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

from features.errors import UserError
from models.serving.champions import CHAMPION, PREVIOUS, aliases_of, gate_tags, is_gate_tag
from models.serving.history import History, HistoryError, entry_tag, read_history
from models.serving.manifest import MANIFEST, NOT_LISTED, file_digests, listed_digests
from models.serving.registry import (
    CANDIDATE,
    DIGEST_TAG,
    MANIFEST_TAG,
    PROVENANCE,
    download_version,
    store_files,
    stored_id,
    write_package,
)
from models.serving.serving import model_digest
from pipeline.project.files import read_json
from pipeline.registry.cards import shortened
from pipeline.registry.origin import origin_of
from pipeline.registry.runs import MAX_DESCRIPTION_CHARACTERS, landmark_release
from pipeline.registry.state import State
from pipeline.registry.trust import version_faults


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
                yield f"orphan: the run of {name} version {version.version} is gone"
            yield from _altered(name, version)
        if versions:
            yield from _decision_problems(client, name, versions, model_digest(folder))


def _altered(name: str, version: Any) -> Iterator[str]:
    """Yield where a version's files, tags or card are not those that were registered."""
    told = f"{name} version {version.version}"
    with tempfile.TemporaryDirectory() as scratch:
        try:
            folder = download_version(version, Path(scratch))
        except UserError:
            yield f"missing: the files of {told}"
            return
        if faults := version_faults(version, folder):
            yield f"altered: the files of {told} are not those that were registered: {'; '.join(faults)}"
            return
        tags = json.loads((folder / PROVENANCE).read_text(encoding="utf-8"))
        card = (folder / "card.md").read_text(encoding="utf-8")
    held = {
        tag: text for tag, text in version.tags.items() if not tag.startswith("pcr.") and not is_gate_tag(tag)
    }
    for tag in sorted({*tags, *held}):
        if tags.get(tag) != held.get(tag):
            yield f"altered: tag {tag} of {told}"
    if (version.description or "") != shortened(card, MAX_DESCRIPTION_CHARACTERS):
        yield f"altered: the card of {told} in the registry"


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
        str(v.version) for v in versions if v.tags.get(DIGEST_TAG) == digest and MANIFEST_TAG in v.tags
    }
    if present and aliases.get(CANDIDATE) not in present:
        alias, own = aliases.get(CANDIDATE, "absent"), present.pop()
        yield f"altered: alias {CANDIDATE} of {name} is {alias}, this state's is {own}; `pcr sync` moves it"
    for version in versions:
        entry = history.newest(str(version.version))
        wanted = gate_tags(entry.gates, entry.verdict, entry.override) if entry else {}
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
        if MANIFEST_TAG not in version.tags:
            continue
        with tempfile.TemporaryDirectory() as scratch:
            told = _repair(client, state, landmark, version, Path(scratch))
        done += [f"{told} {name} version {version.version}"] if told else []
    return done


def _repair(client: Any, state: State, landmark: str, version: Any, scratch: Path) -> str:
    """Repair one version, and tell what was done; nothing where its files are sound."""
    stored = scratch / "stored"
    stored.mkdir()
    with contextlib.suppress(UserError):
        stored = download_version(version, stored)
    held = file_digests(stored)
    if held.get(MANIFEST) == version.tags[MANIFEST_TAG]:
        listed = listed_digests(stored)
        wrong = {path for path, digest in listed.items() if held.get(path) != digest}
        if added := sorted(set(held) - set(listed) - NOT_LISTED):
            return f"corrupt: remove what was added ({', '.join(added)}) from the files of"
        if not wrong:
            return ""
    rebuilt = scratch / "rebuilt"
    if _rebuild(client, state, landmark, version, rebuilt) != version.tags[MANIFEST_TAG]:
        return "corrupt, and not to be repaired from this workspace:"
    store_files(client, version, rebuilt)
    return "repaired, from the workspace:"


def _rebuild(client: Any, state: State, landmark: str, version: Any, out: Path) -> str:
    """Make a version's files again, as they were registered, and return the digest of their manifest."""
    then = replace(state, origin=origin_of(version.tags))
    release = landmark_release(then, landmark)
    return write_package(release, out, client.get_run(version.run_id), stored_id(version))
