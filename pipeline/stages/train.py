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

from models.procedure.comparators import comparators, rule_input_features
from models.procedure.resampling import (
    FoldResult,
    Procedure,
    cross_validate,
    outcome_strata,
    stratified_splits,
    tidy,
)
from models.procedure.response_model import ResponseModel
from models.serving import serving
from models.serving.training_summary import later_visits, support, venn_abers
from pipeline.project import checkpoints
from pipeline.project.analysis import analysis_rows
from pipeline.project.console import reported_errors, stderr
from pipeline.project.files import (
    read_json,
    read_study,
    read_yaml,
    replacing,
    stage_paths,
    write_json,
    write_table,
)
from pipeline.project.runtime import read_backend
from pipeline.registry.model_card import ESTIMAND, model_card


def cross_validated(
    rows: pd.DataFrame,
    y: np.ndarray,
    features: Sequence[Mapping[str, Any]],
    rule_inputs: Sequence[Mapping[str, Any]],
    settings: Mapping[str, Any],
    validation: Mapping[str, Any],
    label: str,
    store: checkpoints.TaskStore | None = None,
) -> list[FoldResult]:
    """Return the results of every outer fold, showing progress; those in `store` are not refitted."""
    splits = stratified_splits(
        outcome_strata(y, rows["arm"]),
        folds=validation["folds"],
        repeats=validation["repeats"],
        seed=validation["seed"],
    )

    def procedures(seed: int) -> list[Procedure]:
        return [
            ResponseModel(features, settings, validation["inner_folds"], seed),
            *comparators(features, rule_inputs, settings, validation, seed),
        ]

    backend = read_backend()
    results = cross_validate(
        procedures, rows, y, splits,
        workers=backend.workers, backend=backend.name, address=backend.address, store=store,
    )  # fmt: skip
    return list(track(results, description=label, total=len(splits), console=stderr()))


def fold_fits(results: Sequence[FoldResult], candidate: str) -> dict[str, Any]:
    """Return the fits of one candidate in every outer fold, as plain data."""
    fits = []
    for result in results:
        place = {"repeat": result.split.repeat, "fold": result.split.fold}
        fits.append(place | result.fits[candidate])
    return {"model": candidate, "fits": fits}


def outcome_columns(contract: Path) -> list[str]:
    """Return the columns of the contract that only the outcome's tables have, sorted."""
    tables = [read_yaml(path) for path in sorted(contract.glob("*.yaml"))]
    known = {late: {c for t in tables if (t["timing"]["known_at"] == "outcome") is late for c in t["columns"]}
             for late in (True, False)}  # fmt: skip
    return sorted({"outcome", "y", *(known[True] - known[False])})


def serving_part(
    fitted: ResponseModel,
    study: Mapping[str, Any],
    landmark: str,
    rows: pd.DataFrame,
    y: np.ndarray,
    settings: Mapping[str, Any],
    branches: Mapping[str, Any],
    outcomes: Sequence[str],
) -> dict[str, Any]:
    """Return what `serving.RowScorer` reads: interval, support, refused columns, protocol branches."""
    own = settings["serving"]
    how = {
        "support_quantile": own["support_quantile"],
        "unit_tolerance": own["unit_tolerance"],
        "min_level_patients": settings["encoding"]["min_level_patients"],
        "folds": fitted.inner_folds,
        "seed": fitted.seed,
    }
    return {
        "required": own["required"],
        "refused": {
            "outcome": list(outcomes),
            "later": later_visits(study["visits"], study["schedule"][landmark]["visits"]),
        },
        "interval": {"method": "inductive Venn-Abers on inner out-of-fold predictions"}
        | venn_abers(fitted.tuned_[fitted.chosen_].score, y),
        "support": support(fitted.models_[fitted.chosen_], rows, y, how),
        "rules": branches,
    }


def model_document(
    fitted: ResponseModel,
    study: Mapping[str, Any],
    landmark: str,
    rows: pd.DataFrame,
    y: np.ndarray,
    serving_document: Mapping[str, Any],
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
        "serving": serving_document,
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
        __doc__, "study", "settings", "validation", "features", "description", "cohort", "rules",
        "inputs", "branches", "contract",
        "predictions", "fits", "model", landmark="name of the landmark",
    )  # fmt: skip
    with reported_errors():
        study, settings = read_study(args.study), read_yaml(args.settings)
    validation = read_yaml(args.validation)
    features = read_json(args.description)["features"]
    rule_inputs = rule_input_features(features, read_json(args.inputs))
    rows, y = analysis_rows(
        pd.read_parquet(args.features),
        pd.read_parquet(args.cohort),
        pd.read_parquet(args.rules),
    )
    store = checkpoints.TaskStore(
        checkpoints.FOLDER,
        checkpoints.run_digest(
            {"stage": "train", "rows": rows, "y": y, "features": features, "rule_inputs": rule_inputs,
             "settings": settings, "validation": validation}
        ),
    )  # fmt: skip
    with reported_errors():
        results = cross_validated(rows, y, features, rule_inputs, settings, validation, args.landmark, store)
        fitted = ResponseModel(features, settings, validation["inner_folds"], validation["seed"])
        fitted.fit(rows, y)
    write_table(args.predictions, tidy(results, rows["usubjid"].tolist(), y))
    write_json(args.fits, fold_fits(results, fitted.chosen_))
    served = serving_part(
        fitted,
        study,
        args.landmark,
        rows,
        y,
        settings,
        read_json(args.branches),
        outcome_columns(args.contract),
    )
    document = model_document(fitted, study, args.landmark, rows, y, served)
    write_model(args.model, document, fitted.boosters_[fitted.chosen_])
    store.remove()


if __name__ == "__main__":
    main()
