"""Numerical libraries use one thread and one set of kernels, unless the user has said otherwise."""

import importlib
import os
import subprocess
import sys

import pytest

from pipeline.project import numerics

THREADS = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS")


def test_libraries_are_told_to_use_one_thread_and_a_users_own_number_stays(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    for name in THREADS:
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("MKL_NUM_THREADS", "4")
    importlib.reload(numerics)
    assert [os.environ[name] for name in THREADS] == ["1", "1", "4"]


def test_kernels_without_avx_512_are_chosen_where_a_processor_may_have_it(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("platform.machine", lambda: "x86_64")
    monkeypatch.delenv("NPY_DISABLE_CPU_FEATURES", raising=False)
    importlib.reload(numerics)
    assert "X86_V4" in os.environ["NPY_DISABLE_CPU_FEATURES"].split()


PRODUCTS = """
import hashlib
import numpy as np
rows = np.random.default_rng(1).normal(size=(757, 64))
print(hashlib.sha256((rows.T @ rows).tobytes() + np.linalg.inv(rows.T @ (2 * rows)).tobytes()).hexdigest())
"""


def test_the_size_of_the_cache_changes_no_bit_of_a_product() -> None:
    kernels = {"OPENBLAS_CORETYPE": "Haswell", **dict.fromkeys(THREADS, "1")}
    told = [
        subprocess.run(
            [sys.executable, "-c", PRODUCTS],
            env=os.environ | kernels | {"OPENBLAS_L2_SIZE": size},
            check=True, capture_output=True, text=True,
        ).stdout
        for size in ("256", "512", "2048")
    ]  # fmt: skip
    assert len(set(told)) == 1
    assert told[0].strip()
