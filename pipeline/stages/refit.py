"""Stage refit: the linear candidate under other outcomes, in other patients, and with inputs drawn.

Writes what it predicts out of fold in every scenario of the sensitivity runs that needs models of its own.
Comparators and measures are applied to these predictions by stage sensitivity, and refit nothing.
"""

from models.evaluation.refits import Refitter, refits
from models.procedure.analysis_set import with_arm
from models.procedure.configuration.plan import validation_plan
from models.procedure.configuration.settings import model_settings
from models.procedure.landmark_features import landmark_features
from pipeline.console import progress
from pipeline.project import paths
from pipeline.project.files import replacing, write_json, write_table
from pipeline.project.stage import Run, Stage

STAGE = Stage(
    reads=(paths.COHORT, paths.OTHER_OUTCOMES, paths.FEATURES, paths.FEATURE_LIST, paths.MODELS),
    writes=(paths.REFITS,),
    params={
        paths.VALIDATION: (
            "domains", "folds", "imputations", "inner_folds", "min_events", "seed", "strategy",
        ),
    },
    items=("landmark",),
)  # fmt: skip


def main(run: Run) -> None:
    """Read, fit every scenario, write."""
    cohort = run.table(paths.COHORT)
    refitter = Refitter(
        landmark_features(run.json(paths.FEATURE_LIST)),
        model_settings(run.yaml(paths.MODELS)),
        validation_plan(run.params(paths.VALIDATION)),
    )
    rows = with_arm(run.table(paths.FEATURES), cohort).sort_values("usubjid", ignore_index=True)
    found = refits(refitter, rows, cohort, run.table(paths.OTHER_OUTCOMES), progress=progress("refits"))
    with replacing(run.path(paths.REFITS)) as new:
        write_table(new / "predictions.parquet", found.predictions)
        write_json(new / "scenarios.json", found.listed())


if __name__ == "__main__":
    STAGE.run(main)
