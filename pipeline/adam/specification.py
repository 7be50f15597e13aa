"""The analysis datasets and each of their variables: configs/adam.yaml with types."""

from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

from pipeline.project.settings import read_settings

Kind = Literal["text", "integer", "float", "date"]


@dataclass(frozen=True)
class Variable:
    """A variable of an analysis dataset; `source` says where it comes from, in words."""

    label: str
    type: Kind
    source: str
    required: bool = False


@dataclass(frozen=True)
class Dataset:
    """An analysis dataset: `structure` is ADaM's class, `keys` tell its records apart."""

    label: str
    structure: str
    keys: tuple[str, ...]
    variables: dict[str, Variable]


@dataclass(frozen=True)
class Specification:
    """The analysis datasets by name, in the order in which they are written."""

    datasets: dict[str, Dataset] = field(default_factory=dict)


def read_specification(path: Path) -> Specification:
    """Read configs/adam.yaml.

    Raises
    ------
    UserError
        If a key is unknown or missing, or a value is not what it must be.
    """
    return read_settings(Specification, path)
