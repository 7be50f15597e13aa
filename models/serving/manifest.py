"""The manifest of a registered model: the sha256 of every file that MLflow runs, reads or installs from.

It lies in the model's folder in the format of ``sha256sum``, so that ``sha256sum --check manifest.sha256``
needs nothing of this project; its own sha256 is a tag of the version. Files are checked before any is run.
"""

import hashlib
import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import yaml

from features.errors import UserError
from models.serving.input_schema import SCHEMA_FILE, input_schema
from models.serving.records import Release
from models.serving.serving import MODEL_FILES, model_digest

MANIFEST, SIGNATURE = "manifest.sha256", "model.sig"
# Written by MLflow's client into the folder that it downloads to; nothing reads it.
DOWNLOAD_NOTE = "registered_model_meta"
NOT_LISTED = {MANIFEST, SIGNATURE, DOWNLOAD_NOTE}
ARTIFACTS = "artifacts"
# Python runs bytecode in the folder of this name instead of the source. Where a file has the name, which the
# manifest lists, it neither writes any beside a model nor runs what somebody else put there.
NO_BYTECODE = "__pycache__"
NO_BYTECODE_TEXT = "A file, so that Python neither keeps nor finds bytecode here: what runs is serving.py.\n"
GUARDS = dict.fromkeys((NO_BYTECODE, f"{ARTIFACTS}/{NO_BYTECODE}"), NO_BYTECODE_TEXT)
CARD, PROVENANCE = "card.md", "provenance.json"
"""A version's card, and its tags, with the digests of the data, as they were at registration."""
_LINE = re.compile(r"(?P<digest>[0-9a-f]{64})  (?P<name>[A-Za-z0-9_.][A-Za-z0-9_./-]*)")
# What MLflow is told to do with the folder; anything else in MLmodel could run other code, or unpickle.
_FIXED: dict[str, Any] = {
    "code": None,
    "loader_module": "mlflow.pyfunc.loaders.code_model",
    "model_code_path": "serving.py",
    "env": {"conda": "conda.yaml", "virtualenv": "python_env.yaml"},
}
# All that MLmodel has, of whatever MLflow; none of it makes MLflow read or run more.
_KEYS = {
    "artifact_path", "flavors", "is_signature_from_type_hint", "mlflow_version", "model_id",
    "model_size_bytes", "model_uuid", "prompts", "run_id", "saved_input_example_info", "signature",
    "type_hint_from_example", "utc_time_created",
}  # fmt: skip
_EXAMPLES = {"input_example.json", "serving_input_example.json"}
_PYTHON = re.compile(r"[0-9]+(\.[0-9]+)*")
_CONDA_NAME = "mlflow-env"
_PINNED = re.compile(r"[A-Za-z0-9._-]+==[0-9][A-Za-z0-9.+!]*")
_TOOL = re.compile(r"(python|pip|setuptools|wheel)([=<>]{1,2}[0-9.]+)?")
# libyaml where it is built in: ten times as fast.
_LOADER = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
_FREE = {"artifacts", "cloudpickle_version", "config", "python_version", "streamable"}
# Of MLmodel: what would set the environment, or ask for more than the model itself. MLflow leaves them out.
_NOT_ASKED = ("auth_policy", "env_vars", "metadata", "prompts", "resources")
_CONDA, _VIRTUALENV = {"name", "channels", "dependencies"}, {"python", "build_dependencies", "dependencies"}
_NAMES = {
    *NOT_LISTED, *GUARDS, CARD, PROVENANCE, SCHEMA_FILE, "MLmodel", "serving.py", "requirements.txt",
    "conda.yaml", "python_env.yaml", "input_example.json", "serving_input_example.json", "bom.cdx.json",
    "requirements-hashed.txt", "update.json", "change_plan.yaml",
    *(f"{ARTIFACTS}/{name}" for name in MODEL_FILES),
}  # fmt: skip
"""Every file that a registered model may have."""


class IntegrityError(UserError):
    """Files of a registered model that are not those that were registered."""


