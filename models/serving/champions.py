"""Which version of a registered model answers as champion: aliases, and the record of why.

Works on an MLflow client that it is given; every step can be repeated after an interruption.
"""

from collections.abc import Mapping
from typing import Any

from features.errors import UserError

CHAMPION, PREVIOUS = "champion", "previous"
GATE_TAG, VERDICT_TAG, OVERRIDE_TAG = "gate.", "gates", "gates.override"
MOST_TAG_CHARACTERS = 500


def write_gates(client: Any, name: str, version: str, gates: Mapping[str, str], verdict: str) -> None:
    """Write every gate with what was found on the version, where the registry's page shows it.

    Gates of an earlier evaluation that are no longer asked for are taken off.
    """
    before = client.get_model_version(name, version).tags
    wanted = {_tag(gate): text[:MOST_TAG_CHARACTERS] for gate, text in gates.items()}
    for tag in before:
        if tag.startswith(GATE_TAG) and tag not in wanted:
            client.delete_model_version_tag(name, version, tag)
    for tag, text in (wanted | {VERDICT_TAG: verdict[:MOST_TAG_CHARACTERS]}).items():
        client.set_model_version_tag(name, version, tag, text)


def _tag(gate: str) -> str:
    return GATE_TAG + gate.replace("@", ".at.")


def champion(client: Any, name: str) -> str | None:
    """Return the version that is champion, or None."""
    return _aliases(client, name).get(CHAMPION)


def promote(client: Any, name: str, version: str, override: str = "") -> str | None:
    """Make a version the champion, keep the former one as `previous`, and return that one.

    The alias `previous` is written first: an interruption leaves a champion in place.
    """
    former = champion(client, name)
    if override:
        client.set_model_version_tag(name, version, OVERRIDE_TAG, override[:MOST_TAG_CHARACTERS])
    if former == version:
        return former
    if former is not None:
        client.set_registered_model_alias(name, PREVIOUS, former)
    client.set_registered_model_alias(name, CHAMPION, version)
    return former


def rollback(client: Any, name: str) -> tuple[str | None, str]:
    """Make the previous champion the champion again; return the version that was, and the one that is.

    Raises
    ------
    UserError
        If there is no previous champion.
    """
    aliases = _aliases(client, name)
    if PREVIOUS not in aliases:
        raise UserError(f"{name} has no previous champion to go back to")
    left, back = aliases.get(CHAMPION), aliases[PREVIOUS]
    client.set_registered_model_alias(name, CHAMPION, back)
    client.delete_registered_model_alias(name, PREVIOUS)
    return left, back


def _aliases(client: Any, name: str) -> dict[str, str]:
    return {alias: str(version) for alias, version in client.get_registered_model(name).aliases.items()}
