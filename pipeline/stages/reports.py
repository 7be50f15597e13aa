"""Stage reports: the study report, and the SHAP page of every landmark."""

from collections.abc import Mapping
from functools import partial
from hashlib import sha256

import pandas as pd

from models.explanation.documents import ContributionSummary
from models.explanation.plan import explanation_plan
from models.procedure.backends import side_by_side
from pipeline.project import paths
from pipeline.project.configs import read_feature_settings
from pipeline.project.files import replacing, write_text
from pipeline.project.settings import read_settings
from pipeline.project.stage import Run, Stage
from pipeline.record.result_rows import result_rows
from pipeline.report.cohort.oncoprint import rules_of
from pipeline.report.cohort.people import DRAWN_TABLES, SinglePatients
from pipeline.report.facts import Facts, study_facts, told_branches, undivided_landmarks
from pipeline.report.from_record import documents, with_numbers_of
from pipeline.report.gates import NULL_CHECK, Criteria, Evidence, gates
from pipeline.report.labels import Labels
from pipeline.report.landmark_page import landmark_page, read_branches, read_landmark, unmodelled_page
from pipeline.report.results import (
    RULES,
    Results,
    Robustness,
    Truth,
    read_comparison,
    read_performance,
    read_results,
)
from pipeline.report.settings import Checklists, PageSettings
from pipeline.report.study.figures import landmark_figures
from pipeline.report.study.gates import JudgedGate
from pipeline.report.study.page import Inputs, overview_page

STAGE = Stage(
    reads=(
        paths.COHORT_FOLDER, paths.METRICS_FOLDER, paths.RESULTS, paths.CURVES, paths.REVIEW,
        paths.RULES, paths.FEATURES_FOLDER, paths.PREDICTIONS_FOLDER, paths.SHAP, paths.STORED_MODELS,
        paths.DESCRIPTION, paths.RAW, paths.MODELS, paths.VALIDATION, paths.CHECKLISTS,
        paths.REPORT_PAGES, paths.MEASURES_PLAN, paths.EXPLANATION, paths.GATES, paths.FEATURE_SETTINGS,
        paths.GENES, paths.STUDY,
    ),
    writes=(paths.REPORTS,),
)  # fmt: skip


def model_content(run: Run, landmark: str) -> str:
    """Return the sha256 of a landmark's model.json, or that there is no model."""
    document = run.path(paths.STORED_MODEL, landmark=landmark) / "model.json"
    return sha256(document.read_bytes()).hexdigest() if document.is_file() else "no model"


def study_report(run: Run) -> dict[str, str]:
    """Return index.html."""
    results = all_results(run)
    return {"index.html": overview_page(study_inputs(run, results), results)}


def study_inputs(run: Run, results: Results) -> Inputs:
    """Return what the study report is made of, apart from the results."""
    study, description = run.yaml(paths.STUDY), run.json(paths.DESCRIPTION)
    landmarks, models = study["landmarks"], run.yaml(paths.MODELS)
    of_study = offered(models["candidates"], assays=bool(study["omics"]))
    settings = read_settings(PageSettings, run.path(paths.REPORT_PAGES))
    branches = {name: read_branches(run.path(paths.BRANCHES, landmark=name)) for name in landmarks}
    facts = study_facts(study, run.table(paths.COHORT), settings.trials)
    return Inputs(
        study=study,
        settings=settings,
        validation=run.yaml(paths.VALIDATION) | run.yaml(paths.MEASURES_PLAN),
        models=models | {"candidates": {name: models["candidates"][name] for name in of_study}},
        items=read_settings(Checklists, run.path(paths.CHECKLISTS)),
        flow=run.json(paths.FLOW),
        features={name: run.json(paths.FEATURE_LIST, landmark=name) for name in landmarks},
        described=description,
        problems=pd.read_csv(
            run.path(paths.PROBLEMS), dtype={"column": str, "ids": str}, keep_default_na=False
        ),
        facts=facts,
        undivided=undivided_landmarks(branches),
        digests={name: model_content(run, name) for name in landmarks},
        gates=judged_gates(run, results),
        single=single_patients(run, branches, facts, settings) if settings.privacy.patient_view else None,
    )


def offered(candidates: Mapping[str, Mapping[str, str]], *, assays: bool) -> list[str]:
    """Return the candidates of configs/models.yaml that a study is offered: some need assays."""
    return [name for name, one in candidates.items() if assays or one["kind"] != "blocks"]


def single_patients(
    run: Run, branches: Mapping[str, pd.Series | None], facts: Facts, settings: PageSettings
) -> SinglePatients:
    """Return what the figures of single patients are drawn from."""
    told = {name: told_branches(branch, facts) for name, branch in branches.items()}
    sets = read_feature_settings(run.path(paths.FEATURE_SETTINGS), run.path(paths.GENES)).ctdna.gene_sets
    tables = {name: run.path(f"{paths.RAW}/{{table}}.parquet", table=name) for name in DRAWN_TABLES}
    return SinglePatients(
        features={name: run.table(paths.FEATURES, landmark=name) for name in branches},
        cohort=run.table(paths.COHORT),
        branches={name: branch for name, branch in told.items() if branch is not None},
        raw={name: pd.read_parquet(path) for name, path in tables.items() if path.is_file()},
        genes=rules_of(list(sets.values()), settings.single_patients.genes),
    )


