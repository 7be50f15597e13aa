"""From the bytes of a request to named columns, within limits; whatever is refused is not repeated."""

import csv
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from io import StringIO
from typing import Any

from models.serving.serving import Reason
from pipeline.service.settings import ServiceSettings

JSON, CSV = "application/json", "text/csv"
TABLES = ("dataframe_split", "dataframe_records")


class RefusedError(Exception):
    """A request that is answered with a status, that status's sentence, and a reason.

    `code` and `rule` say which rule was broken; `name` is an input of the model, never a name that was sent.
    """

    def __init__(self, status: int, code: str = "", rule: str = "", name: str | None = None) -> None:
        super().__init__(status)
        self.status = status
        self.reason: Reason | None = {"code": code, "input": name, "rule": rule} if code else None


@dataclass(frozen=True)
class Table:
    """The columns of a request by name, all of one length, and its parameters.

    `explain`: contributions are asked for. `units`: the unit of inputs by name, as the sender has them.
    """

    columns: Mapping[str, Sequence[Any]]
    rows: int
    explain: bool = False
    units: Mapping[str, str] = field(default_factory=dict)


def read_table(kind: str, body: bytes, limits: ServiceSettings) -> Table:
    """Return the table of a request.

    Raises
    ------
    RefusedError
        400 if it is no table, or a name is given twice; 413 if it is beyond the limits; 415 if it is of
        another kind.
    """
    if kind == JSON:
        return _read_json(body, limits)
    if kind == CSV:
        return _read_csv(body, limits)
    raise RefusedError(415, "content_type", f"{JSON} or {CSV}")


def _not_a_table(rule: str) -> RefusedError:
    return RefusedError(400, "not_a_table", rule)


def _read_json(body: bytes, limits: ServiceSettings) -> Table:
    try:
        content = json.loads(body.decode("utf-8"), object_pairs_hook=_unique)
    except (ValueError, RecursionError):
        raise _not_a_table("JSON in UTF-8") from None
    given = [name for name in TABLES if name in content] if isinstance(content, dict) else []
    if len(given) != 1 or not set(content) <= {*TABLES, "params"}:
        raise _not_a_table(f"an object with one of {', '.join(TABLES)}, and params or nothing else")
    explain, units = _params(content.get("params", {}))
    read = _of_split if given == ["dataframe_split"] else _of_records
    columns, rows = read(content[given[0]], limits)
    return Table(columns, rows, explain, units)


def _params(params: Any) -> tuple[bool, dict[str, str]]:
    if not isinstance(params, dict) or not set(params) <= {"explain", "units"}:
        raise RefusedError(400, "unknown_parameter", "explain or units")
    explain, units = params.get("explain", False), params.get("units", {})
    if not isinstance(explain, bool):
        raise RefusedError(400, "parameter", "explain is true or false")
    if not isinstance(units, dict) or not all(isinstance(unit, str) for unit in units.values()):
        raise RefusedError(400, "parameter", "units names the unit of inputs")
    return explain, units


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """Return an object whose names are all different; two of one name are two answers to one question."""
    content = dict(pairs)
    if len(content) < len(pairs):
        raise RefusedError(400, "duplicate_name", "every name once")
    return content


def _of_records(table: Any, limits: ServiceSettings) -> tuple[dict[str, list[Any]], int]:
    if not isinstance(table, list) or not table:
        raise _not_a_table("dataframe_records is a list of rows")
    names: dict[str, None] = {}
    for row in table:
        if not isinstance(row, dict):
            raise _not_a_table("a row is an object of inputs")
        if not row.keys() <= names.keys():
            names |= dict.fromkeys(row)
            _check_names(list(names), limits)
    _check_size(len(table), len(names), limits)
    return {name: [row.get(name) for row in table] for name in names}, len(table)


def _of_split(table: Any, limits: ServiceSettings) -> tuple[dict[str, list[Any]], int]:
    if not isinstance(table, dict) or not set(table) <= {"columns", "data", "index"}:
        raise _not_a_table("dataframe_split has columns, data, and index or nothing else")
    names, data = table.get("columns"), table.get("data")
    if not isinstance(names, list) or not isinstance(data, list) or not data or not names:
        raise _not_a_table("columns and data are lists that are not empty")
    if not all(isinstance(name, str) for name in names):
        raise _not_a_table("columns are text")
    if len(set(names)) < len(names):
        raise RefusedError(400, "duplicate_name", "every name once")
    _check_names(names, limits)
    _check_size(len(data), len(names), limits)
    if not all(isinstance(row, list) and len(row) == len(names) for row in data):
        raise _not_a_table("a row of data has a cell for every column")
    index = table.get("index", data)
    if not isinstance(index, list) or len(index) != len(data):
        raise _not_a_table("index has an entry for every row")
    return {name: list(column) for name, column in zip(names, zip(*data, strict=True), strict=True)}, len(
        data
    )


def _read_csv(body: bytes, limits: ServiceSettings) -> Table:
    """Read CSV with a heading; every row has its number of cells, and every column another name."""
    try:
        text = body.decode("utf-8-sig")
        # Not `splitlines`: what is a line to Unicode may be part of a cell.
        lines = [row for row in csv.reader(StringIO(text, newline=""), strict=True) if row]
    except (UnicodeDecodeError, csv.Error):
        raise _not_a_table("CSV in UTF-8, quotes in pairs") from None
    if len(lines) < 2 or "\x00" in text:
        raise _not_a_table("a heading and rows, without null bytes")
    names, rows = [name.strip() for name in lines[0]], lines[1:]
    if len(set(names)) < len(names):
        raise RefusedError(400, "duplicate_name", "every name once")
    if any(len(row) != len(names) for row in rows):
        raise _not_a_table("a row has a cell for every name of the heading")
    _check_names(names, limits)
    _check_size(len(rows), len(names), limits)
    return Table(
        {name: list(column) for name, column in zip(names, zip(*rows, strict=True), strict=True)}, len(rows)
    )


def _check_names(names: Sequence[str], limits: ServiceSettings) -> None:
    if len(names) > limits.max_columns:
        raise RefusedError(413, "too_many_columns", f"at most {limits.max_columns}")
    if any(len(name) > limits.max_name_characters for name in names):
        raise RefusedError(413, "name_too_long", f"at most {limits.max_name_characters} characters")


def _check_size(rows: int, columns: int, limits: ServiceSettings) -> None:
    if rows > limits.max_rows:
        raise RefusedError(413, "too_many_rows", f"at most {limits.max_rows}")
    if rows * columns > limits.max_cells:
        raise RefusedError(413, "too_many_cells", f"at most {limits.max_cells}")
