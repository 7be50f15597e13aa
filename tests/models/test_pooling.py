"""Random-effects meta-analysis: against metafor, by its properties, and what it refuses."""

from dataclasses import asdict
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from hypothesis import assume, example, given, settings
from hypothesis import strategies as st
from scipy.optimize import minimize_scalar

from models.measures.common import MeasureError
from models.measures.pooling import random_effects, tau2_reml

steady = settings(deadline=None, derandomize=True, max_examples=50)
REFERENCE = Path(__file__).parents[1] / "reference"
GROUPS, POOLED = (
    pd.read_csv(REFERENCE / f"heterogeneity_{name}.csv").set_index(["dataset", "measure"]).sort_index()
    for name in ("groups", "pooled")
)
CASES = [(d, m) for d in ("40", "ties", "many") for m in ("logit_auc", "slope", "log_o_e")]
estimates_and_errors = st.lists(st.tuples(st.floats(-3, 3), st.floats(0.05, 2)), min_size=2, max_size=30).map(
    lambda pairs: tuple(np.array(pairs).T)
)


@pytest.mark.parametrize(("dataset", "measure"), CASES)
def test_meta_analysis_agrees_with_metafor(dataset, measure):
    estimates, errors = (
        GROUPS.loc[(dataset, name), "value"].to_numpy() for name in (measure, f"{measure}_se")
    )
    expected = POOLED.xs(dataset)[lambda f: f["group"] == measure]["value"].to_dict()
    assert asdict(random_effects(estimates, errors, level=0.95)) == pytest.approx(
        expected, rel=1e-9, abs=1e-9
    )


@steady
@given(estimates_and_errors)
@example((np.array([0.0, 0.0, 0.75, 0.75]), np.array([1.0, 0.25, 0.0625, 0.0625])))
def test_tau2_maximises_the_restricted_likelihood_nearby(case):
    """There may be a second maximum further away, at 0.11 in the example; metafor, too, says 0 there."""
    tau2 = tau2_reml(*case)
    reach = (tau2 + case[1].min() ** 2) / 10
    nearby = (max(0.0, tau2 - reach), tau2 + reach)
    assert restricted(tau2, *case) >= restricted(most_likely(*case, nearby), *case) - 1e-9


def restricted(tau2, y, se):
    w = 1 / (se**2 + tau2)
    return (np.log(w).sum() - np.log(w.sum()) - w @ (y - w @ y / w.sum()) ** 2) / 2


def most_likely(y, se, bounds):
    return minimize_scalar(lambda tau2: -restricted(tau2, y, se), bounds=bounds, method="bounded").x


@steady
@given(estimates_and_errors, st.floats(-5, 5), st.floats(0.1, 10))
def test_shifting_and_scaling_the_estimates_shifts_and_scales_the_result(case, shift, scale):
    y, se = case
    one = random_effects(y, se, level=0.9)
    other = random_effects(shift + scale * y, scale * se, level=0.9)
    assert other.value == pytest.approx(shift + scale * one.value, rel=1e-6, abs=1e-6)
    assert other.high - other.low == pytest.approx(scale * (one.high - one.low), rel=1e-5, abs=1e-7)
    assert (other.i2, other.q) == pytest.approx((one.i2, one.q), rel=1e-5, abs=1e-7)


@steady
@given(estimates_and_errors, st.randoms(use_true_random=False))
def test_prediction_interval_holds_the_confidence_interval_whatever_the_order(case, random):
    y, se = case
    order = random.sample(range(y.size), y.size)
    found = random_effects(y[order], se[order], level=0.95)
    assert found.prediction_low <= found.low <= found.value <= found.high <= found.prediction_high
    assert y.min() - 1e-12 <= found.value <= y.max() + 1e-12
    assert 0 <= found.i2 < 1
    assert asdict(found) == pytest.approx(asdict(random_effects(y, se, level=0.95)), rel=1e-6, abs=1e-6)


@steady
@given(estimates_and_errors)
def test_equal_standard_errors_give_the_plain_mean_and_the_variance_beyond_theirs(case):
    y, se = case[0], np.full(case[0].size, 0.3)
    assume(abs(y.var(ddof=1) - 0.09) > 1e-6)
    found = random_effects(y, se, level=0.95)
    assert found.value == pytest.approx(y.mean(), abs=1e-9)
    assert found.tau2 == pytest.approx(max(0.0, y.var(ddof=1) - 0.09), abs=1e-9)
    assert found.se == pytest.approx(y.std(ddof=1) / np.sqrt(y.size), abs=1e-9)


def test_tau2_is_found_where_undamped_scoring_jumps_back_and_forth():
    case = np.array([0, 0, 0, 0, 2]), np.array([2, 2, 2, 2, 0.5])
    assert tau2_reml(*case) == pytest.approx(most_likely(*case, (0, 3)), abs=1e-5)


@pytest.mark.parametrize(
    ("estimates", "errors", "level", "reason"),
    [
        ([0.5], [0.1], 0.95, "at least two groups are needed to pool; got 1"),
        ([], [], 0.95, "at least two groups are needed to pool; got 0"),
        ([0.5, 0.6], [0.1, 0.0], 0.95, "standard_errors: must be finite and above 0; 1 of 2"),
        ([0.5, 0.6], [-0.1, np.nan], 0.95, "standard_errors: must be finite and above 0; 2 of 2"),
        ([0.5, np.inf], [0.1, 0.1], 0.95, "estimates: must be finite; 1 of 2"),
        ([0.5, 0.6], [0.1], 0.95, r"must both have shape \(k,\); got \(2,\) and \(1,\)"),
        ([0.5, 0.6], [0.1, 0.1], 1.0, "level: must lie strictly between 0 and 1; got 1.0"),
    ],
)
def test_what_cannot_be_pooled_is_refused_with_its_reason(estimates, errors, level, reason):
    with pytest.raises(MeasureError, match=reason):
        random_effects(estimates, errors, level=level)
