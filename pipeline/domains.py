"""Stage domains: the linear candidate on sets of domains, on the folds of the whole model."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd
from rich.progress import track

from models.procedure import ResponseModel
from models.resampling import FoldResult, Procedure, cross_validate, outcome_strata, stratified_splits, tidy
from pipeline.console import refusals, stderr
from pipeline.files import read_json, read_yaml, stage_paths, workers, write_table
from pipeline.train import analysis_rows

ARM = "arm"
ALL = "all"
PLUS = "+"
WITHOUT = "without "

Features = Sequence[Mapping[str, Any]]


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


def domain_sets(features: Features) -> dict[str, list[Mapping[str, Any]]]:
    """Return the sets: domains one after the other, all, and each left out; the arm is part of every set.

    A landmark with one domain has only the set of all.
    """
    domains = list(dict.fromkeys(feature["domain"] for feature in features))

    def of(chosen: Sequence[str]) -> list[Mapping[str, Any]]:
        return [feature for feature in features if feature["domain"] in chosen or feature["name"] == ARM]

    growing = [domains[: count + 1] for count in range(len(domains) - 1)]
    sets = {PLUS.join(chosen): of(chosen) for chosen in growing} | {ALL: list(features)}
    if len(domains) > 1:
        sets |= {WITHOUT + left: of([domain for domain in domains if domain != left]) for left in domains}
    # Leaving out the last domain is the set before it.
    return {
        name: chosen for name, chosen in sets.items() if name != WITHOUT + domains[-1] or len(domains) == 1
    }


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
    """Read, cross-validate every set, write."""
    args = stage_paths(
        __doc__ or "", "settings", "validation", "features", "description", "cohort", "rules", "predictions",
        landmark="name of the landmark",
    )  # fmt: skip
    rows, y = analysis_rows(
        pd.read_parquet(args.features), pd.read_parquet(args.cohort), pd.read_parquet(args.rules)
    )
    with refusals():
        found = domain_predictions(
            rows,
            y,
            read_json(args.description)["features"],
            read_yaml(args.settings),
            read_yaml(args.validation),
            f"{args.landmark}, domains",
        )
    write_table(args.predictions, found)


if __name__ == "__main__":
    main()
