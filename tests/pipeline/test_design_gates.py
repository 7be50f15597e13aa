"""Models of known worth before the gates of promotion in simulated trials."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from models.design.population import forecasts, population
from models.design.rows import as_frame
from models.design.settings import DesignPlan, Forecaster, design_plan
from pipeline.commands.design import read_judge
from pipeline.design.gates import BAD, OF_FITTING, PASSED, TOO_FEW, judged, questions, trial, verdict_of
from pipeline.project.files import read_yaml
from pipeline.report.gates import Gate, Verdict

PLAN = design_plan(read_yaml(Path("configs/design.yaml")))
JUDGE = read_judge(PLAN)
PEOPLE = population(PLAN)


def plan(models: dict[str, Forecaster], n: int, trials: int = 20) -> DesignPlan:
    gates = replace(PLAN.gates, trials=trials, sizes=(n,), perfect_models=20)
    return replace(PLAN, gates=gates, forecasts=replace(PLAN.forecasts, models=models))


def gate(verdict: Verdict) -> Gate:
    return Gate("any", "", "", verdict)


@pytest.mark.parametrize(
    ("verdicts", "told"),
    [
        ([Verdict.GOOD, Verdict.IMPOSSIBLE], PASSED),
        ([Verdict.GOOD, Verdict.BAD, Verdict.TOO_FEW], BAD),
        ([Verdict.GOOD, Verdict.TOO_FEW], TOO_FEW),
        ([Verdict.GOOD, Verdict.NOT_EVALUATED], TOO_FEW),
    ],
)
def test_a_model_passes_if_every_gate_does_and_is_bad_if_one_shows_it(
    verdicts: list[Verdict], told: str
) -> None:
    assert verdict_of([gate(verdict) for verdict in verdicts]) == told


def test_every_gate_that_forecasts_can_fail_is_judged_by_the_pipelines_own_code() -> None:
    p = forecasts(PEOPLE, Forecaster(0.74), "a")
    found = judged(PEOPLE, p, 1000, PLAN, JUDGE, np.random.default_rng(2))
    assert [each.name for each in found] == [
        "temporal.calibration_slope", "temporal.o_e", "temporal.ici",
        "left_out_centres.calibration_slope", "left_out_centres.o_e",
        "delta_log_loss", JUDGE.criteria.delta_net_benefit.at,
    ]  # fmt: skip
    assert not {each.name for each in found} & set(OF_FITTING)
    assert Verdict.NOT_EVALUATED not in {each.verdict for each in found}


def test_a_trial_has_the_plans_centres_and_each_patient_once() -> None:
    p = forecasts(PEOPLE, Forecaster(0.74), "a")
    rows, rules, centre = trial(PEOPLE, p, 400, PLAN, np.random.default_rng(1))
    assert rows["usubjid"].is_unique
    assert rules.shape == (400,)
    assert centre.nunique() == PLAN.gates.centres
    assert set(centre.index) == set(rows["usubjid"])


def test_a_sound_model_passes_in_a_large_trial_and_bad_ones_do_not() -> None:
    models = {
        "sound": Forecaster(0.76),
        "extreme": Forecaster(0.76, slope=0.6),
        "low": Forecaster(0.76, o_e=1.3),
    }
    frame = as_frame([row for question in questions(plan(models, 3000), JUDGE) for row in question()])
    shares = frame.set_index(["scenario", "group", "measure"])["value"].sort_index()
    assert shares[("sound", "", PASSED)] > 0.8
    assert shares[("extreme", "", BAD)] > 0.8
    assert shares[("low", "", BAD)] > 0.8
    assert shares[("extreme", "temporal.calibration_slope", PASSED)] < 0.2
    assert shares[("low", "left_out_centres.o_e", PASSED)] < 0.2
    of_all = frame.loc[frame["group"] == ""].groupby("scenario")["value"].sum()
    assert of_all.to_numpy() == pytest.approx(np.ones(3))


def test_a_model_no_better_than_the_rules_is_held_back_by_them() -> None:
    alike = Forecaster(PEOPLE.value("auc", PEOPLE.rules))
    frame = as_frame([row for question in questions(plan({"a": alike}, 2000), JUDGE) for row in question()])
    shares = frame.set_index(["scenario", "group", "measure"])["value"].sort_index()
    assert shares[("a", "delta_log_loss", PASSED)] < 0.3
    assert shares[("a", "", PASSED)] < 0.2


def test_few_patients_are_told_apart_from_a_bad_model() -> None:
    frame = as_frame(
        [row for question in questions(plan({"a": Forecaster(0.72)}, 120), JUDGE) for row in question()]
    )
    shares = frame.set_index(["group", "measure"])["value"].sort_index()
    assert shares[("", PASSED)] < 0.1
    assert shares[("", TOO_FEW)] > 0.3
