"""Multiple imputation of missing predictors, as a sensitivity run beside the deterministic one.

Where `serving.py` fills a missing value with its regression on the observed ones, a residual is drawn
here as well, from those of the training patients whose value is known. Repeating the whole analysis shows how
much rests on values that nobody measured; Rubin's rules combine the repetitions.
"""

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
        self.residuals_ = residuals(encoded, coder)
        completed = [self._drawn(part, coder) for part in (encoded, test.encoded(encoding["columns"]))]
        return Design(encoding, completed[0], y, completed[1])

    def _drawn(self, encoded: FloatArray, coder: PcrModel) -> FloatArray:
        """Return completed columns with a residual added to every imputed value, within the range seen."""
        completed = coder.complete(encoded).copy()
        learned = coder.document["encoding"]
        for column, known in enumerate(self.residuals_):
            rows = np.flatnonzero(np.isnan(encoded[:, column]))
            if len(rows) and len(known):
                drawn = completed[rows, column] + self.rng_.choice(known, len(rows))
                completed[rows, column] = np.clip(drawn, learned["low"][column], learned["high"][column])
        return completed


def residuals(encoded: FloatArray, coder: PcrModel) -> list[FloatArray]:
    """Return for each column the observed values minus what would be imputed for them, of varying length."""
    if encoded.shape[1] == 0:
        return []
    # A column's regression is on all others, so that what is known of it need not be hidden first.
    differences = (encoded - coder.imputed(encoded)).T
    return [column[~np.isnan(column)] for column in differences]


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
