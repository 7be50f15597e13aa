"""What the sections share: what a figure says of itself, a row of a forest, the sums of a table."""

from collections.abc import Mapping
from typing import Any

from pipeline.project.estimates import Estimate, Measures
from pipeline.report.drawing import Spec
from pipeline.report.results import ALLOCATION, MODEL, RULES
from pipeline.report.tables import Table
from pipeline.wording import OUT_OF_FOLD

ALL = "all"
NAMES = {
    MODEL: "model",
    RULES: "rules",
    ALLOCATION: "rules' allocation",
    "all": "treat all",
    "none": "treat none",
}
Part = tuple[dict[str, Spec], dict[str, Table]]


def about(n: int, events: int | None, scale: str, sampling: str = "all patients, no model") -> dict[str, Any]:
    """Return what a figure says of itself."""
    return {"n": n, "events": events, "scale": scale, "sampling": sampling}


def of_model(measures: Measures, scale: str, sampling: str = OUT_OF_FOLD) -> dict[str, Any]:
    """Return what a figure on a model says of itself, from its measures."""
    return about(measures.patients, measures.events, scale, sampling)


def interval_row(label: str, estimate: Estimate, detail: str = "", *, mark: bool = False) -> dict[str, Any]:
    """Return a row of a forest: a value with its interval."""
    low, high = estimate.interval
    marked = "yes" if mark else "no"
    row = {"label": label, "value": estimate.point, "low": low, "high": high}
    return row | {"detail": detail, "mark": marked}


def counted(name: str, measures: Measures) -> str:
    """Return the label of a group with its patients and events."""
    return f"{name} (n = {measures.patients}, pCR {measures.events})"


def crossed(counts: Mapping[tuple[Any, ...], int], level: int, group: int) -> list[dict[Any, int]]:
    """Return the sums of a table: levels of a group add up to its patients, groups to all of them.

    `level` and `group` say where in a cell's name these stand.
    """
    levels, groups = (dict.fromkeys(cell[axis] for cell in counts) for axis in (level, group))
    down = [{cell: 1 for cell in counts if cell[group] == name} for name in groups]
    across = [
        {cell: -1 if cell[group] == ALL else 1 for cell in counts if cell[level] == name} for name in levels
    ]
    return [*down, *across] if ALL in groups else down
