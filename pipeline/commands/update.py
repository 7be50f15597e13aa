"""`pcr update`: a candidate recalibrated on later outcomes, as far as the change plan allows."""

import hashlib
import tempfile
from dataclasses import dataclass
from datetime import date
from pathlib import Path

import numpy as np
import pandas as pd

from models.evaluation.external import model_inputs
from models.monitoring.closed_test import ClosedTest
from models.monitoring.recalibration import UpdateError, calibration
from models.monitoring.settings import MonitoringSettings
from models.monitoring.update import judged_on_others
from models.procedure.configuration.plan import validation_plan
from models.serving.serving import PcrModel, read_model
from pipeline.commands.monitor import Monitoring, monitored, update_line
from pipeline.commands.scored_assays import assays_of
from pipeline.commands.watched_cohort import WatchedCohort, cohort_remarks
from pipeline.console import stdout
from pipeline.project import paths
from pipeline.project.files import read_study, read_yaml
from pipeline.project.settings import read_settings
from pipeline.registry.change_plan import CHANGE_PLAN, Change, read_change_plan
from pipeline.registry.external_validation import dated_rows
from pipeline.registry.runs import tracking_store
from pipeline.registry.stored_models import REGISTERED, open_model
from pipeline.registry.trust import checked_version, read_trust
from pipeline.registry.updates import Step, Updates, read_updates, register_update
from pipeline.service.kept_logs import read_log
from pipeline.workspace.study import DATA, active_study, study_file


@dataclass(frozen=True)
class Later:
    """Later patients in the order of their outcomes: their study, inputs, outcome (n,) and its day (n,)."""

    study: str
    frame: pd.DataFrame
    y: np.ndarray
    days: pd.Series

    @property
    def first(self) -> date:
        """The day of the first outcome."""
        return pd.Timestamp(self.days.min()).date()

    @property
    def last(self) -> date:
        """The day of the last outcome."""
        return pd.Timestamp(self.days.max()).date()


def update(
    model: str,
    study: str,
    landmark: str,
    source: Path | None,
    decided_by: str,
    assays: Path | None = None,
) -> None:
    """Choose an update by the closed test, and register it as the candidate where the change plan allows it.

    `assays` is the folder with the matrix files of a model that takes some.

    Raises
    ------
    UserError
        If model, study, files or plan are not valid, the plan does not allow the update, or it is a refit:
        that is a run with the later patients.
    """
    if not model.startswith(REGISTERED):
        raise UpdateError(f"{model} is no registered model: give {REGISTERED}NAME@champion")
    read_change_plan().require_decider(decided_by)
    path = study_file(study)
    raw = Path(read_study(path)["source"])
    rows, outcomes = dated_rows(
        path, raw if raw.suffix == ".yaml" else source or DATA / study, landmark,
        assays_of(open_model(model), assays, landmark),
    )  # fmt: skip
    update_on(model, study, landmark, rows, outcomes, decided_by)


def update_on(
    model: str, study: str, landmark: str, rows: pd.DataFrame, outcomes: pd.DataFrame, decided_by: str
) -> None:
    """Update a registered model on the features of a study's patients and their dated outcomes.

    Outcomes without a day, and those that an earlier update was learned from, are left out. Raises as
    `update`.
    """
    store = tracking_store(active_study())
    with (
        tempfile.TemporaryDirectory() as scratch,
        store.locked() as client,
        checked_version(client, store, model, read_trust()) as parent,
    ):
        opened, before = read_model(parent.model), read_updates(parent.folder)
        require_later(opened, study, landmark)
        later = later_patients(opened, study, rows, outcomes, before)
        settings = read_settings(MonitoringSettings, Path(paths.MONITORING))
        watched = monitored(opened, later.frame, later.y, settings, read_log(None))
        test = watched.update
        stdout().print(update_line(test), highlight=False, soft_wrap=True)
        if test is None or test.method == "none":
            stdout().print("No candidate was made.")
            return
        step = allowed_step(opened, later, watched, test, before, str(parent.version.version), decided_by)
        number, is_added = register_update(client, store, parent, step, Path(scratch) / "model")
    told = "is the candidate now" if is_added else "was registered before, and is the candidate"
    name = opened.document["model"]
    stdout().print(
        f"{name} version {number} {told}, from version {step.parent}: `pcr promote {name}` judges it.",
        highlight=False, soft_wrap=True,
    )  # fmt: skip


