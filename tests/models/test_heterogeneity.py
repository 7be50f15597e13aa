"""Performance by group and its meta-analysis: against R, by hand, and where a group has too little."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from scipy.special import expit

from models.measures.common import MeasureError
from models.measures.evaluate import auc_interval
from models.measures.heterogeneity import by_group, log_o_e, logit_auc, pool, slope_and_error

REFERENCE = Path(__file__).parents[1] / "reference"
FEWEST = {"40": 5, "ties": 10, "many": 10}
ON_SCALE = ["logit_auc", "logit_auc_se", "slope", "slope_se", "log_o_e", "log_o_e_se"]
MEASURES = {"auc": ("logit_auc", expit), "slope": ("slope", float), "o_e": ("log_o_e", np.exp)}


def reference_groups(dataset):
    data = pd.read_csv(REFERENCE / f"heterogeneity_{dataset}.csv")
    p = data.filter(like="p_").to_numpy().T
    return by_group(data["y"], p, data["centre"], level=0.95, fewest=FEWEST[dataset])


def simulated(n=240, groups=4, seed=1):
    rng = np.random.default_rng(seed)
    lp = rng.normal(0, 1, n)
    y = (rng.random(n) < expit(lp)).astype(float)
    return y, expit(lp + rng.normal(0, 0.3, (2, n))), np.resize([f"G{g}" for g in range(groups)], n)


# Agreement with R


@pytest.mark.parametrize("dataset", FEWEST)
def test_every_group_agrees_with_r(dataset):
    expected = pd.read_csv(REFERENCE / "heterogeneity_groups.csv", dtype={"dataset": str})
    expected = expected[expected["dataset"] == dataset].pivot_table("value", "group", "measure")
    found = reference_groups(dataset).set_index("group")
    assert found.index.tolist() == expected.index.tolist()
    columns = ["n", "events", *ON_SCALE]
    np.testing.assert_allclose(found[columns], expected[columns], rtol=1e-8, atol=1e-10)


@pytest.mark.parametrize("dataset", FEWEST)
@pytest.mark.parametrize("measure", MEASURES)
def test_pooled_measures_agree_with_metafor(dataset, measure):
    scale, back = MEASURES[measure]
    table = pd.read_csv(REFERENCE / "heterogeneity_pooled.csv", dtype={"dataset": str})
    expected = table[(table["dataset"] == dataset) & (table["group"] == scale)].set_index("measure")["value"]
    groups = reference_groups(dataset)
    found = pool(groups, level=0.95).set_index("measure").loc[measure]
    for name in ("value", "low", "high", "prediction_low", "prediction_high"):
        assert found[name] == pytest.approx(back(expected[name]), rel=1e-7), name
    assert (found["tau2"], found["i2"]) == pytest.approx((expected["tau2"], expected["i2"]), abs=1e-8)
    assert found["pooled"] == expected["groups"]
    assert found["pooled"] + found["counted_only"] == len(groups)


# What a group's row holds


def test_intervals_are_made_on_the_pooled_scale_and_the_auc_one_is_the_usual():
    y, p, groups = simulated()
    found = by_group(y, p, groups, level=0.9, fewest=10)
    first, chosen = found.iloc[0], groups == "G0"
    usual = auc_interval(y[chosen], p[:, chosen], level=0.9)
    assert (first["auc"], first["auc_low"], first["auc_high"]) == pytest.approx(
        (usual.value, usual.low, usual.high)
    )
    assert first["slope_high"] == pytest.approx(first["slope"] + 1.6448536 * first["slope_se"])
    assert first["o_e_low"] == pytest.approx(first["o_e"] * np.exp(-1.6448536 * first["log_o_e_se"]))


def test_a_slope_of_0_has_a_standard_error():
    y, p = np.tile(np.repeat([1.0, 0.0], [6, 14]), 2), np.repeat([0.4, 0.6], 20)
    slope, se = slope_and_error(y, p)
    assert slope == pytest.approx(0, abs=1e-9)
    assert se == pytest.approx(1 / (np.sqrt(40 * 0.3 * 0.7) * np.log(1.5)), rel=1e-9)


def test_repeats_of_the_same_predictions_do_not_narrow_an_interval():
    y, p, groups = simulated()
    once = by_group(y, p[0], groups, level=0.95, fewest=10)
    thrice = by_group(y, np.tile(p[0], (3, 1)), groups, level=0.95, fewest=10)
    pd.testing.assert_frame_equal(once, thrice, rtol=1e-9)


def test_groups_are_sorted_whatever_the_order_of_patients():
    y, p, groups = simulated()
    order = np.random.default_rng(2).permutation(y.size)
    found = by_group(y[order], p[:, order], groups[order], level=0.95, fewest=10)
    assert found["group"].tolist() == ["G0", "G1", "G2", "G3"]
    pd.testing.assert_frame_equal(found, by_group(y, p, groups, level=0.95, fewest=10), rtol=1e-8)


# Too little in a group


def test_fewest_is_the_smallest_number_that_is_still_estimated():
    y, p, _ = simulated(n=60)
    rows = np.concatenate([np.flatnonzero(y == 1)[:12], np.flatnonzero(y == 0)[:20]])
    y, p, groups = y[rows], p[:, rows], np.repeat("A", 32)
    enough = by_group(y, p, groups, level=0.95, fewest=12)
    assert enough["note"].tolist() == [""]
    assert enough.notna().all(axis=None)
    for few, outcome in ((y, "events"), (1 - y, "non-events")):
        counted = by_group(few, p, groups, level=0.95, fewest=13).iloc[0]
        assert counted["note"] == "fewer than 13 events or non-events", outcome
        assert (counted["n"], counted["events"]) == (32, few.sum())
        assert counted.drop(["group", "n", "events", "note"]).isna().all()


def test_separated_outcomes_leave_o_e_and_say_why_the_rest_is_missing():
    y, p, groups = simulated()
    p[:, groups == "G1"] = np.where(y == 1, 0.8, 0.2)[groups == "G1"]
    found = by_group(y, p, groups, level=0.95, fewest=10).set_index("group")
    assert found.loc["G1", ["auc", "slope", "slope_se", "slope_low"]].isna().all()
    assert found.loc["G1", "o_e"] > 0
    assert "auc: an AUC of exactly 1" in found.loc["G1", "note"]
    assert "infinite, because the predictions separate" in found.loc["G1", "note"]
    counts = pool(found.reset_index(), level=0.95).set_index("measure")[["pooled", "counted_only"]]
    assert counts.loc["slope"].tolist() == [3, 1]
    assert counts.loc["o_e"].tolist() == [4, 0]


def test_equal_predictions_have_no_slope_and_no_auc_with_an_error():
    y, p, groups = simulated()
    p[:, groups == "G2"] = 0.4
    note = by_group(y, p, groups, level=0.95, fewest=10)["note"]
    assert "DeLong variance is 0" in note[2]
    assert "all 60 predictions are the same" in note[2]


def test_one_group_cannot_be_pooled_and_the_note_says_so():
    y, p, _ = simulated()
    found = pool(by_group(y, p, np.repeat("A", y.size), level=0.95, fewest=10), level=0.95)
    assert found["value"].isna().all()
    assert found["note"].str.contains("at least two groups are needed to pool; got 1").all()
    assert found["pooled"].tolist() == [1, 1, 1]


# Refusals


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"groups": ["A"] * 239}, r"groups: must have shape \(240,\)"),
        ({"groups": [None, *["A"] * 239]}, "groups: must be given for every patient; 1 of 240"),
        ({"level": 95}, "level: must lie strictly between 0 and 1; got 95"),
        ({"fewest": 1}, "fewest: must be at least 2"),
        ({"p": np.ones(240)}, "p: must lie strictly between 0 and 1; 240 of 240"),
    ],
)
def test_wrong_arguments_are_refused(change, reason):
    y, p, groups = simulated()
    arguments = {"y": y, "p": p, "groups": groups, "level": 0.95, "fewest": 10} | change
    with pytest.raises(MeasureError, match=reason):
        by_group(**arguments)


def test_estimates_without_a_logarithm_are_refused():
    with pytest.raises(MeasureError, match="o_e: needs both outcomes; 0 of 3"):
        log_o_e([0, 0, 0], [0.2, 0.3, 0.4])
    with pytest.raises(MeasureError, match="exactly 0 has no logit"):
        logit_auc([1, 1, 0, 0], [0.1, 0.2, 0.3, 0.4])
    with pytest.raises(MeasureError, match="level: must lie strictly"):
        pool(by_group(*simulated(), level=0.95, fewest=10), level=0)
