"""Arm by group in simulated trials: cells as stated, the trial's own test, power by formula and by R."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from scipy.special import logit

from features.errors import UserError
from models.design.interactions import (
    cell_pcr,
    cell_shares,
    detectable,
    p_values,
    power,
    questions,
)
from models.design.rows import as_frame
from models.design.settings import Subgroup, design_plan
from models.efficacy.comparison import interaction
from models.efficacy.proportions import arms
from pipeline.project.files import read_yaml

ROOT = Path(__file__).parents[3]
REFERENCE = ROOT / "tests" / "reference"
PLAN = design_plan(read_yaml(ROOT / "configs" / "design.yaml"))
HR = PLAN.interactions.groups["HR positive"]


def counts(text: object) -> np.ndarray:
    return np.array([float(word) for word in str(text).split()])


@pytest.mark.parametrize("ratio", [0.5, 1.0, 3.0])
def test_cells_have_the_ratio_of_odds_ratios_and_the_effect_over_both_groups(ratio: float) -> None:
    pcr = cell_pcr(HR, ratio, 0.05)
    odds = logit(pcr)
    assert np.exp(odds[0] - odds[1] - odds[2] + odds[3]) == pytest.approx(ratio)
    gain = HR.share * (pcr[0] - pcr[1]) + (1 - HR.share) * (pcr[2] - pcr[3])
    assert gain == pytest.approx(0.05)
    assert (pcr[1], pcr[3]) == (HR.pcr, HR.pcr_others)


def test_an_effect_that_no_odds_ratios_give_is_refused_with_the_group() -> None:
    with pytest.raises(UserError, match=r"interactions, young: no odds ratios give an effect of 0\.6"):
        cell_pcr(HR, 2.0, 0.6, "young")


def test_power_by_formula_is_that_of_r() -> None:
    rows = pd.read_csv(REFERENCE / "design_interactions.csv")
    assert len(rows) == 12
    for row in rows.itertuples():
        group = Subgroup(row.share, row.pcr, row.pcr_others)
        cells = row.n * cell_shares(group, row.treated)
        assert power(cell_pcr(group, row.ratio, row.effect), cells, 0.05) == pytest.approx(
            row.power, abs=1e-6
        )


def test_p_values_of_many_trials_are_those_of_r_and_of_the_trials_own_test() -> None:
    rows = pd.read_csv(REFERENCE / "design_interaction_tests.csv")
    events, n = (np.stack([counts(text) for text in rows[name]]) for name in ("events", "n"))
    found = p_values(events, n)
    assert found == pytest.approx(rows["p_value"].to_numpy(), abs=1e-6)
    for k, (x, of) in enumerate(zip(events, n, strict=True)):
        own = interaction(arms(x[[0, 2]], of[[0, 2]], x[[1, 3]], of[[1, 3]]))
        assert found[k] == pytest.approx(own.value, abs=1e-6)


def test_trials_that_cannot_be_judged_find_nothing_and_disturb_no_other() -> None:
    events = np.array([[0.0, 0, 0, 0], [5, 0, 3, 1], [40, 9, 60, 21]])
    n = np.array([[10.0, 5, 10, 5], [9, 0, 8, 4], [60, 20, 80, 25]])
    found = p_values(events, n)
    assert found[:2] == pytest.approx([1, 1])
    assert found[2] == pytest.approx(p_values(events[2:], n[2:])[0])


def test_simulated_power_is_that_of_the_formula_and_the_error_5_per_cent() -> None:
    plan = replace(PLAN, trials=4000, sizes=(2000,))
    frame = as_frame([row for question in questions(plan) for row in question()])
    rows = frame.set_index(["scenario", "group", "measure"]).sort_index()
    for name in PLAN.interactions.groups:
        error = rows.loc[(name, "1", "found"), "value"]
        assert abs(error - 0.05) < 0.0125
        for ratio in ("1.5", "2"):
            found, formula = (
                rows.loc[(name, ratio, what), "value"] for what in ("found", "found_closed_form")
            )
            assert abs(found - formula) < 0.035


def test_the_detectable_ratio_is_found_with_80_per_cent_and_falls_with_the_patients() -> None:
    ratio = detectable("HR positive", HR, 2000, PLAN)
    cells = 2000 * HR.known * cell_shares(HR, PLAN.base.treated)
    assert power(cell_pcr(HR, ratio, PLAN.base.effect), cells, PLAN.alpha) == pytest.approx(0.8)
    assert detectable("HR positive", HR, 4000, PLAN) < ratio
    assert detectable("HR positive", HR, 20, PLAN) == float("inf")


def test_patients_of_unknown_group_are_lost_to_the_test() -> None:
    frames = [
        as_frame([
            row
            for question in questions(replace(
                PLAN, trials=100, sizes=(2000,),
                interactions=replace(PLAN.interactions, groups={"a": replace(HR, known=known)}),
            ))
            for row in question()
        ])
        for known in (1.0, 0.5)
    ]  # fmt: skip
    whole, half = (frame.loc[frame["measure"] == "detectable", "value"].item() for frame in frames)
    assert half > whole
