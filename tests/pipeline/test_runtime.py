"""Where tasks run, and how the numerical libraries compute."""

import os
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

from features.errors import UserError
from pipeline.project.runtime import read_backend
from tests.workspace import ROOT


def configure(root: Path, backend: str) -> Path:
    (root / "configs").mkdir()
    (root / "configs/runtime.yaml").write_text(f"backend:\n  name: {backend}\n  address:\n")
    return root


def test_the_back_end_is_read_with_all_workers(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PCR_WORKERS", "3")
    backend = read_backend(configure(tmp_path, "loky"))
    assert (backend.name, backend.workers, backend.cluster) == ("loky", 3, None)


def configure_cluster(root: Path, tls: dict[str, str] | None) -> Path:
    (root / "configs").mkdir()
    document = yaml.safe_load((ROOT / "configs/runtime.yaml").read_text(encoding="utf-8"))
    document["backend"] = {"name": "dask", "address": "tls://host:8786" if tls else "tcp://127.0.0.1:8786"}
    document["cluster"]["tls"] = tls
    (root / "configs/runtime.yaml").write_text(yaml.safe_dump(document))
    return root


def test_a_cluster_is_read_with_the_settings_as_they_are_delivered(tmp_path: Path) -> None:
    cluster = read_backend(configure_cluster(tmp_path, None)).cluster
    assert cluster is not None
    assert (cluster.address, cluster.settings.plaintext) == ("tcp://127.0.0.1:8786", False)


def test_certificates_are_found_from_the_project_and_a_missing_one_is_named(tmp_path: Path) -> None:
    names = {"authority": "ca.pem", "certificate": "client.pem", "key": "client-key.pem"}
    root = configure_cluster(tmp_path, names)
    for name in ("ca.pem", "client.pem"):
        (root / name).touch()
    with pytest.raises(UserError, match=r"cluster\.tls\.key: .*client-key\.pem does not exist"):
        read_backend(root)
    (root / "client-key.pem").touch()
    cluster = read_backend(root).cluster
    assert cluster is not None
    assert cluster.settings.tls is not None
    assert cluster.settings.tls.authority == str(root / "ca.pem")


def test_a_misspelled_key_of_the_back_end_is_refused(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="adress"):
        read_backend(configure(tmp_path, "loky\n  adress: tcp://127.0.0.1:8786"))


def test_an_unknown_back_end_is_refused(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="must be one of fork, threading, loky, dask"):
        read_backend(configure(tmp_path, "thread"))


def test_one_thread_is_set_before_numpy_is_imported_and_a_choice_of_the_user_stays() -> None:
    program = "import os, sys; import pipeline.project.numerics; assert 'numpy' not in sys.modules; "
    program += "print(os.environ['OPENBLAS_NUM_THREADS'], os.environ['OMP_NUM_THREADS'])"
    environment = {k: v for k, v in os.environ.items() if not k.endswith("_NUM_THREADS")}
    done = subprocess.run(
        [sys.executable, "-c", program],
        check=True,
        env=environment | {"OMP_NUM_THREADS": "2"},
        capture_output=True,
        text=True,
    )
    assert done.stdout.split() == ["1", "2"]
