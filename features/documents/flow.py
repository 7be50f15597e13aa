"""What cohort/flow.json holds: the cohort, counted from randomisation to outcome."""

from typing import TypedDict


class CriterionCount(TypedDict):
    """An eligibility criterion with its counts of patients."""

    id: str
    text: str
    excluding: bool
    met: int
    violated: int
    not_assessable: int
    not_applicable: int


class AtRisk(TypedDict):
    """The patients at risk at a landmark, and those who are not, by reason."""

    at_risk: int
    by_arm: dict[str, int]
    not_at_risk: dict[str, int]


class Flow(TypedDict):
    """cohort/flow.json."""

    randomised: int
    by_arm: dict[str, int]
    criteria: list[CriterionCount]
    eligible: int
    eligible_by_arm: dict[str, int]
    outcome: dict[str, int]
    outcome_missing: dict[str, int]
    pcr: int
    pcr_by_arm: dict[str, int]
    landmarks: dict[str, AtRisk]
