"""Stage train: cross-validate candidates and comparators at one landmark, and fit the model to serve.

Writes out-of-fold predictions of every model, the fold fits of the chosen candidate (which explain those
predictions), and the model folder.
"""

import shutil
from collections.abc import Mapping, Sequence
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from rich.progress import track

from models import serving
from models.branches import BranchFrequency
from models.procedure import ResponseModel
from models.resampling import FoldResult, Procedure, cross_validate, outcome_strata, stratified_splits, tidy
from pipeline.card import ESTIMAND, model_card
from pipeline.console import refusals, stderr
from pipeline.files import read_json, read_yaml, replacing, stage_paths, workers, write_json, write_table

BRANCH = "protocol_branch"


class Rules:
    """The adaptive rules as a procedure: pCR frequency of the patient's branch in the training part."""

    def __init__(self, shrinkage: float) -> None:
        self.frequency = BranchFrequency(shrinkage=shrinkage)

    def fit(self, X: pd.DataFrame, y: np.ndarray) -> "Rules":
        """Learn branch frequencies from the training part."""
        self.frequency.fit(_branches(X), y)
        return self

    def predictions(self, X: pd.DataFrame) -> dict[str, np.ndarray]:
        """Return the rules' forecast."""
        return {"rules": self.frequency.predict_proba(_branches(X))[:, 1]}


def _branches(X: pd.DataFrame) -> pd.DataFrame:
    return X[["arm", BRANCH]].rename(columns={BRANCH: "branch"})


def analysis_rows(
    features: pd.DataFrame, cohort: pd.DataFrame, branches: pd.DataFrame, landmark: str
) -> tuple[pd.DataFrame, np.ndarray]:
    """Return the at-risk patients with an outcome, sorted by id, with their branch; and the outcome (n,)."""
    known = cohort.loc[cohort["outcome"].notna(), ["usubjid", "outcome"]]
    branch = branches[["usubjid", landmark]].rename(columns={landmark: BRANCH})
    rows = features.merge(known, on="usubjid").merge(branch, on="usubjid").sort_values("usubjid")
    return rows.drop(columns="outcome").reset_index(drop=True), rows["outcome"].to_numpy(dtype=float)


def cross_validated(
    rows: pd.DataFrame,
    y: np.ndarray,
    features: Sequence[Mapping[str, Any]],
    settings: Mapping[str, Any],
    validation: Mapping[str, Any],
    label: str,
) -> list[FoldResult]:
    """Return the results of every outer fold, showing progress."""
    splits = stratified_splits(
        outcome_strata(y, rows["arm"]),
        folds=validation["folds"],
        repeats=validation["repeats"],
        seed=validation["seed"],
    )

    def procedures(seed: int) -> list[Procedure]:
        return [
            ResponseModel(features, settings, validation["inner_folds"], seed),
            Rules(validation["branch_shrinkage"]),
        ]

    results = cross_validate(procedures, rows, y, splits, workers=workers())
    return list(track(results, description=label, total=len(splits), console=stderr()))


def fold_fits(results: Sequence[FoldResult], candidate: str) -> dict[str, Any]:
    """Return the fits of one candidate in every outer fold, as plain data."""
    fits = []
    for result in results:
        fitted = next(p for p in result.fitted if isinstance(p, ResponseModel))
        fits.append(
            {
                "repeat": result.split.repeat,
                "fold": result.split.fold,
                "document": fitted.documents_[candidate],
                "booster": fitted.boosters_[candidate],
            }
        )
    return {"model": candidate, "fits": fits}


def model_document(
    fitted: ResponseModel, study: Mapping[str, Any], landmark: str, rows: pd.DataFrame, y: np.ndarray
) -> dict[str, Any]:
    """Return the content of model.json: the fitted document and what a reader must know of it."""
    packages = ["numpy", "pandas", *(["lightgbm"] if fitted.boosters_[fitted.chosen_] else [])]
    return {
        "model": f"pcr-{study['study']}-{landmark}",
        "study": study["study"],
        "simulated": study["simulated"],
        "landmark": landmark,
        "estimand": ESTIMAND,
        "outcome": study["outcome"]["definition"],
        "training": {"patients": len(y), "events": int(y.sum()), "by_arm": _by_arm(rows, y)},
        "requirements": [f"{name}=={version(name)}" for name in packages],
        **fitted.documents_[fitted.chosen_],
    }


def _by_arm(rows: pd.DataFrame, y: np.ndarray) -> dict[str, dict[str, int]]:
    groups = pd.Series(y).groupby(rows["arm"].to_numpy())
    return {str(arm): {"patients": len(group), "events": int(group.sum())} for arm, group in groups}


def write_model(folder: Path, document: Mapping[str, Any], booster: str | None) -> None:
    """Write model.json, serving.py, card.md and, for a boosted model, booster.txt."""
    with replacing(folder) as new:
        new.mkdir()
        write_json(new / "model.json", document)
        if booster is not None:
            (new / "booster.txt").write_text(booster, encoding="utf-8")
        shutil.copyfile(serving.__file__, new / "serving.py")
        (new / "card.md").write_text(model_card(document), encoding="utf-8")


def main() -> None:
    """Read, cross-validate, fit, write."""
    args = stage_paths(
        __doc__, "study", "settings", "validation", "features", "description", "cohort", "branches",
        "predictions", "fits", "model", landmark="name of the landmark",
    )  # fmt: skip
    study, settings = read_yaml(args.study), read_yaml(args.settings)
    validation = read_yaml(args.validation)
    features = read_json(args.description)["features"]
    rows, y = analysis_rows(
        pd.read_parquet(args.features),
        pd.read_parquet(args.cohort),
        pd.read_parquet(args.branches),
        args.landmark,
    )
    with refusals():
        results = cross_validated(rows, y, features, settings, validation, args.landmark)
        fitted = ResponseModel(features, settings, validation["inner_folds"], validation["seed"])
        fitted.fit(rows, y)
    write_table(args.predictions, tidy(results, rows["usubjid"].tolist(), y))
    write_json(args.fits, fold_fits(results, fitted.chosen_))
    document = model_document(fitted, study, args.landmark, rows, y)
    write_model(args.model, document, fitted.boosters_[fitted.chosen_])


if __name__ == "__main__":
    main()
