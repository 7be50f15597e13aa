"""Estimates as stored and as written: one reader, one way of writing value and interval."""

import pytest

from features.errors import PipelineFault
from pipeline.project.estimates import (
    Estimate,
    bounds_text,
    estimate_text,
    number_text,
    parse_estimate,
    parse_measures,
    verdict,
)


def test_an_estimate_keeps_its_interval_its_reason_and_its_other_numbers() -> None:
    pooled = parse_estimate({"value": 0.7, "low": 0.6, "high": 0.8, "prediction_low": 0.5, "tau2": 0})
    assert (pooled.point, pooled.interval, pooled.extra) == (
        0.7, (0.6, 0.8), {"prediction_low": 0.5, "tau2": 0.0},
    )  # fmt: skip
    assert parse_estimate({"error": "no events"}) == Estimate(reason="no events")
    assert parse_estimate({"counted_only": 1, "note": "one group"}).reason == "one group"


def test_another_interval_of_an_estimate_is_none_where_a_limit_is_missing() -> None:
    both = Estimate(1.0, 0.9, 1.1, extra={"prediction_low": 0.5, "prediction_high": 1.5})
    assert both.with_interval("prediction").interval == (0.5, 1.5)
    assert not Estimate(1.0, 0.9, 1.1, extra={"prediction_low": 0.5}).with_interval("prediction").has_interval


def test_what_was_not_computed_has_neither_point_nor_interval() -> None:
    with pytest.raises(PipelineFault, match="no events"):
        _ = Estimate(reason="no events").point
    with pytest.raises(PipelineFault, match="without an interval"):
        _ = Estimate(0.5).interval


def test_measures_know_their_patients_and_which_have_an_interval() -> None:
    measures = parse_measures(
        {"n": {"value": 40}, "events": {"value": 12}, "auc": {"value": 0.7}, "samples": 10}
    )
    assert (measures.patients, measures.events, set(measures)) == (40, 12, {"n", "events", "auc"})
    assert measures.interval_of("auc") is None
    assert measures.interval_of("brier") is None


@pytest.mark.parametrize(
    ("estimate", "text"),
    [
        (Estimate(0.7398, 0.7167, 0.7616), "0.740 (0.717 to 0.762)"),
        (Estimate(0.7398), "0.740"),
        (Estimate(reason="no events"), "not evaluated"),
        (None, "not evaluated"),
    ],
)
def test_an_estimate_is_written_as_value_low_to_high(estimate: Estimate | None, text: str) -> None:
    assert estimate_text(estimate) == text


def test_numbers_are_scaled_signed_and_rounded_for_the_reader() -> None:
    assert number_text(0.1234, 1, scale=100) == "12.3"
    assert number_text(0.5, 2, signed=True) == "+0.50"
    assert bounds_text(-0.02, 0.004, 2) == "-0.02 to 0.00"


@pytest.mark.parametrize(
    ("low", "high", "metric", "said"),
    [
        (-0.02, -0.01, "log_loss", "better"),
        (0.01, 0.02, "log_loss", "worse"),
        (0.01, 0.02, "auc", "better"),
        (-0.02, -0.01, "auc", "worse"),
        (0.01, 0.02, "net_benefit@0.65", "better"),
        (-0.01, 0.02, "auc", "not distinguishable"),
        (0.0, 0.02, "brier", "not distinguishable"),
    ],
)
def test_a_difference_is_told_by_its_interval(low: float, high: float, metric: str, said: str) -> None:
    assert verdict(Estimate((low + high) / 2, low, high), metric) == said
