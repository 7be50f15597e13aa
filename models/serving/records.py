"""What a pipeline state leaves in MLflow, and the digest by which a change of it is noticed."""

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

STORED_NAME = "model"
"""The name under which MLflow stores the files of a version."""
RECORD_TAG = "pcr.record"
"""The sha256 of what was recorded in a run (`Record.digest`)."""
FORMAT_TAG, RECORD_FORMAT = "pcr.format", "3"
"""How a run was recorded; a run of another format is recorded anew and kept as superseded."""


@dataclass(frozen=True)
class DataInput:
    """A table that a run was made from: name, digest, place, and how large it is."""

    name: str
    digest: str
    place: str
    rows: int
    columns: int


@dataclass(frozen=True)
class Record:
    """What a pipeline state, or one landmark of it (below `parent`, a run id), leaves in MLflow.

    `note` is the Markdown that MLflow shows above the run.
    """

    key: str
    name: str
    params: Mapping[str, str]
    metrics: Mapping[str, float]
    tags: Mapping[str, str]
    artifacts: Mapping[str, Path] = field(default_factory=dict)
    parent: str | None = None
    inputs: tuple[DataInput, ...] = ()
    note: str = ""

    @property
    def digest(self) -> str:
        """The sha256 over parameters, metrics and tags, stored with the run."""
        return record_digest(self.params, self.metrics, self.tags)


def record_digest(params: Mapping[str, str], metrics: Mapping[str, float], tags: Mapping[str, str]) -> str:
    """Return the sha256 over a run's parameters, metrics and tags, but those of MLflow and ``pcr.``."""
    named = {name: text for name, text in tags.items() if not name.startswith(("mlflow.", "pcr."))}
    numbers = {name: float(value) for name, value in metrics.items()}
    content = json.dumps([dict(params), numbers, named], sort_keys=True)
    return hashlib.sha256(content.encode()).hexdigest()


@dataclass(frozen=True)
class Release:
    """What becomes one version of a registered model.

    `folder` holds model.json, serving.py and, for a boosted model, booster.txt; `example` is one row of
    inputs in contract names and units; `card` travels with the files, `description` is what the registry's
    page shows of it; `further` are texts by file name.
    """

    name: str
    folder: Path
    tags: Mapping[str, str]
    example: Mapping[str, object]
    card: str = ""
    description: str = ""
    further: Mapping[str, str] = field(default_factory=dict)
