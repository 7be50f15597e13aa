"""The pipeline's state: one hash of all that made a study's results: parameters, data, code, environment."""

import hashlib
import json
import subprocess
import sys
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path, PurePosixPath
from typing import Any, TypedDict

from features.errors import UserError
from pipeline.project import paths
from pipeline.project.files import read_json, read_yaml
from pipeline.project.yaml_text import parse_yaml
from pipeline.registry.origin import Origin, git_text, read_origin

STUDY, PIPELINE, LOCK = Path("configs/study.yaml"), Path("dvc.yaml"), Path("dvc.lock")
SETTINGS = PurePosixPath(paths.SETTINGS).name
WHOLE = f"{PurePosixPath(paths.MODELS).stem}."
"""Begins the parameters of the settings file that stages read as a whole."""
ABSENT = "absent"
PARTS = ("cmd", "deps", "params", "outs")
# What is put into MLflow; the stages that make it, with all that they are made from, are the state.
TRACKED = ("models", "metrics", "results", "shap", "predictions", "features", "reports")


class Content(TypedDict, total=False):
    """A file or folder in dvc.lock with the digest of its content."""

    path: str
    md5: str


class Declared(TypedDict, total=False):
    """A stage of dvc.yaml: by a word of its command the list of the study file that it is made for."""

    matrix: dict[str, str]


class Stage(TypedDict, total=False):
    """A stage as dvc.lock records it: what it ran, and what it read and wrote."""

    cmd: str
    deps: list[Content]
    params: dict[str, dict[str, Any]]
    outs: list[Content]


Stages = Mapping[str, Stage]


@dataclass(frozen=True)
class State:
    """A pipeline state: its key, the stages it is made of, the study, its artifacts' folder, its origin."""

    key: str
    stages: Stages
    study: str
    landmarks: tuple[str, ...]
    simulated: bool
    artifacts: Path
    origin: Origin

    def landmark_key(self, landmark: str) -> str:
        """Return the key of the landmark's run below the state's."""
        return hashlib.sha256(f"{self.key} {landmark}".encode()).hexdigest()


def read_state(study_file: Path, pipeline: Path, lock: Path, artifacts: Path) -> State:
    """Return the state that dvc.lock describes.

    Raises
    ------
    UserError
        If nothing has been computed yet.
    """
    if not lock.is_file():
        raise UserError(f"{lock} does not exist: run `pcr run` first")
    study = read_yaml(study_file)
    stages = current_stages(read_yaml(lock)["stages"], read_yaml(pipeline)["stages"], study)
    kept = artifacts / SETTINGS
    tracked = tuple(f"{(artifacts / folder).as_posix()}/" for folder in TRACKED)
    outs = {name: [f"{out['path']}/" for out in stage.get("outs", [])] for name, stage in stages.items()}
    makers = [name for name, paths in outs.items() if any(path.startswith(tracked) for path in paths)]
    return State(
        key=state_key(stages, upstream(stages, makers)),
        stages=with_settings(stages, read_json(kept) if kept.is_file() else {}),
        study=str(study["study"]),
        landmarks=tuple(study["landmarks"]),
        simulated=bool(study["simulated"]),
        artifacts=artifacts,
        origin=read_origin(),
    )


def with_settings(stages: Stages, settings: Mapping[str, dict[str, object]]) -> dict[str, Stage]:
    """Return the stages with all keys of the `settings` files that they depend on among their parameters.

    dvc.lock has the digest of a file that a stage reads as a whole, and no key of it.

    Parameters
    ----------
    stages : mapping
        The stages of dvc.lock by name.
    settings : mapping
        The content of settings files by their path, as it was when the stages ran.
    """
    found: dict[str, Stage] = {}
    for name, stage in stages.items():
        read = {dep["path"] for dep in stage.get("deps", [])} & settings.keys()
        params = (stage.get("params") or {}) | {file: settings[file] for file in sorted(read)}
        found[name] = {**stage, "params": params} if read else stage
    return found


def workspace_state(study: str) -> State:
    """Return the state of the workspace, of the active study. Raises as `read_state`."""
    return read_state(STUDY, PIPELINE, LOCK, Path("artifacts") / study)


def current_stages(
    lock: Stages, declared: Mapping[str, Declared], study: Mapping[str, object]
) -> dict[str, Stage]:
    """Return the stages of dvc.lock that dvc.yaml still has.

    Entries of former landmarks are stale, and so are those of a stage that was once a stage for each.

    Parameters
    ----------
    lock, declared : mapping
        The stages of dvc.lock and of dvc.yaml by name.
    study : mapping
        The study file, whose lists are the items of a matrix.
    """
    current = {
        f"{name}@{item}" if item else name
        for name, stage in declared.items()
        for item in _items(stage.get("matrix"), study)
    }
    return {name: stage for name, stage in lock.items() if name in current}


def _items(matrix: Mapping[str, str] | None, study: Mapping[str, object]) -> list[str]:
    """Return the items of a matrix of one list, as ``${landmarks}``; without a matrix one without a name."""
    if matrix is None:
        return [""]
    (values,) = matrix.values()
    listed = study[values.removeprefix("${").removesuffix("}")]
    return [str(item) for item in listed] if isinstance(listed, list) else []


