"""Operating characteristics: error, power against the formula, boundaries against R, what a plan may say."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from features.errors import UserError
from models.design.closed_form import detectable, power
from models.design.rows import DesignRow, as_frame, sizes_of
from models.design.settings import DesignPlan, design_plan
from models.design.spending import boundaries, crossing, spent
from models.design.study import answered, questions
from models.design.trial import branch_sizes, characteristics, sequential, simulate, truth_of, z_values
from models.efficacy.proportions import arms, score
from models.measures.common import MeasureError
from models.procedure.backends import Backend
from pipeline.project.files import read_yaml

ROOT = Path(__file__).parents[3]
REFERENCE = ROOT / "tests" / "reference"
DOCUMENT = read_yaml(ROOT / "configs" / "design.yaml")


def plan(**changes: Any) -> DesignPlan:
    few = DOCUMENT["forecasts"] | {"trials": 100}
    return design_plan(DOCUMENT | {"trials": 1000, "forecasts": few} | changes)


def operating_characteristics(told: DesignPlan, backend: Backend | None = None) -> list[DesignRow]:
    asked = questions(told)
    rows = dict(answered(asked, backend or Backend()))
    return [row for number in range(len(asked)) for row in rows[number]]


def found(scenario_changes: dict[str, Any], trials: int = 1000, seed: int = 5) -> Any:
    told = plan(trials=trials)
    scenario = replace(told.base, **scenario_changes)
    truth = truth_of(scenario, told)
    drawn = simulate(scenario, truth, told, np.random.default_rng(seed))
    return scenario, truth, drawn, characteristics(drawn, truth, told), told


def test_boundaries_by_alpha_spending_are_those_of_multivariate_normal_probabilities() -> None:
    for (kind, alpha, looks), rows in pd.read_csv(REFERENCE / "design_bounds.csv").groupby(
        ["kind", "alpha", "looks"]
    ):
        shares = [float(share) for share in str(looks).split()]
        assert boundaries(kind, shares, alpha) == pytest.approx(rows["bound"].to_numpy(), abs=1e-4)


def test_boundaries_are_those_published_for_five_looks() -> None:
    looks = [0.2, 0.4, 0.6, 0.8, 1.0]
    assert boundaries("obrien_fleming", looks, 0.05) == pytest.approx(
        [4.8769, 3.3569, 2.6803, 2.2898, 2.0310], abs=2e-4
    )
    assert boundaries("pocock", looks, 0.05) == pytest.approx(
        [2.4380, 2.4268, 2.4101, 2.3966, 2.3859], abs=2e-4
    )


@pytest.mark.parametrize("kind", ["obrien_fleming", "pocock"])
def test_all_looks_together_spend_alpha_and_each_what_it_may(kind: Any) -> None:
    looks = [0.3, 0.55, 1.0]
    crossed = crossing(boundaries(kind, looks, 0.05), looks, 0.0)
    assert np.cumsum(crossed) == pytest.approx([spent(kind, share, 0.05) for share in looks], abs=1e-9)
    assert crossing(boundaries(kind, looks, 0.05), looks, 3.0).sum() > 0.75


def test_a_single_look_is_the_fixed_test() -> None:
    assert boundaries("pocock", [1.0], 0.05) == pytest.approx([1.959964], abs=1e-6)


@pytest.mark.parametrize("looks", [[], [0.5], [0.5, 0.5, 1.0], [0.0, 1.0], [1.0, 0.5]])
def test_looks_that_do_not_rise_to_the_end_are_refused(looks: list[float]) -> None:
    with pytest.raises(UserError, match="rise to 1"):
        boundaries("pocock", looks, 0.05)


def test_power_by_formula_is_that_of_r() -> None:
    for row in pd.read_csv(REFERENCE / "design_power.csv").itertuples():
        assert power(row.p0 + row.gain, row.p0, row.n, row.n, 0.05) == pytest.approx(row.power, abs=1e-6)


def test_the_detectable_gain_is_found_with_the_power_wanted() -> None:
    gain = detectable(0.6, 1500, 500, 0.05, 0.8)
    assert power(0.6 + gain, 0.6, 1500, 500, 0.05) == pytest.approx(0.8)
    with pytest.raises(MeasureError, match="no gain"):
        detectable(0.6, 4, 4, 0.05, 0.8)


def test_a_thousand_null_trials_find_a_difference_in_5_per_cent() -> None:
    *_, told, _ = found({"effect": 0.0})
    assert abs(told.superiority.value - 0.05) < 0.014
    assert abs(told.coverage.value - 0.95) < 0.02
    assert abs(told.bias.value) < 3 * told.bias.error


def test_trials_worse_by_the_margin_are_let_pass_in_half_of_5_per_cent() -> None:
    *_, told, _ = found({"effect": -0.05}, 4000)
    assert abs(told.non_inferiority.value - 0.025) < 0.0075


@pytest.mark.parametrize("effect", [0.022, 0.05, 0.08])
def test_simulated_power_is_that_of_the_formula(effect: float) -> None:
    scenario, truth, _, told, settings = found({"effect": effect}, 4000)
    formula = power(*truth.pcr, *sizes_of(scenario), settings.alpha)
    assert abs(told.superiority.value - formula) < 3 * max(told.superiority.error, 0.005)


def test_the_simulated_difference_of_2_points_is_found_with_about_15_per_cent() -> None:
    *_, told, _ = found({"effect": 0.022}, 4000)
    assert 0.12 < told.superiority.value < 0.17
    assert told.difference == pytest.approx(0.022)


def test_adherence_and_missing_outcomes_shrink_the_difference() -> None:
    assert found({"effect": 0.05, "adherence": 0.5})[1].difference == pytest.approx(0.025)
    assert found({"effect": 0.05, "dropout": 0.2})[1].difference == pytest.approx(0.04)


def test_the_rules_send_all_patients_somewhere_and_more_mutations_more_of_them_to_r4() -> None:
    scenario, _, drawn, _, told = found({"pam_mutated": 0.9})
    sizes = branch_sizes(drawn, tuple(scenario.shares), told.level)
    assert drawn.branch_n.sum(axis=1) == pytest.approx(np.full(1000, 1500))
    assert sizes["R4"].n > 3 * sizes["R3"].n
    assert sizes["R4"].width < sizes["R3"].width
    assert sizes["R4"].low < sizes["R4"].n < sizes["R4"].high


def test_a_branch_that_nobody_reaches_has_no_width() -> None:
    scenario, _, drawn, _, told = found({"pam_mutated": 1.0})
    assert np.isnan(branch_sizes(drawn, tuple(scenario.shares), told.level)["R3"].width)
    rows = as_frame(operating_characteristics(plan(
        trials=100, scenarios={"all mutated": {"pam_mutated": 1.0}}, sizes=[100], effects=[0.0]
    )))  # fmt: skip
    assert rows["value"].notna().all()


def test_scores_of_many_trials_are_those_of_each() -> None:
    many = arms([20, 30, 0], [40, 40, 40], [9, 15, 0], [20, 20, 20])
    one = [score(arms(x, 40, x0, 20), 0.1) for x, x0 in ((20, 9), (30, 15), (0, 0))]
    assert z_values(many, 0.1) == pytest.approx(one)
    assert z_values(many, 0.0)[2] == 0


def test_a_sequential_test_keeps_its_error_and_stops_early_where_there_is_much_to_find() -> None:
    _, truth, drawn, _, told = found({"effect": 0.0}, 4000)
    bounds = boundaries("obrien_fleming", told.looks, told.alpha)
    assert abs(sequential(drawn, truth, bounds).rejects.value - 0.05) < 0.011
    _, truth, drawn, _, told = found({"effect": 0.15})
    much = sequential(drawn, truth, bounds)
    assert much.stops_early.value > 0.9
    assert much.mean_n < 1600
    assert much.bias.value > 0


def test_another_scenario_changes_no_number_of_the_others() -> None:
    small = {"trials": 100, "sizes": [100], "effects": [0.0]}
    one = as_frame(operating_characteristics(plan(**small, scenarios={})))
    two = as_frame(operating_characteristics(plan(**small, scenarios={"more": {"n": 300}})))
    pd.testing.assert_frame_equal(one, two.loc[two["scenario"] != "more"].reset_index(drop=True))


def test_two_processes_tell_what_one_does() -> None:
    small = plan(trials=100, sizes=[100], effects=[0.0], scenarios={})
    alone = operating_characteristics(small)
    assert operating_characteristics(small, Backend("fork", 2)) == alone


@pytest.mark.parametrize(
    ("changes", "told"),
    [
        ({"scenarios": {"a": {"patients": 3}}}, "patients"),
        ({"scenarios": {"a": {"treated": 1.5}}}, "treated"),
        ({"scenarios": {"a": {"n": 20.5}}}, "whole number"),
        ({"branches": {"R1": {"pcr": 0.5, "relative_gain": 1, "spread": 1}}}, "branches must be R1, R2"),
        ({"spending": ["haybittle"]}, "haybittle"),
        ({"lookz": [1.0]}, "lookz"),
        ({"forecasts": DOCUMENT["forecasts"] | {"models": {"a": {"auc": 0.4}}}}, "auc"),
        ({"gates": DOCUMENT["gates"] | {"later_share": 1.0}}, "later_share"),
        ({"interactions": DOCUMENT["interactions"] | {"ratios": [0.0]}}, "ratios"),
    ],
)
def test_a_plan_that_cannot_be_is_refused_with_its_place(changes: dict[str, Any], told: str) -> None:
    with pytest.raises(UserError, match=told):
        plan(**changes)