def file_digests(folder: Path) -> dict[str, str]:
    """Return the sha256 of every file below a folder by its path there.

    A link has none, and is named so; so is a folder without any file, if it lies in none.
    """
    every = sorted(folder.rglob("*"))
    files = [path for path in every if path.is_symlink() or not path.is_dir()]
    used = {folder, *(parent for path in files for parent in path.parents)}
    empty = [path for path in every if path.is_dir() and path not in used and path.parent in used]
    return {path.relative_to(folder).as_posix(): _digest(path) for path in sorted({*files, *empty})}


def _digest(path: Path) -> str:
    if path.is_symlink() or not path.is_file():
        return "not a file"
    return hashlib.sha256(path.read_bytes()).hexdigest()


def texts_of(release: Release) -> dict[str, str]:
    """Return what travels beside a model's files and MLflow's, by file name."""
    document = json.loads((release.folder / "model.json").read_text(encoding="utf-8"))
    schema = json.dumps(input_schema(document, model_digest(release.folder)[:12]), indent=1) + "\n"
    provenance = json.dumps(dict(release.tags), indent=1, sort_keys=True) + "\n"
    return {CARD: release.card, SCHEMA_FILE: schema, **release.further, PROVENANCE: provenance}


def write_manifest(folder: Path) -> str:
    """Write the manifest of all that is in a folder, and return the manifest's own sha256."""
    digests = {name: digest for name, digest in file_digests(folder).items() if name not in NOT_LISTED}
    text = "".join(f"{digest}  {name}\n" for name, digest in digests.items())
    (folder / MANIFEST).write_text(text, encoding="utf-8")
    return hashlib.sha256(text.encode()).hexdigest()


def listed_digests(folder: Path) -> dict[str, str]:
    """Return the sha256 of every file in a folder's manifest by its path.

    Raises
    ------
    ValueError
        If it is not, byte by byte, as it is written: other readers may then see other lines.
    """
    text = (folder / MANIFEST).read_bytes().decode("ascii")
    found = [match for line in text.split("\n") if (match := _LINE.fullmatch(line))]
    listed = {match["name"]: match["digest"] for match in found}
    if "".join(f"{digest}  {name}\n" for name, digest in listed.items()) != text:
        raise ValueError("lines that are no digest and file, or a file twice")
    return listed


def manifest_faults(folder: Path, expected: str | None) -> list[str]:
    """Return what differs from the manifest with the sha256 `expected`, a phrase for each file."""
    digests = file_digests(folder)
    if MANIFEST not in digests:
        return [f"{MANIFEST} is missing"]
    if digests[MANIFEST] != expected:
        return [f"{MANIFEST} is not the one of the tag pcr.manifest"]
    try:
        listed = listed_digests(folder)
    except ValueError:
        return [f"{MANIFEST} has more than a digest and a path for each file"]
    there = {name: digest for name, digest in digests.items() if name not in NOT_LISTED}
    return [
        *(f"{name} is missing" for name in listed if name not in there),
        *(f"{name} is altered" for name in listed if name in there and there[name] != listed[name]),
        *(f"{_shown(name)} was added" for name in there if name not in listed),
    ]


def _shown(name: str) -> str:
    """Return a name that somebody chose as it can be shown: on one line, and no order to a terminal."""
    return name if name.isprintable() else ascii(name)


def package_faults(folder: Path) -> list[str]:
    """Return what MLflow would do with a folder that a registered model does not ask for.

    The code that MLflow runs must be the file that the model's digest covers, nothing may be unpickled or
    imported from elsewhere, and nothing installed that the model does not name.
    """
    try:
        return [*_mlmodel_faults(folder), *_code_faults(folder), *_requirement_faults(folder)]
    except (
        OSError,
        yaml.YAMLError,
        AttributeError,
        KeyError,
        RecursionError,
        TypeError,
        ValueError,
    ) as error:
        return [f"the folder is not a model of this pipeline ({type(error).__name__})"]


