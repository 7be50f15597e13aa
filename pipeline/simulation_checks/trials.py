"""One simulated trial of a coverage study: what is learned in it, and what is true of what was learned."""

from dataclasses import dataclass

import numpy as np
import pandas as pd

from models.configuration.plan import ValidationPlan
from models.configuration.settings import ModelSettings
from models.evaluation.coverage import Trial
from models.measures.evaluate import evaluate, population_values
from models.policy import StrategyModel, arms_of, strategy_model, strategy_values
from models.procedure.landmark_features import LandmarkFeature
from models.procedure.resampling import cross_validate
from models.procedure.response_model import ResponseModel
from models.procedure.splits import outcome_strata, stratified_splits
from models.sample_size.core import procedure_for
from pipeline.simulation_checks.plan import CoveragePlan
from pipeline.simulation_checks.populations import SimulationSpec, split_truth

# How many patients of the population give the values of each fold's model in (R); the final model gets all.
FOLD_MODELS_IN = 20_000


@dataclass(frozen=True)
class Setting:
    """What all studies share: spec, configurations, features by landmark, and the pool of patients."""

    spec: SimulationSpec
    models: ModelSettings
    validation: ValidationPlan
    plan: CoveragePlan
    features: list[LandmarkFeature]
    baseline_features: list[LandmarkFeature]

    @property
    def baseline(self) -> str:
        """The landmark before treatment."""
        return self.spec.study.landmark_names[0]

    def procedure(self, y: np.ndarray, seed: int) -> ResponseModel:
        """Return the modelling procedure for patients with the outcomes `y` (n,), unfitted."""
        names = [feature.name for feature in self.features]
        settings = procedure_for(self.models, names, y, self.validation)
        return ResponseModel(self.features, settings, self.validation.inner_folds, seed)

    def strategy_model(self) -> StrategyModel:
        """Return the outcome model of the strategies."""
        return strategy_model(self.baseline_features, self.models, self.validation, self.baseline)


def analysed(rows: pd.DataFrame) -> tuple[pd.DataFrame, np.ndarray, np.ndarray]:
    """Return the visible rows with an outcome, the outcome, and the truth, each (n,)."""
    complete = rows.loc[rows["outcome"].notna()].reset_index(drop=True)
    visible, truth = split_truth(complete)
    return visible, complete["outcome"].to_numpy(dtype=float), truth["p"]


def out_of_fold_trial(rows: pd.DataFrame, population: pd.DataFrame, setting: Setting, seed: int) -> Trial:
    """Return out-of-fold intervals, and the true values of the fold models (mean) and of the final one."""
    X, y, _ = analysed(rows)
    measures, validation = setting.plan.out_of_fold.measures, setting.validation
    repeats = setting.plan.out_of_fold.repeats
    splits = stratified_splits(
        outcome_strata(y, X["arm"]), folds=validation.folds, repeats=repeats, seed=seed
    )
    p = np.empty((repeats, len(y)))
    judge, _, truth = analysed(population)
    few = slice(0, FOLD_MODELS_IN)
    of_folds = []
    for result in cross_validate(lambda task: [setting.procedure(y, task)], X, y, splits, workers=1):
        p[result.split.repeat, result.split.test] = result.predictions["chosen"]
        fold_p = result.fitted[0].predictions(judge.iloc[few])["chosen"]
        of_folds.append(population_values(truth[few], fold_p, measures))
    final = setting.procedure(y, seed).fit(X, y).predict_proba(judge)[:, 1]
    rng = np.random.default_rng(seed)
    measured = evaluate(y, p, measures, bootstrap=validation.bootstrap, rng=rng, level=validation.level)
    return {name: [m.value, m.low, m.high] for name, m in measured.items()} | {
        "folds": pd.DataFrame(of_folds).mean().to_dict(),
        "final": population_values(truth, final, measures),
    }


def strategy_trial(rows: pd.DataFrame, population: pd.DataFrame, setting: Setting, seed: int) -> Trial:
    """Return the intervals of the strategies' values, and the true value of the policy that was learned."""
    (strategy,) = setting.spec.study.strategies
    validation = setting.validation
    visible, _ = split_truth(rows)
    delta = validation.strategy.delta
    estimated = strategy_values(
        visible,
        rows["outcome"].to_numpy(dtype=float),
        arms_of(setting.spec.study.allocation, strategy),
        setting.strategy_model(),
        folds=validation.strategy.folds,
        seed=seed,
        delta=delta,
        level=validation.level,
    )
    judge, truth = split_truth(population)
    values = [
        float(np.where(model.gain(judge) > delta, truth["adaptive"], truth["control"]).mean())
        for model in estimated.models
    ]
    names = ("reference", "treated", "difference", "policy")
    intervals = {name: [m.value, m.low, m.high] for name, m in estimated.measures.items() if name in names}
    return intervals | {"policy_truth": float(np.mean(values))}
