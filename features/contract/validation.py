"""The validator: raw tables against the data contract, with every violation reported at once.

Nothing here touches files. The contract's own types are in `features.contract.specification`, to be imported
from here too.
"""

from collections.abc import Iterator, Mapping, Sequence
from fnmatch import fnmatchcase
from typing import NamedTuple

import pandas as pd

from features.contract.affected_rows import AffectedRows
from features.contract.cells import DTYPES, as_text, as_type, looks_like
from features.contract.identifiers import IdentifierPatterns, find_identifiers
from features.contract.specification import (
    ColumnSpec,
    Contract,
    DateCheck,
    TableSpec,
    Timing,
    data_dictionary,
    empty_table,
    parse_contract,
)
from features.contract.suspicions import suspicions
from features.errors import UserError

__all__ = [
    "ADVICE",
    "PROBLEM_COLUMNS",
    "ColumnSpec",
    "Contract",
    "ContractError",
    "DateCheck",
    "TableSpec",
    "Timing",
    "data_dictionary",
    "empty_table",
    "parse_contract",
    "refuse",
    "validate",
]

Ranges = Mapping[str, tuple[float, float]]
NO_RANGES: Ranges = {}
MAX_NAMES = 3
"""Features or tests named in a problem."""
PROBLEM_COLUMNS = ["table", "column", "rule", "severity", "rows", "ids", "by_centre"]
ADVICE = {
    "required_table": "add the table, with at least one row",
    "required_column": "add the column, or map it in the study file",
    "required_value": "fill the empty cells, or leave the rows out at the source",
    "type": "correct the cells that cannot be read (numbers with a decimal point, dates as YYYY-MM-DD), or "
    "say in the study file which numbers texts mean (`words`)",
    "levels": "recode to one of the levels named, or leave the cells empty",
    "range": "correct the values or their unit, leave the cells empty, or widen `ranges` in the study file",
    "range_by_name": "correct the value or its unit, or the name that it is of",
    "code_for_missing": "name it under `missing` of the file, if it stands for none",
    "isolated_date": "correct the year, if it is mistyped",
    "wrong_unit": "convert the column to the contract's unit, if the suspicion is right",
    "unique": "give every row its own value",
    "duplicate_key": "keep one row for each key",
    "duplicate_column": "keep one column of that name",
    "unknown_subject": "add the patients to subjects, or leave the rows out",
    "unknown_reference": "add the rows referred to, or leave these out",
    "not_before": "correct one of the two dates",
    "not_after": "correct one of the two dates",
    "direct_identifier": "remove it at the source; only pseudonymous data are read",
    "unknown_column": "map it to a contract column, or leave it out; it is not used",
    "unknown_table": "name it as in the contract, or leave it out; it is not used",
    "spaces_removed": "nothing, if the texts without the spaces are meant",
    "excel_dates": "nothing, if the numbers are days as a workbook counts them",
    "time_cut_off": "nothing: only dates are used",
    "time_zone": "make sure that the dates as written are local dates",
    "partial_date": "complete the dates at the source where they can be",
    "unknown_test": "map the tests in the study file, if they are wanted",
    "absent": "add the file, if there is one",
    "gene_not_on_panel": "correct the call's gene, or the genes that the sample's panel lists",
}
"""Rule (the part before the colon) -> what to do."""


class ContractError(UserError):
    """Raw tables that are refused; `problems` is the frame that `validate` returned."""

    def __init__(self, message: str, problems: pd.DataFrame) -> None:
        super().__init__(message, problems)
        self.problems = problems

    def __str__(self) -> str:
        """Return the message: `args` hold the problems, too, so that a worker can hand the error on."""
        return str(self.args[0])


class _Finding(NamedTuple):
    """A violation; `rows` are True for the rows concerned, None where no row is (a column is missing)."""

    table: str
    column: str
    rule: str
    rows: pd.Series | None = None
    severity: str = "error"


