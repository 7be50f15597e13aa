from collections.abc import Iterator
from dataclasses import replace

import lightgbm
import numpy as np
import pandas as pd
import pytest
from scipy.special import expit, logit

from features.errors import PipelineFault
from models.procedure import candidates
from models.procedure.calibration import recalibrate
from models.procedure.candidates import Design, fit_candidate, linear_terms, staged_margins
from models.procedure.configuration.settings import INTERCEPT, EncodingSettings, ProcedureSettings
from models.procedure.encoding import imputation_weights, learn_encoding, read_numeric_rows
from models.procedure.folds import stratified_folds
from models.procedure.landmark_features import as_documents
from models.procedure.response_model import ResponseModel, choose
from models.procedure.ridge import RidgeFit, ridge_path
from models.serving.serving import PcrModel
from tests.patients import BOOSTING, FEATURES, LINEAR, SETTINGS, patients


def encoded(n: int = 120) -> tuple[Design, np.ndarray]:
    frame, y = patients(n)
    encoding = learn_encoding(frame, FEATURES, EncodingSettings(5, 0.8, 0.2))
    model = PcrModel({"features": as_documents(FEATURES), "encoding": encoding})
    columns = model.complete(model.encode(frame))
    return Design(encoding, columns, y, columns), y


def test_a_binary_feature_is_one_column_and_the_most_frequent_level_has_none() -> None:
    frame, _ = patients()
    encoding = learn_encoding(frame, FEATURES, EncodingSettings(5, 0.8, 0.2))
    levels = [c["level"] for c in encoding["columns"] if c["feature"] == "ctdna_state"]
    assert levels == ["not_done", "positive"]
    assert sum(c["feature"] == "arm" for c in encoding["columns"]) == 1


def test_a_level_rarer_than_asked_stands_with_the_most_frequent_one() -> None:
    frame, _ = patients()
    encoding = learn_encoding(frame, FEATURES, EncodingSettings(40, 0.8, 0.2))
    assert [c.get("level") for c in encoding["columns"] if c["feature"] == "ctdna_state"] == []


def test_a_feature_that_is_hardly_ever_known_is_not_used() -> None:
    frame, _ = patients(100)
    frame.loc[:89, "til_pct"] = np.nan
    used = [
        {c["feature"] for c in learn_encoding(frame, FEATURES, EncodingSettings(5, most, 0.2))["columns"]}
        for most in (0.8, 0.95)
    ]
    assert used[1] - used[0] == {"til_pct"}


def test_features_that_do_not_vary_leave_the_prevalence_which_explains_itself_by_nothing() -> None:
    frame, y = patients(80)
    constant = frame.assign(age_years=50.0)
    model = ResponseModel(FEATURES[1:2], SETTINGS, inner_folds=3, seed=7).fit(constant, y)
    assert model.chosen_ == INTERCEPT
    assert set(model.passed_over_) == {"logistic", "lightgbm"}
    assert all("no feature varies" in reason for reason in model.passed_over_.values())
    assert model.predictions(constant)["chosen"] == pytest.approx(np.full(80, y.mean()))
    values, base = model.models_[INTERCEPT].contributions(constant)
    assert not values.any()
    assert expit(base) == pytest.approx(y.mean())


def test_boosting_that_cannot_split_once_is_passed_over_with_the_number_it_needs() -> None:
    frame, y = patients(60)
    boosting = replace(SETTINGS.candidates["lightgbm"], fixed={"min_data_in_leaf": 30})
    candidates = {"logistic": SETTINGS.candidates["logistic"], "lightgbm": boosting}
    model = ResponseModel(FEATURES, replace(SETTINGS, candidates=candidates), inner_folds=3, seed=7)
    assert model.fit(frame, y).chosen_ == "logistic"
    assert "at least 60 training patients" in model.passed_over_["lightgbm"]
    assert set(model.predictions(frame)) == {"logistic", "chosen"}


def test_a_margin_that_separates_the_outcomes_passes_boosting_over() -> None:
    frame, y = patients(200)
    model = ResponseModel(FEATURES[1:2], SETTINGS, inner_folds=3, seed=7)
    model.fit(frame.assign(age_years=np.where(y == 1, 70.0, 30.0)), y)
    assert "separates the outcomes" in model.passed_over_["lightgbm"]


