"""The simulated trials that say how often the gates pass a model: what is drawn, how a trial is judged."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from scipy.special import logit

from models.measures.definitions import point_value
from models.procedure.backends import Backend
from models.procedure.configuration.plan import validation_plan
from pipeline.project.files import read_yaml
from pipeline.project.settings import read_settings
from pipeline.report.gates import Criteria, Verdict
from pipeline.simulation_checks.gates import (
    GateSimulation,
    Model,
    characteristics,
    overall,
    page,
    trial,
)

CONFIGS = Path(__file__).parents[2] / "configs"
SETTINGS = read_settings(GateSimulation, CONFIGS / "gate_simulation.yaml")
CRITERIA = read_settings(Criteria, CONFIGS / "gates.yaml")
PLAN = validation_plan(
    read_yaml(CONFIGS / "validation.yaml") | {"bootstrap": 10, "loess_bootstrap": 20},
    read_yaml(CONFIGS / "measures.yaml"),
)


def test_the_outcome_has_the_slope_and_the_o_e_that_the_model_lacks() -> None:
    alike = replace(SETTINGS, centre_sd=0.0)
    rows, centre = trial(alike, Model(name="bad", slope=0.7, o_e=1.2), 100_000, 1)
    y, p = rows["y"].to_numpy(float), rows["p"].to_numpy()
    assert point_value("calibration_slope", y, p[None]) == pytest.approx(0.7, abs=0.02)
    assert point_value("o_e", y, p[None]) == pytest.approx(1.2, abs=0.01)
    assert logit(p).std() == pytest.approx(SETTINGS.log_odds_sd, abs=0.01)
    assert centre.nunique() == SETTINGS.centres


def test_a_trial_passes_if_every_gate_does_and_is_bad_if_any_shows_it() -> None:
    assert overall([Verdict.GOOD, Verdict.GOOD]) == "passed"
    assert overall([Verdict.GOOD, Verdict.TOO_FEW]) == "too few patients to tell"
    assert overall([Verdict.TOO_FEW, Verdict.BAD]) == "shown bad"


def test_shares_add_up_and_a_grossly_bad_model_never_passes() -> None:
    few = replace(SETTINGS, trials=3, patients=(600,), models=(Model(name="bad", slope=0.3, o_e=1.0),))
    table = characteristics(few, PLAN, CRITERIA, Backend())
    assert table["passed"].tolist() == [0.0]
    shares = table.drop(columns=["patients", "model"])
    assert np.allclose(shares.sum(axis=1), 1)
    assert "| 600 | bad | 0.0 % |" in page(table, few, CRITERIA)


def test_the_same_settings_give_the_same_table_with_any_number_of_workers() -> None:
    few = replace(SETTINGS, trials=2, patients=(300,), models=SETTINGS.models[:1])
    one, two = (characteristics(few, PLAN, CRITERIA, Backend(workers=workers)) for workers in (1, 2))
    pd.testing.assert_frame_equal(one, two)
