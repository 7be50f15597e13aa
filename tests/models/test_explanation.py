from typing import Any

import numpy as np
import pandas as pd
import pytest

from models.explanation import (
    AdditivityError,
    domain_shares,
    explain_out_of_fold,
    feature_ranking,
)
from models.procedure import ResponseModel
from models.resampling import cross_validate, outcome_strata, stratified_splits, tidy
from tests.patients import FEATURES, SETTINGS, patients

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
    total = explained["base"] + explained[[f["name"] for f in FEATURES]].sum(axis=1)
    total = total.to_numpy()
    assert 1 / (1 + np.exp(-total)) == pytest.approx(stored["p"].to_numpy(), abs=1e-12)


def test_columns_are_the_model_s_features_in_order_whatever_the_order_of_the_input(run: Run) -> None:
    frame, predictions, fits = run
    shuffled = frame[frame.columns[::-1]]
    one, other = (
        explain_out_of_fold(fits["lightgbm"], f, predictions, model="lightgbm", tolerance=1e-9)
        for f in (frame, shuffled)
    )
    assert one.columns.tolist() == ["usubjid", "repeat", "fold", "model", "base"] + [
        f["name"] for f in FEATURES
    ]
    pd.testing.assert_frame_equal(one, other, check_exact=True)


def test_contributions_of_other_fits_do_not_pass(run: Run) -> None:
    frame, predictions, fits = run
    swapped = [
        a | {"document": b["document"]} for a, b in zip(fits["logistic"], fits["logistic"][::-1], strict=True)
    ]
    with pytest.raises(AdditivityError, match="differ from the log-odds"):
        explain_out_of_fold(swapped, frame, predictions, model="logistic", tolerance=1e-9)


def test_shares_of_domains_and_features_are_means_of_absolute_contributions() -> None:
    features = [{"name": n, "domain": d} for n, d in (("a", "clinical"), ("b", "ctdna"), ("c", "ctdna"))]
    explained = pd.DataFrame(
        {"usubjid": ["1", "2"], "repeat": 0, "fold": 0, "model": "m", "base": 0.0}
        | {"a": [1.0, -1.0], "b": [3.0, 1.0], "c": [-1.0, 1.0]}
    )
    assert feature_ranking(explained, features)["feature"].tolist() == ["b", "a", "c"]
    shares = domain_shares(explained, features).set_index("domain")
    assert shares.loc["ctdna", "mean_abs"] == pytest.approx(2.0)
    assert shares.loc["ctdna", "share"] == pytest.approx(2 / 3)
