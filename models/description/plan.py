"""configs/description.yaml as typed objects: what is described of patients and their course."""

from dataclasses import dataclass
from typing import Annotated

from features.documents.parsing import Between, parsed
from features.safety import EjectionFractionFall

FILE = "configs/description.yaml"
Grade = Annotated[int, Between(1, 5)]


@dataclass(frozen=True)
class Course:
    """A family of features drawn over the visits; ``{visit}`` stands for each of them."""

    name: str
    feature: str


@dataclass(frozen=True)
class AdverseEvent:
    """An adverse event of the tables: its preferred terms from a grade on."""

    name: str
    terms: tuple[str, ...]
    grade: Grade


@dataclass(frozen=True)
class ToxicityPlan:
    """Which adverse events are shown, which actions stopped a drug, from which grade one is severe or fatal.

    `ejection_fraction` is the fall that counts by measurement; `follow_up_days` after the start of the last
    cycle end the time at risk of an event.
    """

    severe: Grade
    fatal: Grade
    stopped: tuple[str, ...]
    ejection_fraction: EjectionFractionFall
    follow_up_days: Annotated[int, Between(0, 365)]
    terms: tuple[AdverseEvent, ...]


@dataclass(frozen=True)
class DescriptionPlan:
    """The content of configs/description.yaml."""

    over_time: tuple[Course, ...]
    toxicity: ToxicityPlan


def description_plan(document: object) -> DescriptionPlan:
    """Return configs/description.yaml as a typed object.

    Raises
    ------
    UserError
        If a key is unknown or missing, or a value is not what it must be.
    """
    return parsed(DescriptionPlan, document, FILE)
