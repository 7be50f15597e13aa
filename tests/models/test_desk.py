"""How the served model reads rows from strangers: what it refuses, names, flags, and what it promises."""

import json
from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from models.packaging.training_summary import later_visits, support, with_ranges
from models.procedure.response_model import ResponseModel
from models.serving.serving import _AT_ONCE as BATCH
from models.serving.serving import OUTPUTS, FeatureDocument, PcrModel, told
from tests.patients import FEATURES, SETTINGS, patients
from tests.serving import SUPPORT, made_up_interval

GOOD = {"arm": "A", "age_years": 50, "til_pct": 20, "ctdna_state": "negative", "cm": "M0", "LVEF": 60}
RULES = {
    "inputs": {"rule_ctdna": ["POS", "NEG", "NE"], "rule_response": ["PR", "NE"]},
    "answers": [["R1", "determined"], [None, "indeterminate"]],
    "index": [0, 1, 0, 1, 1, 1],
}


def served(name: str) -> PcrModel:
    frame, y = patients(300)
    fitted = ResponseModel(FEATURES, SETTINGS, inner_folds=3, seed=1).fit(frame, y)
    part = {
        "required": ["arm"],
        "refused": {"outcome": ["pcr", "rcb_class"], "later": ["c2", "presurgery"]},
        "interval": made_up_interval(fitted, name, frame, y),
        "support": support(fitted.models_[name], frame, y, SUPPORT, min_level_patients=5, folds=3, seed=1),
        "eligibility": ELIGIBILITY,
        "rules": RULES,
    }
    document = json.loads(json.dumps(fitted.documents_[name] | {"landmark": "c1", "serving": part}))
    return PcrModel(document, fitted.boosters_[name], version="abc")


ELIGIBILITY = {
    "inputs": [
        {"name": "age_years", "table": "subjects", "kind": "numeric", "unit": "years", "levels": None,
         "low": 18, "high": 100},
        {"name": "cm", "table": "subjects", "kind": "categorical", "unit": "", "levels": ["M0", "M1"],
         "low": None, "high": None},
        {"name": "LVEF", "table": None, "kind": "numeric", "unit": "%", "levels": None, "low": 0,
         "high": None},
    ],
    "criteria": [
        {"id": "age", "text": "Age from 22 years", "rule": {"column": "age_years", "low": 22}},
        {"id": "no_metastasis", "text": "M0", "rule": {"column": "cm", "among": ["M0"]}},
        {"id": "lvef", "text": "LVEF at least 55 %", "rule": {"column": "LVEF", "low": 55}},
    ],
}  # fmt: skip


MODELS = {name: served(name) for name in ("logistic", "lightgbm")}


@pytest.fixture(params=["logistic", "lightgbm"])
def model(request: pytest.FixtureRequest) -> PcrModel:
    return MODELS[request.param]


def only(model: PcrModel, **changes: Any) -> dict[str, Any]:
    (answer,) = model.predict([GOOD | changes]).to_dict("records")
    return {str(name): value for name, value in answer.items()} | {"reasons": told(answer["reasons"])}


def test_the_answers_to_very_many_rows_are_those_to_each_in_words(model: PcrModel) -> None:
    changes = (
        {}, {"age_years": -5}, {"cm": "M1"}, {"age_years": 99.0, "til_pct": 99.0}, {"pcr": 1},
        {"til_pct": None}, {"rule_ctdna": "POS", "rule_response": "PR"},
    )  # fmt: skip
    rows = [GOOD | change for change in changes] * 2 + [{"arm": "A"}]
    plain, words = model.desk.answers(rows), model.desk.answers_in_words(rows)
    assert words["reasons"].tolist() == [told(reasons) for reasons in plain["reasons"]]
    assert len(set(words["reasons"])) >= 5
    for name in set(OUTPUTS) - {"reasons"}:
        cells = [None if pd.isna(cell) else cell for cell in words[name].tolist()]
        assert cells == plain[name].tolist(), name


