"""What the sections share: what a figure says of itself, a row of a forest, the sums of a table."""

from collections.abc import Mapping
from typing import Any, TypedDict

from markupsafe import Markup

from pipeline.project.estimates import Estimate, Measures, verdict
from pipeline.report.drawing import About, Spec, in_sentence
from pipeline.report.results import ALLOCATION, MODEL, RULE_INPUTS, RULES
from pipeline.report.tables import Table
from pipeline.wording import OUT_OF_FOLD

ALL = "all"
NAMES = {
    MODEL: "model",
    RULES: "rules",
    RULE_INPUTS: "rules' inputs",
    ALLOCATION: "rules' allocation",
    "all": "treat all",
    "none": "treat none",
}
Part = tuple[dict[str, Spec], dict[str, Table]]


class ForestRow(TypedDict):
    """A row of a forest; `mark` is yes or no."""

    label: str
    value: float
    low: float
    high: float
    n: int | None
    events: int | None
    detail: str
    mark: str


def about(
    n: int | str, events: int | str | None, scale: str, sampling: str = "all patients, no model"
) -> About:
    """Return what a figure says of itself."""
    return {"n": n, "events": events, "scale": in_sentence(scale), "sampling": sampling}


def of_model(measures: Measures, scale: str, sampling: str = OUT_OF_FOLD) -> About:
    """Return what a figure on a model says of itself, from its measures."""
    return about(measures.patients, measures.events, scale, sampling)


def interval_row(
    label: str, estimate: Estimate, detail: str = "", *, of: Measures | None = None, mark: bool = False
) -> ForestRow:
    """Return a row of a forest: a value with its interval, and the patients and events that it is `of`."""
    low, high = estimate.interval
    return {
        "label": label,
        "value": estimate.point,
        "low": low,
        "high": high,
        "n": None if of is None else of.patients,
        "events": None if of is None or "events" not in of else of.events,
        "detail": detail,
        "mark": "yes" if mark else "no",
    }


def counted(name: str, measures: Measures) -> str:
    """Return the label of a group with its patients, and events where these are told."""
    events = f", pCR {measures.events:,}" if "events" in measures else ""
    return f"{name} (n = {measures.patients:,}{events})"


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


def verdict_of(measures: Measures, key: str) -> Markup:
    """Return under a difference what its interval says, in words; nothing where it has no interval."""
    difference = measures.interval_of(key)
    if difference is None:
        return Markup()
    return Markup('<span class="interval">{}</span>').format(verdict(difference, key.removeprefix("delta_")))
