"""What results/efficacy.json holds: the plan of the comparison, and a row for every result."""

from typing import NotRequired, TypedDict


class ResultRow(TypedDict):
    """A result, or in `error` why there is none.

    `population`: who is analysed. `group`: which of them, such as an arm or ``ADAPTIVE - CONTROL``.
    `level`: a part of the group, such as a subgroup; empty for all. `n`, `events`: what the number rests on.
    """

    population: str
    group: str
    level: str
    measure: str
    method: str
    value: NotRequired[float]
    low: NotRequired[float]
    high: NotRequired[float]
    n: NotRequired[int]
    events: NotRequired[int]
    error: NotRequired[str]


class ComparisonDocument(TypedDict):
    """The plan of the comparison as it was followed; whether the shares of the randomisation are known."""

    reference: str
    hypothesis: str
    margin: float
    strata: list[str]
    interactions: list[str]
    assumed: bool
    known_allocation: bool


class EfficacyDocument(TypedDict):
    """results/efficacy.json: the plan, or the reason why arms are not compared, and all results.

    `not_due`: patients in no population, because their surgery is not yet due. `left_out`: strata and
    interactions that the data do not have.
    """

    plan: ComparisonDocument | None
    reason: str
    not_due: int
    left_out: list[str]
    rows: list[ResultRow]
