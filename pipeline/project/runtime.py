"""Where tasks run, from configs/runtime.yaml. It changes no number, so no stage depends on it."""

from dataclasses import dataclass, replace
from pathlib import Path

from features.documents.parsing import parsed
from features.errors import UserError
from models.procedure.backends import Backend, workers
from models.procedure.cluster.settings import Certificates, Cluster, ClusterSettings
from pipeline.project import paths
from pipeline.project.files import read_yaml


@dataclass(frozen=True)
class _Choice:
    name: str
    address: str | None = None


def read_backend(root: Path = Path()) -> Backend:
    """Return the back end that the configuration names, with all the workers that this process may use.

    Raises
    ------
    UserError
        If the back end is unknown, its address does not fit, or a certificate does not exist.
    """
    document = read_yaml(root / paths.RUNTIME)
    choice = parsed(_Choice, document["backend"], f"{paths.RUNTIME}, backend")
    if choice.address is None:
        return Backend(choice.name, workers())
    settings = parsed(ClusterSettings, document.get("cluster"), f"{paths.RUNTIME}, cluster")
    if settings.tls is not None:
        settings = replace(settings, tls=_existing(settings.tls, root))
    return Backend(choice.name, workers(), Cluster(choice.address, settings))


def read_process_backend(root: Path = Path()) -> Backend:
    """Return the cluster that the configuration names, or else processes of this computer.

    A simulated trial is Python code above all: threads would wait for each other.

    Raises
    ------
    UserError
        As `read_backend`.
    """
    backend = read_backend(root)
    return backend if backend.cluster is not None else replace(backend, name="loky")


def _existing(tls: Certificates, root: Path) -> Certificates:
    """Return the certificates by the paths that they have from here; paths are relative to the project."""
    files = {
        name: root / Path(getattr(tls, name)).expanduser() for name in ("authority", "certificate", "key")
    }
    for name, path in files.items():
        if not path.is_file():
            raise UserError(f"{paths.RUNTIME}, cluster.tls.{name}: {path} does not exist")
    return Certificates(**{name: str(path) for name, path in files.items()})
