"""The manifest of a folder, as this project and as sha256sum read it."""

import subprocess
from pathlib import Path

import pytest

from models.serving.manifest import MANIFEST, manifest_faults, package_faults, write_manifest


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