def validate(
    tables: Mapping[str, pd.DataFrame],
    contract: Contract,
    vocabulary: Mapping[str, Sequence[str]],
    identifiers: IdentifierPatterns | None = None,
    ranges: Ranges = NO_RANGES,
) -> tuple[dict[str, pd.DataFrame], pd.DataFrame]:
    """Read raw tables as the contract's types and report every violation; nothing is raised on bad data.

    Parameters
    ----------
    tables : mapping of str to DataFrame
        Raw tables by contract name, cells of any dtype, rows and columns in any order. Not changed.
    vocabulary : mapping
        The study's ``visits``, ``arms`` and ``regimens``: levels that the contract leaves to the study.
    identifiers : IdentifierPatterns, optional
        configs/identifiers.yaml. Without it direct identifiers are not looked for: only for tables that the
        project has made itself.
    ranges : mapping, optional
        The study's own: name of a measured feature, or a pattern -> (low, high), possible beside the
        contract's range.

    Returns
    -------
    dict of str to DataFrame
        The contract's tables that were given: every contract column in contract order and dtype, sorted by
        key. Cells that cannot be read are missing; columns that the contract does not have are gone.
    DataFrame
        `PROBLEM_COLUMNS`, one row for each table, column and rule, in contract order. ``rule`` begins with a
        key of `ADVICE`; ``severity`` is error or warning; ``rows`` counts the rows concerned, 0 where the
        whole column or table is; ``ids`` names at most three patients (or keys), never a value;
        ``by_centre`` lists `features.contract.affected_rows.AtCentre`.
    """
    findings: list[_Finding] = []
    clean: dict[str, pd.DataFrame] = {}
    for name, spec in contract.items():
        if spec.required and (name not in tables or tables[name].empty):
            findings.append(_Finding(name, "", "required_table"))
        if name in tables:
            raw = _with_text_names(tables[name])
            clean[name], broken = _read_table(raw, spec, vocabulary, ranges)
            findings += broken
            findings += _direct_identifiers(raw, name, spec, identifiers)
    for name in sorted(set(tables) - set(contract)):
        findings.append(_Finding(name, "", "unknown_table", severity="warning"))
        findings += _direct_identifiers(_with_text_names(tables[name]), name, None, identifiers)
    findings += _broken_links(clean, contract)
    problems = _as_problems(findings, clean, contract)
    return {name: _sorted_by_key(frame, contract[name]) for name, frame in clean.items()}, problems


def refuse(problems: pd.DataFrame, origins: Mapping[tuple[str, str], str] | None = None) -> None:
    """Raise if a problem is an error.

    `origins` says of (table, column) from which file and column it comes.

    Raises
    ------
    ContractError
        One line for each error: where, which rule, how many rows, at most three ids, and what to do.
    """
    errors = problems[problems["severity"] == "error"]
    if errors.empty:
        return
    lines = []
    told = errors[["table", "column", "rule", "rows", "ids"]]
    for table, column, rule, rows, ids in told.itertuples(index=False, name=None):
        where = f"{table}.{column}" if column else table
        who = f" in {rows} rows" * bool(rows) + f" ({ids})" * bool(ids)
        origin = (origins or {}).get((table, column))
        where += f" [{origin}]" * bool(origin)
        lines.append(f"- {where}: {rule}{who} -> {ADVICE[rule.partition(':')[0]]}")
    raise ContractError("\n".join([f"the raw tables are refused, {len(errors)} problems:", *lines]), problems)


def _with_text_names(frame: pd.DataFrame) -> pd.DataFrame:
    return frame.set_axis([str(name) for name in frame.columns], axis=1).reset_index(drop=True)


