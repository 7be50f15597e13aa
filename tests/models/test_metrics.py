"""The performance measures: against R, by their properties, at their limits."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.optimize import minimize
from scipy.special import expit, logit
from sklearn import metrics as sklearn_metrics

from models.measures.common import draw_patients, log_odds
from models.measures.evaluate import (
    LOESS_MEASURES,
    MeasureError,
    auc,
    auc_difference,
    auc_interval,
    auc_variance,
    brier,
    brier_scaled,
    by_repeat,
    calibration_errors,
    calibration_intercept,
    calibration_slope,
    compare,
    evaluate,
    ici_of_perfect_model,
    log_loss,
    o_e,
    observed_minus_expected,
    placements,
    population_values,
    smoothed_risk,
)
from models.measures.loess import MIN_DISTINCT
from models.measures.weighted import weighted_auc, weighted_intercept, weighted_slope

# The same examples on every run, and no time limit on a machine that is busy.
steady = settings(deadline=None, derandomize=True, max_examples=50)
REFERENCE = Path(__file__).parents[1] / "reference"
EXPECTED = (
    pd.read_csv(REFERENCE / "performance_expected.csv", dtype={"dataset": str})
    .set_index(["dataset", "model", "measure"])["value"]
    .sort_index()
)
CASES = [(dataset, model) for dataset in ("40", "500", "ties") for model in ("p_a", "p_b")]
BOOTSTRAPPED = ["brier", "brier_scaled", "log_loss", "calibration_intercept", "calibration_slope", "o_e"]


def reference_data(dataset):
    return pd.read_csv(REFERENCE / f"performance_{dataset}.csv")


def simulated(n, seed=1, slope=1.0):
    rng = np.random.default_rng(seed)
    lp = rng.normal(-0.2, 1.0, n)
    return (rng.random(n) < expit(lp)).astype(float), expit(slope * lp)


@st.composite
def outcomes_and_predictions(draw):
    """Two to sixty patients of both outcomes, with predictions on a grid coarse enough for ties."""
    n = draw(st.integers(2, 60))
    y = np.array([0, 1, *draw(st.lists(st.integers(0, 1), min_size=n - 2, max_size=n - 2))], dtype=float)
    p = np.array(draw(st.lists(st.integers(1, 39), min_size=n, max_size=n))) / 40
    return y, p


# Agreement with R


@pytest.mark.parametrize(("dataset", "model"), CASES)
def test_point_measures_agree_with_r(dataset, model):
    data, expected = reference_data(dataset), EXPECTED[dataset, model]
    for measure in (auc, brier, brier_scaled, log_loss, calibration_intercept, calibration_slope, o_e):
        value = measure(data["y"], data[model])
        assert value == pytest.approx(expected[measure.__name__], rel=1e-10, abs=1e-10), measure.__name__


@pytest.mark.parametrize(("dataset", "model"), CASES)
def test_delong_variance_and_logit_interval_agree_with_proc(dataset, model):
    data, expected = reference_data(dataset), EXPECTED[dataset, model]
    assert auc_variance(data["y"], data[model])[1] == pytest.approx(expected["auc_variance"], rel=1e-10)
    interval = auc_interval(data["y"], data[model])
    assert (interval.low, interval.high) == pytest.approx(
        (expected["auc_low"], expected["auc_high"]), rel=1e-10
    )


@pytest.mark.parametrize("dataset", ["40", "500", "ties"])
def test_paired_auc_difference_agrees_with_proc(dataset):
    data, expected = reference_data(dataset), EXPECTED[dataset, "p_a-p_b"]
    difference, variance = auc_difference(data["y"], data["p_a"], data["p_b"])
    assert difference.value == pytest.approx(expected["delta_auc"], rel=1e-10)
    assert difference.value / np.sqrt(variance) == pytest.approx(expected["delta_auc_z"], rel=1e-8)


@pytest.mark.parametrize(("dataset", "model"), CASES)
def test_loess_measures_agree_with_r_defaults(dataset, model):
    data, expected = reference_data(dataset), EXPECTED[dataset, model]
    errors = calibration_errors(data["y"], data[model])
    for name in LOESS_MEASURES:
        assert errors[name] == pytest.approx(expected[name], abs=1e-10), name
    assert smoothed_risk(data["y"], data[model])[0] == pytest.approx(expected["smoothed_first"], abs=1e-10)
    at = smoothed_risk(data["y"], data[model], at=[0.4])
    assert at[0] == pytest.approx(expected["smoothed_at_0.4"], abs=1e-10)


def test_auc_brier_and_log_loss_agree_with_scikit_learn():
    y, p = simulated(300)
    assert auc(y, p) == pytest.approx(sklearn_metrics.roc_auc_score(y, p), rel=1e-12)
    assert brier(y, p) == pytest.approx(sklearn_metrics.brier_score_loss(y, p), rel=1e-12)
    assert log_loss(y, p) == pytest.approx(sklearn_metrics.log_loss(y, p), rel=1e-12)


# Properties


@steady
@given(outcomes_and_predictions())
def test_auc_is_the_share_of_concordant_pairs(case):
    y, p = case
    pairs = np.sign(p[y == 1][:, None] - p[y == 0][None, :])
    assert auc(y, p) == pytest.approx((pairs > 0).mean() + (pairs == 0).mean() / 2, abs=1e-12)
    assert auc(y, p) == pytest.approx(placements(y, p)[0].mean(), abs=1e-12)


@steady
@given(outcomes_and_predictions())
def test_auc_does_not_change_under_a_monotone_transformation(case):
    y, p = case
    assert auc(y, p) == auc(y, expit(3 * logit(p) - 1))


@steady
@given(outcomes_and_predictions())
def test_auc_of_the_opposite_event_with_the_opposite_risk_is_the_same(case):
    y, p = case
    assert auc(1 - y, 1 - p) == pytest.approx(auc(y, p), abs=1e-12)


@steady
@given(outcomes_and_predictions())
def test_log_loss_is_never_negative_and_brier_lies_between_0_and_1(case):
    y, p = case
    assert log_loss(y, p) >= 0
    assert 0 <= brier(y, p) <= 1


@steady
@given(outcomes_and_predictions())
def test_o_e_halves_when_predictions_double(case):
    y, p = case
    assert o_e(y, p) == pytest.approx(o_e(y, p / 2) / 2, rel=1e-12)


@steady
@given(outcomes_and_predictions(), st.randoms(use_true_random=False))
def test_the_order_of_patients_does_not_change_any_value(case, random):
    y, p = case
    order = random.sample(range(len(y)), len(y))
    for measure in (auc, brier, brier_scaled, log_loss, calibration_intercept, o_e):
        assert measure(y[order], p[order]) == pytest.approx(measure(y, p), rel=1e-9, abs=1e-9)


@steady
@given(outcomes_and_predictions())
def test_slope_is_the_maximum_of_the_likelihood_or_refused(case):
    y, p = case
    lp = log_odds(p)
    try:
        slope = calibration_slope(y, p)
    except MeasureError as error:
        assert "infinite" in str(error) or "the same" in str(error)
        assert separated(y, lp)
        return
    assert not separated(y, lp)
    x = (lp - lp.mean()) / lp.std()
    best = minimize(
        lambda b: np.logaddexp(0, (1 - 2 * y) * (b[0] + b[1] * x)).sum(), np.zeros(2), options={"gtol": 1e-9}
    )
    assert slope * lp.std() == pytest.approx(best.x[1], rel=1e-4, abs=1e-4)


def separated(y, lp):
    """Say whether a cut leaves events on one side and non-events on the other, both may touch it."""
    return lp[y == 1].min() >= lp[y == 0].max() or lp[y == 0].min() >= lp[y == 1].max()


def test_recalibrated_predictions_have_intercept_0_and_slope_1():
    y, p = simulated(400, slope=1.7)
    slope = calibration_slope(y, p)
    recalibrated = expit(slope * logit(p))
    recalibrated = expit(logit(recalibrated) + calibration_intercept(y, recalibrated))
    assert calibration_slope(y, recalibrated) == pytest.approx(1, abs=1e-9)
    assert calibration_intercept(y, recalibrated) == pytest.approx(0, abs=1e-9)
    assert o_e(y, recalibrated) == pytest.approx(1, abs=1e-9)


# Convergence and refusals


@pytest.mark.parametrize("seed", range(20))
def test_calibration_converges_on_extreme_and_heavily_tied_predictions(seed):
    rng = np.random.default_rng(seed)
    lp = np.where(rng.random(200) < 0.05, rng.choice([-30.0, 30.0], 200), rng.choice([-0.01, 0.0, 0.01], 200))
    y = (rng.random(200) < 0.3).astype(float)
    p = expit(lp)
    lp = log_odds(p)
    intercept = calibration_intercept(y, p)
    assert np.sum(y - expit(intercept + lp)) == pytest.approx(0, abs=1e-7)
    x = (lp - lp.mean()) / lp.std()
    a, b = fitted_line(y, x)
    assert calibration_slope(y, p) == pytest.approx(b / lp.std(), rel=1e-6, abs=1e-9)
    assert abs(np.sum(y - expit(a + b * x))) < 1e-6


def test_slope_converges_when_the_outcomes_are_all_but_separated():
    lp = np.concatenate([np.linspace(-0.2, 0.2, 12), [-12.0, 12.0, 15.0]])
    y = (lp > 0).astype(float)
    y[[5, 6]] = y[[6, 5]]
    slope = calibration_slope(y, expit(lp))
    x = (lp - lp.mean()) / lp.std()
    assert slope == pytest.approx(fitted_line(y, x)[1] / lp.std(), rel=1e-5)
    assert slope > 20


def fitted_line(y, x):
    def negative(b):
        return np.logaddexp(0, (1 - 2 * y) * (b[0] + b[1] * x)).sum()

    def gradient(b):
        residual = expit(b[0] + b[1] * x) - y
        return np.array([residual.sum(), residual @ x])

    return minimize(negative, np.zeros(2), jac=gradient, method="BFGS", options={"gtol": 1e-9}).x


@pytest.mark.parametrize(
    ("y", "p", "reason"),
    [
        ([0, 1, 0, 1], [0.3, 0.3, 0.3, 0.3], "all 4 predictions are the same"),
        ([0, 0, 1, 1], [0.1, 0.2, 0.3, 0.4], "separate the outcomes"),
        ([1, 1, 0, 0], [0.1, 0.2, 0.2, 0.4], "separate the outcomes"),
        ([1, 1, 1, 1], [0.1, 0.2, 0.2, 0.4], "needs both outcomes; 4 of 4"),
    ],
)
def test_slope_that_does_not_exist_is_refused_with_its_reason(y, p, reason):
    with pytest.raises(MeasureError, match=reason):
        calibration_slope(y, p)


@pytest.mark.parametrize("measure", [auc, brier_scaled, calibration_intercept])
def test_measures_of_both_classes_refuse_one_class(measure):
    with pytest.raises(MeasureError, match="needs both outcomes; 0 of 3"):
        measure([0, 0, 0], [0.2, 0.3, 0.4])


@pytest.mark.parametrize(
    ("y", "p", "reason"),
    [
        ([0, 1, np.nan], [0.1, 0.2, 0.3], "y: must be 0 or 1; 1 of 3"),
        ([0, 1, 0.5], [0.1, 0.2, 0.3], "y: must be 0 or 1; 1 of 3"),
        ([0, 1, 1], [0.0, 1.0, np.nan], "p: must lie strictly between 0 and 1; 3 of 3"),
        ([0, 1, 1], [0.1, 0.2], r"p: must have shape \(3,\)"),
        ([], [], "y: must be one value per patient"),
    ],
)
def test_wrong_input_is_refused_with_argument_and_count(y, p, reason):
    with pytest.raises(MeasureError, match=reason):
        brier(y, p)


def test_perfect_auc_has_no_interval():
    with pytest.raises(MeasureError, match="exactly 1"):
        auc_interval([0, 0, 1, 1], [0.1, 0.2, 0.3, 0.4])
    with pytest.raises(MeasureError, match="exactly 0"):
        auc_difference([0, 0, 1, 1], [0.1, 0.4, 0.3, 0.2], [0.4, 0.3, 0.2, 0.1])


def test_auc_variance_needs_two_patients_of_each_outcome():
    with pytest.raises(MeasureError, match="got 1 and 3"):
        auc_interval([0, 0, 1, 0], [0.1, 0.2, 0.15, 0.4])


def test_unknown_measure_is_refused():
    with pytest.raises(MeasureError, match="measure accuracy is unknown; must be one of"):
        evaluate([0, 1], [0.2, 0.3], ["accuracy"], bootstrap=10, rng=np.random.default_rng(1))


def test_loess_measures_refuse_few_distinct_predictions_and_narrow_neighbourhoods():
    y, _ = simulated(100)
    with pytest.raises(MeasureError, match="got 5: use observed minus expected"):
        calibration_errors(y, np.resize([0.1, 0.3, 0.5, 0.7, 0.9], 100))
    mass = np.full(100, 0.3)
    mass[: MIN_DISTINCT - 1] = np.linspace(0.1, 0.2, MIN_DISTINCT - 1)
    with pytest.raises(MeasureError, match="too few distinct values"):
        calibration_errors(y, mass)


def test_bootstrap_with_too_many_impossible_samples_is_an_error():
    y = np.array([1.0] + [0.0] * 20)
    p = np.linspace(0.2, 0.8, 21)[::-1]
    with pytest.raises(MeasureError, match=r"auc_bootstrap: could not be computed in .* of 200"):
        evaluate(y, p, ["auc_bootstrap"], bootstrap=200, rng=np.random.default_rng(1))


# Weights: what the bootstrap computes


@pytest.mark.parametrize("ties", [False, True])
def test_weighted_measures_equal_those_of_repeated_patients(ties):
    y, p = simulated(80)
    p = np.round(p, 1).clip(0.1, 0.9) if ties else p
    counts = draw_patients(80, 30, np.random.default_rng(3))
    for kernel, measure in (
        (weighted_auc, auc),
        (weighted_slope, calibration_slope),
        (weighted_intercept, calibration_intercept),
    ):
        for value, count in zip(kernel(y, p, counts.astype(float)), counts, strict=True):
            assert value == pytest.approx(measure(np.repeat(y, count), np.repeat(p, count)), rel=1e-8)


def test_bootstrap_intervals_are_quantiles_of_the_measure_on_redrawn_patients():
    y, p = simulated(120)
    found = evaluate(y, p, ["brier", "o_e", "brier_scaled"], bootstrap=50, rng=np.random.default_rng(5))
    counts = draw_patients(120, 50, np.random.default_rng(5))
    for measure in (brier, o_e, brier_scaled):
        redrawn = [measure(np.repeat(y, count), np.repeat(p, count)) for count in counts]
        low, high = np.quantile(redrawn, [0.025, 0.975])
        interval = found[measure.__name__]
        assert (interval.low, interval.high) == pytest.approx((low, high), rel=1e-9)


def test_each_bootstrap_sample_has_as_many_patients_as_the_data():
    counts = draw_patients(37, 500, np.random.default_rng(1))
    assert (counts.sum(axis=1) == 37).all()
    assert counts.mean(axis=0) == pytest.approx(np.ones(37), abs=0.25)


def test_the_same_seed_gives_the_same_intervals_whatever_else_is_asked():
    y, p = simulated(150)
    alone = evaluate(y, p, ["o_e"], bootstrap=100, rng=np.random.default_rng(9))
    among = evaluate(y, p, ["ici_null95", "o_e", "ici"], bootstrap=100, rng=np.random.default_rng(9))
    assert alone["o_e"] == among["o_e"]


# Repeats


def test_measures_are_averaged_over_repeats_and_predictions_are_not():
    y, p = simulated(200)
    noise = np.random.default_rng(2).normal(0, 1, (3, 200))
    repeats = expit(logit(p) + noise)
    found = evaluate(y, repeats, ["auc", *BOOTSTRAPPED], bootstrap=20, rng=np.random.default_rng(1))
    assert found["auc"].value == pytest.approx(np.mean([auc(y, row) for row in repeats]), rel=1e-12)
    assert found["auc"].value < auc(y, repeats.mean(axis=0))
    for measure in (brier, brier_scaled, log_loss, calibration_intercept, calibration_slope, o_e):
        average = np.mean([measure(y, row) for row in repeats])
        assert found[measure.__name__].value == pytest.approx(average, rel=1e-10), measure.__name__


def test_repeating_the_same_predictions_does_not_narrow_an_interval():
    y, p = simulated(200)
    names = ["auc", "auc_bootstrap", *BOOTSTRAPPED, "net_benefit@0.4"]
    once = evaluate(y, p, names, bootstrap=40, rng=np.random.default_rng(1))
    thrice = evaluate(y, np.tile(p, (3, 1)), names, bootstrap=40, rng=np.random.default_rng(1))
    for name in names:
        assert vars(thrice[name]) == pytest.approx(vars(once[name]), rel=1e-9), name


def test_delong_of_repeats_takes_the_variance_of_averaged_placements():
    y, p = simulated(100)
    repeats = np.array([p, expit(logit(p) + np.random.default_rng(4).normal(0, 1, 100))])
    v10 = np.mean([placements(y, row)[0] for row in repeats], axis=0)
    v01 = np.mean([placements(y, row)[1] for row in repeats], axis=0)
    variance = np.var(v10, ddof=1) / v10.size + np.var(v01, ddof=1) / v01.size
    assert auc_variance(y, repeats) == pytest.approx((v10.mean(), variance), rel=1e-12)


# Paired differences


def test_difference_is_that_of_the_point_values_and_zero_against_itself():
    y, p = simulated(200)
    other = expit(0.5 * logit(p) + 0.3)
    names = ["auc", "auc_bootstrap", *BOOTSTRAPPED]
    rng = np.random.default_rng(1)
    same = compare(y, p, p, names, bootstrap=30, rng=rng)
    assert all(vars(same[f"delta_{n}"]) == {"value": 0, "low": 0, "high": 0, "failed": 0} for n in names)
    found = compare(y, p, other, names, bootstrap=30, rng=rng)
    assert found["delta_log_loss"].value == pytest.approx(log_loss(y, p) - log_loss(y, other), rel=1e-10)
    assert found["delta_calibration_slope"].value == pytest.approx(
        calibration_slope(y, p) - calibration_slope(y, other), rel=1e-9
    )


def test_paired_difference_is_narrower_than_the_measure_itself():
    y, p = simulated(300)
    other = expit(logit(p) + np.random.default_rng(3).normal(0, 0.3, 300))
    difference = compare(y, p, other, ["auc", "auc_bootstrap"], bootstrap=400, rng=np.random.default_rng(1))
    single = auc_interval(y, p)
    width = difference["delta_auc"].high - difference["delta_auc"].low
    assert width < 0.6 * (single.high - single.low)
    bootstrap = difference["delta_auc_bootstrap"].high - difference["delta_auc_bootstrap"].low
    assert width == pytest.approx(bootstrap, rel=0.2)


def test_models_with_different_repeats_are_not_compared():
    y, p = simulated(50)
    with pytest.raises(MeasureError, match="same number of repeats; got 2 and 1"):
        compare(y, np.tile(p, (2, 1)), p, ["brier"], bootstrap=10, rng=np.random.default_rng(1))


# Smoothed calibration


def test_smoothed_calibration_has_no_interval_and_no_difference():
    y, p = simulated(150)
    found = evaluate(y, p, LOESS_MEASURES, bootstrap=20, rng=np.random.default_rng(1))
    for name, value in calibration_errors(y, p).items():
        assert vars(found[name]) == {"value": value, "low": None, "high": None, "failed": 0}
    with pytest.raises(MeasureError, match="ici: has no interval and no difference"):
        compare(y, p, p, ["brier", "ici"], bootstrap=20, rng=np.random.default_rng(1))


def test_ici_of_a_perfect_model_is_far_from_zero():
    _, p = simulated(500)
    perfect = ici_of_perfect_model(p, 300, np.random.default_rng(1))
    assert perfect["ici_mean0"] == pytest.approx(0.033, abs=0.006), "as published for 500 patients"
    assert 0.035 < perfect["ici_null95"] < 0.08


def test_ici_of_a_miscalibrated_model_exceeds_its_null():
    y, p = simulated(500, slope=3.0)
    found = evaluate(y, p, ["ici", "ici_null95"], bootstrap=100, rng=np.random.default_rng(1))
    assert found["ici"].value > found["ici_null95"].value
    assert found["ici_null95"].low is None


def test_loess_bootstrap_is_the_number_of_outcomes_of_the_perfect_model():
    y, p = simulated(150)
    found = evaluate(y, p, ["ici_null95"], bootstrap=5, rng=np.random.default_rng(1), loess_bootstrap=30)
    after = np.random.default_rng(1)
    draw_patients(150, 5, after)
    assert found["ici_null95"].value == ici_of_perfect_model(p, 30, after)["ici_null95"]


# Few distinct predictions


def test_observed_minus_expected_is_given_per_group_of_equal_predictions():
    y = np.array([1, 1, 0, 0] * 10 + [1, 0, 0, 0] * 10, dtype=float)
    p = np.repeat([0.4, 0.3], 40)
    table = observed_minus_expected(y, p, bootstrap=200, rng=np.random.default_rng(1))
    assert table["n"].tolist() == [40, 40]
    assert table["events"].tolist() == [10, 20]
    assert table["expected"].tolist() == pytest.approx([0.3, 0.4])
    assert table["value"].tolist() == pytest.approx([-0.05, 0.1])
    assert ((table["low"] < table["value"]) & (table["value"] < table["high"])).all()


def test_observed_minus_expected_follows_the_branches_when_folds_differ():
    y, p = simulated(60)
    branch = np.resize(["R1", "R2"], 60)
    table = observed_minus_expected(y, p, branch, bootstrap=100, rng=np.random.default_rng(1))
    assert table["group"].tolist() == ["R1", "R2"]
    assert table["value"].iloc[0] == pytest.approx((y - p)[branch == "R1"].mean())
    with pytest.raises(MeasureError, match="must be given for 60 distinct"):
        observed_minus_expected(y, p, bootstrap=100, rng=np.random.default_rng(1))


# Fractional outcomes


def test_population_values_of_certain_outcomes_are_the_observed_measures():
    y, p = simulated(200)
    names = ["auc", *BOOTSTRAPPED, "net_benefit@0.5", "net_benefit_escalation@0.5"]
    found = population_values(y, p, names)
    rng = np.random.default_rng(1)
    observed = evaluate(y, p, names, bootstrap=20, rng=rng)
    assert found == pytest.approx({name: observed[name].value for name in names}, rel=1e-10)


def test_population_values_are_what_many_drawn_outcomes_average_to():
    rng = np.random.default_rng(6)
    truth = expit(rng.normal(0, 1, 2000))
    p = expit(0.7 * logit(truth) + 0.2)
    names = ["auc", "brier", "log_loss", "calibration_slope", "calibration_intercept", "o_e"]
    expected = population_values(truth, p, names)
    drawn = [population_values((rng.random(2000) < truth).astype(float), p, names) for _ in range(100)]
    for name in names:
        values = np.array([each[name] for each in drawn])
        assert values.mean() == pytest.approx(expected[name], abs=4 * values.std() / 10), name
    assert expected["calibration_slope"] == pytest.approx(1 / 0.7, rel=1e-6)


def test_population_values_of_weighted_patients_equal_those_of_repeated_ones():
    y, p = simulated(60)
    count = np.random.default_rng(1).integers(1, 4, 60)
    names = ["auc", *BOOTSTRAPPED]
    weighted = population_values(y, p, names, weights=count)
    assert weighted == pytest.approx(population_values(np.repeat(y, count), np.repeat(p, count), names))


# From the tidy frame


def tidy(models=("a", "b"), repeats=2):
    rows = [
        {
            "usubjid": f"P{i}",
            "repeat": r,
            "fold": (i + r) % 2,
            "model": m,
            "y": i % 2,
            "p": 0.1 + i / 10 + r / 100 + k / 1000,
        }
        for k, m in enumerate(models)
        for r in range(repeats)
        for i in range(4)
    ]
    return pd.DataFrame(rows)


def test_tidy_predictions_become_one_row_per_repeat_whatever_their_order():
    shuffled = tidy().sample(frac=1, random_state=1)
    patients, y, p = by_repeat(shuffled, ["b"])
    assert patients.tolist() == ["P0", "P1", "P2", "P3"]
    assert y.tolist() == [0, 1, 0, 1]
    assert p["b"] == pytest.approx(np.array([[0.101, 0.201, 0.301, 0.401], [0.111, 0.211, 0.311, 0.411]]))


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        (lambda f: f.iloc[1:], "1 combinations of model, repeat and patient have no row"),
        (lambda f: pd.concat([f, f.iloc[:1]]), "1 rows repeat"),
        (lambda f: f.assign(y=f["y"].where(f.index != 3, 0)), "y differs in 1 rows with the same usubjid"),
        (lambda f: f.assign(fold=f["fold"].where(f.index != 3, 9)), "fold differs in 1 rows"),
        (lambda f: f[f["model"] == "a"], "no model is called b"),
    ],
)
def test_predictions_that_are_not_paired_are_refused(change, reason):
    with pytest.raises(MeasureError, match=reason):
        by_repeat(change(tidy()), ["a", "b"])
