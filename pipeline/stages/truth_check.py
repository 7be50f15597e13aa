"""Stage truth_check: simulated studies only - what models and strategies are worth in a known truth.

A new population is simulated, as large as configured. A model's values in it are those that its trial
estimates; a strategy's value is the mean of the true probabilities. Nothing that is trained or reported as an
estimate depends on this stage.
"""

from collections.abc import Mapping
from functools import partial
from pathlib import Path
from typing import Any

import pandas as pd

from models.evaluation.truth import forecasts, in_population, true_values
from models.policy import arms_of, strategy_model
from models.procedure.analysis_set import analysis_rows, randomised_rows
from models.procedure.backends import side_by_side
from models.procedure.comparators import comparators, rule_input_features
from models.procedure.configuration.plan import validation_plan
from models.procedure.configuration.settings import comparator_settings, model_settings
from models.procedure.landmark_features import landmark_features
from models.serving.serving import read_model
from pipeline.project import paths
from pipeline.project.files import write_json
from pipeline.project.stage import Run, Stage
from pipeline.simulation_checks.populations import digest, population, read_simulation_spec, split_truth

STAGE = Stage(
    reads=(
        paths.FEATURES_FOLDER, paths.STORED_MODELS, paths.RULES, paths.COHORT, paths.SOURCE, paths.CONTRACT,
        paths.IDENTIFIERS, paths.ELIGIBILITY, paths.FEATURE_SETTINGS, paths.RULES_TABLE, paths.GENES,
        paths.ATTAINABLE, paths.SIMULATION_TABLES, paths.STUDY, paths.REGIMENS,
    ),
    writes=(paths.TRUTH_CHECK,),
    params={
        paths.MODELS: ("encoding",),
        paths.COMPARATORS: ("rule_inputs",),
        paths.VALIDATION: ("branch_shrinkage", "inner_folds", "population", "seed", "strategy"),
    },
)  # fmt: skip

# Apart from every seed that a trial is simulated with.
SEED_OFFSET = 1


def attainable(stored: Mapping[str, Any], simulation_digest: str, landmark: str) -> dict[str, Any]:
    """Return the best attainable AUC, an approximation; of another simulation, why there is none."""
    if stored["spec"] != simulation_digest:
        return {
            "error": f"{paths.ATTAINABLE} belongs to other settings of the simulation; run: make attainable"
        }
    return dict(stored["landmarks"][landmark])


def strategies(run: Run, rows: pd.DataFrame) -> dict[str, Any]:
    """Return the true values of every strategy of the study, given the population at the first landmark."""
    study, plan = run.study(), validation_plan(run.params(paths.VALIDATION))
    baseline = study.landmark_names[0]
    trial, outcome = randomised_rows(run.table(paths.FEATURES, landmark=baseline), run.table(paths.COHORT))
    features = landmark_features(run.json(paths.FEATURE_LIST, landmark=baseline))
    model = strategy_model(features, model_settings(run.params(paths.MODELS)), plan, baseline)
    y, (visible, truth) = outcome.to_numpy(dtype=float), split_truth(rows)
    found = {}
    for strategy in study.strategies:
        fitted = model.fit(trial, (trial["arm"] == strategy).to_numpy(dtype=bool), y)
        name = f"{strategy}-{arms_of(study.allocation, strategy).reference}"
        found[name] = true_values(visible, truth, fitted, plan.strategy.delta)
    return found


def landmark_truth(run: Run, landmark: str, rows: pd.DataFrame) -> dict[str, Any]:
    """Return n, true events and every model's values among the population's patients with an outcome."""
    plan, learned = validation_plan(run.params(paths.VALIDATION)), model_settings(run.params(paths.MODELS))
    settings = comparator_settings(run.params(paths.COMPARATORS)).procedure(learned.encoding)
    with_outcome = rows.loc[rows["outcome"].notna()].reset_index(drop=True)
    visible, truth = split_truth(with_outcome)
    features = landmark_features(run.json(paths.FEATURE_LIST, landmark=landmark))
    rule_inputs = rule_input_features(features, run.json(paths.RULE_INPUTS, landmark=landmark))
    trial, y = analysis_rows(
        run.table(paths.FEATURES, landmark=landmark),
        run.table(paths.COHORT),
        run.table(paths.BRANCHES, landmark=landmark),
    )
    compared = comparators(features, rule_inputs, settings, plan, plan.seed)
    model = read_model(run.path(paths.STORED_MODEL, landmark=landmark))
    models = in_population(forecasts(model, compared, trial, y, visible), truth["p"])
    return {
        "n": {"value": len(with_outcome)}, "expected_events": {"value": float(truth["p"].sum())}, **models
    }  # fmt: skip


def main(run: Run) -> None:
    """Simulate a population, compare, write."""
    spec = read_simulation_spec(Path(paths.STUDY), Path("configs"))
    landmarks = list(spec.study.landmark_names)
    seed = spec.simulation.seed + SEED_OFFSET
    rows = population(spec, validation_plan(run.params(paths.VALIDATION)).population, seed, landmarks)
    stored, simulation_digest = run.json(paths.ATTAINABLE), digest(spec)
    calls = [partial(landmark_truth, run, landmark, rows[landmark]) for landmark in landmarks]
    *models, of_strategies = side_by_side([*calls, partial(strategies, run, rows[landmarks[0]])])
    truth: dict[str, Any] = {
        landmark: found | {"attainable_auc": attainable(stored, simulation_digest, landmark)}
        for landmark, found in zip(landmarks, models, strict=True)
    }
    write_json(run.path(paths.TRUTH_CHECK), truth | {"strategies": of_strategies})


if __name__ == "__main__":
    STAGE.run(main)
