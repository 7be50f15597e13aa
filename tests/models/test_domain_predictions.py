"""The candidate on every set of domains: same folds for all, and the name of the set."""

from dataclasses import replace

import numpy as np

from models.procedure.configuration.plan import validation_plan
from models.procedure.configuration.settings import ModelSettings
from models.procedure.domain_predictions import domain_predictions
from models.procedure.domain_sets import domain_sets
from tests.patients import FEATURES, LINEAR, SETTINGS, patients

PLAN = validation_plan(
    {"folds": 3, "inner_folds": 3, "seed": 4, "domains": {"candidate": "logistic", "repeats": 1}}
)
RIDGE = replace(LINEAR, penalties_per_patient=(0.03,), splines=(), interactions=())
MODELS = ModelSettings(SETTINGS.encoding, {"logistic": RIDGE})


def test_every_set_of_domains_forecasts_every_patient_once_on_the_same_folds() -> None:
    rows, y = patients(90)
    predicted = domain_predictions(rows, y, FEATURES, MODELS, PLAN)
    assert set(predicted["model"]) == set(domain_sets(FEATURES))
    assert (predicted.groupby("model")["usubjid"].nunique() == 90).all()
    assert len(predicted) == 90 * len(domain_sets(FEATURES))
    assert (predicted.groupby("usubjid")["fold"].nunique() == 1).all()


def test_a_set_is_blind_to_the_domains_that_it_leaves_out() -> None:
    rows, y = patients(90)
    changed = rows.assign(ctdna_state=np.roll(rows["ctdna_state"].to_numpy(), 7))
    first, second = (
        domain_predictions(frame, y, FEATURES, MODELS, PLAN).set_index(["model", "usubjid"])["p"]
        for frame in (rows, changed)
    )
    assert (first["clinical"] == second["clinical"]).all()
    assert (first["all"] != second["all"]).any()
