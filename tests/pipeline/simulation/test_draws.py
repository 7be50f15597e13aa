"""Random streams and the small distributions."""

import numpy as np
import pytest

from pipeline.sources.simulation.draws import (
    Streams,
    as_dates,
    bounded_normal,
    days_within,
    expit,
    only_where,
    pick,
    shifted_chance,
)
from pipeline.sources.simulation.section import Bounded, Days


def test_a_stream_goes_on_where_it_was_left_and_leaves_the_others_alone() -> None:
    one, two = Streams(1), Streams(1)
    two("another").random(5)
    assert one("part").random(2).tolist() + one("part").random(1).tolist() == two("part").random(3).tolist()
    assert Streams(2)("part").random() != Streams(1)("part").random()


def test_a_chance_is_shifted_on_the_logit_scale() -> None:
    assert shifted_chance(0.5, np.log([1.0, 3.0])).tolist() == pytest.approx([0.5, 0.75])
    assert expit(np.array([0.0]))[0] == 0.5


def test_labels_are_picked_in_proportion_to_their_shares() -> None:
    shares = {"a": 1.0, "b": 3.0}
    assert pick(np.array([0.0, 0.2499, 0.25, 0.999]), shares).tolist() == ["a", "a", "b", "b"]


def test_values_stand_only_where_they_are_known() -> None:
    known = np.array([True, False])
    assert only_where(known, "x").tolist() == ["x", None]
    assert only_where(known, np.array([1, 2])).tolist() == [1, None]


def test_draws_stay_within_their_bounds_and_reach_them() -> None:
    rng = np.random.default_rng(0)
    values = bounded_normal(rng, 2000, Bounded(mean=0.0, sd=1.0, low=-1.0, high=0.5))
    assert (values.min(), values.max()) == (-1.0, 0.5)
    assert set(days_within(rng, 200, Days(earliest=2, latest=4)).tolist()) == {2, 3, 4}


def test_days_become_dates_and_unknown_days_none() -> None:
    dates = as_dates("2025-12-31", np.array([0, 1]), np.array([True, False]))
    assert str(dates[0])[:10] == "2025-12-31"
    assert np.isnat(dates[1])
