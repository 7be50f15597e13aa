"""The state key: one hash for all that made a landmark's results (parameters, data, code, environment)."""

import hashlib
import json
from collections.abc import Iterable, Mapping
from pathlib import PurePosixPath
from typing import Any

from features.errors import UserError

PARTS = ("cmd", "deps", "params", "outs")


def current_stages(
    lock: Mapping[str, Any], declared: Iterable[str], landmarks: Iterable[str]
) -> dict[str, Any]:
    """Return the stages of dvc.lock that dvc.yaml still has; entries of former landmarks are stale.

    Parameters
    ----------
    lock : mapping
        Content of dvc.lock.
    declared : iterable of str
        Stage names in dvc.yaml.
    landmarks : iterable of str
        The study's landmarks: the values of the matrix.
    """
    names = set(declared)
    allowed = set(landmarks)
    stages = {}
    for name, entry in lock["stages"].items():
        base, _, item = name.partition("@")
        if base in names and (not item or item in allowed):
            stages[name] = entry
    return stages


def upstream(stages: Mapping[str, Any], roots: Iterable[str]) -> list[str]:
    """Return the names of `roots` and of every stage that they are made from, sorted.

    Raises
    ------
    ValueError
        If a root is not in dvc.lock: its stage has not run.
    """
    producers = {out["path"]: name for name, entry in stages.items() for out in entry.get("outs", [])}
    found: set[str] = set()
    waiting = list(roots)
    while waiting:
        name = waiting.pop()
        if name not in stages:
            raise UserError(f"dvc.lock has no stage {name}: run `dvc repro` first")
        if name in found:
            continue
        found.add(name)
        for dep in stages[name].get("deps", []):
            waiting += [maker for out, maker in producers.items() if _within(dep["path"], out)]
    return sorted(found)


def state_key(stages: Mapping[str, Any], names: Iterable[str]) -> str:
    """Return the sha256 of the canonical JSON of the stages' commands, dependencies, parameters, outputs."""
    state = {name: {part: stages[name].get(part) for part in PARTS} for name in names}
    canonical = json.dumps(state, sort_keys=True, separators=(",", ":"))
    return hashlib.sha256(canonical.encode()).hexdigest()


def parameters(stages: Mapping[str, Any], names: Iterable[str]) -> dict[str, str]:
    """Return the parameters of the stages as flat text, ``file:key.subkey`` to value."""
    flat: dict[str, str] = {}
    for name in names:
        for file, values in (stages[name].get("params") or {}).items():
            for key, value in values.items():
                flat |= {f"{PurePosixPath(file).stem}.{k}": v for k, v in _flatten(key, value)}
    return flat


def data_digests(stages: Mapping[str, Any], names: Iterable[str]) -> dict[str, str]:
    """Return the digest of every output of the stages by its path."""
    return {out["path"]: out["md5"] for name in names for out in stages[name].get("outs", [])}


def _flatten(key: str, value: Any) -> Iterable[tuple[str, str]]:
    if isinstance(value, Mapping):
        for inner, content in value.items():
            yield from _flatten(f"{key}.{inner}", content)
    else:
        yield key, value if isinstance(value, str) else json.dumps(value)


def _within(dep: str, out: str) -> bool:
    """Tell whether one path is the other, or holds it."""
    a, b = dep.rstrip("/") + "/", out.rstrip("/") + "/"
    return a.startswith(b) or b.startswith(a)
