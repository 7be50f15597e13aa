"""A result has its number, or in its place the reason why there is none."""

from models.efficacy.records import row, with_value
from models.measures.common import Measure, MeasureError

RESULT = row("itt", "ADAPTIVE", "pcr", "wilson", level="HR positive", n=40, events=12)


def none_at_all() -> Measure:
    raise MeasureError("no patients")


def test_a_number_has_its_interval_where_there_is_one() -> None:
    assert with_value(RESULT, Measure, 0.3, 0.2, 0.4) == RESULT | {"value": 0.3, "low": 0.2, "high": 0.4}
    assert with_value(RESULT, Measure, 0.3, None, None) == RESULT | {"value": 0.3}


def test_what_cannot_be_computed_is_an_error_in_its_place() -> None:
    assert with_value(RESULT, none_at_all) == RESULT | {"error": "no patients"}
    assert (RESULT["n"], RESULT["events"], RESULT["level"]) == (40, 12, "HR positive")
