"""What `pcr validate` prints and writes: a stored model's measures in another cohort."""

import tempfile
from dataclasses import asdict
from pathlib import Path
from typing import Any, get_args

from rich.box import SIMPLE_HEAD
from rich.markup import escape
from rich.table import Table

from pipeline.project.console import stdout
from pipeline.project.files import read_yaml, write_json
from pipeline.project.study import DATA, active_study, study_file
from pipeline.registry.external_validation import (
    ExternalError,
    ExternalValidation,
    Recalibration,
    cohort_rows,
    validate_externally,
)
from pipeline.registry.model_card import SIMULATED

VALIDATION = Path("configs/validation.yaml")
REGISTERED = "models:/"


def print_validation(
    model: str, study: str, landmark: str, source: Path | None, recalibration: str, out: Path | None
) -> None:
    """Score the model, print the table, and write the figures where asked.

    Raises
    ------
    ValueError
        If the model, the study, its files or the recalibration are not in order.
    """
    if recalibration not in get_args(Recalibration):
        raise ExternalError(f"recalibrate: {recalibration} is none of {', '.join(get_args(Recalibration))}")
    kind: Any = recalibration
    with tempfile.TemporaryDirectory() as scratch:
        folder = model_folder(model, Path(scratch))
        path = study_file(study)
        content = read_yaml(path)
        simulated = Path(content["source"]).suffix == ".yaml"
        where = Path(content["source"]) if simulated else source or DATA / study
        if not where.exists():
            raise ExternalError(f"{where} is not there: give the study's raw files, --source FOLDER")
        rows, y = cohort_rows(path, where, landmark)
        found = validate_externally(folder, rows, y, read_yaml(VALIDATION), kind)
    stdout().print(table(found, f"{content['title']}, {landmark}", simulated=simulated))
    for line in remarks(found):
        stdout().print(escape(line), highlight=False, soft_wrap=True)
    if out is not None:
        write_json(out, asdict(found) | {"study": study, "landmark": landmark})


def model_folder(model: str, scratch: Path) -> Path:
    """Return the folder with a stored model's files, downloaded where it is a registered one."""
    if not model.startswith(REGISTERED):
        if not (Path(model) / "model.json").is_file():
            raise ExternalError(
                f"{model} has no model.json: give the folder of a stored model, or models:/..."
            )
        return Path(model)
    from models.serving.registry import fetch_model  # noqa: PLC0415 - a stored folder needs no MLflow
    from pipeline.stages.track import tracking_store  # noqa: PLC0415

    return fetch_model(tracking_store(active_study()), model, scratch)


def table(found: ExternalValidation, cohort: str, *, simulated: bool) -> Table:
    """Return the measures with their intervals, under what they are of."""
    title = f"{found.model} on {cohort}: {found.patients} patients, {found.events} with pCR"
    if found.simulated or simulated:
        title += f"\n[bold]{SIMULATED}[/]" + (" (the model was learned from them)" if not simulated else "")
    shown = Table(title=title, box=SIMPLE_HEAD)
    shown.add_column("measure")
    shown.add_column("value", justify="right")
    shown.add_column("interval", justify="right")
    for name, measure in found.measures.items():
        if "error" in measure:
            shown.add_row(name, "-", escape(measure["error"]))
            continue
        interval = f"{measure['low']:.3f} to {measure['high']:.3f}" if "low" in measure else ""
        shown.add_row(name, f"{measure['value']:.3f}", interval)
    return shown


def remarks(found: ExternalValidation) -> list[str]:
    """Return what a reader must know beside the figures."""
    lines = []
    if found.recalibration:
        pairs = ", ".join(f"{name} {value:.3f}" for name, value in found.recalibration.items())
        lines.append(f"Recalibrated on this very cohort ({pairs}): calibration is not external any more.")
    if found.absent:
        lines.append(f"Absent, and imputed as the model does: {', '.join(found.absent)}.")
    if found.unknown_levels:
        pairs = ", ".join(f"{name} ({rows} rows)" for name, rows in found.unknown_levels.items())
        lines.append(f"Levels that the model does not know, taken as missing: {pairs}.")
    return lines
