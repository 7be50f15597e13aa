"""`pcr monitor`: a stored model watched on later patients, as their outcomes become known."""

from collections import Counter
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from features.errors import UserError
from models.evaluation.external import model_inputs
from models.monitoring.closed_test import ClosedTest, closed_test
from models.monitoring.settings import MonitoringSettings
from models.monitoring.watch import Training, Watched, watch
from models.monitoring.windows import Window, calibration_windows
from models.packaging.reference import assay_summaries
from models.serving.serving import FeatureDocument, InputReference, PcrModel
from pipeline.commands.scored_assays import assays_of
from pipeline.commands.watched_cohort import WatchedCohort, cohort_remarks, require_landmark
from pipeline.console import stdout
from pipeline.intake.pages import Section, page, section
from pipeline.project import paths
from pipeline.project.files import read_study, write_text
from pipeline.project.settings import read_settings
from pipeline.registry.external_validation import dated_rows
from pipeline.registry.stored_models import open_model
from pipeline.service.kept_logs import read_log, read_shadow_log, told_of_others
from pipeline.workspace.study import DATA, study_file

SHOWN_INPUTS = 15


class MonitoringError(UserError):
    """A model or cohort that cannot be watched, and what to do."""


@dataclass(frozen=True)
class Monitoring:
    """What a page and the terminal say: of the stream, its windows, its arms, the update and the log.

    `remarks`: what a reader must know of the patients and the log before the figures.
    """

    patients: int
    events: int
    watched: Watched
    windows: list[Window]
    arms: dict[str, Window]
    update: ClosedTest | None
    log: dict[str, Counter[str]]
    shadow: dict[str, Counter[str]] = field(default_factory=dict)
    remarks: tuple[str, ...] = ()


@dataclass(frozen=True)
class Logs:
    """Where `pcr serve` kept its decisions, and those of a candidate beside them."""

    decisions: Path | None = None
    shadow: Path | None = None


def monitor(
    model: str,
    study: str,
    landmark: str,
    source: Path | None,
    logs: Logs,
    out: Path,
    assays: Path | None = None,
) -> None:
    """Watch a model on a study's patients in the order of their outcomes; write a page and print it, short.

    `assays` is the folder with the matrix files of a model that takes some.

    Raises
    ------
    UserError
        If model, study, landmark, files or logs are not valid, the cohort has no input of the model, or the
        model has no reference of its training patients.
    """
    settings = read_settings(MonitoringSettings, Path(paths.MONITORING))
    opened, path = open_model(model), study_file(study)
    require_landmark(opened, read_study(path).get("landmarks") or (), landmark)
    log, shadow = read_log(logs.decisions, opened.version), read_shadow_log(logs.shadow)
    raw = Path(read_study(path)["source"])
    rows, outcomes = dated_rows(
        path, raw if raw.suffix == ".yaml" else source or DATA / study, landmark,
        assays_of(opened, assays, landmark),
    )  # fmt: skip
    frame, absent, unknown = model_inputs(rows, opened)
    cohort = WatchedCohort(study, absent, unknown, outcomes["outcome_date"].isna().to_numpy())
    remarks = (*cohort_remarks(opened, cohort), *told_of_others(log, opened.version))
    found = monitored(opened, frame, outcomes["outcome"].to_numpy(dtype=float), settings, log)
    found = replace(found, shadow=shadow, remarks=remarks)
    write_text(out, page(*written(found, opened, settings)))
    for line in [*remarks, *alarm_lines(found, settings), update_line(found.update), f"Page: {out}"]:
        stdout().print(line, markup=False, highlight=False, soft_wrap=True)


