"""Refits of sensitivity runs: only patients with a known outcome, and a reason where nothing is fitted."""

from typing import Any

import numpy as np
import pandas as pd
import pytest

from models.configuration.plan import validation_plan
from models.configuration.settings import model_settings
from models.evaluation.refits import Population, Refits, Refitter, no_refits, read_refits
from pipeline.project.files import read_yaml
from tests.features.tables import ROOT
from tests.patients import FEATURES, patients

SETTINGS: dict[str, Any] = read_yaml(ROOT / "configs/models.yaml")
LINEAR = SETTINGS["candidates"]["logistic"] | {"penalties": [0.1], "splines": [], "interactions": []}
PLAN = {
    "folds": 2,
    "inner_folds": 2,
    "seed": 1,
    "min_events": 10,
    "domains": {"candidate": "logistic", "repeats": 1},
}


@pytest.fixture(scope="module")
def refitter() -> Refitter:
    settings = model_settings({"candidates": {"logistic": LINEAR}, "encoding": SETTINGS["encoding"]})
    return Refitter(FEATURES, settings, validation_plan(PLAN))


def population(n: int) -> Population:
    """Return patients of whom every tenth has no outcome yet."""
    rows, y = patients(n)
    return Population("made up", rows, pd.Series(y).mask(np.arange(n) % 10 == 0))


def test_patients_without_outcome_are_neither_learned_from_nor_predicted(refitter: Refitter) -> None:
    people = population(80)
    run, predicted = refitter.refitted(people)
    assert (run.error, run.n, run.events) == ("", 72, int(people.outcome.sum()))
    assert predicted["usubjid"].tolist() == people.rows.loc[people.known, "usubjid"].tolist()
    assert predicted["p"].between(0, 1).all()
    assert set(predicted["fold"]) == {0, 1}


def test_too_few_events_fit_nothing_and_say_so(refitter: Refitter) -> None:
    run, predicted = refitter.refitted(population(12))
    assert run.error == "fewer than 10 events or non-events"
    assert list(predicted.columns) == list(no_refits().columns)
    assert predicted.empty


def test_what_was_stored_is_read_again_alike(refitter: Refitter) -> None:
    found = Refits((refitter.refitted(population(12))[0],), no_refits())
    assert read_refits(found.listed(), no_refits()).scenarios == found.scenarios
