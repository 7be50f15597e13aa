"""What the sections share: what a figure says of itself, a row of a forest, the sums of a table."""

from collections.abc import Mapping
from typing import Any

from pipeline.report.drawing import Spec
from pipeline.report.tables import Table

ALL = "all"
OUT_OF_FOLD = "out of fold"
MODEL = "chosen"
NAMES = {
    "chosen": "model",
    "rules": "rules",
    "rules_allocation": "rules' allocation",
    "all": "treat all",
    "none": "treat none",
}
Part = tuple[dict[str, Spec], dict[str, Table]]


def about(n: int, events: int | None, scale: str, sampling: str = "all patients, no model") -> dict[str, Any]:
    """Return what a figure says of itself."""
    return {"n": n, "events": events, "scale": scale, "sampling": sampling}


def of_model(found: Mapping[str, Any], scale: str, sampling: str = OUT_OF_FOLD) -> dict[str, Any]:
    """Return what a figure on a model says of itself, from its measures."""
    return {
        "n": int(found["n"]["value"]),
        "events": int(found["events"]["value"]),
        "scale": scale,
        "sampling": sampling,
    }


def interval_row(
    label: str, found: Mapping[str, Any], detail: str = "", *, mark: bool = False
) -> dict[str, Any]:
    """Return a row of a forest: a value with its interval."""
    return {
        "label": label,
        **{k: float(found[k]) for k in ("value", "low", "high")},
        "detail": detail,
        "mark": "yes" if mark else "no",
    }


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
