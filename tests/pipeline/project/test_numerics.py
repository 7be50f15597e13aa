"""Numerical libraries use one thread and one set of kernels, unless the user has said otherwise."""

import importlib
import os

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
