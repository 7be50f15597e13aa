"""One simulated trial of a coverage study: what is learned in it, and what is true of what was learned."""

from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from functools import partial

import numpy as np
import pandas as pd

from models.evaluation.coverage import Trial
from models.evaluation.learning_uncertainty import Judged
from models.evaluation.performance import measured
from models.measures.common import MeasureError
from models.measures.definitions import point_value
from models.measures.evaluate import compare, population_values
from models.measures.optimism import optimism
from models.policy import StrategyModel, arms_of, strategy_model, strategy_values
from models.procedure.cohort_size.core import procedure_for
from models.procedure.comparators import rules_by_branch
from models.procedure.configuration.plan import ValidationPlan
from models.procedure.configuration.settings import ModelSettings
from models.procedure.landmark_features import LandmarkFeature
from models.procedure.resampling import Procedure, cross_validate
from models.procedure.response_model import ResponseModel
from models.procedure.splits import bootstrap_splits, outcome_strata, stratified_splits
from pipeline.simulation_checks.plan import CoveragePlan
from pipeline.simulation_checks.populations import SimulationSpec, split_truth

# How many patients of the population give the values of each fold's model in (R); the final model gets all.
FOLD_MODELS_IN = 20_000
# What is judged allowing for who was learned from: as it is named, measure, and models.
LEARNING = (("auc", "auc", ["chosen"]), ("delta_log_loss", "log_loss", ["chosen", "rules"]))


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

    def linear(self, y: np.ndarray, seed: int) -> ResponseModel:
        """Return the procedure with the linear candidates of the plan alone, unfitted."""
        names = self.plan.out_of_fold.candidates
        alone = replace(
            self, models=ModelSettings(self.models.encoding, {n: self.models.candidates[n] for n in names})
        )
        return alone.procedure(y, seed)

    def strategy_model(self) -> StrategyModel:
        """Return the outcome model of the strategies."""
        return strategy_model(self.baseline_features, self.models, self.validation, self.baseline)


def analysed(rows: pd.DataFrame) -> tuple[pd.DataFrame, np.ndarray, np.ndarray]:
    """Return the visible rows with an outcome, the outcome, and the truth, each (n,)."""
    complete = rows.loc[rows["outcome"].notna()].reset_index(drop=True)
    visible, truth = split_truth(complete)
    return visible, complete["outcome"].to_numpy(dtype=float), truth["p"]


def out_of_fold_trial(rows: pd.DataFrame, population: pd.DataFrame, setting: Setting, seed: int) -> Trial:
    """Return out-of-fold and optimism-corrected intervals, and the true values of what was learned.

    ``learning_auc``, ``learning_delta_log_loss``: out of fold, allowing for who was learned from. ``folds``
    has the mean true values of the fold models, ``final`` those of the model of all patients;
    ``delta_log_loss`` is the difference from the rules, learned on the same patients. A measure without a
    value in this trial is left out.
    """
    X, y, _ = analysed(rows)
    plan, validation = setting.plan.out_of_fold, setting.validation
    splits = stratified_splits(
        outcome_strata(y, X["arm"]), folds=validation.folds, repeats=plan.repeats, seed=seed
    )
    p = {name: np.empty((plan.repeats, len(y))) for name in ("chosen", "rules")}
    judge, _, truth = analysed(population)
    few = slice(0, FOLD_MODELS_IN)

    def learners(task: int) -> list[Procedure]:
        return [setting.linear(y, task), rules_by_branch(validation.branch_shrinkage)]

    of_folds = []
    for result in cross_validate(learners, X, y, splits, workers=1):
        for name, forecast in p.items():
            forecast[result.split.repeat, result.split.test] = result.predictions[name]
        if result.split.repeat == 0:  # those of the other repeats have the same expectation
            of_folds.append(_true_values(result.fitted, judge.iloc[few], truth[few], plan.measures))
    final = [learner.fit(X, y) for learner in learners(seed)]
    measured_here = measured(y, p["chosen"], validation, plan.measures)
    compared = compare(
        y, p["chosen"], p["rules"], ["log_loss"], bootstrap=validation.bootstrap,
        rng=validation.generator(), level=validation.level,
    )  # fmt: skip
    intervals = {
        name: [found["value"], found["low"], found["high"]]
        for name, found in measured_here.items()
        if "low" in found
    }
    difference = compared["delta_log_loss"]
    return {
        **intervals,
        "delta_log_loss": [difference.value, difference.low, difference.high],
        **_by_resampling(X, y, p, final[0].predictions(X)["chosen"], setting, seed),
        "folds": pd.DataFrame(of_folds).mean().to_dict(),
        "final": _true_values(final, judge, truth, plan.measures),
    }


def _true_values(
    fitted: Sequence[Procedure], judge: pd.DataFrame, truth: np.ndarray, measures: Sequence[str]
) -> dict[str, float]:
    """Return the population's values of the model, and its log loss minus that of the rules."""
    model, rules = (
        learner.predictions(judge)[name] for learner, name in zip(fitted, ("chosen", "rules"), strict=True)
    )
    loss, of_rules = (population_values(truth, p, ["log_loss"])["log_loss"] for p in (model, rules))
    return population_values(truth, model, measures) | {"delta_log_loss": loss - of_rules}


def _by_resampling(
    X: pd.DataFrame,
    y: np.ndarray,
    out_of_fold: Mapping[str, np.ndarray],
    apparent: np.ndarray,
    setting: Setting,
    seed: int,
) -> dict[str, list[float]]:
    """Return the intervals that need the procedure in bootstrap samples.

    ``corrected_auc`` ... : corrected for optimism, approximate. ``learning_auc`` ... : `out_of_fold`
    (repeats, n) by ``chosen`` and ``rules``, allowing for who was learned from.
    """
    validation = setting.validation

    def learners(task: int) -> list[Procedure]:
        return [setting.linear(y, task), rules_by_branch(validation.branch_shrinkage)]

    splits = bootstrap_splits(len(y), samples=setting.plan.out_of_fold.samples, seed=seed)
    results = cross_validate(learners, X, y, splits, workers=1, may_fail=True)
    known = [(result.split.train, result.predictions) for result in results if result.predictions]
    samples = [(drawn, of_models["chosen"]) for drawn, of_models in known]
    names = {"auc": "auc_bootstrap", "brier": "brier", "log_loss": "log_loss"}
    measures = {name: partial(_value, kernel) for name, kernel in names.items()}
    found = optimism(y, apparent, samples, measures, level=validation.level)
    intervals = {
        f"corrected_{name}": [one.corrected, one.approximate_low, one.approximate_high]
        for name, one in found.items()
    }
    left_out = [np.setdiff1d(np.arange(len(y)), drawn) for drawn, _ in known]
    for name, measure, models in LEARNING:
        judged = Judged(
            y,
            [out_of_fold[model] for model in models],
            [np.array([of_models[model] for _, of_models in known]) for model in models],
            left_out,
        )
        with suppress(MeasureError):
            share = 1 - 1 / validation.folds
            interval = judged.allowing_for_learning(measure, share, validation.level).as_dict()
            intervals[f"learning_{name}"] = [interval["value"], interval["low"], interval["high"]]
    return intervals


def _value(name: str, y: np.ndarray, p: np.ndarray) -> float:
    return point_value(name, y, p[None])


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