def judged_gates(run: Run, results: Results) -> dict[str, list[JudgedGate]]:
    """Return the criteria of promotion that the stored results decide, by landmark that has a model.

    The check against permuted outcomes is none of them: it is made apart from the pipeline.
    """
    criteria = read_settings(Criteria, run.path(paths.GATES))
    alarm, study = run.yaml(paths.VALIDATION)["leakage_alarm_auc"], run.yaml(paths.STUDY)
    judged = {}
    for name, performance in results.landmarks.items():
        if name in results.learning and results.learning[name].reason:
            continue
        evidence = Evidence(
            performance=performance,
            robustness=results.robustness[name] or Robustness(),
            difference=results.comparison.model_minus(RULES, name),
            truth=results.truth.get(name, Truth()) if study["simulated"] else None,
            null_check=None,
            leakage_acknowledged=study.get("leakage_acknowledged") or "",
        )
        judged[name] = [
            JudgedGate(gate.name, gate.result, gate.must, str(gate.verdict), gate.passes)
            for gate in gates(evidence, criteria, alarm)
            if gate.name != NULL_CHECK
        ]
    return judged


def all_results(run: Run) -> Results:
    """Return what was computed, as the pages read it: measures by the rows of the record."""
    landmarks, artifacts = run.yaml(paths.STUDY)["landmarks"], run.path(paths.RESULTS).parent
    stored = read_results(
        metrics=run.path(paths.METRICS_FOLDER),
        results=run.path(paths.RESULTS),
        curves=run.path(paths.CURVES),
        review=run.path(paths.REVIEW),
        landmarks=landmarks,
    )
    return with_numbers_of(documents(result_rows(artifacts, landmarks)), stored)


def shap_page(run: Run, landmark: str) -> dict[str, str]:
    """Return shap-<landmark>.html."""
    return {f"shap-{landmark}.html": _shap_page(run, landmark)}


def _shap_page(run: Run, landmark: str) -> str:
    study = run.yaml(paths.STUDY)
    summary = run.json(f"{paths.SHAP}/{{landmark}}.json", landmark=landmark)
    if "error" in summary:
        settings = read_settings(PageSettings, run.path(paths.REPORT_PAGES))
        facts = study_facts(study, run.table(paths.COHORT), settings.trials)
        labels = Labels(settings.labels, study["visits"])
        return unmodelled_page(study, facts, labels, landmark, summary["error"])
    features, shap = run.path(paths.FEATURES_FOLDER), run.path(paths.SHAP)
    predictions = run.path(paths.PREDICTIONS_FOLDER)
    return landmark_page(
        study,
        read_settings(PageSettings, run.path(paths.REPORT_PAGES)),
        {name: read_landmark(features, shap, predictions, name) for name in study["landmarks"]},
        landmark,
        summary,
        run.table(paths.COHORT),
        read_branches(run.path(paths.BRANCHES, landmark=landmark)),
        read_performance(run.path(paths.RESULTS), landmark),
        read_comparison(run.path(paths.METRICS_FOLDER)).domains.get(landmark, {}),
        split_by=explanation_plan(run.yaml(paths.EXPLANATION)).split_by,
        summaries=explained_landmarks(run),
    )


def explained_landmarks(run: Run) -> dict[str, ContributionSummary]:
    """Return the contributions at every landmark that has a model."""
    names = run.yaml(paths.STUDY)["landmarks"]
    stored = {name: run.json(f"{paths.SHAP}/{{landmark}}.json", landmark=name) for name in names}
    return {name: summary for name, summary in stored.items() if "error" not in summary}


def figures(run: Run) -> dict[str, str]:
    """Return the SVG of every figure of the landmarks that have a model, by its path among the reports."""
    study = run.yaml(paths.STUDY)
    settings = read_settings(PageSettings, run.path(paths.REPORT_PAGES))
    facts = study_facts(study, run.table(paths.COHORT), settings.trials)
    labels = Labels(settings.labels, study["visits"])
    drawn = landmark_figures(study, facts, all_results(run), explained_landmarks(run), labels)
    return {f"figures/{name}": figure for name, figure in drawn.items()}


def main(run: Run) -> None:
    """Make every page, and the figures, side by side, write."""
    landmarks = run.yaml(paths.STUDY)["landmarks"]
    calls = [partial(shap_page, run, name) for name in landmarks]
    parts = side_by_side([partial(study_report, run), *calls, partial(figures, run)])
    with replacing(run.path(paths.REPORTS)) as new:
        new.mkdir()
        for name, content in (file for part in parts for file in part.items()):
            write_text(new / name, content)


if __name__ == "__main__":
    STAGE.run(main)