def test_a_row_has_the_same_bits_whatever_was_answered_before_it(model: PcrModel) -> None:
    """Rows are answered in batches that share their room; odd rows stand in each, and in other places."""
    rows = patients(2 * BATCH + 8, seed=9)[0].astype(object)
    rng = np.random.default_rng(2)
    odd = [-5, 1e9, "x", "", None, np.inf, "12", 0.0, -0.0, 1e-300, 600]
    for _ in range(400):
        rows.iloc[rng.integers(len(rows)), rng.integers(rows.shape[1])] = odd[rng.integers(len(odd))]
    numbers = ["pcr_probability", "lower", "upper"]
    answers = model.desk.answers_in_words(rows)
    assert {"ok", "missing_inputs", "rejected"} <= set(answers["status"])
    moved = model.desk.answers_in_words(pd.concat([rows.iloc[BATCH:], rows.iloc[:BATCH]]))
    back = pd.concat([moved.iloc[-BATCH:], moved.iloc[:-BATCH]], ignore_index=True)
    # The last rows of a part may be multiplied by another kernel, which rounds otherwise.
    alike = (answers[numbers].to_numpy() == back[numbers].to_numpy()) | answers[numbers].isna().to_numpy()
    assert alike[: BATCH - 8].all()
    assert alike[BATCH:-8].all()
    assert answers["reasons"].tolist() == back["reasons"].tolist()


def test_what_is_missing_is_filled_in_place_to_the_bits_of_the_formula(model: PcrModel) -> None:
    encoded = model.encode(patients(300, seed=4)[0])
    learned = model.document["encoding"]
    mean, scale, low, high = (np.asarray(learned[part]) for part in ("mean", "scale", "low", "high"))
    missing = np.isnan(encoded)
    standard = np.where(missing, 0.0, (encoded - mean) / scale)
    expected = standard @ np.asarray(learned["imputation"]).T * scale + mean
    completed = np.where(missing, np.clip(expected, low, high), encoded)
    assert missing.any()
    for got, wanted in zip(
        model.complete_and_standardise(encoded), (completed, (completed - mean) / scale), strict=True
    ):
        assert got.tobytes() == wanted.tobytes()


def test_the_answer_has_every_promised_column_and_the_interval_holds_the_probability(model: PcrModel) -> None:
    answer = model.predict(patients(200, seed=5)[0])
    assert answer.columns.tolist() == OUTPUTS
    numbers = answer[["lower", "pcr_probability", "upper"]].astype(float).to_numpy()
    assert (np.diff(numbers) >= 0).all()
    assert ((numbers >= 0) & (numbers <= 1)).all()
    assert set(answer["model_version"]) == {"abc"}
    assert set(answer["landmark"]) == {"c1"}


@pytest.mark.parametrize("name", ["pcr", "PCR", "rcb_class"])
def test_an_outcome_rejects_the_row_that_has_it_and_no_other(model: PcrModel, name: str) -> None:
    answer = model.predict([GOOD | {name: "Y"}, GOOD])
    assert answer["status"].tolist() == ["rejected", "ok"]
    outcome = {"code": "outcome", "input": name.lower(), "rule": ""}
    assert answer["reasons"].tolist() == [[outcome], []]


def test_a_value_of_a_later_visit_rejects_and_an_earlier_one_is_only_named(model: PcrModel) -> None:
    assert only(model, imaging_c2_state="done")["reasons"] == (
        "a column of c2: of a later visit, must not be supplied"
    )
    assert only(model, imaging_c2_state=None)["status"] == "ok"
    assert only(model, weight_kg=70) | {"explanation": ""} == only(model) | {"reasons": "not used: 1 column"}


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"age_years": 50 * 12}, "age_years: wrong unit suspected: 18.0 to 100.0 years is expected"),
        ({"age_years": -999}, "age_years: outside 18.0 to 100.0 years"),
        ({"til_pct": True}, "til_pct: not a number"),
        ({"til_pct": [1]}, "til_pct: not a number"),
        ({"til_pct": "1_0"}, "til_pct: not a number"),
        ({"til_pct": 10**400}, "til_pct: not a number"),
        ({"til_pct": np.timedelta64(20, "ns")}, "til_pct: not a number"),
        ({"til_pct": np.datetime64(20, "ns")}, "til_pct: not a number"),
        ({"til_pct": np.complex128(20)}, "til_pct: not a number"),
        ({"arm": 10**5000}, "arm: not one of A, B"),
        ({"arm": np.timedelta64(1, "D")}, "arm: not one of A, B"),
        ({"til_pct": float("inf")}, "til_pct: not a number"),
        ({"arm": {"a": 1}}, "arm: not one of A, B"),
        ({"arm": None}, "arm: missing"),
    ],
)
def test_a_faulty_cell_rejects_with_its_reason(model: PcrModel, changes: dict[str, Any], reason: str) -> None:
    answer = only(model, **changes)
    assert (answer["status"], answer["reasons"]) == ("rejected", reason)
    assert answer["pcr_probability"] is None