def require_later(model: PcrModel, study: str, landmark: str) -> None:
    """Refuse the patients that a model was learned from, and another landmark. Raises UpdateError."""
    document = model.document
    if document["study"] == study:
        raise UpdateError(
            f"{document['model']} was learned from the patients of {study}: give the study file of later ones"
        )
    if document["landmark"] != landmark:
        raise UpdateError(f"{document['model']} answers at landmark {document['landmark']}, not {landmark}")


def later_patients(
    model: PcrModel, study: str, rows: pd.DataFrame, outcomes: pd.DataFrame, before: Updates
) -> Later:
    """Return the patients whose outcomes are dated and of whom no earlier update was learned; tell of them.

    Raises
    ------
    UpdateError
        If there are none.
    CohortError
        If they have no input of the model.
    """
    days = pd.to_datetime(outcomes["outcome_date"])
    since = pd.Timestamp.min if before.last_outcome is None else pd.Timestamp(before.last_outcome)
    new = (days > since).to_numpy()
    if not new.any():
        told = f" after {before.last_outcome}, the last that was used" if before.last_outcome else ""
        raise UpdateError(f"{study} has no dated outcome{told}")
    frame, absent, unknown = model_inputs(rows[new].reset_index(drop=True), model)
    cohort = WatchedCohort(study, absent, unknown, np.zeros(len(frame), dtype=bool))
    undated = int(days.isna().sum())
    left_out = [f"{undated} of {len(days)} outcomes have no date, and are left out"] if undated else []
    for remark in [*cohort_remarks(model, cohort), *left_out]:
        stdout().print(remark, markup=False, highlight=False, soft_wrap=True)
    return Later(study, frame, outcomes.loc[new, "outcome"].to_numpy(dtype=float), days[new])


def allowed_step(
    model: PcrModel,
    later: Later,
    watched: Monitoring,
    test: ClosedTest,
    before: Updates,
    parent: str,
    decided_by: str,
) -> Step:
    """Return the update that the closed test chose, with how it is calibrated in others.

    Raises
    ------
    ChangePlanError
        If the plan does not allow it.
    UpdateError
        If it is a refit, or the outcomes are too few to learn it without a tenth of them.
    """
    method = test.method
    if method == "none":
        raise UpdateError("there is nothing to change")
    alarms = tuple(f"{a.kind} after {a.patients}: {a.detail}" for a in watched.watched.alarms)
    read_change_plan().require(
        Change(
            method, test.intercept, test.slope, watched.patients, later.first, later.last,
            before.last_outcome, len(alarms), decided_by,
        )
    )  # fmt: skip
    if method == "refit":
        raise UpdateError(
            "a refit is the whole procedure again: put these patients among those of the model's study, then "
            "`pcr run` and `pcr promote`; the change plan allows it"
        )
    log_odds = model.log_odds(later.frame)
    by = calibration(method, later.y, log_odds)
    plan = validation_plan(*(read_yaml(Path(path)) for path in (paths.VALIDATION, paths.MEASURES_PLAN)))
    return Step(
        method=method,
        intercept=by.intercept,
        slope=by.slope,
        error=by.error,
        parent=parent,
        study=later.study,
        patients=watched.patients,
        events=watched.events,
        first=str(later.first),
        last=str(later.last),
        alarms=alarms,
        p_values=test.p_values,
        decided_by=decided_by,
        plan=hashlib.sha256(CHANGE_PLAN.read_bytes()).hexdigest(),
        evidence=judged_on_others(method, later.y, log_odds, plan),
    )