def monitored(
    model: PcrModel,
    frame: pd.DataFrame,
    y: np.ndarray,
    settings: MonitoringSettings,
    log: dict[str, Counter[str]],
) -> Monitoring:
    """Watch a stream: a row of inputs per patient and the outcomes (n,), in the order of time.

    Raises
    ------
    MonitoringError
        If there are no patients, or the model has no reference.
    """
    reference = model.document.get("serving", {}).get("reference")
    if reference is None:
        raise MonitoringError("the model has no reference of its training patients: `pcr run` packs it anew")
    if model.blocks is not None and "assays" not in reference:
        raise MonitoringError("the model has no reference of its assays: `pcr run` packs it anew")
    if not len(y):
        raise MonitoringError("no patient has an outcome yet")
    y = np.asarray(y, dtype=float)
    columns = model.complete(model.encode(frame))
    assays = model.assay_values(frame)
    log_odds = model.log_odds_of(columns, assays)
    training = model.document["training"]
    entries = {feature["name"]: feature for feature in model.document["features"]}
    known = {**reference["inputs"], **reference.get("assays", {})}
    counts = {name: np.array(entry["counts"]) for name, entry in known.items()}
    groups = {
        name: places(entries[name], entry, frame[name]) for name, entry in reference["inputs"].items()
    } | {
        name: numbered(known[name], values)
        for name, values in assay_summaries(model, frame, learned=False).items()
    }
    p = 1 / (1 + np.exp(-log_odds))
    arms = frame["arm"].astype("object").where(frame["arm"].notna(), "missing") if "arm" in frame else None
    return Monitoring(
        patients=len(y),
        events=int(y.sum()),
        watched=watch(
            y, log_odds, groups, Training(training["patients"], training["events"], counts), settings
        ),
        windows=calibration_windows(y, p, settings.window),
        arms={
            str(arm): calibration_windows(y[where], p[where], int(where.sum()))[0]
            for arm in (sorted(set(arms)) if arms is not None else ())
            if (where := (arms == arm).to_numpy()).any()
        },
        update=_update(model, model.contributions_of(columns, assays)[0], log_odds, y, settings),
        log=log,
    )


def _update(
    model: PcrModel, shares: np.ndarray, log_odds: np.ndarray, y: np.ndarray, settings: MonitoringSettings
) -> ClosedTest | None:
    """Return what the closed test says of contributions `shares` (n, explained), an assay as a domain."""
    if min(y.sum(), len(y) - y.sum()) < settings.min_update_events:
        return None
    of_features = [feature["domain"] for feature in model.document["features"]]
    domains = pd.Series([*of_features, *model.explained[len(of_features) :]])
    parts = np.column_stack([shares[:, (domains == d).to_numpy()].sum(axis=1) for d in sorted(set(domains))])
    return closed_test(y, log_odds, parts, settings.update_error)


def places(feature: FeatureDocument, entry: InputReference, values: pd.Series) -> np.ndarray:
    """Return the place of each value among an input's groups, the last where there is none; shape (n,)."""
    if feature["kind"] == "numeric":
        return numbered(entry, values.to_numpy(dtype=float))
    codes, last = {level: place for place, level in enumerate(feature["levels"])}, len(entry["counts"]) - 1
    return np.array([codes.get(value, last) for value in values], dtype=int)


def numbered(entry: InputReference, numbers: np.ndarray) -> np.ndarray:
    """Return the place of each number (n,) among the groups, the last where there is none."""
    found = np.searchsorted(entry["cuts"], numbers, side="left")
    return np.where(np.isnan(numbers), len(entry["counts"]) - 1, found)


def alarm_lines(found: Monitoring, settings: MonitoringSettings) -> list[str]:
    """Return each alarm in a line, or that there is none."""
    told = f"{found.patients} outcomes, {found.events} with pCR"
    if found.patients > settings.horizon:
        told += f"; the limits hold for {settings.horizon}: false alarms are more frequent"
    alarms = [
        f"ALARM after {', '.join(map(str, after))} outcomes, {kind}: {detail}"
        for kind, detail, after in alarm_times(found.watched)
    ]
    return [told, *(alarms or ["No alarm: calibration and inputs are as in training."])]


def alarm_times(watched: Watched) -> list[tuple[str, str, list[int]]]:
    """Return what was noticed, by what, and after which numbers of outcomes, in the order of the first."""
    times: dict[tuple[str, str], list[int]] = {}
    for alarm in watched.alarms:
        times.setdefault((alarm.kind, alarm.detail), []).append(alarm.patients)
    return [(kind, detail, after) for (kind, detail), after in times.items()]


