"""The null check: with the outcome permuted, no procedure may find anything.

At every landmark the outcome is permuted within arm, the whole cross-validation is repeated, and the mean AUC
within folds must not be above 0.5 by more than two standard errors over the permutations. `make null-check`
runs it on the artifacts of the active study, and keeps its answer there for `pcr promote`.
"""

import sys
from pathlib import Path

import pandas as pd
from rich.table import Table

from models.evaluation.null_check import null_check, permuted_aucs
from models.landmark_features import landmark_features
from models.plan import validation_plan
from models.procedure.analysis_set import analysis_rows
from models.settings import model_settings
from pipeline.project.console import progress, stdout
from pipeline.project.files import read_json, read_yaml, write_json
from pipeline.project.runtime import read_backend
from pipeline.project.study import ACTIVE
from pipeline.registry.null_state import NULL_CHECK, null_state


def main() -> None:
    """Check every landmark, print a line each, and exit with 1 if one fails."""
    study = read_yaml(ACTIVE)
    artifacts = Path("artifacts") / study["study"]
    settings = model_settings(read_yaml(Path("configs/models.yaml"))).procedure
    plan = validation_plan(read_yaml(Path("configs/validation.yaml")))
    table = Table("landmark", "permutations", "mean AUC", "SE", "bound 0.5 + 2 SE", "passes")
    checks, backend = {}, read_backend()
    for landmark in study["landmarks"]:
        rows, y = analysis_rows(
            pd.read_parquet(artifacts / "features" / f"{landmark}.parquet"),
            pd.read_parquet(artifacts / "cohort" / "cohort.parquet"),
            pd.read_parquet(artifacts / "rules" / f"{landmark}.parquet"),
        )
        features = landmark_features(read_json(artifacts / "features" / f"{landmark}.json"))
        check = null_check(permuted_aucs(rows, y, features, settings, plan, backend, progress(landmark)))
        numbers = [f"{x:.4f}" for x in (check.mean, check.error, check.bound)]
        table.add_row(landmark, str(check.permutations), *numbers, "yes" if check.passes else "NO")
        checks[landmark] = check
    answers = {
        landmark: {
            "mean": check.mean,
            "bound": check.bound,
            "permutations": check.permutations,
            "state": null_state(artifacts, landmark),
        }
        for landmark, check in checks.items()
    }
    write_json(artifacts / NULL_CHECK, answers)
    stdout().print(table)
    sys.exit(int(not all(check.passes for check in checks.values())))


if __name__ == "__main__":
    main()
