"""Stage reports: the study report, and the SHAP page of every landmark."""

from argparse import Namespace
from hashlib import sha256

import pandas as pd
from joblib import Parallel, delayed

from models.procedure.backends import workers
from pipeline.project.console import reported_errors
from pipeline.project.files import read_json, read_yaml, replacing, stage_paths, write_text
from pipeline.project.settings import read_settings
from pipeline.report.landmark_page import landmark_page, read_branches, read_landmark
from pipeline.report.results import read_comparison, read_performance, read_results
from pipeline.report.settings import Checklists, PageSettings
from pipeline.report.study.page import Inputs, overview_page


def study_report(args: Namespace) -> str:
    """Return index.html."""
    study, described = read_yaml(args.study), read_json(args.described)
    given = Inputs(
        study=study,
        settings=read_settings(PageSettings, args.settings),
        validation=read_yaml(args.validation),
        models=read_yaml(args.models),
        items=read_settings(Checklists, args.items),
        flow=read_json(args.flow),
        features={name: read_json(args.features / f"{name}.json") for name in study["landmarks"]},
        described=described,
        problems=pd.read_csv(args.problems, dtype={"column": str, "ids": str}, keep_default_na=False),
        centres=described["centres"],
        digests={
            name: sha256((args.stored / name / "model.json").read_bytes()).hexdigest()
            for name in study["landmarks"]
        },
    )
    return overview_page(
        given, read_results(args.metrics, args.metrics, args.curves, args.review, study["landmarks"])
    )


def shap_page(args: Namespace, landmark: str) -> str:
    """Return shap-<landmark>.html."""
    study = read_yaml(args.study)
    return landmark_page(
        study,
        read_settings(PageSettings, args.settings),
        {
            name: read_landmark(args.features, args.shap, args.predictions, name)
            for name in study["landmarks"]
        },
        landmark,
        read_json(args.shap / f"{landmark}.json"),
        pd.read_parquet(args.cohort),
        read_branches(args.rules / f"{landmark}.parquet"),
        read_performance(args.metrics, landmark),
        read_comparison(args.metrics).domains.get(landmark, {}),
    )


def main() -> None:
    """Make every page in a process of its own, write."""
    args = stage_paths(
        __doc__ or "", "study", "settings", "validation", "models", "items", "flow", "cohort", "metrics",
        "curves", "review", "rules", "features", "predictions", "shap", "stored", "described", "problems",
        "reports",
    )  # fmt: skip
    with reported_errors():
        landmarks = read_yaml(args.study)["landmarks"]
        tasks = [delayed(study_report)(args), *(delayed(shap_page)(args, name) for name in landmarks)]
        pages = Parallel(n_jobs=workers())(tasks)
    with replacing(args.reports) as new:
        new.mkdir()
        for name, page in zip(["index", *(f"shap-{name}" for name in landmarks)], pages, strict=True):
            write_text(new / f"{name}.html", page)


if __name__ == "__main__":
    main()
