"""`pcr report`: one patient's explanation in the terminal."""

from pathlib import Path

import pandas as pd
from rich.box import SIMPLE_HEAD
from rich.table import Table
from scipy.special import expit

from features.documents.feature import LandmarkFeatureEntry
from features.errors import UserError
from models.explanation.out_of_fold import KEYS
from pipeline.console import stdout
from pipeline.project import paths
from pipeline.project.files import read_json, read_yaml
from pipeline.project.settings import read_settings
from pipeline.registry.stored_models import require_model
from pipeline.report.facts import study_facts, told_branches
from pipeline.report.labels import Labels
from pipeline.report.landmark_page import read_branches
from pipeline.report.settings import PageSettings
from pipeline.wording import ESTIMAND, NO_RECOMMENDATION, OUT_OF_FOLD, SIMULATED
from pipeline.workspace.study import ACTIVE

REPORTS = Path(paths.REPORT_PAGES)


class PatientViewError(UserError):
    """A look at a patient where the study shows none."""


class UnknownPatientError(UserError):
    """A landmark or a patient that the active study's artifacts do not have."""


def print_patient(artifacts: Path, landmark: str, patient: str, top: int) -> None:
    """Print the explanation of a patient's prediction, first repeat.

    Raises
    ------
    UnknownPatientError
        If the study has no such landmark, or the landmark has no prediction of the patient.
    PatientViewError
        If configs/report_pages.yaml leaves the view of single patients out.
    UserError
        If no model was learned at the landmark.
    """
    study = read_yaml(ACTIVE)
    settings = read_settings(PageSettings, REPORTS)
    if not settings.privacy.patient_view:
        raise PatientViewError(
            f"{REPORTS} shows no single patients (privacy.patient_view is false): set it to true to see one"
        )
    if landmark not in study["landmarks"]:
        raise UnknownPatientError(
            f"--landmark: {landmark} is unknown; must be one of {', '.join(study['landmarks'])}"
        )
    require_model(artifacts / "models" / landmark)
    explained = pd.read_parquet(artifacts / "shap" / f"{landmark}.parquet")
    rows = explained[explained["usubjid"] == patient].sort_values("repeat")
    if rows.empty:
        example = explained["usubjid"].iloc[0]
        raise UnknownPatientError(
            f"--patient {patient}: no prediction at {landmark} (not at risk, outcome unknown, or "
            f"another id); ids look like {example}"
        )
    row = rows.iloc[0]
    described = read_json(artifacts / "features" / f"{landmark}.json")["features"]
    features = pd.read_parquet(artifacts / "features" / f"{landmark}.parquet")
    values = features[features["usubjid"] == patient].iloc[0]
    console = stdout()
    labels = Labels(settings.labels, study["visits"])
    console.print(waterfall(row, values, described, labels, top))
    probabilities = predicted(artifacts, patient, study["landmarks"])
    if study["simulated"]:
        console.print(f"[bold]{SIMULATED}[/]")
    here = ", ".join(
        f"{name} {p:.3f}" if p is not None else f"{name} not at risk" for name, p in probabilities.items()
    )
    console.print(f"{ESTIMAND}, {OUT_OF_FOLD}, first repeat: {here}", highlight=False, soft_wrap=True)
    console.print(spread_and_outcome(artifacts, landmark, patient), highlight=False, soft_wrap=True)
    cohort = pd.read_parquet(artifacts / "cohort" / "cohort.parquet")
    branches = told_branches(
        read_branches(artifacts / "rules" / f"{landmark}.parquet"), study_facts(study, cohort)
    )
    arm = str(cohort.loc[cohort["usubjid"] == patient, "arm"].iloc[0])
    told = (
        f"arm: {labels.name(arm)}"
        if branches is None
        else branch_line(branches.get(patient), arm, study["adaptive_arm"], labels)
    )
    console.print(told, highlight=False, soft_wrap=True)
    named = labels.features([feature["name"] for feature in described])
    missing = [named[f["name"]] for f in described if pd.isna(values[f["name"]])]
    console.print(f"missing and imputed: {'; '.join(missing) or 'none'}", highlight=False, soft_wrap=True)


def spread_and_outcome(artifacts: Path, landmark: str, patient: str) -> str:
    """Return the range of the patient's predictions over the repeats, and what was observed."""
    rows = predictions_of(artifacts, landmark, patient)
    low, high = rows["p"].min(), rows["p"].max()
    observed = "pCR" if rows["y"].iloc[0] else "no pCR"
    return f"{landmark}: {low:.3f} to {high:.3f} over {len(rows)} repeats; observed: {observed}"


def predictions_of(artifacts: Path, landmark: str, patient: str) -> pd.DataFrame:
    """Return the patient's predictions by the explained candidate, in order of the repeats."""
    shap = pd.read_parquet(artifacts / "shap" / f"{landmark}.parquet", columns=["model"])
    rows = pd.read_parquet(artifacts / "predictions" / f"{landmark}.parquet")
    mine: pd.DataFrame = rows[(rows["usubjid"] == patient) & (rows["model"] == shap["model"].iloc[0])]
    return mine.sort_values("repeat")


def branch_line(branch: object, arm: str, adaptive_arm: str | None, labels: Labels) -> str:
    """Return the patient's protocol branch in words: virtual outside the arm that the rules treat."""
    virtual = "" if arm == adaptive_arm else " (virtual: treated as assigned)"
    told = "none" if branch is None or pd.isna(branch) else f"{labels.name(branch)}{virtual}"  # type: ignore[call-overload]
    return f"arm: {labels.name(arm)}; protocol branch: {told}; {NO_RECOMMENDATION}"


def waterfall(
    row: pd.Series, values: pd.Series, described: list[LandmarkFeatureEntry], labels: Labels, top: int
) -> Table:
    """Return base value, contributions by size, and prediction as a table: log-odds add up by row."""
    contributions = row.drop(KEYS).astype(float)
    order = contributions.abs().sort_values(ascending=False, kind="stable").index
    about = {feature["name"]: feature for feature in described}
    named = labels.features(list(about))
    table = Table(
        title=f"{row['usubjid']}: calibrated log-odds of pCR, model {row['model']}", box=SIMPLE_HEAD
    )
    for header in ("feature", "value", "unit", "visit"):
        table.add_column(header)
    for header in ("contribution", "log-odds"):
        table.add_column(header, justify="right")
    at = float(row["base"])
    table.add_row("base value", "", "", "", "", f"{at:+.3f}")
    for name in order[:top]:
        at += contributions[name]
        value = values[name]
        text = (
            "missing" if pd.isna(value) else labels.name(value) if isinstance(value, str) else f"{value:.5g}"
        )
        table.add_row(
            named[name],
            text,
            about[name]["unit"],
            labels.name(about[name]["known_at"]),
            f"{contributions[name]:+.3f}",
            f"{at:+.3f}",
        )
    rest = contributions[order[top:]]
    if len(rest):
        at += rest.sum()
        table.add_row(f"{len(rest)} other features", "", "", "", f"{rest.sum():+.3f}", f"{at:+.3f}")
    table.add_row("[bold]probability", "", "", "", "", f"[bold]{expit(at):.3f}")
    return table


def predicted(artifacts: Path, patient: str, landmarks: list[str]) -> dict[str, float | None]:
    """Return the patient's prediction by the explained candidate at every landmark, first repeat."""
    found: dict[str, float | None] = {}
    for name in landmarks:
        mine = predictions_of(artifacts, name, patient)
        found[name] = None if mine.empty else float(mine["p"].iloc[0])
    return found
