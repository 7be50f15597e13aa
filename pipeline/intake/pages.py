"""The problems page and the data dictionary: one self-contained HTML page, and the same rows as CSV."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any, TypedDict

import pandas as pd
from jinja2 import Environment, FileSystemLoader, StrictUndefined

from features.checks.across_tables import CROSS_ADVICE
from features.contract.validation import ADVICE, Contract, data_dictionary
from pipeline.intake.rehearsal import REHEARSAL_ADVICE
from pipeline.project.files import write_table, write_text
from pipeline.sources.omics.doubts import OMICS_ADVICE
from pipeline.sources.repairs import ADVICE as SOURCE_ADVICE

TEMPLATES = Path(__file__).parent / "templates"
LEFT_OUT = "rows left out"
READING_NOTE = (
    "Columns that the study uses, of every file; cells compared were read by a second reader, too. Below are "
    "the tables that were made of the files a second time, row by row."
)
EXAMPLES_NOTE = "The first different cells of every mapped column, and the values that they became."


class Bar(TypedDict):
    """A cell that is drawn as a bar: a value with its interval, 0 to 100."""

    value: float
    low: float
    high: float


class Cells(TypedDict):
    """A row of a table; `kind` colours it."""

    kind: str
    cells: list[Any]


class Section(TypedDict):
    """A table of a page."""

    name: str
    note: str
    columns: list[str]
    rows: list[Cells]


def advice_on(rule: str) -> str:
    """Return what to do about a rule; the rule of a waived problem has the waiver behind it."""
    return (ADVICE | CROSS_ADVICE | SOURCE_ADVICE | OMICS_ADVICE | REHEARSAL_ADVICE)[
        rule.partition(";")[0].partition(":")[0]
    ]


def problem_rows(problems: pd.DataFrame, dropped: pd.DataFrame) -> pd.DataFrame:
    """Return problems and rows left out: where, column, rule, severity, rows, ids, what to do."""
    found = problems.rename(columns={"table": "where"}).drop(columns="by_centre")
    advice = [advice_on(str(rule)) for rule in found["rule"]]
    found = found.assign(**{"what to do": advice})
    left = pd.DataFrame(
        {
            "where": dropped["file"].where(
                dropped["table"] == "", dropped["file"] + " for " + dropped["table"]
            ),
            "column": "",
            "rule": dropped["reason"],
            "severity": LEFT_OUT,
            "rows": dropped["rows"],
            "ids": "",
            "what to do": "nothing, if they are not meant to be used",
        }
    )
    return pd.concat([f for f in (found, left) if len(f)] or [found], ignore_index=True)


def centre_rows(problems: pd.DataFrame) -> pd.DataFrame:
    """Return the problems of each centre: centre, where, column, rule, severity, rows, and all ids."""
    told = ["table", "column", "rule", "severity"]
    rows = [
        (at.centre, *about, at.rows, at.ids)
        for *about, whom in problems[[*told, "by_centre"]].itertuples(index=False, name=None)
        for at in whom
    ]
    found = pd.DataFrame(rows, columns=["centre", "where", *told[1:], "rows", "ids"])
    return found.sort_values(["centre", "where", "column"], kind="stable", ignore_index=True)


def reading_lines(reading: pd.DataFrame) -> list[str]:
    """Return one line for each file: what was read of it, as `pcr check` prints it."""
    return [
        f"read: {file['file']}: {file['rows']} rows, {file['cells']} cells, {file['empty']} empty, "
        f"{file['missing codes']} coded as missing, {file['repaired']} repaired, {file['rows left out']} "
        f"rows left out; {file['compared']} cells compared with a second reader, {file['differences']} "
        f"differences"
        for file in reading.to_dict("records")
    ]


def write_problems(
    path: Path,
    study: str,
    problems: pd.DataFrame,
    dropped: pd.DataFrame,
    reading: pd.DataFrame | None = None,
    examples: pd.DataFrame | None = None,
) -> None:
    """Write the problems page to `path`, and its rows as CSV beside it, by centre too.

    `reading` and `examples` say what was read of every file; they are left out where reading did not end.
    """
    rows, centres = problem_rows(problems, dropped), centre_rows(problems)
    counts = rows["severity"].value_counts()
    note = "; ".join(f"{counts[kind]} {kind}" for kind in counts.index) or "no problems"
    sections = [
        _of_frame(str(where), part.drop(columns="where"), "")
        for where, part in rows.groupby("where", sort=False)
    ]
    if len(centres):
        sections.append(_of_frame("By centre", centres, "The same problems, of every centre, with all ids."))
    if reading is not None and len(reading):
        sections.append(_of_frame("What was read", reading, READING_NOTE))
        write_table(path.with_name(f"{path.stem}-reading.csv"), reading)
    if examples is not None:
        sections += [
            _of_frame(f"Examples: {table}", part.drop(columns="table"), EXAMPLES_NOTE)
            for table, part in examples.groupby("table", sort=False)
        ]
    write_text(path, page(f"{study}: input data", note, sections))
    write_table(path.with_suffix(".csv"), rows)
    write_table(path.with_name(f"{path.stem}-by-centre.csv"), centres)


def write_dictionary(path: Path, contract: Contract) -> None:
    """Write the data dictionary to `path`, and its rows as CSV beside it."""
    rows = data_dictionary(contract)
    sections = []
    for name, spec in contract.items():
        part = rows.loc[rows["table"] == name].drop(columns="table")
        needed = "Required. " if spec.required else ""
        note = f"{spec.description} {needed}Key: {', '.join(spec.key)}."
        checks = [
            f"{c.column} {c.rule.replace('_', ' ')} {c.other_table}.{c.other} ({c.severity})"
            for c in spec.checks
        ]
        sections.append(_of_frame(name, part, f"{note} Dates: {'; '.join(checks)}." if checks else note))
    note = "Every table and column that a study may have. Only subjects and surgery must be there."
    write_text(path, page("Data dictionary", note, sections))
    write_table(path.with_suffix(".csv"), rows)


def section(
    name: str, columns: Sequence[str], rows: Sequence[Sequence[Any]], note: str, kinds: Sequence[str] = ()
) -> Section:
    """Return a table of a page; cells with value, low, high (0 to 100) are drawn, `kinds` colour the rows."""
    kinds = kinds or [""] * len(rows)
    cells: list[Cells] = [{"kind": kind, "cells": list(row)} for kind, row in zip(kinds, rows, strict=True)]
    return {"name": name, "note": note, "columns": list(columns), "rows": cells}


def page(title: str, note: str, sections: Sequence[Section]) -> str:
    """Return a self-contained page of tables without scripts."""
    environment = Environment(
        loader=FileSystemLoader(TEMPLATES), autoescape=True, undefined=StrictUndefined, trim_blocks=True
    )
    return environment.get_template("table.html.j2").render(title=title, note=note, sections=sections)


def _of_frame(name: str, rows: pd.DataFrame, note: str) -> Section:
    kinds = rows["severity"].astype("str").tolist() if "severity" in rows else []
    return section(name, list(rows.columns), rows.astype("object").to_numpy().tolist(), note, kinds)
