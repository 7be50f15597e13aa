"""Intervals by centre, parts of scores, value of further patients, corrected curves: against R."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from scipy.stats import t as student

from models.measures.clustered import clustered_interval, influence, within_clusters_auc
from models.measures.common import MeasureError, draw_patients
from models.measures.corrected_curve import calibration_curve_at, corrected_curve
from models.measures.decomposition import decomposition, isotonic_risk
from models.measures.definitions import point_value
from models.measures.evaluate import brier, log_loss
from models.measures.information import validation_evpi

REFERENCE = Path(__file__).parents[1] / "reference"
EXPECTED = pd.read_csv(REFERENCE / "uncertainty_expected.csv").set_index(["what", "at"])["value"].sort_index()
DATA = pd.read_csv(REFERENCE / "uncertainty_180.csv")
Y, CENTRE = DATA["y"].to_numpy(dtype=float), DATA["centre"].to_numpy(dtype=object).astype(str)
REPEATS = ["p_1", "p_2"]
LEVEL, WIDTH = 0.95, 2 * student.ppf(0.975, 11)
steady = settings(deadline=None, derandomize=True, max_examples=30)


def width(interval, scale, value):
    if scale == "log":
        return value * (np.log(interval.high) - np.log(interval.low))
    if scale == "logit":
        ends = np.array([interval.low, interval.high])
        return value * (1 - value) * np.diff(np.log(ends / (1 - ends)))[0]
    return interval.high - interval.low


@pytest.mark.parametrize("repeat", REPEATS)
@pytest.mark.parametrize("name", ["auc", "brier", "log_loss", "calibration_slope", "o_e"])
def test_intervals_by_centre_have_the_standard_error_of_r(repeat, name):
    estimate = influence(name, Y, DATA[repeat])
    interval = clustered_interval(estimate, CENTRE, LEVEL)
    # rms stops a little before the maximum of the likelihood.
    near = {"rel": 1e-6 if name == "calibration_slope" else 1e-10}
    assert interval.value == pytest.approx(EXPECTED[repeat, name], **near)
    se = width(interval, estimate.scale, interval.value) / WIDTH
    assert se == pytest.approx(EXPECTED[repeat, f"{name}_se"], **near)


@pytest.mark.parametrize("repeat", REPEATS)
def test_the_auc_within_centres_is_that_of_r(repeat):
    found = within_clusters_auc(Y, DATA[repeat], CENTRE, LEVEL)
    assert found.value == pytest.approx(EXPECTED[repeat, "auc_within"], rel=1e-10)
    half = width(found, "logit", found.value) / (2 * student.ppf(0.975, np.inf))
    assert half == pytest.approx(EXPECTED[repeat, "auc_within_se"], rel=1e-10)


@pytest.mark.parametrize("repeat", REPEATS)
@pytest.mark.parametrize("score", ["brier", "log_loss"])
def test_parts_of_the_scores_are_those_of_r(repeat, score):
    for part, value in decomposition(Y, DATA[repeat], score).items():
        assert value == pytest.approx(EXPECTED[repeat, f"{score}_{part}"], abs=1e-12)


@pytest.mark.parametrize("repeat", REPEATS)
@pytest.mark.parametrize("decision", ["de_escalation", "escalation"])
def test_the_value_of_perfect_information_is_that_of_r_on_the_same_samples(repeat, decision):
    counts = pd.read_csv(REFERENCE / "uncertainty_counts.csv", header=None).to_numpy()
    found = validation_evpi(Y, DATA[repeat], [0.3, 0.5, 0.7], decision, counts)
    expected = EXPECTED[f"{repeat} evpi {decision}"].sort_index()
    assert found == pytest.approx(expected.to_numpy(), abs=1e-14)


def test_the_value_of_perfect_information_is_near_that_of_normal_net_benefits():
    counts = draw_patients(len(Y), 20_000, np.random.default_rng(1))
    found = validation_evpi(Y, DATA["p_1"], [0.3, 0.5, 0.7], "de_escalation", counts)
    # Net benefits are means of few values: normal to the second digit.
    assert found == pytest.approx(EXPECTED["p_1 evpi normal"].sort_index().to_numpy(), rel=0.06, abs=2e-5)


def bootstrap_models():
    models = pd.read_csv(REFERENCE / "uncertainty_models.csv")
    whole = models.loc[models["sample"] == 0, "p"].to_numpy()
    samples = [
        (np.repeat(np.arange(len(Y)), rows["drawn"]), rows["p"].to_numpy())
        for _, rows in models[models["sample"] > 0].groupby("sample")
    ]
    return whole, samples


def test_the_corrected_calibration_curve_is_that_of_calibrate_of_rms():
    whole, samples = bootstrap_models()
    apparent, corrected = (EXPECTED[f"calibrate {line}"] for line in ("apparent", "corrected"))
    at = apparent.index.to_numpy(dtype=float)
    found = corrected_curve(Y, whole, samples, at, calibration_curve_at(at)).set_index("line")["value"]
    # Predictions of rms' own fits in the samples differ from those written in the eleventh digit.
    assert found["apparent"].to_numpy() == pytest.approx(apparent.to_numpy(), abs=1e-7)
    assert found["corrected"].to_numpy() == pytest.approx(corrected.to_numpy(), abs=1e-7)


def test_the_corrected_curve_is_the_apparent_one_minus_the_mean_gap_and_keeps_each_samples_curve():
    def shares(y, p):
        return np.array([y.mean(), p.mean()])

    y = np.array([0.0, 1, 1, 0])
    samples = [(np.array([1, 1, 2, 0]), np.full(4, 0.6)), (np.array([0, 3, 3, 1]), np.full(4, 0.2))]
    found = corrected_curve(y, np.full(4, 0.5), samples, np.array([0.1, 0.9]), shares)
    by_line = {line: rows["value"].tolist() for line, rows in found.groupby("line")}
    assert by_line == {"apparent": [0.5, 0.5], "corrected": [0.5, 0.5], "sample": [0.5, 0.6, 0.5, 0.2]}
    only_first = corrected_curve(y, np.full(4, 0.5), [samples[0]] * 2, np.array([0.1, 0.9]), shares)
    assert only_first.loc[only_first["line"] == "corrected", "value"].tolist() == [0.25, 0.5]


def test_a_point_that_few_samples_reach_has_no_corrected_value():
    def reaching(y, p):
        return np.array([0.5, 0.5 if p[0] > 0.3 else np.nan])

    y = np.array([0.0, 1, 1, 0])
    samples = [(np.arange(4), np.full(4, 0.2)), (np.arange(4), np.full(4, 0.4))]
    found = corrected_curve(y, np.full(4, 0.5), samples, np.array([0.1, 0.9]), reaching)
    assert found.loc[found["line"] == "corrected", "at"].tolist() == [0.1]


risks = arrays(np.float64, 24, elements=st.floats(0.01, 0.99))
outcomes = arrays(np.float64, 24, elements=st.sampled_from([0.0, 1.0])).filter(lambda y: 1 < y.sum() < 23)


@steady
@given(outcomes, risks)
def test_parts_add_up_to_the_score_and_none_is_negative(y, p):
    for score, whole in (("brier", brier(y, p)), ("log_loss", log_loss(y, p))):
        parts = decomposition(y, p, score)
        assert parts["miscalibration"] - parts["discrimination"] + parts["uncertainty"] == pytest.approx(
            whole
        )
        assert min(parts.values()) > -1e-12
    risk = isotonic_risk(y, p)
    assert (np.diff(risk[np.argsort(p)]) >= 0).all()


@steady
@given(outcomes, risks)
def test_influences_add_up_to_nothing_and_intervals_hold_their_value(y, p):
    for name in ("brier", "log_loss", "o_e"):
        estimate = influence(name, y, p)
        assert estimate.value == pytest.approx(point_value(name, y, p[None]))
        assert estimate.by_patient.sum() == pytest.approx(0, abs=1e-12)
        interval = clustered_interval(estimate, np.arange(24) % 6, LEVEL)
        assert interval.low <= interval.value <= interval.high


def test_patients_alike_within_centres_widen_the_interval_and_one_centre_each_does_not():
    rng = np.random.default_rng(3)
    shift = np.repeat(rng.normal(0, 1.5, 30), 20)
    y = (rng.random(600) < 1 / (1 + np.exp(-shift))).astype(float)
    estimate = influence("o_e", y, np.full(600, 0.5))
    alike, alone = (
        clustered_interval(estimate, groups) for groups in (np.repeat(np.arange(30), 20), np.arange(600))
    )
    assert alike.high - alike.low > 2 * (alone.high - alone.low)
    assert alone.high - alone.value == pytest.approx(1.96 * np.sqrt((1 - y.mean()) / y.sum()), rel=0.1)


def test_what_the_centre_alone_tells_has_no_part_in_the_auc_within_centres():
    y = np.tile([0.0, 0, 0, 1, 0, 0, 1, 1, 1, 0], 4)
    by_centre = np.tile(np.repeat([0.3, 0.7], 5), 4)
    noise = np.random.default_rng(1).normal(0, 1e-3, 40)
    centre = np.tile(np.repeat(["A", "B"], 5), 4)
    assert influence("auc", y, by_centre + noise).value > 0.6
    found = within_clusters_auc(y, by_centre + noise, centre)
    assert found.low < 0.5 < found.high


@pytest.mark.parametrize(
    ("raises", "said"),
    [
        (lambda: influence("ici", Y, DATA["p_1"]), "must be one of auc"),
        (lambda: clustered_interval(influence("auc", Y, DATA["p_1"]), CENTRE[:9]), "must have shape"),
        (lambda: clustered_interval(influence("auc", Y, DATA["p_1"]), Y), "at least 5"),
        (lambda: influence("auc", Y, 0.25 + Y / 2), "separated"),
        (lambda: within_clusters_auc(Y, DATA["p_1"], np.arange(len(Y))), "no centre has two events"),
        (lambda: decomposition(Y, DATA["p_1"], "auc"), "brier, log_loss"),
        (lambda: decomposition(np.ones(3), np.full(3, 0.5), "brier"), "both outcomes"),
        (lambda: validation_evpi(Y, DATA["p_1"], [0.5], "escalation", np.ones((2, 3))), "counts"),
        (lambda: corrected_curve(Y, Y, [], np.ones(2), calibration_curve_at(np.ones(2))), "at least 2"),
    ],
)
def test_what_cannot_be_computed_says_why(raises, said):
    with pytest.raises(MeasureError, match=said):
        raises()
