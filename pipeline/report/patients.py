"""What a page's script needs of single patients: values and contributions, packed, and other landmarks."""

import base64
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd

from features.documents.feature import FeatureList, LandmarkFeatureEntry
from models.explanation.attribution import group_sums
from models.explanation.out_of_fold import KEYS

DIGITS = 9
"""Of a prediction and of its base value: with them contributions add up to it, to 1e-6."""
# The largest whole number of 32 bits: contributions are stored as parts of the largest one.
FULL_SCALE = 2**31 - 1


def _packed(numbers: np.ndarray, kind: str) -> str:
    """Return numbers as base64 of their little-endian bytes."""
    return base64.b64encode(numbers.astype(f"<{kind}").tobytes()).decode("ascii")


def feature_data(
    features: Sequence[LandmarkFeatureEntry], shown: pd.DataFrame, values: pd.DataFrame
) -> tuple[list[dict[str, Any]], float]:
    """Return the features with values and contributions of the shown patients, and the contributions' scale.

    Values: float32 of numbers, index into ``levels`` (-1 missing) as int8 of categories. Contributions: int32
    in units of the scale, which keeps them to nine digits.
    """
    names = [feature["name"] for feature in features]
    contributions = shown[names].to_numpy()
    scale = max(float(np.abs(contributions).max()), 1e-9) / FULL_SCALE
    packed = []
    for feature, contribution in zip(features, contributions.T, strict=True):
        column = pd.Series(values[feature["name"]])
        if feature["kind"] == "numeric":
            content = _packed(column.to_numpy(dtype=float), "f4")
        else:
            content = _packed(
                column.map({level: i for i, level in enumerate(feature["levels"])}).fillna(-1).to_numpy(),
                "i1",
            )
        packed.append(
            {
                key: feature[key]
                for key in ("name", "domain", "kind", "unit", "known_at", "levels", "description")
            }
            | {
                "missing_count": int(column.isna().sum()),
                "used": bool(np.any(contribution)),
                "values": content,
                "shap": _packed(np.round(contribution / scale), "i4"),
            }
        )
    return packed, scale


def patient_data(
    shown: pd.DataFrame,
    predictions: pd.DataFrame,
    cohort: pd.DataFrame,
    branches: pd.Series | None,
    others: Mapping[str, tuple[FeatureList, pd.DataFrame, pd.DataFrame]],
    receptors: pd.Series | None = None,
) -> dict[str, Any]:
    """Return ids, predictions, outcome, arm, centre, branch of the shown patients, and their other landmarks.

    Parameters
    ----------
    shown : DataFrame
        Contributions of the shown patients in one repeat.
    others : mapping
        Per landmark: its description, contributions and predictions, all repeats.
    receptors : Series, optional
        The level by which patients are told apart, index usubjid.
    """
    ids = shown["usubjid"].tolist()
    model, repeat = shown["model"].iloc[0], shown["repeat"].iloc[0]
    rows = predictions[predictions["model"] == model]
    here = rows[rows["repeat"] == repeat].set_index("usubjid").loc[ids]
    spread = rows.groupby("usubjid")["p"].agg(["min", "max"]).loc[ids]
    people = cohort.set_index("usubjid").loc[ids]
    return {
        "ids": ids,
        "p": here["p"].round(DIGITS).tolist(),
        "p_low": spread["min"].round(DIGITS).tolist(),
        "p_high": spread["max"].round(DIGITS).tolist(),
        "y": here["y"].astype(int).tolist(),
        "base": shown["base"].round(DIGITS).tolist(),
        "arm": people["arm"].tolist(),
        "centre": _nullable(people["siteid"]),
        "receptors": None if receptors is None else _nullable(receptors.reindex(ids)),
        "branch": None if branches is None else _nullable(branches.reindex(ids)),
        "others": [landmark_course(name, ids, *other) for name, other in others.items()],
    }


def landmark_course(
    name: str,
    ids: list[str],
    about: FeatureList,
    explained: pd.DataFrame,
    predictions: pd.DataFrame,
) -> dict[str, Any]:
    """Return the patients' prediction at a landmark, its base value and its domains' sums, or null."""
    first = explained[explained["repeat"] == explained["repeat"].min()].set_index("usubjid")
    rows = predictions[
        (predictions["model"] == first["model"].iloc[0]) & (predictions["repeat"] == first["repeat"].iloc[0])
    ]
    features = about["features"]
    domains = {
        domain: [f["name"] for f in features if f["domain"] == domain]
        for domain in dict.fromkeys(f["domain"] for f in features)
    }
    sums = group_sums(first.drop(columns=[key for key in KEYS if key in first]), domains).reindex(ids)
    return {
        "landmark": name,
        "p": _nullable(rows.set_index("usubjid")["p"].reindex(ids).round(6)),
        "base": _nullable(first["base"].reindex(ids).round(4)),
        "domains": {domain: _nullable(sums[domain].round(4)) for domain in domains},
    }


def _nullable(series: pd.Series) -> list[Any]:
    return [None if pd.isna(value) else value for value in series.tolist()]
