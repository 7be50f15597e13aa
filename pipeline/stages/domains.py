"""Stage domains: the linear candidate on sets of domains, on the folds of the whole model."""

import pandas as pd

from models.landmark_features import landmark_features
from models.plan import validation_plan
from models.procedure.analysis_set import analysis_rows
from models.procedure.domain_predictions import domain_predictions
from models.settings import model_settings
from pipeline.project.console import progress, reported_errors
from pipeline.project.files import read_json, read_yaml, stage_paths, write_tables


def main() -> None:
    """Read, cross-validate every set at every landmark, write."""
    args = stage_paths(
        __doc__ or "", "study", "settings", "validation", "features", "cohort", "rules", "predictions"
    )
    settings = model_settings(read_yaml(args.settings))
    plan = validation_plan(read_yaml(args.validation))
    cohort, found = pd.read_parquet(args.cohort), {}
    with reported_errors():
        for landmark in read_yaml(args.study)["landmarks"]:
            rows, y = analysis_rows(
                pd.read_parquet(args.features / f"{landmark}.parquet"),
                cohort,
                pd.read_parquet(args.rules / f"{landmark}.parquet"),
            )
            features = landmark_features(read_json(args.features / f"{landmark}.json"))
            found[landmark] = domain_predictions(
                rows, y, features, settings, plan, progress(f"{landmark}, domains")
            )
    write_tables(args.predictions, found)


if __name__ == "__main__":
    main()