def _mlmodel_faults(folder: Path) -> Iterator[str]:
    content = _yaml(folder / "MLmodel")
    flavors = content["flavors"]
    flavor = flavors["python_function"]
    yield from (f"MLmodel: {key} is given" for key in _NOT_ASKED if content.get(key))
    if not set(content) <= {*_KEYS, *_NOT_ASKED}:
        yield "MLmodel has keys that no model has"
    examples = content.get("saved_input_example_info") or {}
    if not {examples[key] for key in ("artifact_path", "serving_input_path") if key in examples} <= _EXAMPLES:
        yield "MLmodel names an example that is no file of the model"
    if content["signature"]["inputs"] is not None:
        yield "MLmodel: inputs have types, by which MLflow refuses or changes rows"
    if set(flavors) != {"python_function"} or not set(flavor) <= {*_FIXED, *_FREE}:
        yield "MLmodel names another way to load the model"
    for key, value in _FIXED.items():
        if flavor[key] != value:
            yield f"MLmodel: {key} is not {value}"
    if flavor["config"] != {"model_digest": model_digest(folder / ARTIFACTS)}:
        yield "MLmodel: config does not hold the digest of the model's files"
    paths = {place for artifact in flavor["artifacts"].values() for place in artifact.values()}
    if not paths <= {f"{ARTIFACTS}/{name}" for name in MODEL_FILES}:
        yield "MLmodel names artifacts that are no file of the model"


def _code_faults(folder: Path) -> Iterator[str]:
    if (folder / "serving.py").read_bytes() != (folder / ARTIFACTS / "serving.py").read_bytes():
        yield "serving.py, which MLflow runs, is not the model's own"
    yield from (f"{name} is a file that no model has" for name in file_digests(folder) if name not in _NAMES)


def _requirement_faults(folder: Path) -> Iterator[str]:
    """Yield where more would be installed than the model and MLflow need, or from elsewhere."""
    document = json.loads((folder / ARTIFACTS / "model.json").read_text(encoding="utf-8"))
    listed = (folder / "requirements.txt").read_text(encoding="utf-8").split("\n")
    others = set(listed) - set(document["requirements"])
    version = _yaml(folder / "MLmodel")["mlflow_version"]
    if len(others) != 1 or others.pop() not in {f"mlflow=={version}", f"mlflow-skinny=={version}"}:
        yield "requirements.txt lists other packages than the model, and the MLflow that stored it"
    if not all(map(_PINNED.fullmatch, listed)):
        yield "requirements.txt has lines that are not a package and its version"
    conda, environment = _yaml(folder / "conda.yaml"), _yaml(folder / "python_env.yaml")
    if not (set(conda) <= _CONDA and set(environment) <= _VIRTUALENV):
        yield "conda.yaml or python_env.yaml sets more than packages"
    tools = [entry for entry in conda["dependencies"] if not isinstance(entry, dict)]
    pip = [entry for entry in conda["dependencies"] if isinstance(entry, dict)]
    if [set(entry["pip"]) for entry in pip] != [set(listed)] or not all(map(_TOOL.fullmatch, tools)):
        yield "conda.yaml lists other packages than requirements.txt"
    if conda.get("name") != _CONDA_NAME or any(set(entry) != {"pip"} for entry in pip):
        yield "conda.yaml makes another environment than one of the model's own"
    if not _PYTHON.fullmatch(str(environment["python"])):
        yield "python_env.yaml names no version of Python"
    if conda["channels"] != ["conda-forge"]:
        yield "conda.yaml installs from another channel than conda-forge"
    if environment["dependencies"] != ["-r requirements.txt"]:
        yield "python_env.yaml installs more than requirements.txt"
    if not all(map(_TOOL.fullmatch, environment["build_dependencies"])):
        yield "python_env.yaml builds with other packages than pip, setuptools and wheel"


def _yaml(path: Path) -> Any:
    return yaml.load(path.read_text(encoding="utf-8"), Loader=_LOADER)  # noqa: S506 - safe
