"""Missing outcomes: the difference at every shift, its tipping point, and the worst case."""

import numpy as np
import pytest
from scipy.special import expit

from models.evaluation.tipping import Paired, tipping_point, worst_case

RNG = np.random.default_rng(3)


def paired(gap: float, missing: int = 30) -> Paired:
    """Return 100 known differences about `gap`, and others whom the model gives odds of one."""
    known = gap + RNG.normal(0, 0.1, 100)
    return Paired(known, 60, np.full(missing, 0.4), np.full(missing, -0.4), np.zeros(missing))


def test_the_mean_and_its_error_are_those_of_drawn_outcomes() -> None:
    one = paired(-0.1)
    found = one.difference(np.full(30, 0.3), 0.95)
    drawn = np.where(RNG.random((4000, 30)) < 0.3, 0.4, -0.4)
    every = np.concatenate([np.tile(one.known, (4000, 1)), drawn], axis=1)
    assert found.value == pytest.approx(every.mean(), abs=2e-3)
    half = 1.96 * every.std(axis=1).mean() / np.sqrt(130)
    assert (found.high or 0) - found.value == pytest.approx(half, rel=0.03)


def test_the_tipping_point_is_the_nearest_shift_that_changes_the_verdict() -> None:
    one = paired(-0.05)
    found = tipping_point(one, 0.95)
    shift = found["shift"]["value"]
    assert found["delta_log_loss"]["high"] < 0, "better where outcomes are missing at random"
    before, after = (one.difference(expit(np.full(30, at)), 0.95).high for at in (shift - 0.1, shift))
    assert before is not None
    assert after is not None
    assert shift > 0
    assert before < 0 <= after
    assert found["events"] == {"value": 60 + 15}


def test_a_difference_that_no_missing_outcome_can_change_has_no_tipping_point() -> None:
    assert "no shift" in tipping_point(paired(-0.5, missing=1), 0.95)["shift"]["error"]


def test_the_worst_case_gives_every_patient_the_outcome_that_speaks_against_the_model() -> None:
    one = paired(-0.05)
    worst = worst_case(one, 0.95)
    assert worst["delta_log_loss"]["value"] == pytest.approx((one.known.sum() + 30 * 0.4) / 130)
    assert worst["events"] == {"value": 90}
    assert worst["missing"] == {"value": 30}
