"""Table one: the patients at risk by arm."""

from collections.abc import Mapping, Sequence
from math import floor, log10
from typing import Any, Literal

from markupsafe import Markup

from models.description.documents import Description, Summary, TableOneRow
from pipeline.report.labels import Labels
from pipeline.report.page import count, decimal, explained, percent, text_of, unit_text, with_interval
from pipeline.report.study.common import ALL, Part, crossed
from pipeline.report.study.levels import with_merged_levels
from pipeline.report.tables import Privacy, Table

FLOOR = "the floor where nothing was detected"
"""What configs/features.yaml says of a feature that has a value in negative samples, too."""
NO_UNIT = {"", "1", "unit of the assay"}
QUARTILES: tuple[Literal["q25", "median", "q75"], ...] = ("q25", "median", "q75")


def table_one_part(described: Description, arms: Sequence[str], privacy: Privacy, labels: Labels) -> Part:
    """Return table one by arm, and what is recorded beside the features, where anything is.

    Medians with quartiles, n and share of the known, and how far two arms differ.
    Rare levels are merged before anything is hidden.
    """
    content = described["table_one"]
    groups = [ALL, *[arm for arm in arms if arm in content["by_arm"]]]
    sizes = {ALL: content["patients"], **content["by_arm"]}
    landmark = labels.name(content["landmark"])
    caption = (
        f"Patients at risk, {landmark}: median (quartiles), to three digits of the largest of its row; "
        "n (whole per cent of known values)"
    )
    if any(FLOOR in row["description"] for row in content["rows"]):
        caption += f"; {FLOOR}"
    heads = {g: f"{labels.name(g)} (n\u00a0=\u00a0{count(sizes[g])})" for g in groups}
    tables = {
        "one": _table("table-one", caption, content["rows"], heads, privacy, labels, content["differences"])
    }
    if described["recorded"]:
        caption = (
            "Recorded of tumour and surgery, no features: n (whole per cent of known values), all patients"
        )
        plain = {group: labels.name(group) for group in groups}
        tables["recorded"] = _table(
            "recorded-table", caption, described["recorded"], plain, privacy, labels, {}
        )
    return {}, tables


def _table(
    name: str,
    caption: str,
    content: Sequence[TableOneRow],
    groups: Mapping[str, str],
    privacy: Privacy,
    labels: Labels,
    differences: Mapping[str, float],
) -> Table:
    """Return rows of numbers and levels as a table; `groups` are its columns and their heads."""
    content = list(with_merged_levels(content, list(groups), privacy))
    named = _names(content, labels)
    rows: list[dict[str, Any]] = []
    hidden = _hidden_of_table_one(content, list(groups), privacy)
    last = ""
    for row in content:
        if row["level"] is not None and row["feature"] != last:
            rows.append(
                {"name": named[row["feature"]]}
                | dict.fromkeys(groups, "")
                | {"difference": _difference(row, differences), "missing": _missing(row)}
            )
        last = row["feature"]
        unit = _unit(named[row["feature"]], row["unit"])
        label = (
            named[row["feature"]] + unit
            if row["level"] is None
            else Markup('<span class="level">{}</span>').format(labels.name(row["level"]))
        )
        digits = _digits(row["cells"], list(groups))
        cells = {
            group: _summary_cell(
                row["cells"][group], digits, privacy, hidden=(row["feature"], row["level"], group) in hidden
            )
            for group in groups
        }
        of_all = {"difference": _difference(row, differences), "missing": _missing(row)}
        rows.append({"name": label} | cells | (of_all if row["level"] is None else dict.fromkeys(of_all, "")))
    columns = {"name": "Feature"} | dict(groups) | ({"difference": "SMD"} if differences else {})
    return Table.of(name, caption, columns | {"missing": "Missing"}, rows)


def _unit(name: str, unit: str) -> str:
    """Return the unit behind a name; nothing where the name says it, as in copies per cell."""
    said = unit.replace("/", " per ").lower() in text_of(name).replace("/", " per ").lower()
    return "" if unit in NO_UNIT or said else f", {unit_text(unit)}"


def _names(rows: Sequence[TableOneRow], labels: Labels) -> dict[str, Markup]:
    """Return what each feature is called, its description on hover; what is no feature by its description."""
    described = {row["feature"]: labels.text(row["description"]) for row in rows}
    called = labels.features(list(described))
    return {
        name: explained(called[name], f"{labels.described(name, text)} ({name})")
        if labels.has(name)
        else Markup("{}").format(text)
        for name, text in described.items()
    }


def _difference(row: TableOneRow, differences: Mapping[str, float]) -> str:
    return decimal(differences[row["feature"]], 2) if row["feature"] in differences else ""


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


def _summary_cell(cell: Summary, digits: int, privacy: Privacy, *, hidden: bool) -> Any:
    if "count" in cell:
        n, known = cell["count"], cell["n"]
        if hidden or privacy.hides(n) or not known:
            return privacy.cell(n, hidden=hidden)
        return Markup('{} <span class="interval">({})</span>').format(count(n), percent(n / known))
    if privacy.hides(cell["n"]):
        # The quartiles of a few are the values of single patients.
        return Markup('<span class="none">too few to show</span>')
    if "median" not in cell:
        return Markup('<span class="none">no value</span>')
    return with_interval(cell["median"], (cell["q25"], cell["q75"]), lambda number: decimal(number, digits))


def _digits(cells: Mapping[str, Summary], groups: Sequence[str]) -> int:
    """Return the decimals of a row: three digits of its largest quartile, none of a row of whole numbers."""
    told = [cells[group][key] for group in groups if "median" in cells[group] for key in QUARTILES]
    if all(number == int(number) for number in told):
        return 0
    return max(0, 2 - floor(log10(max(map(abs, told)))))
