"""Which version of a registered model answers as champion: aliases, and the record of why.

Works on an MLflow client that it is given; every step can be repeated after an interruption.
"""

from collections.abc import Mapping
from typing import Any

from features.errors import UserError

CHAMPION, PREVIOUS, CANDIDATE = "champion", "previous", "candidate"
UPDATED_TAG = "update.learned"
"""On an updated version: the digest of the learned model that it comes from."""
GATE_TAG, VERDICT_TAG, OVERRIDE_TAG = "gate.", "gates", "gates.override"
MOST_TAG_CHARACTERS = 500


def gate_tags(gates: Mapping[str, str], verdict: str, override: str = "") -> dict[str, str]:
    """Return the tags that show what the gates of a version said, and why a failure was overridden."""
    tags = {GATE_TAG + gate.replace("@", ".at."): text for gate, text in gates.items()}
    tags |= {VERDICT_TAG: verdict} | ({OVERRIDE_TAG: override} if override else {})
    return {tag: text[:MOST_TAG_CHARACTERS] for tag, text in tags.items()}


def is_gate_tag(tag: str) -> bool:
    """Tell whether a tag is one of `gate_tags`."""
    return tag.startswith(GATE_TAG) or tag in {VERDICT_TAG, OVERRIDE_TAG}


def write_gates(client: Any, name: str, version: str, tags: Mapping[str, str]) -> None:
    """Write `gate_tags` on the version, where the registry's page shows them.

    Gates of an earlier evaluation that are no longer asked for are taken off.
    """
    for tag in client.get_model_version(name, version).tags:
        if is_gate_tag(tag) and tag not in tags:
            client.delete_model_version_tag(name, version, tag)
    for tag, text in tags.items():
        client.set_model_version_tag(name, version, tag, text)


def champion(client: Any, name: str) -> str | None:
    """Return the version that is champion, or None."""
    return aliases_of(client, name).get(CHAMPION)


def make_candidate(client: Any, name: str, version: str, digest: str) -> None:
    """Make the version of a learned model, with that digest, the candidate, unless an update of it is."""
    present = aliases_of(client, name).get(CANDIDATE)
    if present is None or client.get_model_version(name, present).tags.get(UPDATED_TAG) != digest:
        client.set_registered_model_alias(name, CANDIDATE, version)


def promote(client: Any, name: str, version: str) -> str | None:
    """Make a version the champion, keep the former one as `previous`, and return that one.

    The alias `previous` is written first: an interruption leaves a champion in place.
    """
    former = champion(client, name)
    if former == version:
        return former
    if former is not None:
        client.set_registered_model_alias(name, PREVIOUS, former)
    client.set_registered_model_alias(name, CHAMPION, version)
    return former


def previous_champion(client: Any, name: str) -> str:
    """Return the version that is the previous champion. Raises UserError if there is none."""
    aliases = aliases_of(client, name)
    if PREVIOUS not in aliases:
        raise UserError(f"{name} has no previous champion to go back to")
    return aliases[PREVIOUS]


def rollback(client: Any, name: str) -> tuple[str | None, str]:
    """Make the previous champion the champion again; return the version that was, and the one that is.

    Raises
    ------
    UserError
        If the model is not registered, or there is no previous champion.
    """
    left, back = champion(client, name), previous_champion(client, name)
    client.set_registered_model_alias(name, CHAMPION, back)
    client.delete_registered_model_alias(name, PREVIOUS)
    return left, back


def aliases_of(client: Any, name: str) -> dict[str, str]:
    """Return the version of every alias. Raises UserError if the model is not registered."""
    if not client.search_registered_models(f"name = '{name}'"):
        raise UserError(f"{name} is not registered: run `pcr run`, or `pcr sync`")
    return {alias: str(version) for alias, version in client.get_registered_model(name).aliases.items()}
