"""Stage package: the folder of each landmark's served model, from what was learned; nothing is fitted.

Says what a model knows of its training patients, what it refuses, which branches the rules have, and writes
its card. A landmark at which no model was learned has a folder with the reason.
"""

import shutil
from pathlib import Path

from models.packaging.model_document import (
    PackagingSettings,
    model_document,
    outcome_columns,
    serving_part,
)
from models.packaging.patient_interval import bootstrap_log_odds
from models.procedure.analysis_set import analysis_rows
from models.procedure.configuration.plan import validation_plan
from models.procedure.configuration.settings import model_settings, serving_settings
from models.procedure.learned import LearnedModel
from models.serving import serving
from pipeline.project import paths
from pipeline.project.files import read_yaml, replacing, write_json
from pipeline.project.omics_rows import assays_beside
from pipeline.project.stage import Run, Stage
from pipeline.registry.cards import NO_MODEL, model_card
from pipeline.wording import ESTIMAND

STAGE = Stage(
    reads=(
        paths.LEARNED_FOLDER, paths.RESAMPLED_FITS_FOLDER, paths.FEATURES_FOLDER, paths.COHORT_FOLDER,
        paths.RULES, paths.CONTRACT, paths.STUDY,
    ),
    writes=(paths.STORED_MODELS,),
    params={
        paths.MODELS: ("encoding",),
        paths.SERVING: ("interval", "range_margin", "required", "support_quantile", "unit_tolerance"),
        paths.VALIDATION: ("inner_folds", "seed"),
    },
)  # fmt: skip


def write_model(folder: Path, document: serving.ModelDocument, booster: str | None) -> None:
    """Write model.json, serving.py, card.md and, for a boosted model, booster.txt."""
    write_json(folder / "model.json", document)
    if booster is not None:
        (folder / "booster.txt").write_text(booster, encoding="utf-8")
    shutil.copyfile(serving.__file__, folder / "serving.py")
    (folder / "card.md").write_text(model_card(document), encoding="utf-8")


def write_no_model(folder: Path, landmark: str, reason: str) -> None:
    """Write card.md, which says why no model was learned."""
    (folder / "card.md").write_text(f"{NO_MODEL}{landmark}\n\n{reason}\n", encoding="utf-8")


def packed(run: Run, landmark: str, learned: LearnedModel) -> serving.ModelDocument:
    """Return the document of a landmark's model."""
    settings = PackagingSettings(
        serving_settings(run.params(paths.SERVING)),
        model_settings(run.params(paths.MODELS)).encoding,
        validation_plan(run.params(paths.VALIDATION)),
    )
    rows, y = analysis_rows(run.table(paths.FEATURES, landmark=landmark), run.table(paths.COHORT))
    rows, _ = assays_beside(run, landmark, rows)
    outcomes = outcome_columns([read_yaml(path) for path in sorted(run.path(paths.CONTRACT).glob("*.yaml"))])
    branches, eligibility = (
        run.json(paths.BRANCH_TABLE, landmark=landmark),
        run.json(paths.SERVED_ELIGIBILITY),
    )
    study = run.study()
    bootstrap = bootstrap_log_odds(run.table(paths.RESAMPLED_FITS, landmark=landmark))
    served = serving_part(
        learned, study, landmark, rows, y, bootstrap, settings, branches, outcomes, eligibility
    )
    margin = settings.serving.range_margin
    return model_document(learned, study, landmark, rows, y, ESTIMAND, served, margin)


def main(run: Run) -> None:
    """Read what was learned at every landmark, pack it, write."""
    with replacing(run.path(paths.STORED_MODELS)) as new:
        new.mkdir()
        for landmark in run.study().landmark_names:
            folder, stored = new / landmark, run.json(paths.LEARNED, landmark=landmark)
            folder.mkdir()
            if "error" in stored:
                write_no_model(folder, landmark, stored["error"])
                continue
            learned = LearnedModel.read(stored)
            write_model(folder, packed(run, landmark, learned), learned.booster)


if __name__ == "__main__":
    STAGE.run(main)
