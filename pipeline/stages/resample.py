"""Stage resample: the whole procedure on bootstrap samples, without each centre, and on the earlier patients.

Writes the predictions of every resampled model.
"""

import pandas as pd

from models.landmark_features import as_documents, landmark_features
from models.plan import validation_plan
from models.procedure.analysis_set import analysis_rows
from models.procedure.robustness_splits import resampled, schemes
from models.settings import model_settings
from pipeline.project import checkpoints
from pipeline.project.console import progress, reported_errors
from pipeline.project.files import read_json, read_yaml, stage_paths, write_table
from pipeline.project.runtime import read_backend


def main() -> None:
    """Read, resample, write."""
    args = stage_paths(
        __doc__ or "", "settings", "validation", "features", "description", "cohort", "rules", "predictions",
        landmark="name of the landmark",
    )  # fmt: skip
    documents = {"settings": read_yaml(args.settings), "validation": read_yaml(args.validation)}
    settings, plan = model_settings(documents["settings"]), validation_plan(documents["validation"])
    features = landmark_features(read_json(args.description))
    cohort = pd.read_parquet(args.cohort)
    rows, y = analysis_rows(pd.read_parquet(args.features), cohort, pd.read_parquet(args.rules))
    rows = rows.merge(cohort[["usubjid", "siteid", "rand_date"]], on="usubjid")
    store = checkpoints.TaskStore(
        checkpoints.FOLDER,
        checkpoints.run_digest(
            {
                "stage": "resample",
                "rows": rows,
                "y": y,
                "features": as_documents(features),
            }
            | documents
        ),
    )
    with reported_errors():
        splits = schemes(rows, y, plan.resampling, args.landmark, plan.seed)
        found = resampled(
            rows, y, splits, features, settings.procedure, plan, read_backend(),
            store=store, progress=progress(f"{args.landmark}, resampled"),
        )  # fmt: skip
    write_table(args.predictions, found)
    store.remove()


if __name__ == "__main__":
    main()
