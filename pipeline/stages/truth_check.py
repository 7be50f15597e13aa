"""Stage truth_check: simulated studies only - what models and strategies are worth in a known truth.

A new population is simulated, as large as configured. A model's values in it are those that its trial
estimates; a strategy's value is the mean of the true probabilities. Nothing that is trained or reported as an
estimate depends on this stage.
"""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pandas as pd

from models.evaluation.truth import forecasts, in_population, true_values
from models.landmark_features import landmark_features
from models.plan import ValidationPlan, validation_plan
from models.policy import arms_of, strategy_model
from models.procedure.analysis_set import analysis_rows, randomised_rows
from models.procedure.comparators import comparators, rule_input_features
from models.serving.serving import read_model
from models.settings import ModelSettings, model_settings
from pipeline.project.console import reported_errors
from pipeline.project.files import read_json, read_yaml, stage_paths, write_json
from pipeline.simulation_checks.populations import digest, population, read_simulation_spec, split_truth

# Apart from every seed that a trial is simulated with.
SEED_OFFSET = 1


def attainable(path: Path, recipe_digest: str, landmark: str) -> dict[str, Any]:
    """Return the best attainable AUC, an approximation; of another simulation, why there is none."""
    stored = read_json(path)
    if stored["spec"] != recipe_digest:
        return {
            "error": f"{path} belongs to other settings of the simulation; make it again: make attainable"
        }
    return dict(stored["landmarks"][landmark])


def strategies(
    folder: Path,
    study: Mapping[str, Any],
    settings: ModelSettings,
    plan: ValidationPlan,
    rows: pd.DataFrame,
) -> dict[str, Any]:
    """Return the true values of every strategy of the study, given the population at the first landmark."""
    baseline = study["landmarks"][0]
    trial, outcome = randomised_rows(
        pd.read_parquet(folder / "features" / f"{baseline}.parquet"),
        pd.read_parquet(folder / "cohort" / "cohort.parquet"),
    )
    features = landmark_features(read_json(folder / "features" / f"{baseline}.json"))
    model = strategy_model(features, settings, plan, baseline)
    y, (visible, truth) = outcome.to_numpy(dtype=float), split_truth(rows)
    found = {}
    for strategy in study["strategies"]:
        fitted = model.fit(trial, (trial["arm"] == strategy).to_numpy(dtype=bool), y)
        name = f"{strategy}-{arms_of(study, strategy).reference}"
        found[name] = true_values(visible, truth, fitted, plan.strategy.delta)
    return found


def landmark_truth(
    folder: Path, landmark: str, rows: pd.DataFrame, settings: ModelSettings, plan: ValidationPlan
) -> dict[str, Any]:
    """Return n, true events and every model's values among the population's patients with an outcome."""
    known = rows.loc[rows["outcome"].notna()].reset_index(drop=True)
    visible, truth = split_truth(known)
    features = landmark_features(read_json(folder / "features" / f"{landmark}.json"))
    rule_inputs = rule_input_features(features, read_json(folder / "rules" / f"{landmark}.json"))
    trial, y = analysis_rows(
        pd.read_parquet(folder / "features" / f"{landmark}.parquet"),
        pd.read_parquet(folder / "cohort" / "cohort.parquet"),
        pd.read_parquet(folder / "rules" / f"{landmark}.parquet"),
    )
    compared = comparators(features, rule_inputs, settings, plan, plan.seed)
    models = in_population(
        forecasts(read_model(folder / "models" / landmark), compared, trial, y, visible), truth["p"]
    )
    return {"n": {"value": len(known)}, "expected_events": {"value": float(truth["p"].sum())}, **models}


def main() -> None:
    """Simulate a population, compare, write."""
    args = stage_paths(
        __doc__ or "", "study", "configs", "settings", "validation", "attainable", "artifacts", "truth"
    )
    settings = model_settings(read_yaml(args.settings))
    plan = validation_plan(read_yaml(args.validation))
    with reported_errors():
        spec = read_simulation_spec(args.study, args.configs)
        landmarks = list(spec.study.landmark_names)
        seed = spec.simulation.seed + SEED_OFFSET
        rows = population(spec, plan.population, seed, landmarks)
        found: dict[str, Any] = {
            landmark: landmark_truth(args.artifacts, landmark, rows[landmark], settings, plan)
            | {"attainable_auc": attainable(args.attainable, digest(spec), landmark)}
            for landmark in landmarks
        }
        of = strategies(args.artifacts, spec.study.document, settings, plan, rows[landmarks[0]])
    write_json(args.truth, found | {"strategies": of})


if __name__ == "__main__":
    main()
