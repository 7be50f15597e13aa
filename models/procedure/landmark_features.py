"""The features of a landmark, as features/<landmark>.json describes them.

What is learned depends on the description, not on the code that builds features (`features.feature`).
"""

from collections.abc import Sequence
from dataclasses import dataclass

import pandas as pd

from features.documents.feature import Feature, FeatureList, ModelledFeatureEntry


@dataclass(frozen=True)
class LandmarkFeature(Feature):
    """A feature at a landmark; `share_missing` is that of the patients at risk."""

    share_missing: float | None = None

    @property
    def document(self) -> ModelledFeatureEntry:
        """The feature as a model document has it."""
        return {**self.entry, "share_missing": self.share_missing}


@dataclass(frozen=True)
class Landmark:
    """A landmark's name, what its features are, and their values: a row per patient at risk."""

    name: str
    features: Sequence[LandmarkFeature]
    frame: pd.DataFrame


def landmark_features(description: FeatureList) -> list[LandmarkFeature]:
    """Return the features that features/<landmark>.json describes, in the order of the model's inputs."""
    return [
        LandmarkFeature(
            name=entry["name"],
            domain=entry["domain"],
            kind=entry["kind"],
            unit=entry["unit"],
            known_at=entry["known_at"],
            levels=tuple(entry["levels"]),
            low=entry["low"],
            high=entry["high"],
            description=entry["description"],
            share_missing=entry.get("share_missing"),
        )
        for entry in description["features"]
    ]


def as_documents(features: Sequence[LandmarkFeature]) -> list[ModelledFeatureEntry]:
    """Return features as a model document has them."""
    return [feature.document for feature in features]
