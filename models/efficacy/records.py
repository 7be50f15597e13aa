"""One row for every result: whose, of what, by which method, and the number with its interval."""

from collections.abc import Callable
from typing import ParamSpec

from models.efficacy.documents import ResultRow
from models.measures.common import Measure, MeasureError

P = ParamSpec("P")


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
