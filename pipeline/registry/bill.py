"""What a registered model is made of: a CycloneDX bill of materials, and requirements with hashes.

Both are made from what is installed and from requirements.lock, and travel with the model; they are bytes of
the environment alone, so that they can be made again.
"""

import hashlib
import json
import re
import uuid
from collections.abc import Iterable, Iterator
from importlib.metadata import PackageNotFoundError, distribution
from pathlib import Path

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from models.serving.serving import MODEL_FILES, ModelDocument, model_digest

LOCK = Path("requirements.lock")
BILL, HASHED = "bom.cdx.json", "requirements-hashed.txt"
_PIN = re.compile(r"^(?P<name>[A-Za-z0-9._-]+)==\S+")


def closure(requirements: Iterable[str]) -> dict[str, str]:
    """Return the installed version of packages and of all that they need, by normalised name.

    What a marker or an extra leaves out of this environment is left out here.
    """
    versions: dict[str, str] = {}
    waiting = [Requirement(text) for text in requirements]
    while waiting:
        requirement = waiting.pop()
        name = canonicalize_name(requirement.name)
        extras = requirement.extras or {""}
        marked = requirement.marker is None or requirement.marker.evaluate({"extra": ""})
        if not marked or name in versions:
            continue
        try:
            installed = distribution(name)
        except PackageNotFoundError:
            continue
        versions[name] = installed.version
        for text in installed.requires or ():
            needed = Requirement(text)
            if needed.marker is None or any(needed.marker.evaluate({"extra": extra}) for extra in extras):
                needed.marker = None
                waiting.append(needed)
    return dict(sorted(versions.items()))


def hashed_requirements(versions: dict[str, str], lock: str) -> str:
    """Return the entries of a lock file with hashes that are of given packages, as pip installs them.

    `pip install --require-hashes -r` then takes these very files, or none.
    """
    return "".join(
        "".join(line for line in block if not line.lstrip().startswith("#")).rstrip().rstrip("\\").rstrip()
        + "\n"
        for name, block in _blocks(lock)
        if name in versions
    )


def _blocks(lock: str) -> Iterator[tuple[str, list[str]]]:
    name, block = "", list[str]()
    for line in lock.splitlines(keepends=True):
        if match := _PIN.match(line):
            if name:
                yield name, block
            name, block = canonicalize_name(match["name"]), [line]
        elif name:
            block.append(line)
    if name:
        yield name, block


def bill_of_materials(document: ModelDocument, folder: Path, versions: dict[str, str]) -> dict[str, object]:
    """Return the CycloneDX 1.6 document of a model: its files with their digests, and the packages it needs.

    Parameters
    ----------
    document : ModelDocument
        The content of model.json.
    folder : Path
        The folder of the model's files.
    versions : mapping
        Packages by name (`closure`).
    """
    digest = model_digest(folder)
    files = [folder / name for name in MODEL_FILES if (folder / name).is_file()]
    packages = [_package(name, version) for name, version in versions.items()]
    direct = {canonicalize_name(Requirement(text).name) for text in document["requirements"]}
    needed = [entry["bom-ref"] for entry in packages if entry["name"] in direct]
    return {
        "bomFormat": "CycloneDX",
        "specVersion": "1.6",
        "serialNumber": f"urn:uuid:{uuid.uuid5(uuid.NAMESPACE_OID, digest)}",
        "version": 1,
        "metadata": {
            "component": {
                "type": "machine-learning-model",
                "bom-ref": "model",
                "name": document["model"],
                "version": digest[:12],
                "description": document["estimand"],
                "components": [_file(file) for file in files],
            }
        },
        "components": packages,
        "dependencies": [{"ref": "model", "dependsOn": needed}],
    }


def _file(file: Path) -> dict[str, object]:
    digest = hashlib.sha256(file.read_bytes()).hexdigest()
    return {"type": "file", "name": file.name, "hashes": [{"alg": "SHA-256", "content": digest}]}


def _package(name: str, version: str) -> dict[str, object]:
    reference = f"pkg:pypi/{name}@{version}"
    entry: dict[str, object] = {
        "type": "library",
        "bom-ref": reference,
        "name": name,
        "version": version,
        "purl": reference,
    }
    metadata = distribution(name).metadata
    if "License-Expression" not in metadata:
        return entry
    return entry | {"licenses": [{"expression": metadata["License-Expression"]}]}


def further_files(document: ModelDocument, folder: Path) -> dict[str, str]:
    """Return bill of materials and hashed requirements by file name; the latter only beside a lock file."""
    versions = closure([*document["requirements"], "mlflow"])
    bill = json.dumps(bill_of_materials(document, folder, versions), indent=1) + "\n"
    lock = {HASHED: hashed_requirements(versions, LOCK.read_text(encoding="utf-8"))} if LOCK.is_file() else {}
    return {BILL: bill, **lock}
