"""Profiles: how often things are drawn, written into configs/validation.yaml as DVC would; comments stay."""

from pathlib import Path
from typing import Any

from ruamel.yaml import YAML

from features.errors import UserError
from pipeline.project.files import read_yaml, replacing

PROFILES = Path("configs/profiles")
VALIDATION = Path("configs/validation.yaml")


class ProfileError(UserError):
    """A profile that there is not, or that names what is not configured."""


def apply_profile(name: str) -> bool:
    """Write a profile's values into configs/validation.yaml, and tell whether anything changed.

    Raises
    ------
    ProfileError
        If there is no such profile, or it names a setting that validation.yaml does not have.
    """
    path = PROFILES / f"{name}.yaml"
    if not path.is_file():
        known = ", ".join(sorted(p.stem for p in PROFILES.glob("*.yaml")))
        raise ProfileError(f"unknown profile {name!r}: {PROFILES} has {known}")
    yaml = YAML()
    document = yaml.load(VALIDATION.read_text(encoding="utf-8"))
    changed = [_set(document, key.split("."), value, path) for key, value in read_yaml(path).items()]
    if any(changed):
        with replacing(VALIDATION) as new, new.open("w", encoding="utf-8") as file:
            yaml.dump(document, file)
    return any(changed)


def _set(document: Any, keys: list[str], value: Any, path: Path) -> bool:
    """Set one setting in place, and tell whether it had another value."""
    for key in keys[:-1]:
        document = document.get(key, {})
    if keys[-1] not in document:
        raise ProfileError(f"{path}: {VALIDATION} has no setting {'.'.join(keys)}")
    if document[keys[-1]] == value:
        return False
    document[keys[-1]] = value
    return True
