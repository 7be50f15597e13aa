"""Stage strategy: the value of each strategy for all and of a policy by baseline features, as randomised."""

import pandas as pd

from models.landmark_features import landmark_features
from models.plan import validation_plan
from models.policy import arms_of, strategy_model, strategy_values
from models.procedure.analysis_set import randomised_rows
from models.settings import model_settings
from pipeline.project.console import reported_errors
from pipeline.project.files import read_json, read_yaml, stage_paths, write_json


def main() -> None:
    """Read the baseline features, estimate, write."""
    args = stage_paths(
        __doc__ or "", "study", "settings", "validation", "features", "description", "cohort", "values",
        strategy="arm whose strategy is compared", landmark="the landmark before treatment",
    )  # fmt: skip
    study, plan = read_yaml(args.study), validation_plan(read_yaml(args.validation))
    arms = arms_of(study, args.strategy)
    with reported_errors():
        model = strategy_model(
            landmark_features(read_json(args.description)),
            model_settings(read_yaml(args.settings)),
            plan,
            args.landmark,
        )
        rows, outcome = randomised_rows(pd.read_parquet(args.features), pd.read_parquet(args.cohort))
        found = strategy_values(
            rows,
            outcome.to_numpy(dtype=float),
            arms,
            model,
            folds=plan.strategy.folds,
            seed=plan.seed,
            delta=plan.strategy.delta,
            level=plan.level,
        )
    counts = {"n": {"value": len(rows)}, "outcome_missing": {"value": int(outcome.isna().sum())}}
    measures = {name: measure.as_dict() for name, measure in found.measures.items()}
    write_json(args.values, {f"{arms.treated}-{arms.reference}": counts | measures})


if __name__ == "__main__":
    main()
