"""Models made elsewhere, as stage compare judged them, with types."""

from collections.abc import Mapping
from dataclasses import dataclass

from pipeline.project.estimates import Measures, parse_measures


@dataclass(frozen=True)
class ChallengerResult:
    """A challenger by group (all, then arms): its measures, those of the model, and the model minus it.

    `reason` says why it was not judged.
    """

    landmark: str
    measures: Mapping[str, Measures]
    model: Mapping[str, Measures]
    differences: Mapping[str, Measures]
    reason: str


def parse_challenger(content: Mapping[str, object]) -> ChallengerResult:
    """Return what was found of a challenger."""
    return ChallengerResult(
        str(content["landmark"]),
        _by_group(content.get("measures")),
        _by_group(content.get("model")),
        _by_group(content.get("differences")),
        str(content.get("error", "")),
    )


def _by_group(parts: object) -> dict[str, Measures]:
    groups = parts if isinstance(parts, Mapping) else {}
    return {str(group): parse_measures(part) for group, part in groups.items()}
