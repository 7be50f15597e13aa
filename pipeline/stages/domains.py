"""Stage domains: the linear candidate on sets of domains, and the models of blocks, on the model's folds."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd

from features.documents.feature import ORIGINS, origin_column
from models.blocks.landmark import learn_landmark
from models.blocks.nuisance import nuisances
from models.procedure.analysis_set import analysis_rows
from models.procedure.configuration.plan import ValidationPlan, validation_plan
from models.procedure.configuration.settings import ModelSettings, model_settings
from models.procedure.domain_predictions import domain_predictions
from models.procedure.landmark_features import LandmarkFeature, landmark_features
from models.procedure.resampling import no_predictions
from pipeline.console import progress, stderr
from pipeline.project import paths
from pipeline.project.files import replacing, write_json, write_table
from pipeline.project.omics_rows import assays_beside
from pipeline.project.stage import Run, Stage

STAGE = Stage(
    reads=(paths.FEATURES_FOLDER, paths.COHORT, paths.MODELS),
    writes=(paths.DOMAINS,),
    params={
        paths.STUDY: ("landmarks",),
        paths.VALIDATION: ("domains", "folds", "inner_folds", "min_events", "repeats", "seed"),
    },
)


@dataclass(frozen=True)
class Analysed:
    """The analysed patients of a landmark, their outcome (n,), and the features of their rows."""

    rows: pd.DataFrame
    y: np.ndarray
    features: list[LandmarkFeature]


def groupings(rows: pd.DataFrame, assay: str, centre: pd.Series) -> dict[str, pd.Series]:
    """Return batch and platform of an assay's samples, where recorded, and the patients' centre."""
    recorded = {kind: origin_column(kind, assay) for kind in ORIGINS}
    found = {kind: rows[column] for kind, column in recorded.items() if column in rows}
    return found | ({"centre": centre} if centre.notna().any() else {})


def write_blocks(
    run: Run, landmark: str, analysed: Analysed, settings: ModelSettings, plan: ValidationPlan, folder: Path
) -> None:
    """Write predictions and what was learned of the blocks of a landmark, if any assay was known by it."""
    rows, columns = assays_beside(run, landmark, analysed.rows)
    if not columns:
        return
    result = learn_landmark(
        rows, analysed.y, analysed.features, columns, settings.encoding, settings.blocks, plan,
        progress(f"{landmark}, blocks"), run.json(paths.FEATURE_LIST, landmark=landmark).get("adjusted"),
    )  # fmt: skip
    centre = rows["usubjid"].map(run.table(paths.COHORT).set_index("usubjid")["siteid"])
    result.learned["nuisance"] = nuisances(
        {name: rows[names].to_numpy(dtype=float) for name, names in columns.items()},
        {name: groupings(rows, name, centre) for name in columns},
        analysed.y,
        settings.blocks.permutations,
        plan.seed,
    )
    if reason := result.learned.get("error"):
        stderr().print(f"[yellow]Warning.[/] {landmark}: blocks: {reason}", highlight=False)
    folder.mkdir(exist_ok=True)
    write_table(folder / f"{landmark}.parquet", result.predictions)
    write_json(folder / f"{landmark}.json.gz", result.learned)


def main(run: Run) -> None:
    """Read, cross-validate every set, and every model of blocks, at every landmark, write."""
    settings, plan = model_settings(run.yaml(paths.MODELS)), validation_plan(run.params(paths.VALIDATION))
    with replacing(run.path(paths.DOMAINS)) as new:
        new.mkdir()
        for landmark in run.study().landmark_names:
            rows, y = analysis_rows(run.table(paths.FEATURES, landmark=landmark), run.table(paths.COHORT))
            features = landmark_features(run.json(paths.FEATURE_LIST, landmark=landmark))
            shown = progress(f"{landmark}, domains")
            few = plan.too_few(y)
            found = no_predictions() if few else domain_predictions(rows, y, features, settings, plan, shown)
            write_table(new / f"{landmark}.parquet", found)
            if not few:
                write_blocks(run, landmark, Analysed(rows, y, features), settings, plan, new / "blocks")


if __name__ == "__main__":
    STAGE.run(main)