def _read_table(
    raw: pd.DataFrame, spec: TableSpec, vocabulary: Mapping[str, Sequence[str]], ranges: Ranges
) -> tuple[pd.DataFrame, list[_Finding]]:
    """Return the table in the contract's columns and dtypes (rows as they came), and what is wrong."""
    findings = list(_wrong_columns(raw, spec))
    raw = raw.loc[:, ~raw.columns.duplicated()]
    present = [column for column in spec.columns.values() if column.name in raw.columns]
    frame, unreadable = pd.DataFrame(index=raw.index), pd.DataFrame(index=raw.index)
    for column in present:
        frame[column.name], unreadable[column.name] = as_type(raw[column.name], column.type)
        if unreadable[column.name].any():
            cells = as_text(raw.loc[unreadable[column.name], column.name])
            rule = f"type: {column.type}{looks_like(cells, column.type)}"
            wrong = unreadable[column.name]
            findings.append(_Finding(spec.table, column.name, rule + _names(raw, spec, wrong), wrong))
        for rule, rows, severity in suspicions(frame[column.name], column):
            findings.append(_Finding(spec.table, column.name, rule, rows, severity))
    findings += _broken_rules(frame, unreadable, spec, vocabulary, ranges)
    findings += _beyond_ranges_by_name(frame, spec)
    absent = {c.name: pd.Series(dtype=DTYPES[c.type]) for c in spec.columns.values()}
    whole = {name: frame.get(name, empty) for name, empty in absent.items()}
    return pd.DataFrame(whole, index=raw.index), findings


def _wrong_columns(raw: pd.DataFrame, spec: TableSpec) -> Iterator[_Finding]:
    for name in raw.columns[raw.columns.duplicated()].unique():
        yield _Finding(spec.table, name, "duplicate_column")
    for name in raw.columns.unique().difference(pd.Index(list(spec.columns))):
        yield _Finding(spec.table, name, "unknown_column", severity="warning")
    for column in spec.columns.values():
        if column.required and column.name not in raw.columns:
            yield _Finding(spec.table, column.name, "required_column")


def _broken_rules(
    frame: pd.DataFrame,
    unreadable: pd.DataFrame,
    spec: TableSpec,
    vocabulary: Mapping[str, Sequence[str]],
    ranges: Ranges,
) -> Iterator[_Finding]:
    """Yield what breaks the table's schema; a cell that could not be read is not also called empty."""
    from features.contract.schema import schema_failures  # noqa: PLC0415 - pandera takes 0.2 s; most stages never validate

    for column, rule, labels in schema_failures(frame, spec, vocabulary):
        rows = pd.Series(frame.index.isin(labels), index=frame.index)
        if rule == "required_value":
            rows &= ~unreadable[column]
        if rule.startswith("range"):
            rows &= ~_within(frame, spec, column, ranges)
        if rows.any():
            names = _names(frame, spec, rows) if rule.startswith("range") else ""
            yield _Finding(spec.table, column, rule + names, rows)


def _beyond_ranges_by_name(frame: pd.DataFrame, spec: TableSpec) -> Iterator[_Finding]:
    """Yield the values outside the range of what they are of: a grade that the term has not, say."""
    for limits in spec.ranges_by_name:
        if not {limits.column, limits.by} <= set(frame):
            continue
        by_name = {name.casefold(): span for name, span in limits.ranges.items()}
        names = frame[limits.by].str.casefold()
        low, high = (names.map({name: span[end] for name, span in by_name.items()}) for end in (0, 1))
        values = frame[limits.column].astype("float64")
        rows = (values < low.astype("float64")) | (values > high.astype("float64"))
        listed = [name for name in limits.ranges if (names[rows] == name.casefold()).any()]
        more = f" and {len(listed) - MAX_NAMES} more" if len(listed) > MAX_NAMES else ""
        rule = f"range_by_name: outside what its {limits.by} allows, of {', '.join(listed[:MAX_NAMES])}{more}"
        yield _Finding(spec.table, limits.column, rule, rows, limits.severity)


def _within(frame: pd.DataFrame, spec: TableSpec, column: str, ranges: Ranges) -> pd.Series:
    """Return True for the values that the study's own range for their feature allows."""
    inside = pd.Series(data=False, index=frame.index)
    if spec.named_by not in frame:
        return inside
    for name, rows in frame.groupby(spec.named_by)[column]:
        for pattern, (low, high) in ranges.items():
            if fnmatchcase(str(name), pattern):
                inside[rows.index] |= rows.between(low, high)
    return inside


def _names(frame: pd.DataFrame, spec: TableSpec, rows: pd.Series) -> str:
    """Return which features or tests the rows are of; empty in a table that does not name any."""
    if spec.named_by not in frame or not rows.any():
        return ""
    names = sorted(as_text(frame.loc[rows, spec.named_by]).dropna().unique())
    more = f" and {len(names) - MAX_NAMES} more" if len(names) > MAX_NAMES else ""
    return f", of {', '.join(names[:MAX_NAMES])}{more}"


