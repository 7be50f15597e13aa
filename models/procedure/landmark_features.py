"""The features of a landmark, as features/<landmark>.json describes them.

What is learned depends on the description, not on the code that builds features (`features.feature.Feature`).
"""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import pandas as pd


@dataclass(frozen=True)
class LandmarkFeature:
    """A feature at a landmark.

    `kind` is ``numeric`` or ``categorical`` (one of `levels`); `known_at` is the visit from which the value
    can be known; `low` and `high` are in `unit`, None where there is no limit; `share_missing` is that of the
    patients at risk.
    """

    name: str
    domain: str
    kind: str
    unit: str
    known_at: str
    levels: tuple[str, ...]
    low: float | None
    high: float | None
    description: str
    share_missing: float | None = None

    @property
    def is_numeric(self) -> bool:
        """Whether the feature is a number; else it is one of its levels."""
        return self.kind == "numeric"

    def as_dict(self) -> dict[str, Any]:
        """Return the feature as a model document has it."""
        return asdict(self) | {"levels": list(self.levels)}


@dataclass(frozen=True)
class Landmark:
    """A landmark's name, what its features are, and their values: a row per patient at risk."""

    name: str
    features: Sequence[LandmarkFeature]
    frame: pd.DataFrame


def landmark_features(description: Mapping[str, Any]) -> list[LandmarkFeature]:
    """Return the features that features/<landmark>.json describes, in the order of the model's inputs."""
    return [
        LandmarkFeature(**entry | {"levels": tuple(entry["levels"])}) for entry in description["features"]
    ]


def as_documents(features: Sequence[LandmarkFeature]) -> list[dict[str, Any]]:
    """Return features as a model document has them."""
    return [feature.as_dict() for feature in features]
