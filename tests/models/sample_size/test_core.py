"""The core model: as many prespecified parameters as the patients support, and alone where events are few."""

from dataclasses import replace

import numpy as np
import pytest

from models.procedure.candidates import linear_terms
from models.procedure.cohort_size.core import procedure_for, supported_in_size
from models.procedure.cohort_size.development import development_sample_size
from models.procedure.configuration.plan import ValidationPlan, validation_plan
from models.procedure.configuration.settings import ModelSettings
from models.procedure.encoding import learn_encoding
from models.procedure.errors import NotLearnableError
from models.procedure.response_model import ResponseModel
from models.serving.serving import TermDocument
from tests.patients import BOOSTING, FEATURES, LINEAR, NAMES, SETTINGS, patients

CORE = replace(LINEAR, order=("til_pct", "ctdna_state", "age_years", "arm"))
MODELS = ModelSettings(SETTINGS.encoding, {"core": CORE, "logistic": LINEAR, "lightgbm": BOOSTING})
CRITERIA = {"c_statistic": 0.72, "shrinkage": 0.9, "optimism": 0.05}


def plan(core_only_events: int = 20) -> ValidationPlan:
    return validation_plan({"model_size": CRITERIA, "core_only_events": core_only_events})


def outcomes(n: int, events: int) -> np.ndarray:
    return np.arange(n) < events


def terms(limit: int) -> list[TermDocument]:
    frame, _ = patients(300)
    encoding = learn_encoding(frame, FEATURES, SETTINGS.encoding)
    names = [column["feature"] for column in encoding["columns"]]
    found = linear_terms(encoding, np.zeros((300, len(names))), replace(CORE, max_parameters=limit))
    return [[names[column] for column in term["columns"]] for term in found]


@pytest.mark.parametrize("n", [300, 1000, 4000])
def test_so_many_parameters_are_supported_that_one_more_would_need_more_patients(n: int) -> None:
    supported = supported_in_size(n, 0.6, plan())
    limits = {"shrinkage": 0.9, "optimism": 0.05, "margin": 0.05, "level": 0.95}
    needed = [
        development_sample_size(parameters, 0.6, 0.72, **limits)
        .set_index("criterion")["n"]
        .drop("overall_risk")
        for parameters in (supported, supported + 1)
    ]
    assert needed[0].max() <= n < needed[1].max()


def test_features_enter_in_their_order_while_they_fit_and_others_are_passed_over() -> None:
    assert terms(1) == [["til_pct"]]
    assert terms(2) == [["til_pct"], ["age_years"]]
    assert terms(3) == [["til_pct"], ["ctdna_state"], ["ctdna_state"]]
    assert terms(5)[-1] == ["arm"]


def test_a_product_enters_where_both_of_its_features_do() -> None:
    assert terms(6)[-1] == ["arm", "til_pct"]
    assert ["arm", "til_pct"] not in terms(4)


def test_no_parameter_is_no_model() -> None:
    with pytest.raises(NotLearnableError, match="at most 0 parameters"):
        terms(0)


def test_from_few_events_only_the_core_model_is_learned() -> None:
    assert list(procedure_for(MODELS, NAMES, outcomes(100, 19), plan()).candidates) == ["core"]
    assert list(procedure_for(MODELS, NAMES, outcomes(100, 81), plan()).candidates) == ["core"]
    several = procedure_for(MODELS, NAMES, outcomes(100, 20), plan()).candidates
    assert list(several) == ["core", "logistic", "lightgbm"]


def test_a_cohort_without_its_features_has_no_core_model() -> None:
    few = procedure_for(MODELS, ["mri_volume"], outcomes(100, 12), plan()).candidates
    assert list(few) == ["logistic", "lightgbm"]


def test_the_core_model_is_learned_and_uses_no_more_than_it_may() -> None:
    frame, y = patients(300)
    settings = procedure_for(MODELS, NAMES, y, plan(core_only_events=300))
    fitted = ResponseModel(FEATURES, settings, 3, 1).fit(frame, y)
    assert fitted.chosen_ == "core"
    assert len(fitted.documents_["core"]["linear"]["terms"]) <= supported_in_size(
        300, float(y.mean()), plan()
    )
    assert fitted.predict_proba(frame)[:, 1].std() > 0
