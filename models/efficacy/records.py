"""One row for every result: whose, of what, by which method, and the number with its interval."""

from collections.abc import Callable
from typing import NotRequired, ParamSpec, TypedDict

from models.measures.common import Measure, MeasureError

P = ParamSpec("P")


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


def row(
    population: str, group: str, measure: str, method: str, *, level: str = "", n: int | None = None,
    events: int | None = None,
) -> ResultRow:  # fmt: skip
    """Return a result without its number."""
    result: ResultRow = {
        "population": population, "group": group, "level": level, "measure": measure, "method": method,
    }  # fmt: skip
    if n is not None:
        result["n"] = int(n)
    if events is not None:
        result["events"] = int(events)
    return result


def with_value(
    result: ResultRow, compute: Callable[P, Measure], *args: P.args, **kwargs: P.kwargs
) -> ResultRow:
    """Return the row with what `compute` gives of the arguments, or with the reason why it gives nothing."""
    try:
        measure = compute(*args, **kwargs)
    except MeasureError as error:
        return {**result, "error": str(error)}
    filled: ResultRow = {**result, "value": float(measure.value)}
    if measure.low is not None:
        filled["low"] = float(measure.low)
    if measure.high is not None:
        filled["high"] = float(measure.high)
    return filled


def number(value: float) -> Measure:
    """Return a number that has no interval, such as a p value."""
    return Measure(float(value), None, None)
