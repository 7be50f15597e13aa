"""The linear candidate on every set of domains, on the folds of the whole model."""

from collections.abc import Sequence

import numpy as np
import pandas as pd

from models.procedure.backends import forks
from models.procedure.configuration.plan import ValidationPlan
from models.procedure.configuration.settings import ModelSettings, ProcedureSettings
from models.procedure.domain_sets import ARM, domain_sets
from models.procedure.landmark_features import LandmarkFeature
from models.procedure.resampling import FoldResult, Procedure, Progress, cross_validate, silently, tidy
from models.procedure.response_model import ResponseModel
from models.procedure.splits import outcome_strata, stratified_splits


class OnSet:
    """The candidate on one set of features, under a name of its own."""

    def __init__(
        self,
        name: str,
        features: Sequence[LandmarkFeature],
        settings: ProcedureSettings,
        folds: int,
        seed: int,
    ) -> None:
        self.name = name
        self.model = ResponseModel(features, settings, folds, seed)

    def fit(self, X: pd.DataFrame, y: np.ndarray) -> "OnSet":
        """Tune and fit on the training part."""
        self.model.fit(X, y)
        return self

    def predictions(self, X: pd.DataFrame) -> dict[str, np.ndarray]:
        """Return the set's forecast."""
        return {self.name: self.model.predict_proba(X)[:, 1]}


def domain_predictions(
    rows: pd.DataFrame,
    y: np.ndarray,
    features: Sequence[LandmarkFeature],
    settings: ModelSettings,
    plan: ValidationPlan,
    progress: Progress = silently,
) -> pd.DataFrame:
    """Return the tidy out-of-fold predictions of every set, on the same folds as the whole model's."""
    splits = stratified_splits(
        outcome_strata(y, rows[ARM]),
        folds=plan.folds,
        repeats=plan.domains.repeats,
        seed=plan.seed,
    )
    alone = settings.alone(plan.domains.candidate)
    sets = domain_sets(features)

    def procedures(seed: int) -> list[Procedure]:
        return [OnSet(name, chosen, alone, plan.inner_folds, seed) for name, chosen in sets.items()]

    results = cross_validate(procedures, rows, y, splits, backend=forks())
    predicted = [FoldResult(each.split, each.predictions) for each in progress(results, len(splits))]
    return tidy(predicted, rows["usubjid"].tolist(), y)
