"""Sample sizes: against integrals by R, published examples, the estimators themselves, and refusals."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.special import expit

from models.measures.evaluate import population_values
from models.measures.heterogeneity import slope_and_error
from models.procedure.cohort_size.development import (
    cox_snell_r2,
    development_sample_size,
    patients_for_optimism,
    patients_for_overall_risk,
    patients_for_shrinkage,
    supported_parameters,
)
from models.procedure.cohort_size.normal import SampleSizeError
from models.sample_size.predictor import implied_accuracy, implied_c_statistic, implied_prevalence
from models.sample_size.validation import (
    patients_for_net_benefit,
    patients_for_o_e,
    patients_for_slope,
    validation_sample_size,
)

steady = settings(deadline=None, derandomize=True, max_examples=50)
REFERENCE = Path(__file__).parents[1] / "reference"
EXPECTED = (
    pd.read_csv(REFERENCE / "sample_size_expected.csv")
    .set_index(["kind", "case", "measure"])["value"]
    .sort_index()
)
HOUSE = {"shrinkage": 0.9, "optimism": 0.05, "margin": 0.05, "level": 0.95}
WIDTHS = {
    "o_e_width": 0.2,
    "slope_width": 0.2,
    "c_statistic_width": 0.1,
    "threshold": 0.5,
    "net_benefit_width": 0.2,
    "level": 0.95,
}


def cases(kind):
    return pd.read_csv(REFERENCE / f"sample_size_{kind}.csv").to_dict("records")


# Agreement with R


@pytest.mark.parametrize("case", cases("development"), ids=lambda case: case["case"])
def test_development_sizes_agree_with_r(case):
    expected = EXPECTED["development", case.pop("case")]
    assert cox_snell_r2(case["c_statistic"], case["prevalence"]) == pytest.approx(expected["r2"], rel=1e-9)
    found = development_sample_size(**case).set_index("criterion")
    assert found["exact"].to_dict() == pytest.approx(expected.drop("r2").to_dict(), rel=1e-9)
    assert (found["n"] - found["exact"]).between(0, 1).all()


@pytest.mark.parametrize("case", cases("validation"), ids=lambda case: case["case"])
def test_validation_sizes_agree_with_r(case):
    expected = EXPECTED["validation", case.pop("case")]
    lp = case["lp_mean"], case["lp_sd"]
    implied = (
        implied_prevalence(*lp),
        implied_c_statistic(*lp),
        *implied_accuracy(*lp, case["threshold"]),
    )
    names = ["prevalence", "implied_c", "sensitivity", "specificity"]
    assert implied == pytest.approx(expected[names].tolist(), rel=1e-9)
    found = validation_sample_size(**case).set_index("measure")["exact"]
    assert found.to_dict() == pytest.approx(expected.drop(names).to_dict(), rel=1e-8)


# Published values and the estimators themselves


def test_published_example_of_24_parameters_is_reproduced():
    # Riley et al. 2020: Cox-Snell R2 0.288, prevalence 0.174, shrinkage 0.9.
    assert np.ceil(patients_for_shrinkage(24, 0.288, 0.9)) == 623
    assert np.ceil(patients_for_optimism(24, 0.288, 0.174, 0.05)) == 662
    assert np.ceil(patients_for_overall_risk(0.174, 0.05, 0.95)) == 221


@pytest.mark.parametrize("prevalence", [0.5, 0.55, 0.6])
def test_500_patients_support_8_parameters_at_a_c_statistic_of_0_72(prevalence):
    assert supported_parameters(500, prevalence, 0.72, **HOUSE) == 8


def test_r2_is_the_gain_in_likelihood_of_many_simulated_patients():
    rng = np.random.default_rng(1)
    event = rng.random(400_000) < 0.3
    x = rng.normal(np.sqrt(2) * 0.8416212 * event, 1)  # the quantile of a C statistic of 0.8
    lp = np.log(0.3 / 0.7) + np.sqrt(2) * 0.8416212 * x - 0.8416212**2
    gain = np.where(event, np.log(expit(lp) / 0.3), np.log(expit(-lp) / 0.7))
    assert cox_snell_r2(0.8, 0.3) == pytest.approx(1 - np.exp(-2 * gain.mean()), abs=0.003)


def test_implied_values_are_those_of_many_calibrated_patients():
    lp = np.random.default_rng(2).normal(-0.5, 1.3, 400_000)
    found = population_values(expit(lp), expit(lp), ["auc", "net_benefit@0.4"])
    prevalence = implied_prevalence(-0.5, 1.3)
    sensitivity, specificity = implied_accuracy(-0.5, 1.3, 0.4)
    assert implied_c_statistic(-0.5, 1.3) == pytest.approx(found["auc"], abs=0.002)
    benefit = sensitivity * prevalence - (1 - specificity) * (1 - prevalence) * 0.4 / 0.6
    assert benefit == pytest.approx(found["net_benefit@0.4"], abs=0.002)


def test_the_slope_of_a_sample_of_the_size_found_has_the_width_asked_for():
    n = validation_sample_size(0.2, 0.9, **WIDTHS).set_index("measure")["n"]["slope"]
    rng = np.random.default_rng(3)
    p = expit(rng.normal(0.2, 0.9, n))
    _, se = slope_and_error((rng.random(n) < p).astype(float), p)
    assert 2 * 1.96 * se == pytest.approx(0.2, rel=0.05)


def test_o_e_width_is_that_of_the_interval_on_the_log_scale():
    n = patients_for_o_e(0.3, 0.25, 0.95)
    half = 1.959964 * np.sqrt(0.7 / (0.3 * n))
    assert np.exp(half) - np.exp(-half) == pytest.approx(0.25, rel=1e-6)


# Properties


@steady
@given(st.integers(30, 5000), st.floats(0.05, 0.95), st.floats(0.55, 0.95))
def test_supported_parameters_are_the_most_that_meet_every_criterion(n, prevalence, c_statistic):
    supported = supported_parameters(n, prevalence, c_statistic, **HOUSE)
    if supported:
        assert development_sample_size(supported, prevalence, c_statistic, **HOUSE)["exact"].max() <= n + 1e-6
    more = development_sample_size(supported + 1, prevalence, c_statistic, **HOUSE)["exact"].max()
    assert more > n


@steady
@given(st.floats(-3, 3), st.floats(0.2, 3), st.floats(0.1, 0.9))
def test_the_opposite_event_needs_the_same_slope_and_c_statistic(mean, sd, threshold):
    one, other = (
        (patients_for_slope(m, sd, 0.2, 0.95), implied_c_statistic(m, sd), implied_prevalence(m, sd))
        for m in (mean, -mean)
    )
    assert other == pytest.approx((one[0], one[1], 1 - one[2]), rel=1e-9)
    assert implied_accuracy(-mean, sd, threshold) == pytest.approx(
        implied_accuracy(mean, sd, 1 - threshold)[::-1], abs=1e-9
    )


@steady
@given(st.floats(0.05, 0.95), st.floats(0.51, 0.98))
def test_r2_grows_with_the_c_statistic_and_is_the_same_for_the_opposite_event(prevalence, c_statistic):
    r2 = cox_snell_r2(c_statistic, prevalence)
    assert 0 < r2 < cox_snell_r2(c_statistic + 0.01, prevalence)
    assert cox_snell_r2(c_statistic, 1 - prevalence) == pytest.approx(r2, rel=1e-9)


@pytest.mark.parametrize("mean", [-2.0, 2.4])
def test_shares_stay_within_1_where_all_or_none_reach_the_threshold(mean):
    sensitivity, specificity = implied_accuracy(mean, 0.25, 0.5)
    assert max(sensitivity, specificity) == pytest.approx(1, abs=1e-12)
    assert max(sensitivity, specificity) <= 1


def test_halving_the_widths_asks_for_about_four_times_as_many_patients():
    halved = WIDTHS | {name: value / 2 for name, value in WIDTHS.items() if name.endswith("width")}
    ratio = validation_sample_size(0, 1, **halved)["exact"] / validation_sample_size(0, 1, **WIDTHS)["exact"]
    assert ratio.tolist() == pytest.approx([4] * 4, rel=0.01)


# Refusals


@pytest.mark.parametrize(
    ("call", "reason"),
    [
        (lambda: cox_snell_r2(0.5, 0.5), "c_statistic: must lie strictly between 0.5 and 1; got 0.5"),
        (lambda: cox_snell_r2(0.7, 1.0), "prevalence: must lie strictly between 0 and 1; got 1"),
        (lambda: patients_for_shrinkage(0, 0.1, 0.9), "parameters: must be at least 1; got 0"),
        (lambda: patients_for_shrinkage(5, 0.6, 0.5), "r2: must lie strictly between 0 and 0.5; got 0.6"),
        (lambda: patients_for_optimism(5, 0.8, 0.5, 0.05), "r2: must lie strictly between 0 and 0.75"),
        (lambda: supported_parameters(0, 0.5, 0.7, **HOUSE), "n: must be at least 1 patient; got 0"),
        (lambda: implied_prevalence(0, 0), "lp_sd: must lie strictly between 0 and inf; got 0"),
        (
            lambda: implied_accuracy(np.nan, 1, 0.5),
            "lp_mean: must lie strictly between -inf and inf; got nan",
        ),
        (lambda: patients_for_o_e(0.5, 0, 0.95), "width: must lie strictly between 0"),
        (lambda: patients_for_o_e(0.5, 0.2, 95), "level: must lie strictly between 0 and 1; got 95"),
        (lambda: patients_for_net_benefit(0, 1, 0.5, 0.5, 0.2, 0.95), "net_benefit: its variance is 0"),
        (
            lambda: patients_for_net_benefit(2, 1, 0.5, 0.5, 0.2, 0.95),
            "sensitivity: must be from 0 to 1; got 2",
        ),
    ],
)
def test_arguments_out_of_range_are_refused_with_name_rule_and_value(call, reason):
    with pytest.raises(SampleSizeError, match=reason):
        call()


def test_too_few_patients_for_the_overall_risk_support_no_parameter():
    assert supported_parameters(384, 0.5, 0.9, **HOUSE) == 0
    assert supported_parameters(385, 0.5, 0.9, **HOUSE) > 10
