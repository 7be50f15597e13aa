"""Stage train: cross-validate the candidates at one landmark, and fit the model to serve.

Writes out-of-fold predictions of every candidate, the fold fits of the chosen one (which explain those
predictions), the model folder, and what was passed over. A feature that alone tells the outcome too well
stops the run here; from too few events no model is learned, and only the reason is written.
"""

import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from models.configuration.plan import validation_plan
from models.configuration.settings import model_settings
from models.packaging.model_document import model_document, outcome_columns, serving_part
from models.procedure.analysis_set import analysis_rows
from models.procedure.landmark_features import as_documents, landmark_features
from models.procedure.resampling import (
    cross_validated,
    fold_fits,
    in_every_split,
    no_predictions,
    passed_over,
    tidy,
)
from models.procedure.response_model import ResponseModel
from models.procedure.single_features import check_single_features, listed, single_feature_aucs, suspects
from models.procedure.splits import outer_splits
from models.serving import serving
from pipeline.console import progress, stderr
from pipeline.project import paths
from pipeline.project.checkpoints import task_store
from pipeline.project.files import read_yaml, replacing, write_json, write_table
from pipeline.project.runtime import read_backend
from pipeline.project.stage import Run, Stage
from pipeline.registry.cards import model_card
from pipeline.wording import ESTIMAND

STAGE = Stage(
    reads=(
        paths.FEATURES, paths.FEATURE_LIST, paths.COHORT, paths.BRANCH_TABLE, paths.CONTRACT,
        paths.SERVED_ELIGIBILITY,
    ),
    writes=(paths.OUT_OF_FOLD, paths.FITS, paths.STORED_MODEL, paths.LEARNING),
    params={
        paths.STUDY: ("leakage_acknowledged", "outcome", "schedule", "simulated", "study", "visits"),
        paths.MODELS: ("candidates", "encoding", "serving"),
        paths.VALIDATION: (
            "folds", "inner_folds", "leakage_alarm_auc", "leakage_warning_auc", "level", "min_events",
            "repeats", "seed",
        ),
    },
    items=("landmark",),
)  # fmt: skip


def write_model(folder: Path, document: Mapping[str, Any], booster: str | None) -> None:
    """Write model.json, serving.py, card.md and, for a boosted model, booster.txt."""
    with replacing(folder) as new:
        new.mkdir()
        write_json(new / "model.json", document)
        if booster is not None:
            (new / "booster.txt").write_text(booster, encoding="utf-8")
        shutil.copyfile(serving.__file__, new / "serving.py")
        (new / "card.md").write_text(model_card(document), encoding="utf-8")


def warn(message: str) -> None:
    """Print a warning that does not stop the run."""
    stderr().print(f"[yellow]Warning.[/] {message}", highlight=False)


def write_nothing_learned(
    run: Run, reason: str, singles: Mapping[str, Any], suspicious: Mapping[str, float]
) -> None:
    """Write the outputs of a landmark at which no model is learned: empty, with the reason."""
    warn(f"{run.landmark}: {reason}")
    write_table(run.path(paths.OUT_OF_FOLD), no_predictions())
    write_json(run.path(paths.FITS), {"error": reason, "fits": []})
    learning = {
        "error": reason, "passed_over": {}, "single_features": singles, "suspicious": suspicious
    }  # fmt: skip
    write_json(run.path(paths.LEARNING), learning)
    with replacing(run.path(paths.STORED_MODEL)) as new:
        new.mkdir()
        (new / "card.md").write_text(f"# No model at {run.landmark}\n\n{reason}\n", encoding="utf-8")


def main(run: Run) -> None:
    """Read, cross-validate, fit, write."""
    models, validation = run.params(paths.MODELS), run.params(paths.VALIDATION)
    study = run.study()
    settings, plan = model_settings(models), validation_plan(validation)
    features = landmark_features(run.json(paths.FEATURE_LIST))
    rows, y = analysis_rows(run.table(paths.FEATURES), run.table(paths.COHORT))
    singles = single_feature_aucs(rows, y, features)
    check_single_features(singles, plan.leakage_alarm_auc, plan.level, study.leakage_acknowledged)
    suspicious = suspects(singles, plan.leakage_warning_auc, plan.level)
    if suspicious:
        warn(
            f"{run.landmark}: alone, {listed(suspicious)} tells much of the outcome (AUC above "
            f"{plan.leakage_warning_auc:g}); make sure that it was known by the landmark, without the outcome"
        )
    if reason := plan.too_few(y):
        write_nothing_learned(run, reason, singles, suspicious)
        return
    splits = outer_splits(y, rows["arm"], plan)
    store = task_store(
        "train", rows=rows, y=y, features=as_documents(features), models=models, validation=validation
    )
    results = cross_validated(
        lambda seed: [ResponseModel(features, settings.procedure, plan.inner_folds, seed)],
        rows, y, splits, read_backend(), store=store, progress=progress(run.landmark),
    )  # fmt: skip
    fitted = ResponseModel(features, settings.procedure, plan.inner_folds, plan.seed).fit(rows, y)
    write_table(run.path(paths.OUT_OF_FOLD), tidy(in_every_split(results), rows["usubjid"].tolist(), y))
    write_json(run.path(paths.FITS), fold_fits(results, fitted.chosen_))
    outcomes = outcome_columns([read_yaml(path) for path in sorted(run.path(paths.CONTRACT).glob("*.yaml"))])
    branches = run.json(paths.BRANCH_TABLE)
    eligibility = run.json(paths.SERVED_ELIGIBILITY)
    served = serving_part(fitted, study, run.landmark, rows, y, settings, branches, outcomes, eligibility)
    document = model_document(fitted, study, run.landmark, rows, y, ESTIMAND, served)
    write_model(run.path(paths.STORED_MODEL), document, fitted.boosters_[fitted.chosen_])
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
