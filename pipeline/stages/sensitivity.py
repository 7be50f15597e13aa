"""Stage sensitivity: the primary comparison under other definitions, missing data, sets and readings.

One table. Predictions that a scenario does not change are those of the run; where the outcome or the patients
change, the linear candidate and the rules are cross-validated again, once, and so is the reference they stand
beside.
"""

from models.configuration.plan import validation_plan
from models.configuration.settings import model_settings
from models.evaluation.sensitivity import Analysis, sensitivity_runs
from models.procedure.analysis_set import with_arm
from models.procedure.landmark_features import landmark_features
from pipeline.console import progress
from pipeline.project import paths
from pipeline.project.configs import read_eligibility
from pipeline.project.files import write_json
from pipeline.project.rule_files import read_rules
from pipeline.project.stage import Run, Stage

STAGE = Stage(
    reads=(
        paths.RAW, paths.COHORT, paths.FEATURES, paths.FEATURE_LIST, paths.BRANCHES, paths.PREDICTIONS,
        paths.ELIGIBILITY, paths.RULES_TABLE, paths.GENES,
    ),
    writes=(paths.SENSITIVITY,),
    params={
        paths.STUDY: ("landmarks", "outcome", "primary", "schedule", "visits"),
        paths.MODELS: ("candidates", "encoding"),
        paths.VALIDATION: (
            "bootstrap", "branch_shrinkage", "domains", "folds", "imputations", "inner_folds", "level",
            "min_events", "seed", "strategy",
        ),
    },
    items=("landmark",),
)  # fmt: skip


def main(run: Run) -> None:
    """Read, run every scenario, write the table."""
    study = run.study()
    cohort = run.table(paths.COHORT)
    rows = with_arm(run.table(paths.FEATURES), cohort).merge(run.table(paths.BRANCHES), on="usubjid")
    analysis = Analysis(
        rows.sort_values("usubjid", ignore_index=True), landmark_features(run.json(paths.FEATURE_LIST)),
        model_settings(run.params(paths.MODELS)), validation_plan(run.params(paths.VALIDATION)),
        study.primary.arm,
    )  # fmt: skip
    scenarios = sensitivity_runs(
        analysis,
        run.tables(paths.RAW),
        cohort,
        run.table(paths.PREDICTIONS),
        study,
        read_eligibility(run.path(paths.ELIGIBILITY)),
        read_rules(run.path(paths.RULES_TABLE), run.path(paths.GENES)),
        run.landmark,
        progress=progress("sensitivity runs"),
    )
    write_json(run.path(paths.SENSITIVITY), scenarios)


if __name__ == "__main__":
    STAGE.run(main)
