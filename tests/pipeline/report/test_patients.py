"""What a page's script gets of single patients."""

import base64

import numpy as np
import pandas as pd
import pytest

from features.documents.feature import LandmarkFeatureEntry
from pipeline.report.patients import feature_data, landmark_course, patient_data

SHOWN = pd.DataFrame(
    {"usubjid": ["P2", "P1"], "model": "chosen", "repeat": 0, "fold": 0, "base": 0.1, "til": [0.5, -0.25],
     "hr": [0.0, 0.0]}
)  # fmt: skip
PREDICTIONS = pd.DataFrame(
    [(patient, repeat, "chosen", y, p + 0.1 * repeat)
     for patient, y, p in (("P1", 1.0, 0.3), ("P2", 0.0, 0.6)) for repeat in (0, 1)],
    columns=["usubjid", "repeat", "model", "y", "p"],
)  # fmt: skip
COHORT = pd.DataFrame({"usubjid": ["P1", "P2"], "arm": ["A", "B"], "siteid": ["S1", None]})


def feature(name: str, kind: str, levels: list[str]) -> LandmarkFeatureEntry:
    more = {"domain": "pathology", "unit": "", "known_at": "baseline", "description": ""}
    return {"name": name, "kind": kind, "levels": levels, **more}


FEATURES = [feature("til", "numeric", []), feature("hr", "categorical", ["neg", "pos"])]


def unpacked(text: str, kind: str) -> list[float]:
    return np.frombuffer(base64.b64decode(text), dtype=f"<{kind}").tolist()


def test_values_and_contributions_come_back_as_they_went_in() -> None:
    values = pd.DataFrame({"til": [20.0, None], "hr": ["pos", None]})
    (til, hr), scale = feature_data(FEATURES, SHOWN, values)
    assert unpacked(til["values"], "f4") == pytest.approx([20.0, np.nan], nan_ok=True)
    assert unpacked(hr["values"], "i1") == [1, -1]
    assert np.array(unpacked(til["shap"], "i4")) * scale == pytest.approx([0.5, -0.25], abs=1e-9)
    assert (til["used"], hr["used"], til["missing_count"]) == (True, False, 1)


def test_a_patients_prediction_is_of_the_repeat_shown_and_its_spread_of_all() -> None:
    data = patient_data(SHOWN, PREDICTIONS, COHORT, pd.Series({"P1": "R1"}), {})
    assert (data["ids"], data["arm"], data["branch"]) == (["P2", "P1"], ["B", "A"], [None, "R1"])
    assert (data["p"], data["y"]) == ([0.6, 0.3], [0, 1])
    assert data["p_high"] == pytest.approx([0.7, 0.4])
    assert patient_data(SHOWN, PREDICTIONS, COHORT, None, {})["branch"] is None


def test_a_patient_who_was_not_at_risk_at_another_landmark_is_nothing_there() -> None:
    about = {"features": FEATURES}
    course = landmark_course("c2", ["P1", "P9"], about, SHOWN, PREDICTIONS)
    assert (course["p"], course["base"]) == ([0.3, None], [0.1, None])
    assert course["domains"] == {"pathology": [-0.25, None]}