def _direct_identifiers(
    raw: pd.DataFrame, table: str, spec: TableSpec | None, identifiers: IdentifierPatterns | None
) -> list[_Finding]:
    if identifiers is None:
        return []
    columns = spec.columns if spec else {}
    free_text = [
        c.name for c in columns.values() if c.type == "string" and not c.levels and not c.levels_from
    ]
    found = find_identifiers(
        raw.loc[:, ~raw.columns.duplicated()], identifiers, columns, free_text, spec.key if spec else ()
    )
    return [_Finding(table, column, f"direct_identifier: {kind}", rows) for column, kind, rows in found]


def _broken_links(tables: Mapping[str, pd.DataFrame], contract: Contract) -> Iterator[_Finding]:
    """Yield rows without a subject, references to missing rows, and dates in an impossible order."""
    for name, frame in tables.items():
        spec = contract[name]
        if "usubjid" in spec.columns and name != "subjects" and "subjects" in tables:
            strangers = _not_in(frame["usubjid"], tables["subjects"]["usubjid"])
            yield _Finding(name, "usubjid", "unknown_subject: not in subjects", strangers)
        for column in spec.columns.values():
            if column.references:
                table, _, key = column.references.partition(".")
                known = tables[table][key] if table in tables else pd.Series(dtype="str")
                missing = _not_in(frame[column.name], known)
                yield _Finding(name, column.name, f"unknown_reference: not in {column.references}", missing)
        for check in spec.checks:
            if check.other_table in tables:
                rows = _out_of_order(frame, tables[check.other_table], check, same=check.other_table == name)
                rule = f"{check.rule}: {check.other_table}.{check.other}"
                yield _Finding(name, check.column, rule, rows, check.severity)


def _not_in(values: pd.Series, known: pd.Series) -> pd.Series:
    return values.notna() & ~values.isin(known)


def _out_of_order(frame: pd.DataFrame, other: pd.DataFrame, check: DateCheck, *, same: bool) -> pd.Series:
    """Return True for rows whose date breaks the check; a missing date breaks none."""
    limit = other[check.other]
    if not same:
        earliest = other.groupby("usubjid")[check.other].min()
        limit = pd.Series(earliest.reindex(frame["usubjid"]).to_numpy(), index=frame.index)
    dates = frame[check.column]
    return dates < limit if check.rule == "not_before" else dates > limit


def _as_problems(
    findings: Sequence[_Finding], tables: Mapping[str, pd.DataFrame], contract: Contract
) -> pd.DataFrame:
    """Return the findings as a frame in contract order; ids that hold identifiers themselves are withheld."""
    withheld = {(f.table, f.column) for f in findings if f.rule.startswith("direct_identifier")}
    tables_in_order = {name: i for i, name in enumerate(contract)}

    def place(finding: _Finding) -> tuple[int, str, int, str, str]:
        table, column = finding.table, finding.column
        columns = {"": -1} | {
            c: i for i, c in enumerate(contract[table].columns if table in contract else ())
        }
        return (
            tables_in_order.get(table, len(contract)),
            table,
            columns.get(column, len(columns)),
            column,
            finding.rule,
        )

    concerned, rows = AffectedRows(tables, contract, withheld), []
    for finding in sorted(findings, key=place):
        whom = (0, "", []) if finding.rows is None else concerned.by(finding.table, finding.rows)
        if finding.rows is None or whom[0]:
            rows.append((finding.table, finding.column, finding.rule, finding.severity, *whom))
    return pd.DataFrame(rows, columns=PROBLEM_COLUMNS).astype({"rows": "int64"})


def _sorted_by_key(frame: pd.DataFrame, spec: TableSpec) -> pd.DataFrame:
    """Return the rows sorted by key, and by all columns where the key is not unique; fresh index."""
    key = list(spec.key)
    by = [*key, *(c for c in frame.columns if c not in key)] if frame.duplicated(key).any() else key
    return frame.sort_values(by, ignore_index=True)