@pytest.mark.parametrize("kind", ["m8[ns]", "M8[ns]", "m8[s]", "M8[us]", "complex128", "bool"])
def test_a_column_of_moments_durations_or_truth_has_no_numbers(model: PcrModel, kind: str) -> None:
    column = pd.Series(np.array([1, 1]).astype(kind))
    for cells in (column, column.astype(object), column.astype("category")):
        answer = model.predict(pd.DataFrame([GOOD, GOOD]).assign(til_pct=cells))
        assert [told(reasons) for reasons in answer["reasons"]] == ["til_pct: not a number"] * 2


def test_an_empty_moment_of_a_later_visit_is_no_value(model: PcrModel) -> None:
    empty = np.array(["NaT"] * 2, "M8[ns]")
    answer = model.predict(pd.DataFrame([GOOD, GOOD]).assign(date_c2=empty, days_c2=empty - empty))
    assert answer["status"].tolist() == ["ok", "ok"]


def test_two_names_that_are_the_same_text_are_told(model: PcrModel) -> None:
    row = GOOD | {1: "x", "1": "y"}
    for answer in (model.predict(row), model.predict([row, GOOD]), pd.DataFrame([model.desk.answer(row)])):
        assert answer["reasons"][0][0]["rule"] == "a column is given twice"
        assert set(answer["status"]) == {"rejected"}


def test_a_number_in_another_unit_is_refused_inside_the_range_too() -> None:
    document = json.loads(json.dumps(MODELS["logistic"].document))
    document["serving"]["support"]["seen"]["til_pct"] = [5.0, 90.0]
    answer = only(PcrModel(document), til_pct=0.5)
    assert answer["reasons"] == "til_pct: wrong unit suspected: % is expected"
    for feature in document["features"]:
        if feature["name"] == "til_pct":
            feature |= {"unit": "log10 fraction", "low": -6, "high": 0}
    document["serving"]["support"]["seen"]["til_pct"] = [-5.0, -0.3]
    for given_as, code in ((0.25, "wrong_unit"), (25, "wrong_unit"), (900, "out_of_range")):
        assert PcrModel(document).desk.answer(GOOD | {"til_pct": given_as})["reasons"] == [
            {"code": code, "input": "til_pct", "rule": "-6 to 0 log10 fraction"}
        ]


def test_a_row_with_nothing_to_predict_from_is_not_answered(model: PcrModel) -> None:
    (answer,) = model.predict([{"arm": "A"}]).to_dict("records")
    assert answer["status"] == "rejected"
    assert answer["reasons"][-1] == {"code": "no_input", "input": None, "rule": ""}


def test_patients_unlike_the_training_ones_are_flagged_and_still_answered(model: PcrModel) -> None:
    answer = only(model, age_years=99.9, til_pct=100)
    assert answer["status"] == "out_of_support"
    assert answer["reasons"].startswith("unlike the training patients, most in ")
    assert answer["pcr_probability"] is not None
    share = (model.predict(patients(2000, seed=77)[0])["status"] == "out_of_support").mean()
    assert 0 < share < 0.03


def test_a_level_that_hardly_anybody_had_is_flagged() -> None:
    document = json.loads(json.dumps(MODELS["logistic"].document))
    document["serving"]["support"]["rare"] = {"ctdna_state": ["negative"]}
    answer = only(PcrModel(document))
    assert answer["status"] == "out_of_support"
    assert "ctdna_state: a level that hardly any training patient had" in answer["reasons"]