def test_a_point_that_does_not_converge_is_passed_over_and_the_others_stand(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def stalls(terms: np.ndarray, y: np.ndarray, penalties: list[float]) -> Iterator[RidgeFit | None]:
        last = SETTINGS.candidates["logistic"].penalties_per_patient[-1]
        for penalty, fit in zip(penalties, ridge_path(terms, y, penalties), strict=True):
            yield None if penalty == last else fit

    monkeypatch.setattr(candidates, "ridge_path", stalls)
    frame, y = patients()
    model = ResponseModel(FEATURES, SETTINGS, inner_folds=3, seed=7).fit(frame, y)
    last = f"logistic, penalty={SETTINGS.candidates['logistic'].penalties_per_patient[-1]}"
    assert model.passed_over_ == {last: "did not converge"}
    assert "logistic" in model.models_


def test_imputation_weights_are_the_least_squares_regression_when_hardly_shrunken() -> None:
    rng = np.random.default_rng(0)
    z = rng.normal(size=(500, 4)) @ rng.normal(size=(4, 4))
    z = (z - z.mean(axis=0)) / z.std(axis=0)
    weights = imputation_weights(z, 1e-9)
    expected = np.linalg.lstsq(z[:, 1:], z[:, 0], rcond=None)[0]
    assert weights[0, 1:] == pytest.approx(expected, abs=1e-6)
    assert np.diag(weights) == pytest.approx(0)


def test_an_imputed_value_stays_in_the_range_seen_and_follows_its_neighbours() -> None:
    rng = np.random.default_rng(0)
    frame, _ = patients(300, missing=0.0)
    frame["til_pct"] = (frame["age_years"] - 25) * 1.5 + rng.normal(0, 1, 300)
    holed = frame.copy()
    holed.loc[:9, "til_pct"] = np.nan
    encoding = learn_encoding(holed, FEATURES, EncodingSettings(5, 0.8, 0.05))
    model = PcrModel({"features": as_documents(FEATURES), "encoding": encoding})
    column = next(i for i, c in enumerate(encoding["columns"]) if c["feature"] == "til_pct")
    filled = model.complete(model.encode(holed))[:10, column]
    assert np.corrcoef(filled, frame["til_pct"][:10])[0, 1] > 0.99
    assert filled.min() >= encoding["low"][column]
    assert filled.max() <= encoding["high"][column]


def test_a_penalty_shrinks_as_much_when_every_patient_stands_twice() -> None:
    design, y = encoded()
    twice = replace(design, train=np.vstack([design.train] * 2), y=np.concatenate([y, y]))
    for once, doubled in zip(fit_candidate(design, LINEAR, 0), fit_candidate(twice, LINEAR, 0), strict=True):
        assert doubled.document["linear"]["coefficients"] == pytest.approx(
            once.document["linear"]["coefficients"], abs=1e-7
        )


def test_the_stored_ridge_fit_is_the_minimum_of_the_penalised_likelihood() -> None:
    design, y = encoded()
    fits = list(fit_candidate(design, LINEAR, 0))
    assert [fit.point for fit in fits] == ["penalty=0.1", "penalty=0.01", "penalty=0.001"]
    linear = fits[1].document["linear"]
    model = PcrModel({"features": as_documents(FEATURES), "encoding": design.encoding, **fits[1].document})
    terms = model.terms(design.train)
    p = 1 / (1 + np.exp(-(linear["intercept"] + terms @ np.array(linear["coefficients"]))))
    gradient = terms.T @ (y - p) / len(y) - 0.01 * np.array(linear["coefficients"])
    assert gradient == pytest.approx(0, abs=1e-6)
    assert (y - p).sum() == pytest.approx(0, abs=1e-6)


def test_a_point_fitted_by_name_is_the_point_of_the_grid() -> None:
    design, _ = encoded()
    settings = BOOSTING
    grid = {fit.point: fit.margin for fit in fit_candidate(design, settings, 3)}
    name = "num_leaves=3,min_data_in_leaf=10,rounds=5"
    (alone,) = fit_candidate(design, settings, 3, [name])
    assert alone.booster is not None
    assert np.array_equal(alone.margin, grid[name])


def test_terms_are_columns_then_splines_then_prespecified_products() -> None:
    design, _ = encoded()
    terms = linear_terms(design.encoding, design.train, LINEAR)
    count = len(design.encoding["columns"])
    assert [len(t["columns"]) for t in terms[:count]] == [1] * count
    assert sum("knots" in t for t in terms) == 2
    assert [len(t["columns"]) for t in terms[-1:]] == [2]


def test_recalibration_finds_the_line_that_made_the_data() -> None:
    rng = np.random.default_rng(5)
    margin = rng.normal(size=40_000)
    y = (rng.random(40_000) < 1 / (1 + np.exp(-(0.3 + 0.6 * margin)))).astype(float)
    assert recalibrate(margin, y) == pytest.approx((0.3, 0.6), abs=0.04)


@pytest.mark.parametrize(
    ("margin", "y", "reason"),
    [
        ([1.0, 2.0], [1.0, 1.0], "both outcomes"),
        ([1.0, 1.0], [0.0, 1.0], "varies"),
        ([0.0, 1.0, 2.0, 3.0], [0.0, 0.0, 1.0, 1.0], "separates"),
    ],
)
def test_recalibration_that_has_no_answer_is_an_error_with_its_reason(
    margin: list[float], y: list[float], reason: str
) -> None:
    with pytest.raises(ValueError, match=reason):
        recalibrate(np.array(margin), np.array(y))


def test_the_simpler_candidate_wins_unless_it_is_worse_by_more_than_a_standard_error() -> None:
    rng = np.random.default_rng(0)
    best = rng.random(400)
    alike = best + rng.normal(0.001, 0.1, 400)
    worse = best + rng.normal(0.1, 0.1, 400)
    assert choose({"simple": alike, "complex": best}) == "simple"
    assert choose({"simple": worse, "complex": best}) == "complex"


def test_folds_share_every_stratum_to_within_one_patient() -> None:
    strata = np.array(["a"] * 33 + ["b"] * 7 + ["c"] * 2)
    folds = [test for _, test in stratified_folds(strata, 5, seed=3)]
    assert sorted(np.concatenate(folds)) == list(range(42))
    for level in "abc":
        counts = [int((strata[test] == level).sum()) for test in folds]
        assert max(counts) - min(counts) <= 1


def test_fitting_gives_every_candidate_and_serves_the_chosen_one() -> None:
    frame, y = patients()
    model = ResponseModel(FEATURES, SETTINGS, inner_folds=3, seed=7).fit(frame, y)
    predictions = model.predictions(frame)
    assert set(predictions) == {"logistic", "lightgbm", "lightgbm_uncalibrated", "chosen"}
    learned = model.documents_["lightgbm"]["calibration"]
    raw = logit(predictions["lightgbm_uncalibrated"])
    again = learned["intercept"] + learned["slope"] * raw
    np.testing.assert_allclose(again, logit(predictions["lightgbm"]), atol=1e-9)
    assert np.array_equal(predictions["chosen"], model.predict_proba(frame)[:, 1])
    assert model.documents_["logistic"]["calibration"] == {"intercept": 0.0, "slope": 1.0}
    assert model.documents_["lightgbm"]["calibration"]["slope"] != 1.0


def test_the_outcome_of_other_patients_changes_nothing_learned_without_it() -> None:
    frame, y = patients()
    one = ResponseModel(FEATURES, SETTINGS, inner_folds=3, seed=7).fit(frame, y)
    other = ResponseModel(FEATURES, SETTINGS, inner_folds=3, seed=7).fit(frame, 1 - y)
    assert one.documents_["logistic"]["encoding"] == other.documents_["logistic"]["encoding"]


def test_too_few_events_for_the_inner_folds_are_refused() -> None:
    frame, _ = patients(40)
    with pytest.raises(ValueError, match="2 patients have the rarer outcome"):
        ResponseModel(FEATURES, SETTINGS, inner_folds=5).fit(frame, np.array([1.0] * 2 + [0.0] * 38))


def test_copies_of_a_patient_are_dealt_into_one_fold_and_strata_stay_even() -> None:
    drawn = np.sort(np.random.default_rng(1).integers(0, 90, 90))
    strata = np.where(np.arange(90) % 3 == 0, "pcr", "none")[drawn]
    sizes = []
    for train, test in stratified_folds(strata, 5, 7, drawn):
        assert not set(drawn[train]) & set(drawn[test])
        sizes.append((len(test), len(set(drawn[test][strata[test] == "pcr"]))))
    rows, patients_with_pcr = zip(*sizes, strict=True)
    assert sum(rows) == 90
    assert max(rows) - min(rows) <= 4
    assert max(patients_with_pcr) - min(patients_with_pcr) <= 1


def test_groups_of_one_are_dealt_like_patients() -> None:
    strata = np.random.default_rng(1).choice(["a", "b"], 40)
    alone, grouped = (list(stratified_folds(strata, 4, 7, groups)) for groups in (None, np.arange(40)))
    assert all(np.array_equal(a[1], b[1]) for a, b in zip(alone, grouped, strict=True))


def test_a_patient_in_two_strata_and_too_few_patients_are_refused() -> None:
    with pytest.raises(PipelineFault, match="rows of one patient must be in one stratum; 1 rows"):
        list(stratified_folds(np.array(["a", "b", "a"]), 2, 1, np.array([0, 0, 1])))
    with pytest.raises(ValueError, match="2 patients cannot be divided into 3 folds"):
        list(stratified_folds(np.array(["a", "a", "a"]), 3, 1, np.array([0, 0, 1])))


def test_without_groups_a_bootstrap_sample_is_believed_too_much() -> None:
    rng = np.random.default_rng(2)
    frame, _ = patients(150)
    y = (rng.random(150) < 0.5).astype(float)
    drawn = np.sort(rng.integers(0, 150, 150))
    boosting = replace(BOOSTING, rounds=(60,))
    settings = ProcedureSettings(SETTINGS.encoding, {"lightgbm": boosting})
    losses = [
        ResponseModel(FEATURES, settings, 5, 1)
        .fit(frame.iloc[drawn], y[drawn], groups)
        .tuned_["lightgbm"]
        .loss
        for groups in (None, drawn)
    ]
    # The outcome is a coin: nothing can do better than log 2 in patients not seen.
    assert losses[0].mean() < 0.67
    assert losses[1].mean() > 0.68


def test_too_few_patients_behind_the_copies_are_refused() -> None:
    frame, _ = patients(40)
    drawn = np.repeat([0, 1, *range(2, 22)], [5, 5, *[1] * 20])
    y = np.where(drawn < 2, 1.0, 0.0)
    with pytest.raises(ValueError, match="2 patients have the rarer outcome"):
        ResponseModel(FEATURES, SETTINGS, 3).fit(frame.iloc[drawn], y, drawn)


@pytest.mark.parametrize("leaves", [2, 7])
def test_log_odds_after_every_number_of_rounds_are_those_of_the_booster_to_the_last_bit(leaves: int) -> None:
    design, y = encoded(200)
    params = {"objective": "binary", "verbosity": -1, "num_threads": 1, "num_leaves": leaves, "max_bin": 15}
    booster = lightgbm.train(params, lightgbm.Dataset(design.train, label=y), 30)
    rounds = [1, 7, 30]
    staged = staged_margins(booster, design.train, rounds)
    for margin, number in zip(staged, rounds, strict=True):
        assert np.array_equal(margin, booster.predict(design.train, raw_score=True, num_iteration=number))
    assert np.array_equal(staged_margins(booster, design.train, [99])[0], staged[-1])
    assert staged_margins(booster, design.train[:0], rounds).shape == (3, 0)


def test_rows_read_once_are_what_the_served_model_reads() -> None:
    frame, _ = patients(80)
    encoding = learn_encoding(frame, FEATURES, EncodingSettings(5, 0.8, 0.2))
    served = PcrModel({"features": as_documents(FEATURES), "encoding": encoding}).encode(frame)
    positions = np.array([5, 3, 70])
    inputs = read_numeric_rows(frame, FEATURES)
    assert np.array_equal(inputs.encoded(encoding["columns"]), served, equal_nan=True)
    assert np.array_equal(
        inputs.rows(positions).encoded(encoding["columns"]), served[positions], equal_nan=True
    )


def test_a_feature_known_in_nobody_is_left_out_without_a_warning() -> None:
    frame, _ = patients(80)
    frame = frame.assign(til_pct=np.nan, ctdna_state=pd.Series([None] * 80, dtype=object))
    encoding = learn_encoding(frame, FEATURES, EncodingSettings(1, 1.0, 0.2))
    assert {column["feature"] for column in encoding["columns"]} == {"arm", "age_years"}


def test_fits_are_the_documents_and_boosters_of_every_candidate() -> None:
    frame, y = patients()
    model = ResponseModel(FEATURES, SETTINGS, inner_folds=3, seed=7).fit(frame, y)
    fits = model.fits()
    assert fits["logistic"]["document"] == model.documents_["logistic"]
    assert [name for name, fit in fits.items() if fit["chosen"]] == [model.chosen_]
    served = PcrModel(fits["lightgbm"]["document"], fits["lightgbm"]["booster"])
    assert np.array_equal(served.probability(frame), model.predictions(frame)["lightgbm"])
