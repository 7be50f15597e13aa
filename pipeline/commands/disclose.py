"""`pcr disclose`: what pages, tables, MLflow and model files tell of single patients."""

from pathlib import Path

import pandas as pd
from rich.box import SIMPLE_HEAD
from rich.table import Table

from pipeline.console import stdout
from pipeline.project.files import read_yaml, replacing
from pipeline.registry.disclosure import Disclosed, disclosures, read_known
from pipeline.registry.runs import patients_allowed, tracking_store
from pipeline.workspace.study import ACTIVE, active_study

IN_MLFLOW = "MLflow"


def disclose(out: Path | None) -> bool:
    """Print a line for each place that tells of single patients; tell whether MLflow holds what it must not.

    Where it must hold nothing of them, what cannot be read there counts as such.

    With `out` the lines, with every input by name, go into that CSV file, too.

    Raises
    ------
    UserError
        If nothing was computed yet, or the store does not answer.
    """
    study = active_study()
    artifacts = Path("artifacts") / study
    told = disclosures(
        artifacts, tracking_store(study), read_known(artifacts, read_yaml(ACTIVE)["landmarks"])
    )
    stdout().print(table(told))
    stdout().print(
        "Rebuilt: from a column that is not the value itself, by who knows other patients or has the model. "
        "Extremes: the smallest or largest value, that of one patient.",
        highlight=False, soft_wrap=True,
    )  # fmt: skip
    if out is not None:
        rows = pd.DataFrame([vars(entry) for entry in told], columns=[*Disclosed.__dataclass_fields__])
        for name in ("inputs", "rebuilt", "extremes"):
            rows[name] = rows[name].map(" ".join)
        with replacing(out) as new:
            rows.to_csv(new, index=False)
    unreadable = [entry.place for entry in told if not entry.readable]
    for place in unreadable:
        stdout().print(
            f"Not read: {place}. What it tells is unknown: it is packed, lost or altered (`pcr verify`).",
            markup=False, highlight=False, soft_wrap=True,
        )  # fmt: skip
    if patients_allowed():
        return False
    forbidden = [
        entry.place for entry in told if entry.of_single_patients and entry.place.startswith(IN_MLFLOW)
    ]
    for place in forbidden:
        stdout().print(
            f"Not allowed by the study file (single_patients_in_mlflow): {place}. `mlflow runs delete` and "
            "`mlflow gc` remove it; `pcr sync` then records the present state anew.",
            markup=False, highlight=False, soft_wrap=True,
        )  # fmt: skip
    return bool(forbidden) or any(place.startswith(IN_MLFLOW) for place in unreadable)


def table(told: list[Disclosed]) -> Table:
    """Return the lines as a table: counts, not names."""
    shown = Table(title="What is told of single patients", box=SIMPLE_HEAD)
    for column in ("where", "ids", "outcomes", "inputs as they are", "inputs rebuilt", "extremes of inputs"):
        shown.add_column(column, justify="left" if column == "where" else "right")
    for entry in told:
        shown.add_row(entry.place, *_cells(entry))
    return shown


def _cells(entry: Disclosed) -> list[str]:
    if not entry.readable:
        return ["not read"] * 5
    counts = (entry.inputs, entry.rebuilt, entry.extremes)
    return [str(entry.ids), "yes" if entry.outcomes else "no", *(str(len(names)) for names in counts)]
