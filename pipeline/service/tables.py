"""From the bytes of a request to named columns, within limits; whatever is refused is not repeated."""

import csv
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from pipeline.service.settings import ServiceSettings

JSON, CSV = "application/json", "text/csv"
TABLES = ("dataframe_split", "dataframe_records")


class RefusedError(Exception):
    """A request that is answered with a status and that status's sentence."""

    def __init__(self, status: int) -> None:
        super().__init__(status)
        self.status = status


@dataclass(frozen=True)
class Table:
    """The columns of a request by name, all of one length, and whether contributions are asked for."""

    columns: Mapping[str, Sequence[Any]]
    rows: int
    explain: bool = False


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
    raise RefusedError(415)


def _read_json(body: bytes, limits: ServiceSettings) -> Table:
    try:
        content = json.loads(body.decode("utf-8"), object_pairs_hook=_unique)
    except (ValueError, RecursionError):
        raise RefusedError(400) from None
    if not isinstance(content, dict) or not set(content) <= {*TABLES, "params"}:
        raise RefusedError(400)
    given = [name for name in TABLES if name in content]
    params = content.get("params", {})
    if len(given) != 1 or not isinstance(params, dict) or not set(params) <= {"explain"}:
        raise RefusedError(400)
    explain = params.get("explain", False)
    if not isinstance(explain, bool):
        raise RefusedError(400)
    read = _of_split if given == ["dataframe_split"] else _of_records
    columns, rows = read(content[given[0]], limits)
    return Table(columns, rows, explain)


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """Return an object whose names are all different; two of one name are two answers to one question."""
    content = dict(pairs)
    if len(content) < len(pairs):
        raise RefusedError(400)
    return content


def _of_records(table: Any, limits: ServiceSettings) -> tuple[dict[str, list[Any]], int]:
    if not isinstance(table, list) or not table:
        raise RefusedError(400)
    names: dict[str, None] = {}
    for row in table:
        if not isinstance(row, dict):
            raise RefusedError(400)
        if not row.keys() <= names.keys():
            names |= dict.fromkeys(row)
            _check_names(list(names), limits)
    _check_size(len(table), len(names), limits)
    return {name: [row.get(name) for row in table] for name in names}, len(table)


def _of_split(table: Any, limits: ServiceSettings) -> tuple[dict[str, list[Any]], int]:
    if not isinstance(table, dict) or not set(table) <= {"columns", "data", "index"}:
        raise RefusedError(400)
    names, data = table.get("columns"), table.get("data")
    if not isinstance(names, list) or not isinstance(data, list) or not data or not names:
        raise RefusedError(400)
    if not all(isinstance(name, str) for name in names) or len(set(names)) < len(names):
        raise RefusedError(400)
    _check_names(names, limits)
    _check_size(len(data), len(names), limits)
    if not all(isinstance(row, list) and len(row) == len(names) for row in data):
        raise RefusedError(400)
    index = table.get("index", data)
    if not isinstance(index, list) or len(index) != len(data):
        raise RefusedError(400)
    return {name: list(column) for name, column in zip(names, zip(*data, strict=True), strict=True)}, len(
        data
    )


def _read_csv(body: bytes, limits: ServiceSettings) -> Table:
    """Read CSV with a heading; every row has its number of cells, and every column another name."""
    try:
        text = body.decode("utf-8-sig")
        lines = [row for row in csv.reader(text.splitlines(keepends=True), strict=True) if row]
    except (UnicodeDecodeError, csv.Error):
        raise RefusedError(400) from None
    if len(lines) < 2 or "\x00" in text:
        raise RefusedError(400)
    names, rows = [name.strip() for name in lines[0]], lines[1:]
    if len(set(names)) < len(names) or any(len(row) != len(names) for row in rows):
        raise RefusedError(400)
    _check_names(names, limits)
    _check_size(len(rows), len(names), limits)
    return Table(
        {name: list(column) for name, column in zip(names, zip(*rows, strict=True), strict=True)}, len(rows)
    )


def _check_names(names: Sequence[str], limits: ServiceSettings) -> None:
    if len(names) > limits.max_columns or any(len(name) > limits.max_name_characters for name in names):
        raise RefusedError(413)


def _check_size(rows: int, columns: int, limits: ServiceSettings) -> None:
    if rows > limits.max_rows or rows * columns > limits.max_cells:
        raise RefusedError(413)
