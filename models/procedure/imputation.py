"""Multiple imputation of missing predictors, as a sensitivity run beside the deterministic one.

Where `serving.py` fills a missing value with its regression on the observed ones, all missing values of a
patient are drawn together here, from the normal distribution given what is observed, with the outcome among
it where models are learned and without it where they predict (Moons et al., J Clin Epidemiol 2006;59:1092).
Means and covariances are drawn anew for every imputation, by the Bayesian bootstrap (Rubin, Ann Stat
1981;9:130), so that the imputations differ also by what the data leave open about them. Repeating the whole
analysis shows how much rests on values that nobody measured; Rubin's rules combine the repetitions.
"""

from dataclasses import dataclass
from typing import Any, Self

import numpy as np
import pandas as pd
from scipy.special import ndtri

from features.errors import UserError
from models.measures.common import FloatArray, Measure
from models.procedure.candidates import Design
from models.procedure.encoding import NumericRows
from models.procedure.response_model import ResponseModel
from models.serving.serving import PcrModel


class ImputedModel(ResponseModel):
    """The modelling procedure with missing predictors drawn at random; the linear candidate only.

    Parameters as `ResponseModel`; `imputation` is the number of the imputation, which seeds its draws.
    """

    def __init__(
        self, features: Any, settings: Any, inner_folds: int = 5, seed: int = 0, imputation: int = 0
    ) -> None:
        super().__init__(features, settings, inner_folds, seed)
        self.imputation = imputation

    def fit(self, X: pd.DataFrame, y: FloatArray, groups: np.ndarray | None = None) -> Self:
        """Fit as `ResponseModel`; draws are made anew for every training part, inner ones included."""
        self.rng_ = np.random.default_rng([self.seed, self.imputation])
        super().fit(X, y, groups)
        return self

    def predictions(self, X: pd.DataFrame) -> dict[str, FloatArray]:
        """Return the chosen candidate's probabilities for patients whose missing values are drawn, too."""
        model = self.models_[self.chosen_]
        columns = self._drawn(model.encode(X), model)
        linear = model.document["linear"]
        margin = linear["intercept"] + model.terms(columns) @ np.asarray(linear["coefficients"])
        return {"chosen": 1 / (1 + np.exp(-margin))}

    def _design(self, train: NumericRows, y: FloatArray, test: NumericRows) -> Design:
        encoding, coder = self._learned_coder(train)
        encoded = train.encoded(encoding["columns"])
        beside = np.column_stack([coder.standardised(encoded), y])
        self.normal_ = drawn_normal(beside, self.settings.encoding.imputation_shrinkage, self.rng_)
        completed = [self._drawn(encoded, coder, y), self._drawn(test.encoded(encoding["columns"]), coder)]
        return Design(encoding, completed[0], y, completed[1])

    def _drawn(self, encoded: FloatArray, coder: PcrModel, y: FloatArray | None = None) -> FloatArray:
        """Return columns with missing values drawn, given `y` (n,) too if known, within the range seen."""
        missing = np.isnan(encoded)
        if not missing.any():
            return encoded
        learned = coder.document["encoding"]
        standard = coder.standardised(encoded)
        if y is not None:
            standard = np.column_stack([standard, y])
        drawn = draw_missing(standard, self.normal_, self.rng_)[:, : encoded.shape[1]]
        values = drawn * np.asarray(learned["scale"]) + np.asarray(learned["mean"])
        return np.where(missing, np.clip(values, learned["low"], learned["high"]), encoded)


@dataclass(frozen=True)
class Normal:
    """Mean (columns,) and covariance (columns, columns) of a multivariate normal distribution."""

    mean: FloatArray
    covariance: FloatArray


def drawn_normal(values: FloatArray, shrinkage: float, rng: np.random.Generator) -> Normal:
    """Return means and covariances drawn by the Bayesian bootstrap: exponential weights of the patients.

    Covariances come from the pairs observed together; as in `models.procedure.encoding`, correlations are
    shrunken towards the identity, and eigenvalues that missing data made negative are cut at the shrinkage.

    Parameters
    ----------
    values : array, shape (n, columns)
        NaN where missing; every column has a value.
    shrinkage : float in (0, 1]
        Weight of the identity.
    """
    weights = rng.standard_exponential(len(values))
    seen = (~np.isnan(values)).astype(float)
    filled = np.nan_to_num(values)
    mean = (weights @ filled) / (weights @ seen)
    centred = (filled - mean) * seen
    together = (seen * weights[:, None]).T @ seen
    covariance = (centred * weights[:, None]).T @ centred / np.where(together > 0, together, 1.0)
    spread = np.sqrt(np.diag(covariance))
    scale = np.where(spread > 0, spread, 1.0)
    correlation = covariance / np.outer(scale, scale)
    np.fill_diagonal(correlation, 1.0)
    eigenvalues, vectors = np.linalg.eigh(
        (1 - shrinkage) * correlation + shrinkage * np.eye(len(correlation))
    )
    correlation = (vectors * np.maximum(eigenvalues, shrinkage)) @ vectors.T
    return Normal(mean, correlation * np.outer(scale, scale))


def draw_missing(values: FloatArray, normal: Normal, rng: np.random.Generator) -> FloatArray:
    """Return `values` (n, columns) with what is missing drawn from the normal distribution given the rest.

    `normal` may have more columns at its end: of them nothing is known. Who lacks the same columns is drawn
    together.
    """
    completed = values.copy()
    patterns, member = np.unique(np.isnan(values), axis=0, return_inverse=True)
    for number, missing in enumerate(patterns):
        gone, known = np.flatnonzero(missing), np.flatnonzero(~missing)
        if not len(gone):
            continue
        rows = np.flatnonzero(member == number)
        between = normal.covariance[np.ix_(known, gone)]
        slopes = np.linalg.solve(normal.covariance[np.ix_(known, known)], between)
        expected = normal.mean[gone] + (values[np.ix_(rows, known)] - normal.mean[known]) @ slopes
        left = normal.covariance[np.ix_(gone, gone)] - between.T @ slopes
        variances, directions = np.linalg.eigh(left)
        root = directions * np.sqrt(np.maximum(variances, 0.0))
        completed[np.ix_(rows, gone)] = expected + rng.standard_normal((len(rows), len(gone))) @ root.T
    return completed


def rubin(estimates: FloatArray, variances: FloatArray, level: float) -> Measure:
    """Return the mean over imputations and its interval: T = W + (1 + 1/m) B (Rubin 1987), normal.

    Parameters
    ----------
    estimates, variances : array, shape (m,)
        Of each imputation.

    Raises
    ------
    UserError
        If there are fewer than two imputations.
    """
    m = len(estimates)
    if m < 2:
        raise UserError(f"Rubin's rules need at least 2 imputations, got {m}")
    total = float(np.mean(variances) + (1 + 1 / m) * np.var(estimates, ddof=1))
    half = float(ndtri((1 + level) / 2) * np.sqrt(total))
    value = float(np.mean(estimates))
    return Measure(value, value - half, value + half)
