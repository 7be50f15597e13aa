"""The manifest of a folder, as this project and as sha256sum read it."""

import json
import subprocess
from pathlib import Path

import pytest

from models.serving.manifest import _FIXED, MANIFEST, manifest_faults, package_faults, write_manifest
from models.serving.serving import model_digest


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "artifacts").mkdir()
    for name in ("MLmodel", "serving.py", "artifacts/model.json"):
        (tmp_path / name).write_text(name)
    return tmp_path


def test_sha256sum_reads_it(folder: Path) -> None:
    write_manifest(folder)
    check = ["sha256sum", "--check", "--strict", MANIFEST]
    assert subprocess.run(check, cwd=folder, capture_output=True, check=False).returncode == 0
    (folder / "serving.py").write_text("other")
    assert subprocess.run(check, cwd=folder, capture_output=True, check=False).returncode == 1


def test_what_is_missing_altered_added_or_linked_is_named(folder: Path) -> None:
    digest = write_manifest(folder)
    assert manifest_faults(folder, digest) == []
    (folder / "serving.py").write_text("other")
    (folder / "MLmodel").unlink()
    (folder / "extra.py").symlink_to(folder / "serving.py")
    found = ["MLmodel is missing", "serving.py is altered", "extra.py was added"]
    assert manifest_faults(folder, digest) == found
    assert manifest_faults(folder, "0" * 64) == [f"{MANIFEST} is not the one of the tag pcr.manifest"]
    (folder / MANIFEST).unlink()
    assert manifest_faults(folder, digest) == [f"{MANIFEST} is missing"]


def test_a_folder_that_is_no_model_is_told_so(folder: Path) -> None:
    assert package_faults(folder) == ["the folder is not a model of this pipeline (TypeError)"]


PINNED = ["numpy==2.4.6", "lightgbm==4.7.0"]
ENVIRONMENT: dict[str, object] = {
    "python": "3.11.7",
    "build_dependencies": ["pip==23.2.1", "wheel"],
    "dependencies": ["-r requirements.txt"],
}
NO_PIN = "requirements.txt has lines that are not a package and its version"
CHANNEL = "conda.yaml installs from another channel than conda-forge"
OTHERS = "conda.yaml lists other packages than requirements.txt"
MORE = "python_env.yaml installs more than requirements.txt"
TOOLS = "python_env.yaml builds with other packages than pip, setuptools and wheel"
OWN = "conda.yaml makes another environment than one of the model's own"
PYTHON = "python_env.yaml names no version of Python"
PIP = {"pip": [*PINNED, "mlflow==3.17.2"]}


def write_package(
    folder: Path, lines: list[str], conda: dict[str, object], environment: dict[str, object]
) -> None:
    """Write what `package_faults` reads of a registered model."""
    (folder / "artifacts" / "model.json").write_text(json.dumps({"requirements": lines}))
    for place in (folder, folder / "artifacts"):
        (place / "serving.py").write_text("")
    listed = [*lines, "mlflow==3.17.2"]
    (folder / "requirements.txt").write_text("\n".join(listed))
    tools = ["python=3.11.7", "pip<=23.2.1"]
    whole = {
        "name": "mlflow-env",
        "channels": ["conda-forge"],
        "dependencies": [*tools, {"pip": listed}],
    }
    (folder / "conda.yaml").write_text(json.dumps(whole | conda))
    (folder / "python_env.yaml").write_text(json.dumps(ENVIRONMENT | environment))
    flavor = _FIXED | {"config": {"model_digest": model_digest(folder / "artifacts")}, "artifacts": {}}
    content = {"mlflow_version": "3.17.2", "signature": {"inputs": None}}
    (folder / "MLmodel").write_text(json.dumps(content | {"flavors": {"python_function": flavor}}))


@pytest.mark.parametrize(
    ("lines", "conda", "environment", "faults"),
    [
        ([], {}, {}, []),
        (["--extra-index-url=http://elsewhere"], {}, {}, [NO_PIN]),
        (["x @ http://elsewhere/x.whl"], {}, {}, [NO_PIN]),
        ([], {"channels": ["http://elsewhere"]}, {}, [CHANNEL]),
        ([], {"dependencies": ["python=3.11.7", "x", PIP]}, {}, [OTHERS]),
        ([], {"dependencies": [PIP, {"pip": ["x"]}]}, {}, [OTHERS]),
        ([], {}, {"dependencies": ["-r requirements.txt", "x"]}, [MORE]),
        ([], {}, {"build_dependencies": ["x==1"]}, [TOOLS]),
        ([], {"name": "base"}, {}, [OWN]),
        ([], {"dependencies": [PIP | {"uv": ["x"]}]}, {}, [OWN]),
        ([], {}, {"python": "elsewhere/python"}, [PYTHON]),
        ([], {}, {"python": "3.11 --with x"}, [PYTHON]),
    ],
)
def test_what_would_be_installed_beside_the_models_packages_is_named(
    folder: Path,
    lines: list[str],
    conda: dict[str, object],
    environment: dict[str, object],
    faults: list[str],
) -> None:
    write_package(folder, [*PINNED, *lines], conda, environment)
    assert package_faults(folder) == faults
