"""Stage train: cross-validate candidates and comparators at one landmark, and fit the model to serve.

Writes out-of-fold predictions of every model, the fold fits of the chosen candidate (which explain those
predictions), and the model folder.
"""

import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pandas as pd

from models.landmark_features import as_documents, landmark_features
from models.plan import validation_plan
from models.procedure.analysis_set import analysis_rows
from models.procedure.comparators import cross_validated, rule_input_features
from models.procedure.resampling import fold_fits, tidy
from models.procedure.response_model import ResponseModel
from models.serving import serving
from models.serving.model_document import model_document, outcome_columns, serving_part
from models.settings import model_settings
from pipeline.project import checkpoints
from pipeline.project.console import progress, reported_errors
from pipeline.project.files import (
    read_json,
    read_study,
    read_yaml,
    replacing,
    stage_paths,
    write_json,
    write_table,
)
from pipeline.project.runtime import read_backend
from pipeline.project.wording import ESTIMAND
from pipeline.registry.cards import model_card


def write_model(folder: Path, document: Mapping[str, Any], booster: str | None) -> None:
    """Write model.json, serving.py, card.md and, for a boosted model, booster.txt."""
    with replacing(folder) as new:
        new.mkdir()
        write_json(new / "model.json", document)
        if booster is not None:
            (new / "booster.txt").write_text(booster, encoding="utf-8")
        shutil.copyfile(serving.__file__, new / "serving.py")
        (new / "card.md").write_text(model_card(document), encoding="utf-8")


def main() -> None:
    """Read, cross-validate, fit, write."""
    args = stage_paths(
        __doc__, "study", "settings", "validation", "features", "description", "cohort", "rules",
        "inputs", "branches", "contract",
        "predictions", "fits", "model", landmark="name of the landmark",
    )  # fmt: skip
    with reported_errors():
        study = read_study(args.study)
    documents = {"settings": read_yaml(args.settings), "validation": read_yaml(args.validation)}
    settings, plan = model_settings(documents["settings"]), validation_plan(documents["validation"])
    features = landmark_features(read_json(args.description))
    rule_inputs = rule_input_features(features, read_json(args.inputs))
    rows, y = analysis_rows(
        pd.read_parquet(args.features),
        pd.read_parquet(args.cohort),
        pd.read_parquet(args.rules),
    )
    store = checkpoints.TaskStore(
        checkpoints.FOLDER,
        checkpoints.run_digest(
            {"stage": "train", "rows": rows, "y": y, "features": as_documents(features),
             "rule_inputs": as_documents(rule_inputs)} | documents
        ),
    )  # fmt: skip
    with reported_errors():
        results = cross_validated(
            rows, y, features, rule_inputs, settings, plan, read_backend(),
            store=store, progress=progress(args.landmark),
        )  # fmt: skip
        fitted = ResponseModel(features, settings.procedure, plan.inner_folds, plan.seed)
        fitted.fit(rows, y)
    write_table(args.predictions, tidy(results, rows["usubjid"].tolist(), y))
    write_json(args.fits, fold_fits(results, fitted.chosen_))
    served = serving_part(
        fitted,
        study,
        args.landmark,
        rows,
        y,
        settings,
        read_json(args.branches),
        outcome_columns([read_yaml(path) for path in sorted(args.contract.glob("*.yaml"))]),
    )
    document = model_document(fitted, study, args.landmark, rows, y, ESTIMAND, served)
    write_model(args.model, document, fitted.boosters_[fitted.chosen_])
    store.remove()


if __name__ == "__main__":
    main()
