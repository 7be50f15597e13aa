"""A model that was stored as plain data and read again is the same to the last bit, and packed the same."""

import json

import numpy as np
import pytest

from features.documents.study import parse_study
from models.packaging.model_document import PackagingSettings, model_document, serving_part
from models.procedure.configuration.plan import validation_plan
from models.procedure.configuration.settings import EncodingSettings
from models.procedure.learned import LearnedModel
from models.procedure.response_model import ResponseModel
from tests.patients import FEATURES, SETTINGS, patients
from tests.serving import SUPPORT

PACKAGING = PackagingSettings(
    SUPPORT,
    EncodingSettings(5, 0.8, 0.2),
    validation_plan({"inner_folds": 3, "seed": 1}),
)
BOOTSTRAP = np.random.default_rng(1).normal(size=(20, 150))
STUDY = parse_study(
    {
        "study": "made-up", "simulated": True, "visits": ["baseline", "c1", "c2"],
        "outcome": {"definition": "ypT0", "sensitivity": []},
        "landmarks": ["c1"], "schedule": {"c1": {"visits": ["baseline", "c1"]}},
    }
)  # fmt: skip


@pytest.fixture(scope="module")
def fitted() -> ResponseModel:
    frame, y = patients(150)
    return ResponseModel(FEATURES, SETTINGS, 3, 1).fit(frame, y)


def test_a_learned_model_survives_json_to_the_last_bit(fitted: ResponseModel) -> None:
    learned = LearnedModel.of(fitted)
    again = LearnedModel.read(json.loads(json.dumps(learned.stored())))
    rows, _ = patients(40, seed=9)
    assert np.array_equal(again.model.probability(rows), fitted.predict_proba(rows)[:, 1])
    assert again.stored() == learned.stored()


def test_what_is_packed_is_the_same_from_the_fit_and_from_what_was_stored(fitted: ResponseModel) -> None:
    rows, y = patients(150)
    learned = LearnedModel.of(fitted)
    documents = []
    for each in (learned, LearnedModel.read(json.loads(json.dumps(learned.stored())))):
        served = serving_part(
            each, STUDY, "c1", rows, y, BOOTSTRAP, PACKAGING, {}, ["outcome"], {"criteria": []}
        )
        documents.append(json.dumps(model_document(each, STUDY, "c1", rows, y, "a probability", served, 1.0)))
    assert documents[0] == documents[1]
    packed = json.loads(documents[0])
    assert packed["model"] == "pcr-made-up-c1"
    assert packed["training"]["patients"] == 150
    assert packed["serving"]["refused"] == {"outcome": ["outcome"], "later": ["c2"]}
    assert packed["serving"]["support"]["quantile"] == 0.99
    assert packed["serving"]["interval"]["samples"] == 20


def test_a_candidate_that_was_passed_over_is_named_with_its_reason(fitted: ResponseModel) -> None:
    rows, y = patients(150)
    learned = LearnedModel.of(fitted)
    named = LearnedModel(learned.model, learned.booster, {"lightgbm": "too few patients"})
    document = model_document(named, STUDY, "c1", rows, y, "a probability", {}, 1.0)
    assert document["passed_over"] == {"lightgbm": "too few patients"}
    assert "passed_over" not in model_document(learned, STUDY, "c1", rows, y, "a probability", {}, 1.0)
