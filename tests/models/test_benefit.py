"""Net benefit of both decisions, of the rules' allocation, and its differences."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from models.measures.common import MeasureError, draw_patients
from models.measures.evaluate import compare, evaluate
from models.measures.net_benefit import (
    DECISIONS,
    decision_curve_differences,
    decision_curves,
    net_benefit,
    net_benefit_of_all,
    net_benefit_of_allocation,
)

# The same examples on every run, and no time limit on a machine that is busy.
steady = settings(deadline=None, derandomize=True, max_examples=50)
REFERENCE = Path(__file__).parents[1] / "reference"
EXPECTED = (
    pd.read_csv(REFERENCE / "performance_expected.csv", dtype={"dataset": str})
    .set_index(["dataset", "model", "measure"])["value"]
    .sort_index()
)
DCURVES = pd.read_csv(REFERENCE / "net_benefit_dcurves.csv", dtype={"dataset": str})
Y = np.array([1, 1, 0, 0, 1, 0, 0, 0, 1, 0], dtype=float)
P = np.array([0.9, 0.7, 0.6, 0.2, 0.5, 0.1, 0.3, 0.4, 0.8, 0.35])


@pytest.mark.parametrize("dataset", ["40", "500", "ties"])
@pytest.mark.parametrize("model", ["p_a", "p_b"])
def test_net_benefit_agrees_with_the_formula_in_r(dataset, model):
    data, expected = pd.read_csv(REFERENCE / f"performance_{dataset}.csv"), EXPECTED[dataset, model]
    for decision, name in zip(DECISIONS, ("net_benefit", "net_benefit_escalation"), strict=True):
        for t in (0.1, 0.3, 0.5, 0.7, 0.9):
            value = net_benefit(data["y"], data[model], [t], decision)[0]
            assert value == pytest.approx(expected[f"{name}@{t}"], abs=1e-12)


@pytest.mark.parametrize(("dataset", "decision"), [(d, c) for d in ("40", "500", "ties") for c in DECISIONS])
def test_net_benefit_agrees_with_dcurves(dataset, decision):
    data = pd.read_csv(REFERENCE / f"performance_{dataset}.csv")
    reference = DCURVES[(DCURVES["dataset"] == dataset) & (DCURVES["decision"] == decision)]
    table = reference.pivot_table(index="threshold", columns="model", values="net_benefit")
    for model in ("p_a", "p_b"):
        ours = net_benefit(data["y"], data[model], table.index, decision)
        assert ours == pytest.approx(table[model].to_numpy(), abs=1e-12)
    assert net_benefit_of_all(data["y"], table.index, decision) == pytest.approx(table["all"], abs=1e-12)


def test_net_benefit_counts_true_positives_minus_weighted_false_positives():
    # p >= 0.4: patients 1, 2, 5, 9 have pCR, patients 3 and 8 have not.
    assert net_benefit(Y, P, [0.4], "de_escalation")[0] == pytest.approx(4 / 10 - 2 / 10 * 0.4 / 0.6)
    # 1 - p >= 0.7: patients 4, 6 and 7, none with pCR; the patient exactly on the threshold is escalated.
    assert net_benefit(Y, P, [0.7], "escalation")[0] == pytest.approx(3 / 10)


@steady
@given(st.floats(0.01, 0.99), st.lists(st.integers(0, 1), min_size=1, max_size=30))
def test_acting_on_all_gains_nothing_at_the_prevalence(threshold, outcomes):
    y = np.array(outcomes, dtype=float)
    for decision, prevalence in zip(DECISIONS, (y.mean(), 1 - y.mean()), strict=True):
        value = net_benefit_of_all(y, [threshold], decision)[0]
        assert value == pytest.approx((prevalence - threshold) / (1 - threshold), abs=1e-9)


def test_an_allocation_equals_the_model_that_selects_the_same_patients():
    thresholds = [0.3, 0.5]
    for decision, acted in (("de_escalation", P >= 0.5), ("escalation", 1 - P >= 0.5)):
        allocation = net_benefit_of_allocation(Y, acted, thresholds, decision)
        assert allocation[1] == pytest.approx(net_benefit(Y, P, thresholds, decision)[1])


def test_curves_hold_every_strategy_with_all_and_none():
    table = decision_curves(
        Y,
        {"model": np.vstack([P, P[::-1]]), "rules": P > 0.5},
        [0.3, 0.5],
        "de_escalation",
        bootstrap=50,
        rng=np.random.default_rng(1),
    )
    assert table.columns.tolist() == ["decision", "strategy", "threshold", "value", "low", "high"]
    assert table["strategy"].unique().tolist() == ["model", "rules", "all", "none"]
    assert (table.loc[table["strategy"] == "none", ["value", "low", "high"]] == 0).all(axis=None)
    per_repeat = [net_benefit(Y, p, [0.3, 0.5], "de_escalation") for p in (P, P[::-1])]
    found = table.loc[table["strategy"] == "model", "value"]
    assert found.to_numpy() == pytest.approx(np.mean(per_repeat, axis=0))


def test_interval_is_the_quantiles_over_redrawn_patients_and_the_same_in_evaluate():
    rng = np.random.default_rng
    table = decision_curves(Y, {"model": P}, [0.4], "escalation", bootstrap=80, rng=rng(3))
    name = "net_benefit_escalation@0.4"
    measure = evaluate(Y, P, [name], bootstrap=80, rng=rng(3))[name]
    redrawn = [
        net_benefit(np.repeat(Y, count), np.repeat(P, count), [0.4], "escalation")[0]
        for count in draw_patients(10, 80, rng(3))
    ]
    expected = np.quantile(redrawn, [0.025, 0.975])
    assert table.loc[0, ["low", "high"]].tolist() == pytest.approx(expected)
    assert (measure.low, measure.high) == pytest.approx(expected)


def test_differences_are_paired():
    strategies = {"model": P, "rules": P > 0.55}
    table = decision_curve_differences(
        Y,
        strategies,
        [("model", "rules"), ("model", "model"), ("model", "none")],
        [0.5],
        "de_escalation",
        bootstrap=60,
        rng=np.random.default_rng(2),
    )
    assert (table.loc[1, ["value", "low", "high"]] == 0).all()
    against_none = decision_curves(
        Y, strategies, [0.5], "de_escalation", bootstrap=60, rng=np.random.default_rng(2)
    )
    assert table.loc[2, "low"] == pytest.approx(against_none.loc[0, "low"])
    difference = compare(Y, P, P[::-1], ["net_benefit@0.5"], bootstrap=10, rng=np.random.default_rng(1))
    expected = net_benefit(Y, P, [0.5], "de_escalation") - net_benefit(Y, P[::-1], [0.5], "de_escalation")
    assert difference["delta_net_benefit@0.5"].value == pytest.approx(expected[0])


@pytest.mark.parametrize(
    ("call", "reason"),
    [
        (lambda: net_benefit(Y, P, [0.0, 0.5], "escalation"), "thresholds: must be"),
        (lambda: net_benefit(Y, P, [0.5], "omit"), "decision: must be one of de_escalation, escalation"),
        (lambda: net_benefit_of_allocation(Y, P, [0.5], "escalation"), "allocation: must be true or false"),
        (lambda: curves({"all": P}), "strategies: all are added"),
        (lambda: curves({"model": P[:5]}), r"p: must have shape \(repeats, 10\)"),
        (lambda: evaluate(Y, P, ["net_benefit@x"], bootstrap=5, rng=None), "after @ must be a number"),
    ],
)
def test_wrong_input_is_refused_with_its_reason(call, reason):
    with pytest.raises(MeasureError, match=reason):
        call()


def test_difference_of_an_unknown_strategy_is_refused():
    with pytest.raises(MeasureError, match="no strategy is called rules"):
        decision_curve_differences(
            Y,
            {"model": P},
            [("model", "rules")],
            [0.5],
            "escalation",
            bootstrap=5,
            rng=np.random.default_rng(1),
        )


def curves(strategies):
    return decision_curves(Y, strategies, [0.5], "escalation", bootstrap=5, rng=np.random.default_rng(1))
