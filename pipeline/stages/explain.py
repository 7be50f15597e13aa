"""Stage explain: out-of-fold SHAP values of every landmark, checked for additivity; how stable they are."""

from argparse import Namespace
from typing import Any

import pandas as pd
from joblib import Parallel, delayed

from models.explanation.summary import explain
from models.landmark_features import landmark_features
from models.plan import validation_plan
from models.procedure.backends import workers
from pipeline.project.files import (
    read_json,
    read_yaml,
    replacing,
    rounded,
    stage_paths,
    write_json,
    write_table,
)


def explained_landmark(args: Namespace, landmark: str) -> tuple[pd.DataFrame, dict[str, Any]]:
    """Return the contributions at a landmark, and what they say as a whole."""
    plan = validation_plan(read_yaml(args.validation))
    return explain(
        read_json(args.fits / f"{landmark}.json.gz"),
        pd.read_parquet(args.features / f"{landmark}.parquet"),
        pd.read_parquet(args.predictions / f"{landmark}.parquet"),
        landmark,
        landmark_features(read_json(args.features / f"{landmark}.json")),
        pd.read_parquet(args.cohort),
        pd.read_parquet(args.rules / f"{landmark}.parquet"),
        read_yaml(args.settings),
        seed=plan.seed,
        level=plan.level,
    )


def main() -> None:
    """Explain every landmark in a process of its own, write."""
    args = stage_paths(
        __doc__ or "", "study", "features", "fits", "predictions", "cohort", "rules", "settings",
        "validation", "shap",
    )  # fmt: skip
    landmarks = read_yaml(args.study)["landmarks"]
    found = Parallel(n_jobs=workers())(delayed(explained_landmark)(args, landmark) for landmark in landmarks)
    with replacing(args.shap) as new:
        new.mkdir()
        for landmark, (explained, summary) in zip(landmarks, found, strict=True):
            write_table(new / f"{landmark}.parquet", explained)
            write_json(new / f"{landmark}.json", rounded(summary))


if __name__ == "__main__":
    main()
