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
from pipeline.project.configs import read_eligibility
from pipeline.project.files import write_json, write_table
from pipeline.project.stage import Run, Stage

STAGE = Stage(
    reads=(
        paths.RAW, paths.COHORT, paths.FEATURES, paths.FEATURE_LIST, paths.ELIGIBILITY, paths.MODELS,
    ),
    writes=(paths.REFIT_PREDICTIONS, paths.REFIT_SCENARIOS),
    params={
        paths.STUDY: ("landmarks", "outcome", "schedule", "visits"),
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
    criteria = read_eligibility(run.path(paths.ELIGIBILITY))
    found = refits(
        refitter, rows, run.tables(paths.RAW), cohort, run.study(), criteria, progress=progress("refits")
    )
    write_table(run.path(paths.REFIT_PREDICTIONS), found.predictions)
    write_json(run.path(paths.REFIT_SCENARIOS), found.listed())


if __name__ == "__main__":
    STAGE.run(main)