def upstream(stages: Stages, roots: Iterable[str]) -> list[str]:
    """Return the names of `roots` and of every stage that they are made from, sorted.

    Raises
    ------
    UserError
        If a root is not in dvc.lock: its stage has not run.
    """
    made = [(_folder(out["path"]), name) for name, entry in stages.items() for out in entry.get("outs", [])]
    closure: set[str] = set()
    waiting = list(roots)
    while waiting:
        name = waiting.pop()
        if name not in stages:
            raise UserError(f"dvc.lock has no stage {name}: run `dvc repro` first")
        if name in closure:
            continue
        closure.add(name)
        for dep in stages[name].get("deps", []):
            needed = _folder(dep["path"])
            # One path is the other, or holds it.
            waiting += [maker for out, maker in made if needed.startswith(out) or out.startswith(needed)]
    return sorted(closure)


def state_key(stages: Stages, names: Iterable[str]) -> str:
    """Return the sha256 of the canonical JSON of the stages' commands, dependencies, parameters, outputs."""
    state = {name: {part: stages[name].get(part) for part in PARTS} for name in names}
    canonical = json.dumps(state, sort_keys=True, separators=(",", ":"))
    return hashlib.sha256(canonical.encode()).hexdigest()


def parameters(stages: Stages, names: Iterable[str]) -> dict[str, str]:
    """Return the parameters of the stages as flat text, ``file.key.subkey`` to value."""
    flat: dict[str, str] = {}
    for name in names:
        for file, values in (stages[name].get("params") or {}).items():
            for key, value in values.items():
                flat |= {f"{PurePosixPath(file).stem}.{k}": v for k, v in _flatten(key, value)}
    return flat


def data_digests(stages: Stages, names: Iterable[str]) -> dict[str, str]:
    """Return the digest of every output of the stages by its path."""
    return {out["path"]: out["md5"] for name in names for out in stages[name].get("outs", [])}


def committed_stages(revision: str = "HEAD") -> dict[str, Stage]:
    """Return the current stages of a commit's dvc.lock, with its settings; none where it has no such file."""
    files = (LOCK.as_posix(), paths.MODELS, PIPELINE.as_posix(), STUDY.as_posix())
    return _stages_of(*(git_text("show", f"{revision}:./{path}") for path in files))


@lru_cache(maxsize=2)
def _stages_of(lock: str, settings: str, pipeline: str, study: str) -> dict[str, Stage]:
    """Return the stages of a dvc.lock, parsed once: every landmark's run is named by what changed.

    Of a commit whose settings are not those of its dvc.lock it is not known what the stages read.
    """
    stages: dict[str, Stage] = parse_yaml(lock)["stages"] if lock else {}
    if pipeline and study:
        stages = current_stages(stages, parse_yaml(pipeline)["stages"], parse_yaml(study))
    deps = [dep for stage in stages.values() for dep in stage.get("deps", [])]
    digest = hashlib.md5(settings.encode(), usedforsecurity=False).hexdigest()
    as_run = {dep["md5"] for dep in deps if dep["path"] == paths.MODELS} == {digest}
    return with_settings(stages, {paths.MODELS: parse_yaml(settings)} if as_run else {})


def parameter_changes(former: Stages, present: Stages) -> dict[str, tuple[str, str]]:
    """Return the parameters that differ between two states: name to (then, now); none of two studies.

    Of settings that stages read as a whole, there are only the sections that are known of both states.
    """
    then, now = (parameters(stages, sorted(stages)) for stages in (former, present))
    if then.get("study.study") != now.get("study.study"):
        return {}
    both = {_section(name) for name in then} & {_section(name) for name in now}
    return {
        name: (then.get(name, ABSENT), now.get(name, ABSENT))
        for name in sorted(then.keys() | now.keys())
        if then.get(name) != now.get(name) and (_section(name) in both or not name.startswith(WHOLE))
    }


def _section(name: str) -> str:
    """Return file and section of a parameter: ``models.candidates`` of ``models.candidates.core.kind``."""
    return ".".join(name.split(".")[:2])


def _flatten(key: str, value: Any) -> Iterable[tuple[str, str]]:
    if isinstance(value, Mapping):
        for inner, content in value.items():
            yield from _flatten(f"{key}.{inner}", content)
    else:
        yield key, value if isinstance(value, str) else json.dumps(value)


def _folder(path: str) -> str:
    return path.rstrip("/") + "/"


def is_current(target: str) -> bool:
    """Tell whether DVC finds a stage's dependencies, parameters and outputs as they were when it ran."""
    status = subprocess.run(  # noqa: S603 - our own words
        [sys.executable, "-m", "dvc", "status", "--json", target], capture_output=True, text=True, check=False
    )
    if status.returncode != 0:
        raise UserError(f"dvc status {target} failed: {status.stderr.strip()}")
    return not json.loads(status.stdout)
