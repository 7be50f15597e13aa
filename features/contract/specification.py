"""What the data contract says: tables, columns and when they are known, read from its documents.

A contract is data: one document (a YAML file in configs/contract/) for each table.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import pandas as pd

from features.contract.cells import DTYPES
from features.documents.parsing import parsed
from features.errors import UserError
from features.keys import unknown_name


@dataclass(frozen=True)
class ColumnSpec:
    """A column: `type` is a key of ``cells.DTYPES``; `low` and `high`, both allowed, in `unit`."""

    name: str
    type: str
    description: str
    unit: str | None = None
    low: float | None = None
    high: float | None = None
    levels: tuple[str, ...] = ()
    levels_from: str | None = None
    required: bool = False
    unique: bool = False
    references: str | None = None

    def allowed(self, vocabulary: Mapping[str, Sequence[str]]) -> tuple[str, ...]:
        """Return the levels, from `vocabulary` where the study decides; empty where any text is allowed."""
        return tuple(vocabulary[self.listed_as]) if self.listed_as else self.levels

    @property
    def listed_as(self) -> str | None:
        """The list of the study file that holds the levels, if one does."""
        return "visits" if self.type == "visit" else self.levels_from

    @property
    def range_text(self) -> str:
        """The range as ``low to high unit``; empty where there is none."""
        if self.low is None and self.high is None:
            return ""
        low, high = ("" if limit is None else f"{limit:.12g}" for limit in (self.low, self.high))
        return f"{low} to {high} {self.unit or ''}".strip()


@dataclass(frozen=True)
class Timing:
    """When a row is known: baseline, visit, sample, cycle or outcome, and the columns that tell it."""

    known_at: Literal["baseline", "visit", "sample", "cycle", "outcome"]
    visit: str | None = None
    cycle: str | None = None
    sample_table: str | None = None
    sample: str | None = None
    performed: str | None = None
    reported: str | None = None


@dataclass(frozen=True)
class DateCheck:
    """`column` must not lie before (or after) `other` of the same patient in `other_table`."""

    rule: Literal["not_before", "not_after"]
    column: str
    other_table: str
    other: str
    severity: Literal["error", "warning"]


@dataclass(frozen=True)
class NamedRanges:
    """The (low, high) of `column` by what `by` names, in any case; other names have no range here."""

    column: str
    by: str
    severity: Literal["error", "warning"]
    ranges: Mapping[str, tuple[float, float]]


@dataclass(frozen=True)
class TableSpec:
    """A raw table: columns in contract order, `key` unique in it.

    `named_by` is the column that says what a row's value is of, in a table with a row for each measured
    feature or test.
    """

    table: str
    description: str
    key: tuple[str, ...]
    timing: Timing
    columns: Mapping[str, ColumnSpec]
    checks: tuple[DateCheck, ...] = ()
    required: bool = False
    named_by: str | None = None
    ranges_by_name: tuple[NamedRanges, ...] = ()

    @property
    def id_column(self) -> str:
        """The column by which a row is named in a report: the patient, else the first key column."""
        return "usubjid" if "usubjid" in self.columns else self.key[0]


Contract = dict[str, TableSpec]
"""Table name -> specification, in the order of the documents."""


def parse_contract(documents: Mapping[str, Any]) -> Contract:
    """Read the contract from its documents.

    Parameters
    ----------
    documents : mapping of str to object
        File name -> its content, one for each table.

    Raises
    ------
    UserError
        If a document has unknown or missing keys, a value is not what it must be, or a name refers to a
        column or a table that does not exist; the message names the file.
    """
    files = {file: _table_spec(document, file) for file, document in documents.items()}
    contract: Contract = {}
    for file, spec in files.items():
        if spec.table in contract:
            raise UserError(f"{file}: table {spec.table} is defined twice")
        contract[spec.table] = spec
    for file, spec in files.items():
        for fault in _contract_faults(spec, contract):
            raise UserError(f"{file}, table {spec.table}: {fault}")
    return contract


def _table_spec(document: Any, file: str) -> TableSpec:
    """Return the specification of a table; in its file, a column's name is the key of its entry."""
    columns = document.get("columns") if isinstance(document, Mapping) else None
    if isinstance(columns, Mapping):
        named = {
            name: {"name": name, **column} if isinstance(column, Mapping) else column
            for name, column in columns.items()
        }
        document = {**document, "columns": named}
    return parsed(TableSpec, document, file)


def _contract_faults(spec: TableSpec, contract: Contract) -> Iterator[str]:
    """Yield the contradictions of a table's document."""
    named = [*spec.key, *(c.column for c in spec.checks)]
    named += [name for limits in spec.ranges_by_name for name in (limits.column, limits.by)]
    named += [c for c in (spec.timing.visit, spec.timing.cycle, spec.timing.sample) if c]
    named += [c for c in (spec.timing.performed, spec.timing.reported, spec.named_by) if c]
    yield from (f"it has no column {name}" for name in named if name not in spec.columns)
    for column in spec.columns.values():
        if column.type not in DTYPES:
            yield f"column {column.name} type {unknown_name(column.type, list(DTYPES))}"
        table, _, referred = (column.references or "").partition(".")
        if table and (table not in contract or referred not in contract[table].columns):
            yield f"column {column.name} refers to {column.references}, which does not exist"
    for limits in spec.ranges_by_name:
        reversed_ranges = [name for name, (low, high) in limits.ranges.items() if low > high]
        yield from (f"range of {limits.column} for {name}: low is above high" for name in reversed_ranges)
    for check in spec.checks:
        other = contract.get(check.other_table)
        if other is None or check.other not in other.columns:
            yield f"check of {check.column}: {check.other_table}.{check.other} does not exist"
        elif check.other_table != spec.table and (other.key != ("usubjid",) or "usubjid" not in spec.columns):
            yield f"check of {check.column}: {check.other_table} must have one row a patient"


def empty_table(spec: TableSpec) -> pd.DataFrame:
    """Return the table without rows: every contract column, in contract order, in its dtype."""
    return pd.DataFrame({c.name: pd.Series(dtype=DTYPES[c.type]) for c in spec.columns.values()})


def data_dictionary(contract: Contract) -> pd.DataFrame:
    """Return one row for each contract column, in contract order; cells that do not apply are empty text.

    Columns: table, column, type, unit, range (``low to high``), levels (``; `` between them, or ``arms of the
    study``), required (always, or empty), known_at, description.
    """
    rows = [
        {
            "table": spec.table,
            "column": column.name,
            "type": column.type,
            "unit": column.unit or "",
            "range": column.range_text,
            "levels": f"{column.listed_as} of the study" if column.listed_as else "; ".join(column.levels),
            "required": "always" if column.required else "",
            "known_at": spec.timing.known_at,
            "description": column.description,
        }
        for spec in contract.values()
        for column in spec.columns.values()
    ]
    return pd.DataFrame(rows)
