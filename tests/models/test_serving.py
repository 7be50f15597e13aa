import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from models.procedure.response_model import ResponseModel
from models.serving.serving import PcrModel, read_model, spline_basis, told
from tests.patients import FEATURES, SETTINGS, patients


@pytest.fixture(scope="module")
def fitted() -> ResponseModel:
    frame, y = patients(200)
    return ResponseModel(FEATURES, SETTINGS, inner_folds=3, seed=1).fit(frame, y)


@pytest.fixture(params=["logistic", "lightgbm"])
def model(request: pytest.FixtureRequest, fitted: ResponseModel) -> PcrModel:
    document = fitted.documents_[request.param] | {"landmark": "c1", "serving": {"required": ["arm"]}}
    return PcrModel(document, fitted.boosters_[request.param])


def test_contributions_add_up_to_the_calibrated_log_odds(model: PcrModel) -> None:
    frame, _ = patients(80, seed=9, missing=0.4)
    values, base = model.contributions(frame)
    assert values.shape == (80, len(FEATURES))
    assert base + values.sum(axis=1) == pytest.approx(model.log_odds(frame), abs=1e-12)


def test_a_model_survives_its_files_to_the_last_bit(model: PcrModel, tmp_path: Path) -> None:
    frame, _ = patients(50, seed=2)
    (tmp_path / "model.json").write_text(json.dumps(model.document))
    if model.booster is not None:
        (tmp_path / "booster.txt").write_text(model.booster.model_to_string())
    assert np.array_equal(read_model(tmp_path).probability(frame), model.probability(frame))


def test_the_order_of_columns_does_not_matter(model: PcrModel) -> None:
    frame, _ = patients(30, seed=3)
    assert np.array_equal(model.probability(frame), model.probability(frame[frame.columns[::-1]]))


def test_a_row_gets_the_same_answer_alone_and_among_others(model: PcrModel) -> None:
    frame, _ = patients(30, seed=3)
    alone = np.array([model.probability(frame.iloc[[i]])[0] for i in range(30)])
    assert alone == pytest.approx(model.probability(frame), abs=1e-14)


def test_products_have_exact_interventional_shap_values(fitted: ResponseModel) -> None:
    """For a*b with independent columns: phi_a = mean over both orders of adding a to the coalition."""
    model = fitted.models_["logistic"]
    linear = model.document["linear"]
    product = next(k for k, t in enumerate(linear["terms"]) if len(t["columns"]) == 2)
    only = {**linear, "coefficients": [float(k == product) for k in range(len(linear["terms"]))]}
    alone = PcrModel(model.document | {"linear": only})
    frame, _ = patients(40, seed=4, missing=0.0)
    first, second = linear["terms"][product]["columns"]
    columns = alone.complete(alone.encode(frame))
    a, b = columns[:, first], columns[:, second]
    ea, eb = (model.document["encoding"]["mean"][c] for c in (first, second))
    eab, scale = linear["mean"][product], linear["scale"][product]
    expected = ((a * eb - eab) + (a * b - ea * b)) / 2 / scale
    owner = model.features.index(model.document["encoding"]["columns"][first]["feature"])
    assert alone.contributions(frame)[0][:, owner] == pytest.approx(expected, abs=1e-12)


def test_a_spline_is_linear_beyond_its_outer_knots() -> None:
    x = np.array([10.0, 11.0, 12.0])
    basis = spline_basis(x, [0.0, 1.0, 2.0, 3.0])
    assert basis[2] - basis[1] == pytest.approx(basis[1] - basis[0])
    assert spline_basis(np.array([-5.0]), [0.0, 1.0, 2.0, 3.0]) == pytest.approx(0)


def test_a_spline_basis_agrees_with_harrells_formula_worked_by_hand() -> None:
    """Knots 0, 1, 2; x = 1.5: ((1.5)^3 - 0.5^3 * 2 / 1 + 0) / 2^2."""
    assert spline_basis(np.array([1.5]), [0.0, 1.0, 2.0])[0, 0] == pytest.approx((3.375 - 0.25) / 4)


def test_a_faulty_row_is_rejected_with_its_reason_and_the_others_are_answered(model: PcrModel) -> None:
    good = {"arm": "A", "age_years": 50, "til_pct": "20", "ctdna_state": "negative"}
    rows = [good, good | {"age_years": -999}, good | {"ctdna_state": "banana"}, good | {"til_pct": "many"}]
    answer = model.predict(rows)
    assert answer["status"].tolist() == ["ok", "rejected", "rejected", "rejected"]
    assert [told(reasons) for reasons in answer["reasons"]] == [
        "",
        "age_years: outside 18.0 to 100.0 years",
        "ctdna_state: not one of not_done, negative, positive",
        "til_pct: not a number",
    ]
    assert answer["pcr_probability"].tolist()[1:] == [None, None, None]


def test_the_reasons_never_repeat_a_value(model: PcrModel) -> None:
    answer = model.predict(
        [{"arm": "secret", "age_years": 12345, "til_pct": "hidden", "ctdna_state": "mine"}]
    )
    assert not any(word in json.dumps(answer["reasons"][0]) for word in ("secret", "12345", "hidden", "mine"))


def test_missing_inputs_are_named_and_a_missing_arm_rejects(model: PcrModel) -> None:
    answer = model.predict([{"arm": "A", "age_years": 40}, {"age_years": 40}])
    assert answer["status"].tolist() == ["missing_inputs", "rejected"]
    assert {"code": "missing", "input": "til_pct", "rule": "imputed"} in answer["reasons"][0]
    assert {"code": "missing", "input": "arm", "rule": "required"} in answer["reasons"][1]


def test_an_input_that_the_model_does_not_use_is_not_missed(model: PcrModel) -> None:
    features = [*model.document["features"], {"name": "seldom", "kind": "numeric"}]
    wider = PcrModel(
        model.document | {"features": features}, model.booster and model.booster.model_to_string()
    )
    frame, _ = patients(5, missing=0.0)
    assert wider.predict(frame)["status"].tolist() == ["ok"] * 5


@pytest.mark.parametrize(
    "data",
    [
        {"arm": "A", "age_years": 50},
        {"arm": ["A"], "age_years": [50]},
        [{"arm": "A", "age_years": 50}],
        pd.DataFrame({"arm": ["A"], "age_years": [50]}, index=[7]),
    ],
    ids=["one dict", "dict of columns", "list of rows", "frame"],
)
def test_every_way_to_give_a_row_gives_one_answer(model: PcrModel, data: object) -> None:
    assert model.predict(data)["status"].tolist() == ["missing_inputs"]


def test_an_explanation_is_given_only_when_asked_for(model: PcrModel) -> None:
    row = {"arm": "A", "age_years": 50, "til_pct": 20, "ctdna_state": "negative"}
    assert model.predict(row)["explanation"].tolist() == [""]
    told = json.loads(model.predict(row, {"explain": True})["explanation"][0])
    logit = np.log(model.predict(row)["pcr_probability"][0] / (1 - model.predict(row)["pcr_probability"][0]))
    assert sum(told.values()) == pytest.approx(logit)


def test_every_answer_says_that_it_is_no_recommendation(model: PcrModel) -> None:
    assert model.predict([{"arm": "A"}, {}])["not_a_recommendation"].all()


def test_a_boosted_document_without_its_booster_is_refused(fitted: ResponseModel) -> None:
    with pytest.raises(ValueError, match=r"booster\.txt was not given"):
        PcrModel(fitted.documents_["lightgbm"])
