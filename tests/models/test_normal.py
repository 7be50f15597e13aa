"""Integrals over the normal distribution agree with closed forms."""

import numpy as np
import pytest

from models.procedure.cohort_size.normal import SampleSizeError, normal_mean, quantile, refuse_lp, rounded_up


def test_moments_and_tails_of_the_normal_distribution_are_exact() -> None:
    assert normal_mean(lambda z: z**2) == pytest.approx(1, abs=1e-9)
    assert normal_mean(lambda z: np.exp(2 * z)) == pytest.approx(np.exp(2), rel=1e-9)
    assert normal_mean(np.ones_like, low=1.959963984540054) == pytest.approx(0.025, abs=1e-9)


def test_a_two_sided_interval_has_the_known_quantile_and_its_level_lies_inside_zero_and_one() -> None:
    assert quantile(0.95) == pytest.approx(1.959963984540054)
    with pytest.raises(SampleSizeError, match="level: must lie strictly between 0 and 1; got 1"):
        quantile(1)


def test_patients_are_rounded_up() -> None:
    assert rounded_up("criterion", {"a": 100.0, "b": 100.01})["n"].tolist() == [100, 101]


@pytest.mark.parametrize(("mean", "sd", "name"), [(np.nan, 1, "lp_mean"), (0, 0, "lp_sd"), (0, -1, "lp_sd")])
def test_a_linear_predictor_without_a_spread_is_refused(mean: float, sd: float, name: str) -> None:
    with pytest.raises(SampleSizeError, match=name):
        refuse_lp(mean, sd)
