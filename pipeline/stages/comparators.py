"""Stage comparators: the rules and two simpler forecasts, on the folds and samples of the candidates.

Writes the predictions of candidates and comparators together, of every landmark. A changed comparator refits
no candidate.
"""

from functools import partial

import pandas as pd

from features.documents.branch import BRANCH
from models.procedure.analysis_set import resampling_rows
from models.procedure.backends import Backend, side_by_side
from models.procedure.comparators import comparators, rule_input_features, rules_by_branch
from models.procedure.configuration.plan import validation_plan
from models.procedure.configuration.settings import comparator_settings, model_settings
from models.procedure.landmark_features import landmark_features
from models.procedure.resampling import cross_validated, tidied, tidy
from models.procedure.robustness_splits import beside, resampled, schemes
from models.procedure.splits import outer_splits
from pipeline.project import paths
from pipeline.project.files import write_tables
from pipeline.project.stage import Run, Stage

STAGE = Stage(
    reads=(
        paths.FEATURES_FOLDER, paths.COHORT, paths.RULES, paths.OUT_OF_FOLD_FOLDER,
        paths.RESAMPLED_FITS_FOLDER,
    ),
    writes=(paths.PREDICTIONS_FOLDER, paths.RESAMPLED_FOLDER),
    params={
        paths.STUDY: ("landmarks",),
        paths.MODELS: ("encoding",),
        paths.COMPARATORS: ("rule_inputs",),
        paths.VALIDATION: ("branch_shrinkage", "folds", "inner_folds", "repeats", "resampling", "seed"),
    },
)  # fmt: skip


def compared(run: Run, landmark: str) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Return what candidates and comparators predict at a landmark: out of fold, and resampled."""
    plan = validation_plan(run.params(paths.VALIDATION))
    candidates = run.table(paths.OUT_OF_FOLD, landmark=landmark)
    fits = run.table(paths.RESAMPLED_FITS, landmark=landmark)
    if candidates.empty:
        return candidates, fits
    settings = comparator_settings(run.params(paths.COMPARATORS))
    procedure = settings.procedure(model_settings(run.params(paths.MODELS)).encoding)
    features = landmark_features(run.json(paths.FEATURE_LIST, landmark=landmark))
    rule_inputs = rule_input_features(features, run.json(paths.RULE_INPUTS, landmark=landmark))
    rows, y = resampling_rows(
        run.table(paths.FEATURES, landmark=landmark),
        run.table(paths.COHORT),
        run.table(paths.BRANCHES, landmark=landmark),
    )
    results = cross_validated(
        lambda seed: comparators(features, rule_inputs, procedure, plan, seed),
        rows, y, outer_splits(y, rows["arm"], plan), Backend(),
    )  # fmt: skip
    forecasts = tidy(results, rows["usubjid"].tolist(), y)
    splits = schemes(rows, plan.resampling, plan.seed)
    rules = resampled(
        lambda _: [rules_by_branch(plan.branch_shrinkage)],
        rows[["usubjid", "arm", BRANCH]], y, splits, Backend(),
    )  # fmt: skip
    return tidied([candidates, forecasts]), beside(fits, rules)


def main(run: Run) -> None:
    """Read, forecast at all landmarks side by side, write beside what the candidates predict.

    Fitting a comparator costs less than sending it anywhere: no cluster is used.
    """
    landmarks = run.study().landmark_names
    every = side_by_side([partial(compared, run, landmark) for landmark in landmarks])
    for number, place in enumerate((paths.PREDICTIONS_FOLDER, paths.RESAMPLED_FOLDER)):
        tables = {name: found[number] for name, found in zip(landmarks, every, strict=True)}
        write_tables(run.path(place), tables)


if __name__ == "__main__":
    STAGE.run(main)
