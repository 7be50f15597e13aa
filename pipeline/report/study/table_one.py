"""Table one: the patients at risk by arm."""

from collections.abc import Mapping, Sequence
from typing import Any

from markupsafe import Markup

from models.description.documents import Description, Summary, TableOneRow
from pipeline.report.labels import Labels
from pipeline.report.page import count, minus, with_interval
from pipeline.report.study.common import ALL, Part, crossed
from pipeline.report.tables import Privacy, Table


def table_one_part(described: Description, arms: Sequence[str], privacy: Privacy, labels: Labels) -> Part:
    """Return table one by arm, and what is recorded beside the features, where anything is.

    Medians with quartiles, counts with shares of the known.
    """
    content = described["table_one"]
    groups = [ALL, *[arm for arm in arms if arm in content["by_arm"]]]
    sizes = {ALL: content["patients"], **content["by_arm"]}
    landmark = labels.name(content["landmark"])
    caption = f"Patients at risk, {landmark}: median (quartiles), or n and share of known values"
    heads = {g: f"{labels.name(g)} (n\u00a0=\u00a0{count(sizes[g])})" for g in groups}
    tables = {"one": _table("table-one", caption, content["rows"], heads, privacy, labels)}
    if described["recorded"]:
        caption = "Recorded of tumour and surgery, no features: n and share of known values, all patients"
        plain = {group: labels.name(group) for group in groups}
        tables["recorded"] = _table("recorded-table", caption, described["recorded"], plain, privacy, labels)
    return {}, tables


def _table(
    name: str,
    caption: str,
    content: Sequence[TableOneRow],
    groups: Mapping[str, str],
    privacy: Privacy,
    labels: Labels,
) -> Table:
    """Return rows of numbers and levels as a table; `groups` are its columns and their heads."""
    rows: list[dict[str, Any]] = []
    hidden = _hidden_of_table_one(content, list(groups), privacy)
    last = ""
    for row in content:
        if row["level"] is not None and row["feature"] != last:
            rows.append(
                {"name": labels.text(row["description"])}
                | dict.fromkeys(groups, "")
                | {"missing": _missing(row)}
            )
        last = row["feature"]
        unit = f", {row['unit']}" if row["unit"] not in {"", "1"} else ""
        label = (
            f"{labels.text(row['description'])}{unit}"
            if row["level"] is None
            else Markup('<span class="level">{}</span>').format(labels.name(row["level"]))
        )
        cells = {
            group: _summary_cell(
                row["cells"][group], privacy, hidden=(row["feature"], row["level"], group) in hidden
            )
            for group in groups
        }
        rows.append({"name": label} | cells | {"missing": _missing(row) if row["level"] is None else ""})
    return Table.of(name, caption, {"name": "Feature"} | dict(groups) | {"missing": "Missing"}, rows)


def _missing(row: TableOneRow) -> str:
    # The number of missing values says nothing about a patient.
    return count(row["cells"][ALL]["missing"])


def _hidden_of_table_one(rows: Sequence[TableOneRow], groups: Sequence[str], privacy: Privacy) -> set[Any]:
    """Return the hidden cells (feature, level, group): arms add up to all, levels to the known values."""
    hidden: set[Any] = set()
    for feature in dict.fromkeys(row["feature"] for row in rows if row["level"] is not None):
        counts = {
            (feature, row["level"], group): int(row["cells"][group]["count"])
            for row in rows
            if row["feature"] == feature
            for group in groups
        }
        hidden |= privacy.hidden(counts, crossed(counts, 1, 2))
    return hidden


def _summary_cell(cell: Summary, privacy: Privacy, *, hidden: bool) -> Any:
    if "count" in cell:
        return privacy.cell(cell["count"], cell["n"], hidden=hidden)
    if "median" not in cell:
        return Markup('<span class="none">no value</span>')
    return with_interval(cell["median"], (cell["q25"], cell["q75"]), lambda number: minus(f"{number:.4g}"))
