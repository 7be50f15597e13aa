"""A model minus the rules in simulated trials: forecasts as stated, power by normal theory and by R."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from features.errors import UserError
from models.design.against_rules import compared, draw_trial, expected, questions
from models.design.closed_form import detectable_mean, power_of_mean
from models.design.population import Population, draw, forecasts, population
from models.design.rows import as_frame
from models.design.settings import DesignPlan, Forecaster, design_plan
from models.measures.evaluate import compare
from pipeline.project.files import read_yaml

ROOT = Path(__file__).parents[3]
REFERENCE = ROOT / "tests" / "reference"
PLAN = design_plan(read_yaml(ROOT / "configs" / "design.yaml"))
PEOPLE = population(PLAN)


def asked(models: dict[str, Forecaster], n: int, trials: int) -> pd.DataFrame:
    wanted = replace(PLAN.forecasts, trials=trials, models=models)
    plan = replace(PLAN, forecasts=wanted, sizes=(n,))
    frame = as_frame([row for question in questions(plan) for row in question()])
    return frame.set_index(["scenario", "group", "measure"]).sort_index()


def test_patients_have_the_pcr_of_their_branches_and_the_trial() -> None:
    assert PEOPLE.weight.sum() == pytest.approx(1)
    treated, gain = PLAN.base.treated, PLAN.base.effect
    control = sum(share * PLAN.branches[name].pcr for name, share in PLAN.base.shares.items())
    assert PEOPLE.pcr == pytest.approx(control + treated * gain)
    assert PEOPLE.weight @ PEOPLE.rules == pytest.approx(PEOPLE.pcr)


@pytest.mark.parametrize(
    "wanted", [Forecaster(0.74), Forecaster(0.66, slope=0.7), Forecaster(0.8, slope=1.3, o_e=1.25)]
)
def test_forecasts_have_the_auc_slope_and_o_e_stated(wanted: Forecaster) -> None:
    p = forecasts(PEOPLE, wanted, "a")
    assert PEOPLE.value("auc", p) == pytest.approx(wanted.auc, abs=1e-4)
    assert PEOPLE.value("calibration_slope", p) == pytest.approx(wanted.slope, abs=1e-6)
    assert PEOPLE.value("o_e", p) == pytest.approx(wanted.o_e, abs=1e-6)


def test_a_model_better_than_the_truth_is_refused_with_what_the_truth_reaches() -> None:
    best = PEOPLE.value("auc", PEOPLE.truth)
    with pytest.raises(UserError, match=f"forecasts, a: auc is 0.9; .* below {best:.3f}"):
        forecasts(PEOPLE, Forecaster(0.9), "a")


def test_a_branch_without_spread_about_its_pcr_is_refused_by_name() -> None:
    certain = dict(PLAN.branches) | {"R2": replace(PLAN.branches["R2"], pcr=0.0, relative_gain=0.0)}
    with pytest.raises(UserError, match="branches, R2"):
        population(replace(PLAN, branches=certain))


def test_a_trial_draws_the_patients_by_their_shares() -> None:
    kinds = draw(PEOPLE, 200_000, np.random.default_rng(1))
    assert PEOPLE.truth[kinds].mean() == pytest.approx(PEOPLE.pcr, abs=0.002)
    assert PEOPLE.truth[kinds].std() == pytest.approx(
        np.sqrt(PEOPLE.weight @ (PEOPLE.truth - PEOPLE.pcr) ** 2), abs=0.002
    )


def of_reference() -> tuple[Population, np.ndarray]:
    kinds = pd.read_csv(REFERENCE / "design_forecasts.csv")
    columns = [kinds[name].to_numpy() for name in ("weight", "truth", "rules")]
    return Population(*columns, noise=np.zeros(len(kinds))), kinds["model"].to_numpy()


def test_differences_and_their_power_are_those_of_r_by_pairs() -> None:
    people, model = of_reference()
    true = expected(people, model, PLAN)
    rows = pd.read_csv(REFERENCE / "design_forecasts_expected.csv")
    assert len(rows) == 6
    for row in rows.itertuples():
        found = true[str(row.measure)]
        assert (found.difference, found.sd) == pytest.approx((row.difference, row.sd), abs=1e-9)
        gain = -found.difference if row.measure == "log_loss" else found.difference
        assert power_of_mean(gain, found.sd, row.n, 0.05) == pytest.approx(row.power, abs=1e-6)


def test_the_detectable_difference_is_found_with_the_power_wanted() -> None:
    assert power_of_mean(detectable_mean(0.4, 300, 0.05, 0.8), 0.4, 300, 0.05) == pytest.approx(0.8)
    assert power_of_mean(0.0, 0.0, 300, 0.05) == 0


def test_simulated_power_is_that_of_the_formula_and_intervals_cover() -> None:
    frame = asked({"a": Forecaster(0.70)}, 1000, 600)
    measures = ("log_loss", "auc", f"net_benefit@{PLAN.forecasts.threshold:g}")
    for measure in measures:
        rows = frame.loc[("a", measure)]
        found, formula = rows.loc["found"], rows.loc["found_closed_form", "value"]
        assert 0.1 < formula < 0.99
        assert abs(found["value"] - formula) < 3.5 * max(found["error"], 0.005)
        assert abs(rows.loc["coverage", "value"] - 0.95) < 0.035
        assert abs(rows.loc["bias", "value"]) < 3.5 * rows.loc["bias", "error"]


def test_a_model_as_good_as_the_rules_is_found_better_in_half_of_5_per_cent() -> None:
    alike = Forecaster(PEOPLE.value("auc", PEOPLE.rules))
    found = asked({"a": alike}, 500, 1500).loc[("a", "auc", "found")]
    assert abs(found["value"] - 0.025) < 0.015


def test_the_interval_by_standard_error_is_nearly_that_of_the_pipeline_by_bootstrap() -> None:
    p = forecasts(PEOPLE, Forecaster(0.74), "a")
    y, model, rules = draw_trial(PEOPLE, p, 1500, np.random.default_rng(3))
    here = compared(y, model, rules, PLAN)
    names = ["log_loss", "auc", "net_benefit@0.65"]
    there = compare(y, model, rules, names, bootstrap=4000, rng=np.random.default_rng(4))
    for name in names:
        value, low, high = here[name]
        other = there[f"delta_{name}"]
        assert value == pytest.approx(other.value, abs=1e-12)
        assert (low, high) == pytest.approx((other.low, other.high), abs=0.1 * (high - low))


def test_a_trial_whose_outcomes_are_all_alike_finds_no_difference_of_aucs(plan: DesignPlan = PLAN) -> None:
    p = np.array([0.3, 0.6, 0.7])
    assert all(np.isnan(number) for number in compared(np.ones(3), p, p[::-1], plan)["auc"])


def test_a_larger_trial_has_the_same_truth_and_more_power() -> None:
    few, many = (asked({"a": Forecaster(0.66)}, n, 100) for n in (300, 3000))
    at = ("a", "log_loss")
    assert few.loc[(*at, "difference"), "value"] == many.loc[(*at, "difference"), "value"]
    assert few.loc[(*at, "found_closed_form"), "value"] < many.loc[(*at, "found_closed_form"), "value"]
    assert few.loc[(*at, "detectable"), "value"] > many.loc[(*at, "detectable"), "value"]


def test_what_too_few_patients_cannot_tell_is_no_row() -> None:
    frame = asked({"a": Forecaster(0.66)}, 3, 100)
    assert frame["value"].notna().all()
    assert frame.loc[("a", "auc", "found"), "value"] < 0.5
