"""Multiple imputation: what is observed stays, what is missing varies, and Rubin's rules."""

import numpy as np
import pandas as pd
import pytest

from models.configuration.settings import EncodingSettings, LogisticCandidate, ProcedureSettings
from models.procedure.encoding import learn_encoding
from models.procedure.imputation import ImputedModel, residuals, rubin
from models.procedure.landmark_features import as_documents
from models.procedure.response_model import ResponseModel
from models.serving.serving import PcrModel
from tests.patients import feature

FEATURES = [feature("a"), feature("b")]
SETTINGS = ProcedureSettings(
    EncodingSettings(1, 0.9, 0.1), {"logistic": LogisticCandidate("logistic", (0.05, 0.005))}
)


def patients(missing: float, n: int = 200) -> tuple[pd.DataFrame, np.ndarray]:
    rng = np.random.default_rng(5)
    a = rng.normal(size=n)
    frame = pd.DataFrame({"a": a, "b": 0.7 * a + 0.7 * rng.normal(size=n)})
    y = (rng.random(n) < 1 / (1 + np.exp(-frame["b"] * 1.5))).to_numpy().astype(float)
    frame.loc[rng.random(n) < missing, "b"] = np.nan
    return frame, y


def fitted(frame: pd.DataFrame, y: np.ndarray, imputation: int) -> np.ndarray:
    model = ImputedModel(FEATURES, SETTINGS, 4, 1, imputation).fit(frame, y)
    return model.predictions(frame)["chosen"]


def test_without_missing_values_nothing_is_drawn() -> None:
    frame, y = patients(0.0)
    whole = ResponseModel(FEATURES, SETTINGS, 4, 1).fit(frame, y).predict_proba(frame)[:, 1]
    assert np.allclose(fitted(frame, y, 0), whole, atol=1e-12)


def test_imputations_differ_where_values_are_missing_and_the_same_number_gives_the_same() -> None:
    frame, y = patients(0.3)
    one, again, other = (fitted(frame, y, number) for number in (1, 1, 2))
    assert np.array_equal(one, again)
    missing = frame["b"].isna().to_numpy()
    assert np.abs(one - other)[missing].mean() > 3 * np.abs(one - other)[~missing].mean()


def test_drawn_values_spread_as_the_known_ones_do_about_their_regression() -> None:
    frame, _ = patients(0.3, n=4000)
    encoding = learn_encoding(frame, FEATURES, EncodingSettings(1, 0.9, 0.01))
    coder = PcrModel({"features": as_documents(FEATURES), "encoding": encoding})
    b = residuals(coder.encode(frame), coder)[1]
    assert len(b) == frame["b"].notna().sum()
    # b given a has the standard deviation 0.7.
    assert b.std() == pytest.approx(0.7, abs=0.03)


def test_rubins_rules_by_hand() -> None:
    found = rubin(np.array([1.0, 2.0, 3.0]), np.array([0.5, 0.5, 0.8]), 0.95)
    total = 0.6 + (1 + 1 / 3) * 1.0
    assert found.value == 2.0
    assert found.high == pytest.approx(2 + 1.959963984540054 * np.sqrt(total))
    with pytest.raises(ValueError, match="at least 2 imputations"):
        rubin(np.array([1.0]), np.array([1.0]), 0.95)
