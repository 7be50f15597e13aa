"""Stage size: is the trial large enough to learn, and to validate, a model? Riley's criteria."""

import pandas as pd

from models.landmark_features import landmark_features
from models.plan import validation_plan
from models.procedure.analysis_set import analysis_rows
from models.sample_size.trial import too_small, trial_size
from models.settings import model_settings
from pipeline.project.console import reported_errors, stderr
from pipeline.project.files import read_json, read_yaml, stage_paths, write_json


def main() -> None:
    """Count the parameters, apply the criteria, warn where the trial is too small, write."""
    args = stage_paths(
        __doc__ or "", "study", "settings", "validation", "features", "cohort", "rules", "size"
    )
    settings = model_settings(read_yaml(args.settings))
    plan, found = validation_plan(read_yaml(args.validation)), {}
    with reported_errors():
        for landmark in read_yaml(args.study)["landmarks"]:
            rows, y = analysis_rows(
                pd.read_parquet(args.features / f"{landmark}.parquet"),
                pd.read_parquet(args.cohort),
                pd.read_parquet(args.rules / f"{landmark}.parquet"),
            )
            described = landmark_features(read_json(args.features / f"{landmark}.json"))
            found[landmark] = trial_size(rows, y, described, settings, plan)
            learned = found[landmark]["development"]
            if not learned["enough"]:
                stderr().print(f"[yellow]Warning.[/] {too_small(landmark, learned)}", highlight=False)
    write_json(args.size, found)


if __name__ == "__main__":
    main()
