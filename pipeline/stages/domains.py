"""Stage domains: the linear candidate on sets of domains, on the folds of the whole model."""

from collections.abc import Mapping
from typing import Any

import numpy as np
import pandas as pd
from rich.progress import track

from models.procedure.backends import workers
from models.procedure.domain_sets import ARM, Features, domain_sets
from models.procedure.resampling import (
    FoldResult,
    Procedure,
    cross_validate,
    outcome_strata,
    stratified_splits,
    tidy,
)
from models.procedure.response_model import ResponseModel
from pipeline.project.analysis import analysis_rows
from pipeline.project.console import reported_errors, stderr
from pipeline.project.files import read_json, read_yaml, stage_paths, write_tables


class OnSet:
    """The candidate on one set of features, under a name of its own."""

    def __init__(
        self, name: str, features: Features, settings: Mapping[str, Any], folds: int, seed: int
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
    features: Features,
    settings: Mapping[str, Any],
    validation: Mapping[str, Any],
    label: str,
) -> pd.DataFrame:
    """Return the tidy out-of-fold predictions of every set, on the same folds as the whole model's."""
    splits = stratified_splits(
        outcome_strata(y, rows[ARM]),
        folds=validation["folds"],
        repeats=validation["domains"]["repeats"],
        seed=validation["seed"],
    )
    name = validation["domains"]["candidate"]
    alone = {"encoding": settings["encoding"], "candidates": {name: settings["candidates"][name]}}
    sets = domain_sets(features)

    def procedures(seed: int) -> list[Procedure]:
        return [OnSet(name, chosen, alone, validation["inner_folds"], seed) for name, chosen in sets.items()]

    results = cross_validate(procedures, rows, y, splits, workers=workers())
    shown = list(track(results, description=label, total=len(splits), console=stderr()))
    return tidy([FoldResult(each.split, each.predictions) for each in shown], rows["usubjid"].tolist(), y)


def main() -> None:
    """Read, cross-validate every set at every landmark, write."""
    args = stage_paths(
        __doc__ or "", "study", "settings", "validation", "features", "cohort", "rules", "predictions"
    )
    settings, validation = read_yaml(args.settings), read_yaml(args.validation)
    cohort, found = pd.read_parquet(args.cohort), {}
    with reported_errors():
        for landmark in read_yaml(args.study)["landmarks"]:
            rows, y = analysis_rows(
                pd.read_parquet(args.features / f"{landmark}.parquet"),
                cohort,
                pd.read_parquet(args.rules / f"{landmark}.parquet"),
            )
            features = read_json(args.features / f"{landmark}.json")["features"]
            found[landmark] = domain_predictions(
                rows, y, features, settings, validation, f"{landmark}, domains"
            )
    write_tables(args.predictions, found)


if __name__ == "__main__":
    main()
