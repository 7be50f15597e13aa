"""What `pcr validate` prints and writes: a stored model's performance in another cohort."""

from dataclasses import asdict
from pathlib import Path
from typing import cast, get_args

from rich.box import SIMPLE_HEAD
from rich.markup import escape
from rich.table import Table

from models.evaluation.external import (
    ExternalError,
    ExternalValidation,
    Recalibration,
    validate_externally,
)
from models.procedure.configuration.plan import validation_plan
from pipeline.commands.scored_assays import assays_of
from pipeline.console import stdout
from pipeline.project import paths
from pipeline.project.estimates import bounds_text, number_text, parse_estimate
from pipeline.project.files import read_study, read_yaml, write_json
from pipeline.registry.external_validation import cohort_rows
from pipeline.registry.stored_models import open_model
from pipeline.wording import SIMULATED
from pipeline.workspace.study import DATA, study_file


def print_validation(
    model: str,
    study: str,
    landmark: str,
    source: Path | None,
    recalibration: str,
    out: Path | None,
    assays: Path | None = None,
) -> None:
    """Judge the model, print the table, and write the figures where asked.

    `assays` is the folder with the matrix files of a model that takes some.

    Raises
    ------
    UserError
        If the model, the study or its files are not valid, or the recalibration is unknown.
    """
    if recalibration not in get_args(Recalibration):
        valid = ", ".join(get_args(Recalibration))
        raise ExternalError(f"--recalibrate: {recalibration} is unknown; must be one of {valid}")
    path = study_file(study)
    content = read_study(path)
    opened = open_model(model)
    simulated = Path(content["source"]).suffix == ".yaml"
    raw = Path(content["source"]) if simulated else source or DATA / study
    if not raw.exists():
        raise ExternalError(f"{raw} does not exist: give the study's raw files, --source FOLDER")
    rows, y = cohort_rows(path, raw, landmark, assays_of(opened, assays, landmark))
    plan = validation_plan(*(read_yaml(Path(path)) for path in (paths.VALIDATION, paths.MEASURES_PLAN)))
    validation = validate_externally(opened, rows, y, plan, cast("Recalibration", recalibration))
    stdout().print(table(validation, f"{content['title']}, {landmark}", simulated=simulated))
    for line in remarks(validation):
        stdout().print(escape(line), highlight=False, soft_wrap=True)
    if out is not None:
        write_json(out, asdict(validation) | {"study": study, "landmark": landmark})


def table(validation: ExternalValidation, cohort: str, *, simulated: bool) -> Table:
    """Return the measures with their intervals, under what they are of."""
    title = f"{validation.model} on {cohort}: {validation.patients} patients, {validation.events} with pCR"
    if validation.simulated or simulated:
        title += f"\n[bold]{SIMULATED}[/]" + (" (the model was learned from them)" if not simulated else "")
    shown = Table(title=title, box=SIMPLE_HEAD)
    shown.add_column("measure")
    shown.add_column("value", justify="right")
    shown.add_column("interval", justify="right")
    for name, content in validation.measures.items():
        estimate = parse_estimate(content)
        if estimate.value is None:
            shown.add_row(name, "-", escape(estimate.reason))
            continue
        interval = bounds_text(*estimate.interval) if estimate.has_interval else ""
        shown.add_row(name, number_text(estimate.value), interval)
    return shown


def remarks(validation: ExternalValidation) -> list[str]:
    """Return what a reader must know beside the figures."""
    lines = []
    if validation.recalibration:
        pairs = ", ".join(f"{name} {value:.3f}" for name, value in validation.recalibration.items())
        lines.append(f"Recalibrated on this very cohort ({pairs}): its calibration is no longer external.")
    if validation.absent:
        lines.append(f"Absent, and imputed by the model's own rule: {', '.join(validation.absent)}.")
    if validation.unknown_levels:
        pairs = ", ".join(f"{name} ({rows} rows)" for name, rows in validation.unknown_levels.items())
        lines.append(f"Levels unknown to the model, taken as missing: {pairs}.")
    return lines
