from typing import Any

import numpy as np
import pandas as pd
import pytest

from models.explanation.interactions import interaction_strengths
from models.explanation.out_of_fold import AdditivityError, explain_out_of_fold
from models.procedure.resampling import cross_validate, tidy
from models.procedure.response_model import ResponseModel
from models.procedure.splits import outcome_strata, stratified_splits
from models.serving.serving import PcrModel
from tests.patients import FEATURES, NAMES, SETTINGS, patients

Run = tuple[pd.DataFrame, pd.DataFrame, dict[str, list[dict[str, Any]]]]


@pytest.fixture(scope="module")
def run() -> Run:
    frame, y = patients(120)
    splits = stratified_splits(outcome_strata(y, frame["arm"]), folds=3, repeats=2, seed=1)
    results = list(
        cross_validate(lambda seed: [ResponseModel(FEATURES, SETTINGS, 3, seed)], frame, y, splits, workers=1)
    )
    fits = {
        name: [
            {"repeat": r.split.repeat, "fold": r.split.fold}
            | {"document": r.fitted[0].documents_[name], "booster": r.fitted[0].boosters_[name]}  # type: ignore[attr-defined]
            for r in results
        ]
        for name in ("logistic", "lightgbm")
    }
    return frame, tidy(results, frame["usubjid"].tolist(), y), fits


@pytest.mark.parametrize("model", ["logistic", "lightgbm"])
def test_every_out_of_fold_prediction_is_explained_exactly(run: Run, model: str) -> None:
    frame, predictions, fits = run
    explained = explain_out_of_fold(fits[model], frame, predictions, model=model, tolerance=1e-9)
    stored = predictions[predictions["model"] == model].reset_index(drop=True)
    total = explained["base"] + explained[NAMES].sum(axis=1)
    total = total.to_numpy()
    assert 1 / (1 + np.exp(-total)) == pytest.approx(stored["p"].to_numpy(), abs=1e-12)


def test_columns_are_the_model_s_features_in_order_whatever_the_order_of_the_input(run: Run) -> None:
    frame, predictions, fits = run
    shuffled = frame[frame.columns[::-1]]
    one, other = (
        explain_out_of_fold(fits["lightgbm"], f, predictions, model="lightgbm", tolerance=1e-9)
        for f in (frame, shuffled)
    )
    assert one.columns.tolist() == ["usubjid", "repeat", "fold", "model", "base"] + [f.name for f in FEATURES]
    pd.testing.assert_frame_equal(one, other, check_exact=True)


def test_contributions_of_other_fits_do_not_pass(run: Run) -> None:
    frame, predictions, fits = run
    swapped = [
        a | {"document": b["document"]} for a, b in zip(fits["logistic"], fits["logistic"][::-1], strict=True)
    ]
    with pytest.raises(AdditivityError, match="differ from the log-odds"):
        explain_out_of_fold(swapped, frame, predictions, model="logistic", tolerance=1e-9)


def test_the_interaction_of_a_product_is_what_both_change_beyond_each(run: Run) -> None:
    frame, predictions, fits = run
    fit = fits["logistic"][0]
    found = interaction_strengths([fit], frame, predictions, model="logistic", patients=5)
    assert found
    served = PcrModel(fit["document"])
    rows = predictions.query(f"model == 'logistic' and repeat == {fit['repeat']} and fold == {fit['fold']}")
    columns = served.complete(served.encode(frame.set_index("usubjid").loc[rows["usubjid"]].reset_index()))
    means = np.asarray(fit["document"]["encoding"]["mean"])
    owners = [column["feature"] for column in fit["document"]["encoding"]["columns"]]
    linear = fit["document"]["linear"]
    slope = fit["document"]["calibration"]["slope"]

    def margin(encoded: np.ndarray) -> np.ndarray:
        return slope * (linear["intercept"] + served.terms(encoded) @ np.asarray(linear["coefficients"]))

    for pair in found:
        first, second = (np.isin(owners, pair[side]) for side in ("first", "second"))
        # Both at their values, each at its mean, both at their means.
        both = margin(columns)
        one, other, none = columns.copy(), columns.copy(), columns.copy()
        one[:, second], other[:, first] = means[second], means[first]
        none[:, first | second] = means[first | second]
        beyond = both - margin(one) - margin(other) + margin(none)
        assert pair["mean_abs"] == pytest.approx(np.abs(beyond).mean())


def test_interactions_of_a_boosted_model_are_pairs_of_features_largest_first(run: Run) -> None:
    frame, predictions, fits = run
    found = interaction_strengths(fits["lightgbm"], frame, predictions, model="lightgbm", patients=5)
    names = NAMES
    assert all(names.index(pair["first"]) < names.index(pair["second"]) for pair in found)
    strengths = [pair["mean_abs"] for pair in found]
    assert strengths == sorted(strengths, reverse=True)
    assert {pair["patients"] for pair in found} <= {5 * len(fits["lightgbm"])}
