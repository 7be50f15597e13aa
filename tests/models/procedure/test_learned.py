"""A fit that is stored as JSON and read again predicts to the last bit what it predicted before."""

import json

import pytest

from models.procedure.learned import LearnedModel
from models.procedure.response_model import ResponseModel
from tests.patients import FEATURES, SETTINGS, patients


@pytest.mark.parametrize("candidate", ["logistic", "lightgbm"])
def test_a_stored_fit_is_the_same_to_the_last_bit(candidate: str) -> None:
    frame, y = patients(80)
    fitted = ResponseModel(FEATURES, SETTINGS, inner_folds=2, seed=1).fit(frame, y)
    fitted.chosen_ = candidate
    learned = LearnedModel.of(fitted)
    again = LearnedModel.read(json.loads(json.dumps(learned.stored())))
    assert again.model.probability(frame).tolist() == learned.model.probability(frame).tolist()
    assert (again.booster is None) == (candidate == "logistic")
