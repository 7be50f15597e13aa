"""Stage sensitivity: the primary comparison under other definitions, missing data, sets and readings.

One table. Predictions that a scenario does not change are those of the run; where outcome, patients or inputs
change, they are those of stage refit. Only the comparators are learned again: the rules, and the small model
on their inputs.
"""

from models.evaluation.refits import read_refits
from models.evaluation.sensitivity import Analysis, sensitivity_runs
from models.procedure.analysis_set import with_arm
from models.procedure.comparators import rule_input_features
from models.procedure.configuration.plan import validation_plan
from models.procedure.configuration.settings import comparator_settings, model_settings
from models.procedure.landmark_features import landmark_features
from pipeline.project import paths
from pipeline.project.files import write_json
from pipeline.project.rule_files import read_rules
from pipeline.project.stage import Run, Stage

STAGE = Stage(
    reads=(
        paths.RAW, paths.COHORT, paths.FEATURES, paths.FEATURE_LIST, paths.BRANCHES, paths.RULE_INPUTS,
        paths.PREDICTIONS, paths.REFITS, paths.RULES_TABLE, paths.GENES,
    ),
    writes=(paths.SENSITIVITY,),
    params={
        paths.STUDY: ("primary",),
        paths.MODELS: ("encoding",),
        paths.COMPARATORS: ("rule_inputs",),
        paths.VALIDATION: ("bootstrap", "branch_shrinkage", "inner_folds", "level", "min_events", "seed"),
    },
    items=("landmark",),
)  # fmt: skip


def main(run: Run) -> None:
    """Read, compare in every scenario, write the table."""
    cohort = run.table(paths.COHORT)
    rows = with_arm(run.table(paths.FEATURES), cohort).merge(run.table(paths.BRANCHES), on="usubjid")
    features = landmark_features(run.json(paths.FEATURE_LIST))
    encoding = model_settings(run.params(paths.MODELS)).encoding
    analysis = Analysis(
        rows.sort_values("usubjid", ignore_index=True),
        features,
        validation_plan(run.params(paths.VALIDATION)),
        run.study().primary.arm,
        rule_input_features(features, run.json(paths.RULE_INPUTS)),
        comparator_settings(run.params(paths.COMPARATORS)).procedure(encoding),
    )
    scenarios = sensitivity_runs(
        analysis,
        read_refits(run.json(paths.REFIT_SCENARIOS), run.table(paths.REFIT_PREDICTIONS)),
        run.tables(paths.RAW),
        cohort,
        run.table(paths.PREDICTIONS),
        read_rules(run.path(paths.RULES_TABLE), run.path(paths.GENES)),
        run.landmark,
    )
    write_json(run.path(paths.SENSITIVITY), scenarios)


if __name__ == "__main__":
    STAGE.run(main)
