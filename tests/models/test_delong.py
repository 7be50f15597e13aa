"""DeLong's variance of the AUC: small cases by hand, invariances, refusals."""

import numpy as np
import pytest
from scipy.special import expit, logit
from sklearn.metrics import roc_auc_score

from models.measures.common import MeasureError
from models.measures.delong import auc_difference, auc_interval, auc_variance, mean_placements, placements

RNG = np.random.default_rng(8)
Y = (RNG.random(80) < 0.4).astype(float)
P = expit(Y + RNG.normal(size=80))


def test_a_small_case_has_the_placements_and_the_variance_counted_by_hand() -> None:
    y, p = [1, 1, 0, 0], [0.8, 0.4, 0.4, 0.2]
    v10, v01 = placements(y, p)
    assert (v10.tolist(), v01.tolist()) == ([1.0, 0.75], [0.75, 1.0])
    area, variance = auc_variance(y, p)
    assert (area, variance) == pytest.approx((0.875, 0.03125 / 2 + 0.03125 / 2))


def test_the_area_is_that_of_the_roc_curve_and_no_monotone_change_of_the_scale_moves_it() -> None:
    area, variance = auc_variance(Y, P)
    assert area == pytest.approx(roc_auc_score(Y, P))
    assert auc_variance(Y, expit(3 * logit(P) - 1)) == pytest.approx((area, variance))


def test_repeats_of_the_same_predictions_add_no_information() -> None:
    assert auc_variance(Y, np.tile(P, (5, 1))) == pytest.approx(auc_variance(Y, P))
    assert mean_placements(Y, np.tile(P, (5, 1)))[0] == pytest.approx(placements(Y, P)[0])


def test_the_interval_stays_within_the_unit_interval_and_widens_with_its_level() -> None:
    narrow, wide = auc_interval(Y, P, 0.8), auc_interval(Y, P, 0.99)
    assert 0 < wide.low < narrow.low < narrow.value < narrow.high < wide.high < 1


def test_a_paired_difference_changes_its_sign_with_the_order_of_the_models() -> None:
    other = expit(0.5 * Y + RNG.normal(size=80))
    (forth, variance), (back, _) = auc_difference(Y, P, other), auc_difference(Y, other, P)
    assert variance > 0
    assert (forth.value, forth.low, forth.high) == pytest.approx((-back.value, -back.high, -back.low))


def test_one_class_has_no_area() -> None:
    with pytest.raises(MeasureError, match="auc"):
        placements(np.ones(80), P)
