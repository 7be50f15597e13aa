"""Stage resample: the procedure on bootstrap samples, without each centre, and on the earlier patients.

Writes the predictions of every resampled model.
"""

from models.blocks.response import response_model
from models.procedure.analysis_set import resampling_rows
from models.procedure.cohort_size.core import procedure_for
from models.procedure.configuration.plan import validation_plan
from models.procedure.configuration.settings import model_settings
from models.procedure.landmark_features import as_documents, landmark_features
from models.procedure.robustness_splits import nothing_resampled, resampled, schemes
from pipeline.console import progress
from pipeline.project import paths
from pipeline.project.checkpoints import task_store
from pipeline.project.files import write_table
from pipeline.project.omics_rows import assays_beside
from pipeline.project.runtime import read_backend
from pipeline.project.stage import Run, Stage

STAGE = Stage(
    reads=(paths.FEATURES_FOLDER, paths.COHORT, paths.MODELS),
    writes=(paths.RESAMPLED_FITS,),
    params={
        paths.VALIDATION: (
            "core_only_events",
            "inner_folds",
            "min_events",
            "model_size",
            "resampling",
            "seed",
        ),
    },
    items=("landmark",),
)


def main(run: Run) -> None:
    """Read, resample, write."""
    models, validation = run.yaml(paths.MODELS), run.params(paths.VALIDATION)
    settings, plan = model_settings(models), validation_plan(validation)
    listed_features = run.json(paths.FEATURE_LIST)
    features, adjusted = landmark_features(listed_features), listed_features.get("adjusted")
    rows, y = resampling_rows(run.table(paths.FEATURES), run.table(paths.COHORT))
    rows, assays = assays_beside(run, run.landmark, rows)
    if plan.too_few(y):
        write_table(run.path(paths.RESAMPLED_FITS), nothing_resampled())
        return
    procedure = procedure_for(settings, [feature.name for feature in features], y, plan, assays=bool(assays))
    splits = schemes(rows, plan.resampling, plan.seed)
    store = task_store(
        "resample",
        rows=rows,
        y=y,
        features=as_documents(features),
        models=models,
        validation=validation,
        adjusted=adjusted,
    )
    found = resampled(
        lambda seed: [response_model(features, procedure, assays, plan.inner_folds, seed, adjusted)],
        rows, y, splits, read_backend(), store=store, progress=progress(f"{run.landmark}, resampled"),
    )  # fmt: skip
    write_table(run.path(paths.RESAMPLED_FITS), found)
    store.remove()


if __name__ == "__main__":
    STAGE.run(main)
