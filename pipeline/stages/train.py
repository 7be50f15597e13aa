"""Stage train: cross-validate the candidates at one landmark, and fit the model to serve.

Writes out-of-fold predictions of every candidate, the fold fits of the chosen one (which explain those
predictions), the chosen one fitted to all patients, and what was passed over. A feature that alone tells the
outcome too well stops the run here; from too few events no model is learned, and only the reason is written.
Nothing that is only said of a model is read here: stage package says it.
"""

from collections.abc import Mapping

from models.blocks.response import response_model
from models.procedure.analysis_set import analysis_rows
from models.procedure.cohort_size.core import procedure_for
from models.procedure.configuration.plan import validation_plan
from models.procedure.configuration.settings import model_settings
from models.procedure.landmark_features import as_documents, landmark_features
from models.procedure.learned import LearnedModel
from models.procedure.resampling import (
    cross_validated,
    fold_fits,
    in_every_split,
    no_predictions,
    passed_over,
    tidy,
)
from models.procedure.single_features import (
    SingleFeature,
    check_single_features,
    listed,
    single_feature_aucs,
    suspects,
)
from models.procedure.splits import outer_splits
from pipeline.console import progress, stderr
from pipeline.project import paths
from pipeline.project.checkpoints import task_store
from pipeline.project.files import write_json, write_table
from pipeline.project.omics_rows import assays_beside
from pipeline.project.runtime import read_backend
from pipeline.project.stage import Run, Stage

STAGE = Stage(
    reads=(paths.FEATURES_FOLDER, paths.COHORT, paths.MODELS),
    writes=(paths.OUT_OF_FOLD, paths.FITS, paths.LEARNED, paths.LEARNING),
    params={
        paths.STUDY: ("leakage_acknowledged",),
        paths.VALIDATION: (
            "core_only_events", "folds", "inner_folds", "leakage_alarm_auc", "leakage_warning_auc", "level",
            "min_events", "model_size", "repeats", "seed",
        ),
    },
    items=("landmark",),
)  # fmt: skip


def warn(message: str) -> None:
    """Print a warning that does not stop the run."""
    stderr().print(f"[yellow]Warning.[/] {message}", highlight=False)


def write_nothing_learned(
    run: Run, reason: str, singles: Mapping[str, SingleFeature], suspicious: Mapping[str, float]
) -> None:
    """Write the outputs of a landmark at which no model is learned: empty, with the reason."""
    warn(f"{run.landmark}: {reason}")
    write_table(run.path(paths.OUT_OF_FOLD), no_predictions())
    write_json(run.path(paths.FITS), {"error": reason, "fits": []})
    write_json(run.path(paths.LEARNED), {"error": reason})
    learning = {
        "error": reason, "passed_over": {}, "single_features": singles, "suspicious": suspicious
    }  # fmt: skip
    write_json(run.path(paths.LEARNING), learning)


def main(run: Run) -> None:
    """Read, cross-validate, fit, write."""
    models, validation = run.yaml(paths.MODELS), run.params(paths.VALIDATION)
    settings, plan = model_settings(models), validation_plan(validation)
    listed_features = run.json(paths.FEATURE_LIST)
    features, adjusted = landmark_features(listed_features), listed_features.get("adjusted")
    rows, y = analysis_rows(run.table(paths.FEATURES), run.table(paths.COHORT))
    rows, assays = assays_beside(run, run.landmark, rows)
    singles = single_feature_aucs(rows, y, features)
    suspicious = suspects(singles, plan.leakage_warning_auc, plan.level)
    if suspicious:
        warn(
            f"{run.landmark}: alone, {listed(suspicious)} tells much of the outcome (AUC above "
            f"{plan.leakage_warning_auc:g}); make sure that it was known by the landmark, without the outcome"
        )
    if reason := plan.too_few(y):
        write_nothing_learned(run, reason, singles, suspicious)
        return
    check_single_features(singles, plan.leakage_alarm_auc, plan.level, run.study().leakage_acknowledged)
    procedure = procedure_for(settings, [feature.name for feature in features], y, plan, assays=bool(assays))
    splits = outer_splits(y, rows["arm"], plan)
    store = task_store(
        "train",
        rows=rows,
        y=y,
        features=as_documents(features),
        models=models,
        validation=validation,
        adjusted=adjusted,
    )
    results = cross_validated(
        lambda seed: [response_model(features, procedure, assays, plan.inner_folds, seed, adjusted)],
        rows, y, splits, read_backend(), store=store, progress=progress(run.landmark),
    )  # fmt: skip
    fitted = response_model(features, procedure, assays, plan.inner_folds, plan.seed, adjusted).fit(rows, y)
    write_table(run.path(paths.OUT_OF_FOLD), tidy(in_every_split(results), rows["usubjid"].tolist(), y))
    write_json(run.path(paths.FITS), fold_fits(results, fitted.chosen_))
    write_json(run.path(paths.LEARNED), LearnedModel.of(fitted).stored())
    left_out = passed_over(results, fitted.passed_over_)
    learning = {
        "chosen": fitted.chosen_, "passed_over": left_out, "single_features": singles,
        "suspicious": suspicious,
    }  # fmt: skip
    for name, noted in left_out.items():
        warn(f"{run.landmark}: {name} passed over: {noted['error']}")
    write_json(run.path(paths.LEARNING), learning)
    store.remove()


if __name__ == "__main__":
    STAGE.run(main)
