"""Small made-up cohorts for tests of the models."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd

from models.procedure.configuration.settings import (
    BoostingCandidate,
    EncodingSettings,
    LogisticCandidate,
    ProcedureSettings,
)
from models.procedure.landmark_features import LandmarkFeature


def feature(
    name: str,
    levels: Sequence[str] = (),
    *,
    domain: str = "clinical",
    known_at: str = "baseline",
    **more: Any,
) -> LandmarkFeature:
    """Return a feature, categorical where it has levels."""
    kind = "categorical" if levels else "numeric"
    rest: dict[str, Any] = {"unit": "", "low": None, "high": None, "description": ""} | more
    return LandmarkFeature(
        name=name, domain=domain, kind=kind, known_at=known_at, levels=tuple(levels), **rest
    )


FEATURES = [
    feature("arm", ["A", "B"]),
    feature("age_years", unit="years", low=18.0, high=100.0),
    feature("til_pct", domain="pathology", unit="%", low=0.0, high=100.0),
    feature("ctdna_state", ["not_done", "negative", "positive"], domain="ctdna", known_at="c1"),
]
NAMES = [each.name for each in FEATURES]
LINEAR = LogisticCandidate(
    "logistic", (0.1, 0.01, 0.001), spline_knots=4, splines=("age_years",), interactions=(("arm", "til_pct"),)
)
BOOSTING = BoostingCandidate(
    "lightgbm",
    rounds=(5, 10),
    grid={"num_leaves": (3,), "min_data_in_leaf": (10,)},
    fixed={"learning_rate": 0.2, "max_bin": 15},
)
SETTINGS = ProcedureSettings(EncodingSettings(5, 0.8, 0.2), {"logistic": LINEAR, "lightgbm": BOOSTING})


def patients(n: int = 120, seed: int = 1, missing: float = 0.1) -> tuple[pd.DataFrame, np.ndarray]:
    """Return n patients with the inputs of FEATURES, and an outcome that depends on them."""
    rng = np.random.default_rng(seed)
    frame = pd.DataFrame(
        {
            "usubjid": [f"P{i:04d}" for i in range(n)],
            "arm": rng.choice(["A", "B"], n),
            "age_years": rng.uniform(25, 70, n),
            "til_pct": rng.uniform(0, 80, n),
            "ctdna_state": rng.choice(["not_done", "negative", "positive"], n, p=[0.2, 0.5, 0.3]),
        }
    )
    lp = (
        0.04 * (frame["til_pct"] - 40)
        - 1.2 * (frame["ctdna_state"] == "positive")
        + 0.5 * (frame["arm"] == "B")
    )
    y = (rng.random(n) < 1 / (1 + np.exp(-lp))).astype(float)
    frame.loc[rng.random(n) < missing, "til_pct"] = np.nan
    return frame, y
