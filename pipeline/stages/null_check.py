"""The null check: with the outcome permuted, no procedure may find anything.

At every landmark the outcome is permuted within arm, the whole cross-validation is repeated, and the mean AUC
within folds must not be above 0.5 by more than two standard errors over the permutations. `make null-check`
runs it on the artifacts of the active study, and keeps its answer there for `pcr promote`.
"""

import sys
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from rich.progress import track
from rich.table import Table

from models.measures.evaluate import auc
from models.procedure.resampling import (
    TaskResult,
    cross_validate,
    outcome_strata,
    run_tasks,
    stratified_splits,
)
from models.procedure.response_model import ResponseModel
from pipeline.project.analysis import analysis_rows
from pipeline.project.console import stderr, stdout
from pipeline.project.files import read_json, read_yaml, write_json
from pipeline.project.runtime import read_backend
from pipeline.project.study import ACTIVE
from pipeline.registry.null_state import NULL_CHECK, null_state


def permuted_auc(
    rows: pd.DataFrame,
    y: np.ndarray,
    features: list[dict[str, Any]],
    settings: Any,
    validation: Any,
    seed: int,
) -> float:
    """Return the mean within-fold AUC of the chosen model when the outcome is permuted within arm."""
    rng = np.random.default_rng(seed)
    shuffled = pd.Series(y).groupby(rows["arm"].to_numpy()).transform(rng.permutation).to_numpy()
    splits = stratified_splits(
        outcome_strata(shuffled, rows["arm"]), folds=validation["folds"], repeats=1, seed=seed
    )
    results = cross_validate(
        lambda task: [ResponseModel(features, settings, validation["inner_folds"], task)],
        rows, shuffled, splits, workers=1,
    )  # fmt: skip
    return float(np.mean([auc(shuffled[r.split.test], r.predictions["chosen"]) for r in results]))


def check_landmark(artifacts: Path, landmark: str, settings: Any, validation: Any) -> np.ndarray:
    """Return the AUC of every permutation at one landmark, shape (permutations,)."""
    rows, y = analysis_rows(
        pd.read_parquet(artifacts / "features" / f"{landmark}.parquet"),
        pd.read_parquet(artifacts / "cohort" / "cohort.parquet"),
        pd.read_parquet(artifacts / "rules" / f"{landmark}.parquet"),
    )
    features = read_json(artifacts / "features" / f"{landmark}.json")["features"]
    count = validation["permutations"]
    seeds = np.random.SeedSequence(validation["seed"]).generate_state(count) % 2**31
    backend = read_backend()
    shared = (rows, y, features, settings, validation)
    results = run_tasks(_permutation, shared, [int(seed) for seed in seeds], backend=backend)
    progress = track(results, description=landmark, total=count, console=stderr())
    return np.array([result.document["auc"] for result in progress])


def _permutation(shared: tuple[Any, ...], seed: int) -> TaskResult:
    rows, y, features, settings, validation = shared
    return TaskResult({"auc": permuted_auc(rows, y, features, settings, validation, seed)}, {})


def main() -> None:
    """Check every landmark, print a line each, and exit with 1 if one fails."""
    study = read_yaml(ACTIVE)
    artifacts = Path("artifacts") / study["study"]
    settings, validation = read_yaml(Path("configs/models.yaml")), read_yaml(Path("configs/validation.yaml"))
    table = Table("landmark", "permutations", "mean AUC", "SE", "bound 0.5 + 2 SE", "passes")
    answers: dict[str, Any] = {}
    failed = False
    for landmark in study["landmarks"]:
        values = check_landmark(artifacts, landmark, settings, validation)
        error = values.std(ddof=1) / np.sqrt(len(values))
        passes = bool(values.mean() <= 0.5 + 2 * error)
        failed |= not passes
        answers[landmark] = {
            "mean": float(values.mean()),
            "bound": float(0.5 + 2 * error),
            "permutations": len(values),
            "state": null_state(artifacts, landmark),
        }
        numbers = [f"{x:.4f}" for x in (values.mean(), error, 0.5 + 2 * error)]
        table.add_row(landmark, str(len(values)), *numbers, "yes" if passes else "NO")
    write_json(artifacts / NULL_CHECK, answers)
    stdout().print(table)
    sys.exit(int(failed))


if __name__ == "__main__":
    main()