def test_the_protocol_branch_is_looked_up_where_its_inputs_are_supplied(model: PcrModel) -> None:
    rows = [GOOD | {"rule_ctdna": "NEG", "rule_response": r} for r in ("PR", "NE")] + [GOOD]
    answer = model.predict(rows)
    assert answer["protocol_branch"].tolist() == ["R1", None, None]
    assert answer["protocol_status"].tolist() == ["determined", "indeterminate", "inputs_not_supplied"]
    assert only(model, rule_ctdna="maybe")["reasons"] == "rule_ctdna: not one of POS, NEG, NE"


def test_columns_in_place_of_a_heading_are_not_repeated(model: PcrModel) -> None:
    answer = model.predict(pd.DataFrame([["A", 51, 3.5]], columns=["B", "secret", "49.5"]))
    assert answer["status"].tolist() == ["rejected"]
    assert "not used: 3 columns" in told(answer["reasons"][0])
    assert "secret" not in json.dumps(answer["reasons"][0])


@pytest.mark.parametrize(
    "data",
    [
        pd.DataFrame([["A", "B", 50]], columns=["arm", "arm", "age_years"]),
        {"arm": ["A"], "age_years": [1, 2]},
        {"arm": ["A"], "age_years": 3},
        [1, 2, 3],
        np.ones((2, 3)),
        np.array(5),
        {"arm": np.array(5)},
        5,
        "text",
        None,
        [],
        {},
    ],
    ids=[
        "twice",
        "lengths",
        "mixed",
        "numbers",
        "array",
        "no dimension",
        "a cell without one",
        "number",
        "text",
        "none",
        "empty",
        "empty dict",
    ],
)
def test_what_is_no_table_is_rejected_and_raises_nothing(model: PcrModel, data: Any) -> None:
    answer = model.predict(data)
    assert set(answer["status"]) <= {"rejected"}
    assert answer["pcr_probability"].isna().all()


CELLS = st.one_of(
    st.none(), st.floats(), st.integers(), st.booleans(), st.text(max_size=8),
    st.sampled_from(["A", "B", "negative", "positive", "50", " 20 ", "nan", "NA", 50, 20.5, 1, True]),
)  # fmt: skip
ROWS = st.lists(
    st.dictionaries(st.sampled_from([*GOOD, "pcr", "x_c2", "rule_ctdna", "rule_response", "other"]), CELLS),
    min_size=1,
    max_size=6,
)


@settings(max_examples=150, deadline=None)
@given(rows=ROWS)
def test_whatever_is_sent_a_row_alone_has_the_answer_it_has_among_others(rows: list[dict[str, Any]]) -> None:
    model = MODELS["logistic"]
    columns = list(dict.fromkeys(name for row in rows for name in row))
    whole = [{name: row.get(name) for name in columns} for row in rows]
    together = model.predict(whole).to_dict("records")
    for row, answer in zip(whole, together, strict=True):
        alone = model.desk.answer(row)
        for name, value in answer.items():
            assert alone[str(name)] == (
                pytest.approx(value, abs=1e-12) if isinstance(value, float) else value
            )


def test_an_explanation_adds_up(model: PcrModel) -> None:
    answer = model.desk.answer(GOOD, explain=True)
    p = answer["pcr_probability"]
    assert sum(json.loads(answer["explanation"]).values()) == pytest.approx(np.log(p / (1 - p)))


def test_later_visits_are_those_after_the_last_that_is_seen() -> None:
    assert later_visits(["baseline", "c1", "c2"], ["baseline", "c1"]) == ["c2"]


