"""Learn how features become numbers: columns, scales and the regressions that fill what is missing.

Everything here is learned from the training part, without the outcome, and kept as plain data;
`models.serving.serving` applies it, so that training and serving cannot drift apart.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Self

import numpy as np
import pandas as pd

from models.procedure.configuration.settings import EncodingSettings
from models.procedure.landmark_features import LandmarkFeature, as_documents
from models.serving.serving import ColumnDocument, EncodingDocument, PcrModel


@dataclass(frozen=True)
class NumericRows:
    """Rows as numbers, before anything is learned: every column that an encoding of the features may have.

    Read once from a frame; the parts of a resampling are then rows of one array.
    """

    features: Sequence[LandmarkFeature]
    columns: list[ColumnDocument]
    values: np.ndarray  # (n, columns), NaN where the feature is missing

    def rows(self, positions: np.ndarray) -> Self:
        """Return the rows at `positions`, in that order."""
        return type(self)(self.features, self.columns, self.values[positions])

    def encoded(self, columns: Sequence[ColumnDocument]) -> np.ndarray:
        """Return the chosen columns, shape (n, columns), as `PcrModel.encode` gives them."""
        places = {_name(column): place for place, column in enumerate(self.columns)}
        return np.ascontiguousarray(self.values[:, [places[_name(column)] for column in columns]])


def read_numeric_rows(frame: pd.DataFrame, features: Sequence[LandmarkFeature]) -> NumericRows:
    """Return all rows of `frame` (n, >= features) as numbers: numeric features, and each level by itself."""
    columns = [column for feature in features for column in _all_columns(feature)]
    return NumericRows(features, columns, _encode(frame, features, columns))


def learn_encoding(
    frame: pd.DataFrame,
    features: Sequence[LandmarkFeature],
    settings: EncodingSettings,
) -> EncodingDocument:
    """Return the ``encoding`` of a model document, learned from the rows of `frame` (n, >= features).

    All else is as in `encoding_of`.
    """
    return encoding_of(read_numeric_rows(frame, features), settings)


def encoding_of(inputs: NumericRows, settings: EncodingSettings) -> EncodingDocument:
    """Return the ``encoding`` of a model document, learned from the rows of `inputs`.

    A numeric feature is one column. A categorical feature has one column per level that at least
    `min_level_patients` rows show, except the most frequent one; rarer levels stand with that one. Columns
    that do not vary are left out, and so are features so seldom known that their values would mostly be
    imputed: other features under their name.

    Parameters
    ----------
    inputs : NumericRows
        Training rows.
    settings : EncodingSettings
        When a level gets a column, when a feature is used, and how strongly imputation is shrunken.

    Returns
    -------
    EncodingDocument
        ``columns`` and, per column, ``mean``, ``scale``, ``low``, ``high`` of the observed values, and
        ``imputation``, shape (columns, columns): see `imputation_weights`.

    Where no column varies, there is none.
    """
    columns = _used_columns(inputs, settings)
    encoded = inputs.encoded(columns)
    missing = np.isnan(encoded)
    low = np.where(missing, np.inf, encoded).min(axis=0, initial=np.inf)
    high = np.where(missing, -np.inf, encoded).max(axis=0, initial=-np.inf)
    varies = low < high
    encoded = encoded[:, varies]
    mean = np.nanmean(encoded, axis=0)
    scale = np.nanstd(encoded, axis=0)
    return {
        "columns": [column for column, keep in zip(columns, varies, strict=True) if keep],
        "mean": mean.tolist(),
        "scale": scale.tolist(),
        "low": low[varies].tolist(),
        "high": high[varies].tolist(),
        "imputation": imputation_weights((encoded - mean) / scale, settings.imputation_shrinkage).tolist(),
    }


def imputation_weights(standard: np.ndarray, shrinkage: float) -> np.ndarray:
    """Return the regression of every standardised column on all others, shape (columns, columns).

    Row j predicts column j; the diagonal is 0. With P the inverse of the correlation matrix, the weights of
    column j are -P[j, k] / P[j, j] (Whittaker, Graphical Models in Applied Multivariate Statistics, 5.8).
    Correlations come from the pairs observed together and are shrunken towards the identity; eigenvalues that
    missing data made negative are cut at the shrinkage.

    Parameters
    ----------
    standard : array, shape (n, columns)
        Standardised values, NaN where missing.
    shrinkage : float in (0, 1]
        Weight of the identity.
    """
    seen = ~np.isnan(standard)
    filled = np.where(seen, standard, 0.0)
    together = seen.T.astype(float) @ seen.astype(float)
    correlation = (filled.T @ filled) / np.maximum(together, 1.0)
    spread = np.sqrt(np.diag(correlation))
    correlation /= np.outer(spread, spread)
    np.fill_diagonal(correlation, 1.0)
    values, vectors = np.linalg.eigh((1 - shrinkage) * correlation + shrinkage * np.eye(len(correlation)))
    precision = (vectors / np.maximum(values, shrinkage)) @ vectors.T
    weights = -precision / np.diag(precision)[:, None]
    np.fill_diagonal(weights, 0.0)
    return np.asarray(weights)


def _name(column: ColumnDocument) -> tuple[str, str | None]:
    return column["feature"], column.get("level")


def _all_columns(feature: LandmarkFeature) -> list[ColumnDocument]:
    name = feature.name
    if feature.is_numeric:
        return [{"feature": name}]
    return [{"feature": name, "level": level} for level in feature.levels]


def _used_columns(inputs: NumericRows, settings: EncodingSettings) -> list[ColumnDocument]:
    """Return the columns of features known often enough, without rare levels and the most frequent one."""
    counts = np.nansum(inputs.values, axis=0)
    missing = np.isnan(inputs.values).mean(axis=0)
    used: list[ColumnDocument] = []
    places: dict[str, list[int]] = {feature.name: [] for feature in inputs.features}
    for place, column in enumerate(inputs.columns):
        places[column["feature"]].append(place)
    for feature in inputs.features:
        # All columns of a feature are missing together.
        known = [place for place in places[feature.name] if missing[place] <= settings.max_missing_share]
        if feature.is_numeric:
            used += [inputs.columns[place] for place in known]
            continue
        seen = [place for place in known if counts[place] >= settings.min_level_patients]
        reference = max(seen, key=lambda place: float(counts[place]), default=None)
        used += [inputs.columns[place] for place in seen if place != reference]
    return used


def _encode(
    frame: pd.DataFrame, features: Sequence[LandmarkFeature], columns: list[ColumnDocument]
) -> np.ndarray:
    """Encode with the serving code, from a document that has columns and nothing learned yet."""
    encoding: EncodingDocument = {
        "columns": columns, "mean": [], "scale": [], "low": [], "high": [], "imputation": [],
    }  # fmt: skip
    return PcrModel({"features": as_documents(features), "encoding": encoding}).encode(frame)
