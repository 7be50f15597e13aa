"""What estimators of two arms must keep, whatever the numbers: inversion, symmetry, limits, refusals."""

import numpy as np
import pytest
from scipy.special import ndtri
from scipy.stats import binomtest

from models.efficacy.ordinal import proportional_odds
from models.efficacy.proportions import (
    Arms,
    arms,
    difference,
    miettinen_nurminen,
    newcombe,
    odds_ratio,
    ratio,
    restricted,
    score,
    wilson,
)
from models.measures.common import MeasureError

TABLES = [([12, 5], [30, 9], [8, 7], [28, 20]), (0, 12, 3, 9), (9, 9, 4, 9), (1, 400, 3, 410)]


@pytest.mark.parametrize("table", TABLES)
def test_at_the_limits_of_the_score_interval_the_score_is_the_quantile(table: tuple[list[int], ...]) -> None:
    counts = arms(*table)
    interval = miettinen_nurminen(counts, 0.9)
    assert interval.low is not None
    assert interval.high is not None
    for limit, sign in ((interval.low, 1), (interval.high, -1)):
        if abs(limit) < 1 - 1e-9:
            assert score(counts, limit) == pytest.approx(sign * ndtri(0.95), rel=1e-6)


@pytest.mark.parametrize("delta", [-0.4, -0.05, 0.0, 0.2, 0.7])
def test_restricted_proportions_differ_by_delta_and_no_other_pair_is_more_likely(delta: float) -> None:
    counts = arms([12, 0, 9], [30, 12, 9], [8, 3, 4], [28, 9, 9])
    p, p0 = restricted(counts, delta)
    assert p - p0 == pytest.approx(np.full(3, delta))

    def likelihood(reference: np.ndarray) -> np.ndarray:
        treated = reference + delta
        with np.errstate(divide="ignore", invalid="ignore"):
            return np.nan_to_num(
                treated**counts.events * (1 - treated) ** (counts.n - counts.events)
                * reference**counts.events_reference
                * (1 - reference) ** (counts.n_reference - counts.events_reference)
            )  # fmt: skip

    grid = np.linspace(max(0, -delta), min(1, 1 - delta), 2001)[:, None]
    assert np.all(likelihood(p0) >= likelihood(grid).max(axis=0) * (1 - 1e-9))


def test_wilson_is_scipys_interval_for_every_count_at_once() -> None:
    events = np.arange(21.0)
    low, high = wilson(events, np.full(21, 20.0), 0.95)
    for k in range(21):
        one = binomtest(k, 20).proportion_ci(0.95, method="wilson")
        assert (low[k], high[k]) == (pytest.approx(one.low, abs=1e-12), pytest.approx(one.high, abs=1e-12))


def test_newcombe_takes_many_trials_at_once_and_stays_within_one() -> None:
    grid = np.arange(11.0)
    x, x0 = (axis.ravel() for axis in np.meshgrid(grid, grid))
    many = Arms(x, np.full(x.size, 10.0), x0, np.full(x.size, 10.0))
    low, high = newcombe(many, 0.95)
    assert np.all((low >= -1) & (low <= many.difference) & (many.difference <= high) & (high <= 1))


def test_equal_strata_give_what_one_of_them_gives_with_a_narrower_interval() -> None:
    one, four = arms(12, 30, 8, 28), arms([12] * 4, [30] * 4, [8] * 4, [28] * 4)
    for measure in (difference, ratio, odds_ratio, miettinen_nurminen):
        single, many = measure(one, 0.95), measure(four, 0.95)
        assert many.value == pytest.approx(single.value)
        assert None not in {single.low, single.high, many.low, many.high}
        assert many.high - many.low < single.high - single.low  # type: ignore[operator]


def test_turning_the_classes_or_the_arms_round_inverts_the_odds() -> None:
    treated, reference = np.array([20.0, 11, 9, 4]), np.array([12.0, 13, 15, 6])
    fit = proportional_odds(treated, reference, 0.95)
    for other in (
        proportional_odds(reference, treated, 0.95),
        proportional_odds(treated[::-1], reference[::-1], 0.95),
    ):
        assert other.odds_ratio.value == pytest.approx(1 / fit.odds_ratio.value)
        assert other.odds_ratio.low == pytest.approx(1 / (fit.odds_ratio.high or np.nan))
        assert other.statistic == pytest.approx(fit.statistic)


def test_two_classes_are_the_odds_ratio_of_the_table_and_an_empty_class_changes_nothing() -> None:
    fit = proportional_odds(np.array([12.0, 18]), np.array([8.0, 20]), 0.95)
    table = odds_ratio(arms(12, 30, 8, 28), 0.95)
    assert fit.odds_ratio.value == pytest.approx(table.value)
    assert fit.odds_ratio.low == pytest.approx(table.low)
    assert (fit.p_value, fit.freedom) == (None, 0)
    assert proportional_odds(np.array([12.0, 0, 18]), np.array([8.0, 0, 20]), 0.95) == fit


@pytest.mark.parametrize(
    ("treated", "reference", "told"),
    [
        ([5, 0], [0, 0], "both arms"),
        ([5, 0], [4, 0], "two classes"),
        ([9, 0, 0], [0, 4, 5], "overlap|maximum"),
    ],
)
def test_classes_that_have_no_estimate_are_told(treated: list[int], reference: list[int], told: str) -> None:
    with pytest.raises(MeasureError, match=told):
        proportional_odds(np.array(treated, dtype=float), np.array(reference, dtype=float), 0.95)
