"""What `pcr folds` and `pcr challenge` do: the run's folds out, predictions of a model made elsewhere in."""

from pathlib import Path

import pandas as pd
from rich.box import SIMPLE_HEAD
from rich.markup import escape
from rich.table import Table

from features.documents.study import Study, parse_study
from features.errors import UserError
from models.evaluation.challengers import (
    ChallengerDocument,
    ChallengerError,
    joined,
    judge_challenger,
    run_folds,
)
from models.evaluation.performance import MEASURES
from models.procedure.configuration.plan import validation_plan
from pipeline.console import stdout
from pipeline.project import paths
from pipeline.project.estimates import estimate_text, parse_estimate
from pipeline.project.files import read_study, read_yaml, write_table
from pipeline.sources.challengers import read_forecasts

ALL = "all"


def folds(landmark: str, out: Path) -> None:
    """Write the folds of a landmark of the active study: usubjid, repeat, fold; no outcome.

    Raises
    ------
    UserError
        If the landmark is unknown, or the study has no predictions at it.
    """
    found = run_folds(_predictions(_active(), landmark))
    write_table(out, found)
    stdout().print(
        f"{out}: {found['usubjid'].nunique()} patients, {found['repeat'].nunique()} repeats of "
        f"{found['fold'].nunique()} folds. Predict each fold by a model learned from the others; add `p`.",
        highlight=False, soft_wrap=True,
    )  # fmt: skip


def challenge(file: Path, name: str, landmark: str, *, fixed: bool) -> None:
    """Judge the predictions of a model made elsewhere beside the active study's, and print both.

    Raises
    ------
    UserError
        If the file cannot be judged on the run's folds.
    """
    study = _active()
    predictions = _predictions(study, landmark)
    cohort = pd.read_parquet(_place(study, paths.COHORT)).set_index("usubjid")
    plan = validation_plan(*(read_yaml(Path(path)) for path in (paths.VALIDATION, paths.MEASURES_PLAN)))
    plan = plan.at_thresholds(study.thresholds, cohort["outcome"].mean())
    challenger = joined(name, read_forecasts(file), predictions, fixed=fixed)
    judged = judge_challenger(challenger, predictions, cohort["arm"], plan, study.leakage_acknowledged)
    stdout().print(table(judged, name, f"{study.title}, {landmark}"))


def table(judged: ChallengerDocument, name: str, title: str) -> Table:
    """Return the measures of both in all patients, with the differences."""
    measures, model = judged["measures"][ALL], judged["model"][ALL]
    patients, events = measures["n"]["value"], measures["events"]["value"]
    shown = Table(title=escape(f"{title}: {patients} patients, {events} with pCR"), box=SIMPLE_HEAD)
    for column in ("measure", name, "the study's model", "model minus it"):
        shown.add_column(column, justify="left" if column == "measure" else "right")
    differences = judged["differences"][ALL]
    for measure in (key for key in measures if key in MEASURES):
        texts = [
            escape(estimate_text(parse_estimate(content)) if "error" not in content else content["error"])
            for content in (measures[measure], model[measure], differences.get(f"delta_{measure}", {}))
        ]
        shown.add_row(measure, *texts)
    return shown


def _active() -> Study:
    return parse_study(read_study(Path(paths.STUDY)))


def _place(study: Study, template: str, **items: str) -> Path:
    return Path(template.format(study=study.name, **items))


def _predictions(study: Study, landmark: str) -> pd.DataFrame:
    if landmark not in study.landmark_names:
        valid = ", ".join(study.landmark_names)
        raise ChallengerError(f"--landmark: {landmark} is unknown; must be one of {valid}")
    path = _place(study, paths.PREDICTIONS, landmark=landmark)
    if not path.is_file():
        raise UserError(f"{path} does not exist: run `pcr run` first")
    predictions = pd.read_parquet(path)
    if predictions.empty:
        raise UserError(f"{study.name}, {landmark}: no model was learned, so that there are no folds")
    return predictions
