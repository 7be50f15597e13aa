"""The null check: with the outcome permuted, no procedure may find anything.

The outcome is permuted within arm, the whole cross-validation is repeated, and the mean AUC within folds must
not be above 0.5 by more than two standard errors over the permutations.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pandas as pd

from models.blocks.response import response_model
from models.measures.evaluate import auc
from models.procedure.backends import Backend
from models.procedure.configuration.plan import ValidationPlan
from models.procedure.configuration.settings import ProcedureSettings
from models.procedure.landmark_features import LandmarkFeature
from models.procedure.resampling import Progress, Store, TaskResult, cross_validate, run_tasks, silently
from models.procedure.splits import outcome_strata, stratified_splits


@dataclass(frozen=True)
class Inputs:
    """What a model may use: features, the columns of every assay, and the batch by assay that is adjusted."""

    features: Sequence[LandmarkFeature]
    assays: Mapping[str, Sequence[str]] = field(default_factory=dict)
    adjusted: Mapping[str, str] | None = None


def permuted_auc(
    rows: pd.DataFrame,
    y: np.ndarray,
    inputs: Inputs,
    settings: ProcedureSettings,
    plan: ValidationPlan,
    seed: int,
) -> float:
    """Return the mean within-fold AUC of the chosen model when the outcome is permuted within arm."""
    rng = np.random.default_rng(seed)
    shuffled = pd.Series(y).groupby(rows["arm"].to_numpy()).transform(rng.permutation).to_numpy()
    splits = stratified_splits(outcome_strata(shuffled, rows["arm"]), folds=plan.folds, repeats=1, seed=seed)
    results = cross_validate(
        lambda task: [
            response_model(
                inputs.features, settings, inputs.assays, plan.inner_folds, task, inputs.adjusted
            )
        ],
        rows, shuffled, splits, workers=1,
    )  # fmt: skip
    return float(np.mean([auc(shuffled[r.split.test], r.predictions["chosen"]) for r in results]))


@dataclass(frozen=True)
class NullCheck:
    """Mean AUC over the permutations, its standard error, and the bound that it must not exceed."""

    mean: float
    error: float
    bound: float
    permutations: int

    @property
    def passes(self) -> bool:
        """Whether nothing was found where there is nothing to find."""
        return self.mean <= self.bound


def null_check(aucs: np.ndarray) -> NullCheck:
    """Return the answer of the check from the AUC of every permutation, shape (permutations,)."""
    mean, error = float(aucs.mean()), float(aucs.std(ddof=1) / np.sqrt(len(aucs)))
    return NullCheck(mean, error, 0.5 + 2 * error, len(aucs))


def permuted_aucs(
    rows: pd.DataFrame,
    y: np.ndarray,
    inputs: Inputs,
    settings: ProcedureSettings,
    plan: ValidationPlan,
    backend: Backend,
    progress: Progress = silently,
    store: Store | None = None,
) -> np.ndarray:
    """Return the AUC of every permutation at one landmark, shape (permutations,); see `run_tasks`."""
    count = plan.permutations
    seeds = np.random.SeedSequence(plan.seed).generate_state(count) % 2**31
    shared = (rows, y, inputs, settings, plan)
    results = run_tasks(
        _permutation, shared, [int(seed) for seed in seeds],
        backend=backend, store=store, keys=[f"{number} {seed}" for number, seed in enumerate(seeds)],
    )  # fmt: skip
    return np.array([result.document["auc"] for result in progress(results, count)])


def _permutation(shared: tuple[Any, ...], seed: int) -> TaskResult:
    rows, y, inputs, settings, plan = shared
    return TaskResult({"auc": permuted_auc(rows, y, inputs, settings, plan, seed)}, {})
