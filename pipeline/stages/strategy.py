"""Stage strategy: the value of each strategy for all and of a policy by baseline features, as randomised."""

from collections.abc import Mapping, Sequence
from typing import Any

import pandas as pd

from models.policy import Arms, StrategyModel, refuse_later_features, strategy_values
from pipeline.project.console import reported_errors
from pipeline.project.files import read_json, read_yaml, stage_paths, write_json


def arms_of(study: Mapping[str, Any], strategy: str) -> Arms:
    """Return the strategy's arm, the other arm, and the share randomised to it."""
    (reference,) = [arm for arm in study["allocation"] if arm != strategy]
    return Arms(reference, strategy, study["allocation"][strategy])


def strategy_model(
    features: Sequence[Mapping[str, Any]],
    settings: Mapping[str, Any],
    validation: Mapping[str, Any],
    baseline: str,
) -> StrategyModel:
    """Return the outcome model of the strategies; PolicyError if a feature was not known at `baseline`."""
    refuse_later_features(features, baseline)
    own = [feature for feature in features if feature["name"] != "arm"]
    return StrategyModel(own, settings["encoding"], validation["strategy"]["penalty"])


def randomised_rows(features: pd.DataFrame, cohort: pd.DataFrame) -> tuple[pd.DataFrame, pd.Series]:
    """Return all randomised patients whose outcome is due, sorted by id, and the outcome, NaN if missing."""
    due = cohort.loc[cohort["outcome_status"] != "not_due", ["usubjid", "outcome"]]
    rows = features.merge(due, on="usubjid").sort_values("usubjid", ignore_index=True)
    return rows.drop(columns="outcome"), rows["outcome"]


def main() -> None:
    """Read the baseline features, estimate, write."""
    args = stage_paths(
        __doc__ or "", "study", "settings", "validation", "features", "description", "cohort", "values",
        strategy="arm whose strategy is compared", landmark="the landmark before treatment",
    )  # fmt: skip
    study, validation = read_yaml(args.study), read_yaml(args.validation)
    arms = arms_of(study, args.strategy)
    with reported_errors():
        model = strategy_model(
            read_json(args.description)["features"], read_yaml(args.settings), validation, args.landmark
        )
        rows, outcome = randomised_rows(pd.read_parquet(args.features), pd.read_parquet(args.cohort))
        found = strategy_values(
            rows,
            outcome.to_numpy(dtype=float),
            arms,
            model,
            folds=validation["strategy"]["folds"],
            seed=validation["seed"],
            delta=validation["strategy"]["delta"],
            level=validation["level"],
        )
    counts = {"n": {"value": len(rows)}, "outcome_missing": {"value": int(outcome.isna().sum())}}
    measures = {name: measure.as_dict() for name, measure in found.measures.items()}
    write_json(args.values, {f"{arms.treated}-{arms.reference}": counts | measures})


if __name__ == "__main__":
    main()