def update_line(update: ClosedTest | None) -> str:
    """Return what the closed test says."""
    if update is None:
        return "Update: too few events or non-events for the closed test."
    told = {
        "none": "none; the model still holds",
        "intercept": f"a new intercept ({update.intercept:+.2f} on the log-odds)",
        "slope": f"intercept and slope ({update.intercept:+.2f}, {update.slope:.2f})",
        "refit": "a refit: domains weigh otherwise now, which no recalibration mends",
    }
    return f"Update by the closed test: {told[update.method]}."


def written(
    found: Monitoring, model: PcrModel, settings: MonitoringSettings
) -> tuple[str, str, list[Section]]:
    """Return title, note and tables of the page."""
    told = alarm_lines(found, settings)
    simulated = "SIMULATED DATA - no patients. " if model.document.get("simulated") else ""
    simulated += "".join(f"{remark}. " for remark in found.remarks)
    note = f"{simulated}{'. '.join(told).rstrip('.')}. {update_line(found.update)}"
    return f"{model.document['model']} watched (version {model.version})", note, [*_sections(found, settings)]


def _sections(found: Monitoring, settings: MonitoringSettings) -> list[Section]:
    limit, charts = found.watched.limit, found.watched.charts
    alarms = [
        (", ".join(map(str, after)), kind, detail) for kind, detail, after in alarm_times(found.watched)
    ]
    reached = [
        (name, float(chart.max()), limit, float(chart[-1]))
        for name, chart in zip(("more events", "fewer events"), charts, strict=True)
    ]
    inputs = sorted(found.watched.inputs.items(), key=lambda pair: -pair[1].index / (pair[1].limit or 1))
    arms = _rounded([(arm, *_cells(window)) for arm, window in found.arms.items()])
    requests, beside = (
        [(kind, *pair) for kind, counts in log.items() for pair in counts.most_common(20)]
        for log in (found.log, found.shadow)
    )
    calibration = ["", "outcomes", "observed", "expected", "O:E", "low", "high", "intercept", "slope",
                   "shift that this size shows"]  # fmt: skip
    return [
        section("Alarms", ["after outcomes", "by", "what"], alarms, "In the order of time."),
        section(
            "CUSUM", ["chart for", "highest", "limit", "now"], _rounded(reached),
            f"Odds {settings.odds_ratio:g} times those predicted, and as many times lower.",
        ),
        section(
            "Calibration by window", calibration,
            _rounded([(f"{w.first} to {w.last}", *_cells(w)) for w in found.windows]),
            "O:E with its 95 % interval; the last column is the shift found with 80 % power.",
        ),
        section("Calibration by arm", calibration, arms, ""),
        section(
            "Inputs", ["input", "stability index", "limit", "missing in training", "missing now"],
            _rounded([(n, s.index, s.limit, s.missing_before, s.missing) for n, s in inputs[:SHOWN_INPUTS]]),
            "Those furthest from the training patients, at the last look. Of an assay: level and spread, the "
            "mean and root mean square of a patient's values, standardised as in training.",
        ),
        section(
            "Requests", ["of the decision log", "", "rows"],
            requests,
            "Statuses and reasons, by code and input, of this version; http: requests, each counted once.",
        ),
        *([section(
            "Candidate beside the model", ["of the shadow log", "", "rows"],
            beside,
            "The same rows answered by both; http: requests (429: skipped, as too much waited).",
        )] if beside else []),
    ]  # fmt: skip


def _cells(window: Window) -> tuple[Any, ...]:
    return (
        window.last - window.first + 1, window.observed, window.expected, window.o_e, window.o_e_low,
        window.o_e_high, window.intercept, window.slope, window.detectable,
    )  # fmt: skip


def _rounded(rows: list[tuple[Any, ...]]) -> list[list[Any]]:
    return [[round(cell, 3) if isinstance(cell, float) else cell for cell in row] for row in rows]
