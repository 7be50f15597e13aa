"""Configuration files as dataclasses: an unknown key is refused, and the nearest valid one is named."""

from pathlib import Path

from features.documents.parsing import Value, parsed
from pipeline.project.files import read_yaml


def read_settings(kind: type[Value], path: Path) -> Value:
    """Return a YAML file as the dataclass `kind`.

    Raises
    ------
    UserError
        If it is not YAML, a key is unknown or missing, or a value is not what it must be.
    """
    return parsed(kind, read_yaml(path), str(path))
