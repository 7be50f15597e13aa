"""Watching a model: formulas by hand, limits that hold, and updates that the closed test chooses."""

from pathlib import Path

import numpy as np
import pytest
from scipy.special import expit, logit

from models.monitoring.closed_test import closed_test
from models.monitoring.cusum import cusum, cusum_limit, intercept_se
from models.monitoring.drift import drifted, stability
from models.monitoring.likelihood import fitted
from models.monitoring.operating import SCENARIOS, characteristics
from models.monitoring.settings import MonitoringSettings
from models.monitoring.watch import Training, watch
from models.monitoring.windows import calibration_windows
from models.procedure.calibration import recalibrate
from pipeline.project.settings import read_settings

SETTINGS = read_settings(MonitoringSettings, Path(__file__).parents[2] / "configs/monitoring.yaml")


def stream(
    n: int, intercept: float = 0.0, slope: float = 1.0, seed: int = 1
) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    log_odds = rng.normal(-0.6, 1.3, n)
    return (rng.random(n) < expit(intercept + slope * log_odds)).astype(float), log_odds


def test_a_cusum_adds_the_log_likelihood_ratio_and_never_falls_below_0() -> None:
    up, down = cusum(np.array([1.0, 1.0, 0.0, 0.0]), np.array([0.5, 0.2, 0.5, 0.9]), 2.0)
    first = np.log(2 / 1.5)
    assert up.tolist() == pytest.approx([first, first + np.log(2 / 1.2), first + np.log(2 / 1.2 / 1.5), 0.0])
    assert down[:2].tolist() == [0.0, 0.0]
    assert down[2] == pytest.approx(np.log(1 / 0.75))


def test_the_cusums_limit_is_reached_by_its_share_of_other_streams_without_drift() -> None:
    p = expit(stream(300)[1])
    limit = cusum_limit(p, 1.75, 0.05, 4000, seed=1)
    rng = np.random.default_rng(99)
    reached = [cusum((rng.random(300) < p).astype(float), p, 1.75).max() > limit for _ in range(1000)]
    assert np.mean(reached) == pytest.approx(0.05, abs=0.02)
    assert cusum_limit(p, 1.75, 0.05, 4000, seed=1, intercept_se=intercept_se(200, 80)) > limit


def test_stability_is_that_of_its_formula_and_its_limit_holds_without_drift() -> None:
    before, now = np.array([50, 50, 0]), np.array([30, 70, 0])
    p, q = np.array([50.5, 50.5]) / 101, np.array([30.5, 70.5]) / 101
    found = stability(before, now, 0.01)
    assert found.index == pytest.approx(((q - p) * np.log(q / p)).sum())
    assert found.has_drifted
    rng = np.random.default_rng(1)
    draws = [(rng.multinomial(1500, [0.2] * 5), rng.multinomial(100, [0.2] * 5)) for _ in range(2000)]
    beyond = [stability(np.append(a, 0), np.append(b, 0), 0.05).has_drifted for a, b in draws]
    assert np.mean(beyond) == pytest.approx(0.05, abs=0.015)


def test_values_that_go_missing_are_drift_and_the_furthest_comes_first() -> None:
    found = {
        "same": stability(np.array([500, 500, 0]), np.array([50, 50, 0]), 0.01),
        "missing": stability(np.array([500, 500, 0]), np.array([25, 25, 50]), 0.01),
        "other": stability(np.array([500, 500, 0]), np.array([15, 85, 0]), 0.01),
    }
    assert drifted(found) == ["missing", "other"]
    assert (found["missing"].missing_before, found["missing"].missing) == (0.0, 0.5)


def test_a_fit_beside_an_offset_is_that_of_the_recalibration() -> None:
    y, log_odds = stream(400, intercept=0.4, slope=0.7)
    fit = fitted(np.column_stack([np.ones(400), log_odds]), y, log_odds)
    assert fit is not None
    assert [fit[0], 1 + fit[1]] == pytest.approx(recalibrate(log_odds, y), abs=1e-7)
    assert fitted(np.ones((3, 1)), np.ones(3), np.zeros(3)) is None


@pytest.mark.parametrize(
    ("intercept", "slope", "method"), [(0.0, 1.0, "none"), (-0.8, 1.0, "intercept"), (0.0, 0.4, "slope")]
)
def test_the_closed_test_chooses_the_smallest_update_that_is_enough(
    intercept: float, slope: float, method: str
) -> None:
    y, log_odds = stream(1500, intercept, slope)
    parts = np.column_stack([0.6 * log_odds, 0.4 * log_odds + np.random.default_rng(5).normal(0, 0.3, 1500)])
    chosen = closed_test(y, log_odds, parts, 0.05)
    assert chosen is not None
    assert chosen.method == method
    if method != "none":
        assert (chosen.intercept, chosen.slope) == pytest.approx((intercept, slope), abs=0.2)


def test_a_domain_that_tells_nothing_any_more_asks_for_a_refit() -> None:
    rng = np.random.default_rng(3)
    parts = rng.normal(0, 1, (1500, 2))
    y = (rng.random(1500) < expit(parts[:, 0])).astype(float)
    chosen = closed_test(y, parts.sum(axis=1), parts, 0.05)
    assert chosen is not None
    assert (chosen.method, chosen.slope) == ("refit", 1.0)
    assert closed_test(np.ones(10), np.zeros(10), np.zeros((10, 1)), 0.05) is None


def test_windows_tell_observed_and_expected_and_what_their_size_can_show() -> None:
    y, p = np.array([1.0, 0.0, 1.0, 0.0, 1.0]), np.full(5, 0.5)
    first, last = calibration_windows(y, p, 4)
    assert (first.first, first.last, first.observed, first.expected, first.o_e) == (1, 4, 2, 2.0, 1.0)
    assert (last.first, last.last, last.o_e) == (5, 5, 2.0)
    assert first.detectable == pytest.approx(2.8016 / 1.0, abs=1e-3)
    assert first.o_e_low < 1 < first.o_e_high


def test_a_stream_that_shifts_is_noticed_and_one_that_does_not_is_left_alone() -> None:
    training = Training(1500, 600, {"x": np.array([750, 750, 0])})
    groups = {"x": np.tile([0, 1], 150)}
    assert watch(*stream(300, seed=4), groups, training, SETTINGS).alarms == []
    shifted = watch(*stream(300, intercept=-1.2, seed=4), groups, training, SETTINGS).alarms
    assert (shifted[0].kind, shifted[0].detail) == ("cusum", "fewer events than predicted")
    assert shifted[0].patients < 150
    gone = watch(*stream(300, seed=4), {"x": np.full(300, 2)}, training, SETTINGS).alarms
    assert (gone[0].kind, gone[0].patients, gone[0].detail) == ("drift", 100, "x")


def test_few_streams_without_drift_raise_an_alarm_and_many_with_a_shift_do() -> None:
    """A short form of `make monitoring-check`, whose figures are in docs/monitoring.md."""
    none, shift = (
        characteristics(scenario, SETTINGS, streams=60, training_patients=1500, seed=7)
        for scenario in SCENARIOS[:2]
    )
    assert none.alarmed <= 0.1
    assert none.chosen["none"] >= 0.85
    assert shift.alarmed > 0.5
    assert shift.median_delay < 250


def test_the_log_odds_of_events_have_the_error_of_their_number() -> None:
    assert intercept_se(400, 100) == pytest.approx(1 / np.sqrt(400 * 0.25 * 0.75), rel=0.01)
    assert logit(0.5) == 0
