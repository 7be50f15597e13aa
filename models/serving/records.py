"""What a pipeline state leaves in MLflow, and the digest by which a change of it is noticed."""

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path


@dataclass(frozen=True)
class Record:
    """What a pipeline state, or one landmark of it (below `parent`, a run id), leaves in MLflow."""

    key: str
    name: str
    params: Mapping[str, str]
    metrics: Mapping[str, float]
    tags: Mapping[str, str]
    artifacts: Mapping[str, Path] = field(default_factory=dict)
    parent: str | None = None

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