@pytest.mark.parametrize(
    ("values", "limits"),
    [
        ([2.0, 4.0], [0.0, 6.0]),
        ([-1.0, 3.0], [-5.0, 7.0]),
        ([0.0012345, 0.0023456], [0.000123, 0.00346]),
        ([5.0, 5.0], [0.0, 10.0]),
        ([np.nan], [None, None]),
    ],
)
def test_a_number_without_limits_has_those_of_training_patients_widened(
    values: list[float], limits: list[float | None]
) -> None:
    age, rows = MODELS["logistic"].document["features"][1], pd.DataFrame({"x": values})
    open_: FeatureDocument = {**age, "name": "x", "low": None, "high": None}
    (ranged,) = with_ranges([open_], rows, margin=1.0)
    assert [ranged["low"], ranged["high"]] == limits
    (kept,) = with_ranges([{**open_, "low": -9.0, "high": 99.0}], rows, margin=1.0)
    assert [kept["low"], kept["high"]] == [-9.0, 99.0]


@pytest.mark.parametrize(
    ("changes", "criterion"),
    [({"age_years": 21.9}, "age"), ({"cm": "M1"}, "no_metastasis"), ({"LVEF": 54}, "lvef")],
)
def test_a_patient_outside_eligibility_gets_the_criterion_and_never_a_number(
    model: PcrModel, changes: dict[str, Any], criterion: str
) -> None:
    row = GOOD | {"rule_ctdna": "POS", "rule_response": "PR", "til_pct": None} | changes
    answer = model.desk.answer(row, explain=True)
    assert (answer["status"], answer["protocol_status"]) == ("ineligible", "ineligible")
    assert told(answer["reasons"]).startswith(f"outside the study's eligibility, {criterion}: ")
    assert [answer[k] for k in ("pcr_probability", "lower", "upper", "protocol_branch")] == [None] * 4
    assert answer["explanation"] == ""
    both = model.predict([row, GOOD], {"explain": True})
    assert both["status"].tolist() == ["ineligible", "ok"]
    assert both["pcr_probability"].notna().tolist() == [False, True]


@pytest.mark.parametrize("changes", [{"cm": "M0"}, {"LVEF": 55}])
def test_what_is_met_needs_no_words(model: PcrModel, changes: dict[str, Any]) -> None:
    assert (only(model, **changes)["status"], only(model, **changes)["reasons"]) == ("ok", "")


@pytest.mark.parametrize(
    ("changes", "names"), [({"cm": None}, "no_metastasis"), ({"cm": "", "LVEF": None}, "no_metastasis, lvef")]
)
def test_criteria_that_nothing_is_supplied_for_are_named_together_beside_the_number(
    model: PcrModel, changes: dict[str, Any], names: str
) -> None:
    row = GOOD | changes
    answer = model.desk.answer(row)
    assert (answer["status"], answer["pcr_probability"] is None) == ("ok", False)
    assert answer["reasons"] == [{"code": "eligibility_not_supplied", "input": None, "rule": names}]
    assert told(answer["reasons"]) == f"nothing to judge eligibility by: {names}"
    together = model.predict([row, GOOD, row | {"age_years": 20}, row | {"til_pct": "much"}])
    codes = [[reason["code"] for reason in reasons] for reasons in together["reasons"]]
    assert codes == [["eligibility_not_supplied"], [], ["ineligible"], ["not_a_number"]]


def test_a_cell_of_eligibility_that_cannot_be_rejects_the_row(model: PcrModel) -> None:
    answer = only(model, cm="liver", age_years=20)
    assert answer["status"] == "rejected"
    assert "cm: not one of M0, M1" in answer["reasons"]
    assert "liver" not in answer["reasons"]


def test_rules_of_eligibility_combine_in_three_valued_logic() -> None:
    high, low = {"column": "til_pct", "high": 10}, {"column": "age_years", "low": 50}
    cells = [{"til_pct": t, "age_years": a} for t in (5, 20, None) for a in (60, 40, None)]
    for kind, broken in {"all": [1, 3, 4, 5, 7], "any": [4], "first_known": [3, 4, 5, 7]}.items():
        document = MODELS["logistic"].document
        part = {"inputs": [], "criteria": [{"id": "x", "text": "X", "rule": {kind: [high, low]}}]}
        serving = document["serving"] | {"eligibility": part}
        answers = PcrModel(document | {"serving": serving}).predict([GOOD | cell for cell in cells])
        assert np.flatnonzero(answers["status"] == "ineligible").tolist() == broken, kind
