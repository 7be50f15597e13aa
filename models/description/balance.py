"""How far two arms differ in what is known of their patients: standardised mean differences."""

from collections.abc import Sequence

import numpy as np
import pandas as pd

from models.procedure.landmark_features import LandmarkFeature


def standardised_differences(
    values: pd.DataFrame, features: Sequence[LandmarkFeature], arms: pd.Series
) -> dict[str, float]:
    """Return the standardised mean difference of every feature between two arms, by feature.

    Numbers: difference of the means over the root of the mean variance. Categories: Mahalanobis distance of
    the shares of the levels (Yang and Dalton, SAS Global Forum 2012, 335). Known values only; absolute.

    Parameters
    ----------
    values : DataFrame
        A column for each feature, index usubjid.
    features : sequence of LandmarkFeature
    arms : Series
        Arm of each patient, index usubjid.

    Returns
    -------
    dict
        Without features that do not vary inside the arms; empty unless there are two arms.
    """
    arm = arms.reindex(values.index)
    names = sorted(arm.dropna().unique())
    if len(names) != 2:
        return {}
    found: dict[str, float] = {}
    for feature in features:
        first, second = (values.loc[arm == name, feature.name].dropna() for name in names)
        if min(len(first), len(second)) < 2:
            continue
        distance = (
            _of_numbers(first.astype(float), second.astype(float))
            if feature.is_numeric
            else _of_levels(first, second, feature.levels)
        )
        if distance is not None:
            found[feature.name] = distance
    return found


def _of_numbers(first: pd.Series, second: pd.Series) -> float | None:
    spread = float(np.sqrt((first.var() + second.var()) / 2))
    return abs(float(first.mean() - second.mean())) / spread if spread > 0 else None


def _of_levels(first: pd.Series, second: pd.Series, levels: Sequence[str]) -> float | None:
    # One level follows from the others.
    shares = [np.array([(part == level).mean() for level in levels[1:]]) for part in (first, second)]
    spread = sum(np.diag(share) - np.outer(share, share) for share in shares) / 2
    apart = shares[0] - shares[1]
    if not np.any(spread):
        return None
    return float(np.sqrt(max(0.0, apart @ np.linalg.pinv(spread, hermitian=True) @ apart)))
