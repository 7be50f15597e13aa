"""A commented study file to begin with, and template tables."""

import re
from collections.abc import Sequence
from pathlib import Path

import pandas as pd
from jinja2 import Environment, FileSystemLoader, StrictUndefined

from features.contract.specification import ColumnSpec, TableSpec
from features.contract.validation import Contract
from features.errors import UserError
from pipeline.project.files import replacing, write_table, write_text
from pipeline.sources.mapped import MAPPINGS

TEMPLATES = Path(__file__).parent / "templates"


class NewStudyError(UserError):
    """A study that cannot be begun; the message says why."""


def new_study(
    name: str, standards: Sequence[str], studies: Path, templates: Path, contract: Contract
) -> Path:
    """Write studies/<name>.yaml, and empty tables where no ready mapping is used; return the file.

    Raises
    ------
    NewStudyError
        If the name cannot be one, files are there already, or a standard is unknown.
    """
    if not re.fullmatch(r"[a-z][a-z0-9_-]*", name):
        raise NewStudyError(
            f"{name!r} cannot name a study: use lower-case letters, digits, - and _, a letter first"
        )
    path = studies / f"{name}.yaml"
    for there in (path, *([] if standards else [templates])):
        if there.exists():
            raise NewStudyError(f"{there} is there already; nothing was written")
    known = sorted(p.stem for p in MAPPINGS.glob("*.yaml"))
    unknown = [standard for standard in standards if standard not in known]
    if unknown:
        raise NewStudyError(f"no ready mapping {', '.join(unknown)}: there are {', '.join(known)}")
    environment = Environment(  # noqa: S701 - YAML, not HTML
        loader=FileSystemLoader(TEMPLATES), undefined=StrictUndefined, trim_blocks=True
    )  # fmt: skip
    tables = [
        {
            "name": spec.table,
            "description": spec.description,
            "key": ", ".join(spec.key),
            "required": spec.required,
            "of_patients": "usubjid" in spec.columns,
            "columns": [
                {"name": c.name, "hint": hint(c)} for c in spec.columns.values() if c.name != "usubjid"
            ],
        }
        for spec in _required_first(contract)
    ]
    if not standards:
        with replacing(templates) as new:
            new.mkdir()
            for spec in contract.values():
                write_table(new / f"{spec.table}.csv", pd.DataFrame(columns=list(spec.columns)))
    write_text(
        path, environment.get_template("study.yaml.j2").render(name=name, standards=standards, tables=tables)
    )
    return path


def _required_first(contract: Contract) -> list[TableSpec]:
    return sorted(contract.values(), key=lambda spec: not spec.required)


def hint(column: ColumnSpec) -> str:
    """Return what a column holds, in one line."""
    kinds = {"date": "YYYY-MM-DD", "visit": "one of `visits`"}
    levels = f"one of {', '.join(column.levels)}" if column.levels else ""
    listed = f"one of `{column.levels_from}`" if column.levels_from else ""
    what = levels or listed or column.range_text or kinds.get(column.type, column.type)
    return f"{column.description}: {what}{'; must be filled' if column.required else ''}"
