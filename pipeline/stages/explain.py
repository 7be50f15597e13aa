"""Stage explain: out-of-fold SHAP values of every landmark, checked for additivity; how stable they are."""

from functools import partial

import pandas as pd

from features.documents.feature import FeatureList
from models.explanation.documents import ContributionSummary, NothingExplained
from models.explanation.out_of_fold import KEYS
from models.explanation.plan import explanation_plan
from models.explanation.summary import explain
from models.procedure.backends import side_by_side
from models.procedure.configuration.plan import validation_plan
from models.procedure.fold_fits import FoldFits
from pipeline.project import paths
from pipeline.project.files import replacing, rounded, write_json, write_table
from pipeline.project.omics_rows import assays_beside
from pipeline.project.stage import Run, Stage

STAGE = Stage(
    reads=(
        paths.FEATURES_FOLDER, paths.FITS_FOLDER, paths.OUT_OF_FOLD_FOLDER, paths.COHORT, paths.RULES,
        paths.EXPLANATION,
    ),
    writes=(paths.SHAP,),
    params={
        paths.STUDY: ("landmarks",),
        paths.VALIDATION: ("level", "seed"),
    },
)  # fmt: skip


def explained_landmark(
    run: Run, landmark: str
) -> tuple[pd.DataFrame, ContributionSummary | NothingExplained]:
    """Return the contributions at a landmark, and what they say as a whole."""
    plan = validation_plan(run.params(paths.VALIDATION))
    fits: FoldFits = run.json(paths.FITS, landmark=landmark)
    description: FeatureList = run.json(paths.FEATURE_LIST, landmark=landmark)
    if not fits["fits"]:
        columns = [*KEYS, *(feature["name"] for feature in description["features"])]
        return pd.DataFrame(columns=columns), {"error": fits["error"]}
    values, _ = assays_beside(run, landmark, run.table(paths.FEATURES, landmark=landmark))
    return explain(
        fits["model"],
        fits["fits"],
        values,
        run.table(paths.OUT_OF_FOLD, landmark=landmark),
        description,
        run.table(paths.COHORT),
        run.table(paths.BRANCHES, landmark=landmark),
        explanation_plan(run.yaml(paths.EXPLANATION)),
        seed=plan.seed,
        level=plan.level,
    )


def main(run: Run) -> None:
    """Explain every landmark in a process of its own, write."""
    landmarks = run.study().landmark_names
    explained = side_by_side([partial(explained_landmark, run, name) for name in landmarks])
    with replacing(run.path(paths.SHAP)) as new:
        new.mkdir()
        for landmark, (contributions, summary) in zip(landmarks, explained, strict=True):
            write_table(new / f"{landmark}.parquet", contributions)
            write_json(new / f"{landmark}.json", rounded(summary))


if __name__ == "__main__":
    STAGE.run(main)
