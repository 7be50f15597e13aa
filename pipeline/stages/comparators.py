"""Stage comparators: the rules and two simpler forecasts, on the folds and samples of the candidates.

Writes the predictions of candidates and comparators together. A changed comparator refits no candidate.
"""

from models.configuration.plan import validation_plan
from models.configuration.settings import model_settings
from models.procedure.analysis_set import resampling_rows
from models.procedure.comparators import Rules, comparators, rule_input_features
from models.procedure.landmark_features import landmark_features
from models.procedure.resampling import cross_validated, tidied, tidy
from models.procedure.robustness_splits import beside, resampled, schemes
from models.procedure.splits import outer_splits
from pipeline.project import paths
from pipeline.project.files import write_table
from pipeline.project.runtime import read_backend
from pipeline.project.stage import Run, Stage

STAGE = Stage(
    reads=(
        paths.FEATURES, paths.FEATURE_LIST, paths.COHORT, paths.BRANCHES, paths.RULE_INPUTS,
        paths.OUT_OF_FOLD, paths.RESAMPLED_FITS,
    ),
    writes=(paths.PREDICTIONS, paths.RESAMPLED),
    params={
        paths.MODELS: ("comparators", "encoding"),
        paths.VALIDATION: ("branch_shrinkage", "folds", "inner_folds", "repeats", "resampling", "seed"),
    },
    items=("landmark",),
)  # fmt: skip


def main(run: Run) -> None:
    """Read, forecast, write beside what the candidates predict."""
    settings, plan = model_settings(run.params(paths.MODELS)), validation_plan(run.params(paths.VALIDATION))
    features = landmark_features(run.json(paths.FEATURE_LIST))
    rule_inputs = rule_input_features(features, run.json(paths.RULE_INPUTS))
    candidates, fits = run.table(paths.OUT_OF_FOLD), run.table(paths.RESAMPLED_FITS)
    if candidates.empty:
        write_table(run.path(paths.PREDICTIONS), candidates)
        write_table(run.path(paths.RESAMPLED), fits)
        return
    rows, y = resampling_rows(run.table(paths.FEATURES), run.table(paths.COHORT), run.table(paths.BRANCHES))
    backend = read_backend()
    results = cross_validated(
        lambda seed: comparators(features, rule_inputs, settings, plan, seed),
        rows, y, outer_splits(y, rows["arm"], plan), backend,
    )  # fmt: skip
    forecasts = tidy(results, rows["usubjid"].tolist(), y)
    write_table(run.path(paths.PREDICTIONS), tidied([candidates, forecasts]))
    splits = schemes(rows, y, plan.resampling, plan.seed)
    rules = resampled(lambda _: [Rules(plan.branch_shrinkage)], rows, y, splits, backend)
    write_table(run.path(paths.RESAMPLED), beside(fits, rules))


if __name__ == "__main__":
    STAGE.run(main)
