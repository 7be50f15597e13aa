"""Where tasks run, from configs/runtime.yaml. It changes no number, so no stage depends on it."""

from pathlib import Path

from models.procedure.backends import Backend, workers
from pipeline.project import paths
from pipeline.project.files import read_yaml


def read_backend(root: Path = Path()) -> Backend:
    """Return the back end that the configuration names, with all the workers that this process may use.

    Raises
    ------
    UserError
        If the back end is unknown or its address does not fit.
    """
    backend = read_yaml(root / paths.RUNTIME)["backend"]
    return Backend(backend["name"], workers(), backend["address"])
