"""What decides the numbers beside data and parameters: sources, versions, processor kernels."""

import importlib.util
import os
import pkgutil
import platform
from collections.abc import Iterator, Mapping, Sequence
from functools import lru_cache
from hashlib import sha256
from importlib.metadata import version

PACKAGES = ("numpy", "pandas", "scipy", "scikit-learn", "lightgbm")
# What decides the last bits of sums; see pipeline/__init__.py.
KERNELS = ("OPENBLAS_CORETYPE", "NPY_DISABLE_CPU_FEATURES")
# What a task may import, whoever wrote it.
PROJECT = ("features", "models", "pipeline")
Identity = Mapping[str, str | None]


def code_identity() -> dict[str, str | None]:
    """Return the digest of this package's sources, the versions, and the kernels that were asked for."""
    return {
        "source": _LOADED,
        "python": platform.python_version(),
        "machine": platform.machine(),
        **{package: version(package) for package in PACKAGES},
        **{name: os.environ.get(name) for name in KERNELS},
    }


@lru_cache(maxsize=1)
def cluster_identity() -> dict[str, str | None]:
    """Return what must be the same on two computers: `code_identity`, and the sources of the whole project.

    It is taken once in a process, before its first task: what is imported later cannot change it.
    """
    return code_identity() | {f"source of {package}": source_digest(package) for package in PROJECT}


def source_digest(package: str) -> str | None:
    """Return the sha256 of the source of every module of a package, or None if there is no such package.

    Nothing is imported: importing `pipeline` sets what decides the kernels.
    """
    spec = importlib.util.find_spec(package)
    if spec is None:
        return None
    total = sha256()
    for name, source in _sources(package, spec.submodule_search_locations or ()):
        total.update(f"{name}\n{source}\n".encode())
    return total.hexdigest()


def _sources(package: str, folders: Sequence[str]) -> Iterator[tuple[str, str | None]]:
    for module in sorted(pkgutil.iter_modules(folders, f"{package}."), key=lambda module: module.name):
        spec = module.module_finder.find_spec(module.name, None)
        if spec is not None and spec.loader is not None:
            yield module.name, spec.loader.get_source(module.name)  # type: ignore[attr-defined]
            yield from _sources(module.name, spec.submodule_search_locations or ())


# Taken at import: it is the code that this process runs, whatever happens to the files later.
_LOADED = source_digest(__name__.partition(".")[0])
