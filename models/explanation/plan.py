"""configs/explanation.yaml as typed objects: how contributions are summarised, what is expected of them."""

from dataclasses import dataclass
from typing import Annotated, Literal

from features.documents.parsing import Between, Count, Share, parsed

FILE = "configs/explanation.yaml"


@dataclass(frozen=True)
class Theme:
    """A biological theme: its name, and patterns of its features' names."""

    name: str
    features: tuple[str, ...]


@dataclass(frozen=True)
class Expectation:
    """A direction expected from published results.

    Levels `of` against levels `against`; of numbers, which have none, the upper third of the values against
    the lower. An input that `allocates` chooses the treatment.
    """

    name: str
    features: tuple[str, ...]
    expected: Literal["higher", "lower", "uncertain"]
    source: str
    of: tuple[str, ...] | None = None
    against: tuple[str, ...] | None = None
    allocates: bool = False


@dataclass(frozen=True)
class ExplanationPlan:
    """The content of configs/explanation.yaml.

    `top` features have the stability of their ranks; a number of at most `few_values` distinct values has a
    mean for each. Features stand in one cluster from a rank correlation of `clustered_from` on, in patients
    who have both values and are at least the share `clustered_min_share` of all. Inputs that allocate are
    left out at the landmarks `allocated_at`.
    """

    resamples: Count
    top: Count
    few_values: Count
    spline_knots: Annotated[int, Between(3)]
    curve_points: Annotated[int, Between(2)]
    split_by: str
    clustered_from: Share
    clustered_min_share: Share
    interactions: Annotated[int, Between(0)]
    interaction_patients: Count
    min_centre_patients: Count
    biology: tuple[Theme, ...]
    allocated_at: tuple[str, ...]
    expected: tuple[Expectation, ...]


def explanation_plan(document: object) -> ExplanationPlan:
    """Return configs/explanation.yaml as a typed object.

    Raises
    ------
    UserError
        If a key is unknown or missing, or a value is not what it must be.
    """
    return parsed(ExplanationPlan, document, FILE)
