"""Stage sensitivity: the primary comparison under other definitions, missing data, sets and readings.

One table. Predictions that a scenario does not change are those of the run; where the outcome or the patients
change, the linear candidate and the rules are cross-validated again, once, and so is the reference they stand
beside.
"""

import pandas as pd

from features.study import parse_study
from models.evaluation.sensitivity import Analysis, sensitivity_runs
from models.landmark_features import landmark_features
from models.plan import validation_plan
from models.settings import model_settings
from pipeline.project.configs import read_eligibility, read_rules
from pipeline.project.console import progress, reported_errors
from pipeline.project.files import read_json, read_tables, read_yaml, stage_paths, write_json


def main() -> None:
    """Read, run every scenario, write the table."""
    args = stage_paths(
        __doc__ or "", "study", "settings", "validation", "eligibility", "rules", "genes", "raw", "cohort",
        "features", "description", "branches", "predictions", "sensitivity",
        landmark="the landmark of the primary comparison",
    )  # fmt: skip
    study = parse_study(read_yaml(args.study))
    rows = pd.read_parquet(args.features).merge(pd.read_parquet(args.branches), on="usubjid")
    analysis = Analysis(
        rows.sort_values("usubjid", ignore_index=True), landmark_features(read_json(args.description)),
        model_settings(read_yaml(args.settings)), validation_plan(read_yaml(args.validation)),
        study.primary.arm,
    )  # fmt: skip
    with reported_errors():
        found = sensitivity_runs(
            analysis,
            read_tables(args.raw),
            pd.read_parquet(args.cohort),
            pd.read_parquet(args.predictions),
            study,
            read_eligibility(args.eligibility),
            read_rules(args.rules, args.genes),
            args.landmark,
            progress=progress("sensitivity runs"),
        )
    write_json(args.sensitivity, found)


if __name__ == "__main__":
    main()
