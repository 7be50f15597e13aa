"""Where tasks run, and how the numerical libraries compute."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from features.errors import UserError
from pipeline.project.runtime import read_backend


def configure(root: Path, backend: str) -> Path:
    (root / "configs").mkdir()
    (root / "configs/runtime.yaml").write_text(f"backend:\n  name: {backend}\n  address:\n")
    return root


def test_the_back_end_is_read_with_all_workers(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PCR_WORKERS", "3")
    backend = read_backend(configure(tmp_path, "loky"))
    assert (backend.name, backend.workers, backend.address) == ("loky", 3, None)


def test_an_unknown_back_end_is_refused(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="must be one of threading, loky, dask"):
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
