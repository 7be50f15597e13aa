"""Stage null_check: with the outcome permuted, no procedure may find anything.

At a landmark the outcome is permuted within arm, the whole cross-validation is repeated, and the mean AUC
within folds must not be above 0.5 by more than two standard errors over the permutations. It takes hours, so
it is no part of `dvc repro`: `make null-check` runs it, and DVC says whether its answer still holds.
"""

from models.evaluation.null_check import Inputs, null_check, permuted_aucs
from models.procedure.analysis_set import analysis_rows
from models.procedure.cohort_size.core import procedure_for
from models.procedure.configuration.plan import validation_plan
from models.procedure.configuration.settings import model_settings
from models.procedure.landmark_features import as_documents, landmark_features
from pipeline.console import progress, stdout
from pipeline.project import paths
from pipeline.project.checkpoints import task_store
from pipeline.project.files import write_json
from pipeline.project.omics_rows import assays_beside
from pipeline.project.runtime import read_backend
from pipeline.project.stage import Run, Stage

STAGE = Stage(
    reads=(paths.FEATURES_FOLDER, paths.COHORT),
    writes=(paths.NULL_CHECK,),
    params={
        paths.MODELS: ("blocks", "candidates", "encoding"),
        paths.VALIDATION: (
            "core_only_events",
            "folds",
            "inner_folds",
            "model_size",
            "permutations",
            "seed",
        ),
    },
    items=("landmark",),
)


def main(run: Run) -> None:
    """Permute, cross-validate, write the answer and print it."""
    rows, y = analysis_rows(run.table(paths.FEATURES), run.table(paths.COHORT))
    rows, assays = assays_beside(run, run.landmark, rows)
    listed = run.json(paths.FEATURE_LIST)
    inputs = Inputs(landmark_features(listed), assays, listed.get("adjusted"))
    plan = validation_plan(run.params(paths.VALIDATION))
    names = [feature.name for feature in inputs.features]
    settings = procedure_for(model_settings(run.params(paths.MODELS)), names, y, plan, assays=bool(assays))
    store = task_store(
        "null_check", rows=rows, y=y, features=as_documents(inputs.features), models=run.params(paths.MODELS),
        validation=run.params(paths.VALIDATION), adjusted=inputs.adjusted,
    )  # fmt: skip
    check = null_check(
        permuted_aucs(rows, y, inputs, settings, plan, read_backend(), progress(run.landmark), store)
    )
    write_json(
        run.path(paths.NULL_CHECK),
        {
            "mean": check.mean,
            "standard_error": check.error,
            "bound": check.bound,
            "permutations": check.permutations,
            "passes": check.passes,
        },
    )
    store.remove()
    verdict = "passes" if check.passes else "FAILS"
    stdout().print(
        f"{run.landmark}: mean AUC {check.mean:.4f} over {check.permutations} permutations, "
        f"at most {check.bound:.4f}: {verdict}"
    )


if __name__ == "__main__":
    STAGE.run(main)
