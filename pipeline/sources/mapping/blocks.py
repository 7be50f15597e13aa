"""From a study's files, read as text, to the rows of contract tables."""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import pandas as pd

from features.specification import ColumnSpec, TableSpec
from pipeline.sources.mapping.files import SourceError
from pipeline.sources.mapping.study_file import Block, ColumnRule, Keep, SourceFile, SourceMapping

DROPPED_COLUMNS = ["file", "table", "reason", "rows", "left"]
Dropped = list[tuple[str, str, str, int, int]]
"""Counts of rows that were left out: a row of `DROPPED_COLUMNS` each."""


@dataclass(frozen=True)
class Loaded:
    """The rows of a file: `cells` text, `ids` the usubjid of each row (None where the file has none)."""

    name: str
    file: SourceFile
    cells: pd.DataFrame
    ids: pd.Series | None

    def kept(self, wanted: pd.Series, table: str, reason: str, dropped: Dropped) -> "Loaded":
        """Return the wanted rows, and count the others in `dropped`."""
        if not wanted.all():
            dropped.append((self.name, table, reason, int((~wanted).sum()), int(wanted.sum())))
        ids = None if self.ids is None else self.ids[wanted]
        return Loaded(self.name, self.file, self.cells[wanted], ids)


def columns_used(mapping: SourceMapping) -> dict[str, set[str]]:
    """Return the source columns that each file must have; files of which none is used are left out."""
    used: dict[str, set[str]] = {mapping.patients: set()}
    for block in (b for blocks in mapping.tables.values() for b in blocks):
        used.setdefault(block.file, set()).update(k.column for k in block.keep)
        for rule in block.columns.values():
            used.setdefault(rule.file or block.file, set()).update(rule.source_columns)
    for name, columns in used.items():
        file = mapping.files[name]
        columns.update(k.column for k in file.keep)
        columns.update([file.id.column] if file.id else [])
    return used


def load(name: str, file: SourceFile, cells: pd.DataFrame, dropped: Dropped) -> Loaded:
    """Make the usubjid of every row, and keep the rows that the file's `keep` wants.

    Raises
    ------
    SourceError
        If no row is left.
    """
    ids = None
    if file.id is not None:
        ids = cells[file.id.column].str.removeprefix(file.id.strip_prefix).str.zfill(file.id.pad)
    return _filtered(Loaded(name, file, cells, ids), file.keep, "", dropped)


def of_patients(loaded: Loaded, source: Loaded, dropped: Dropped) -> Loaded:
    """Keep the rows of the patients of the file `source`; a file without ids stays whole.

    Raises
    ------
    SourceError
        If no row is left: the ids do not join.
    """
    if loaded.ids is None or source.ids is None or loaded.name == source.name:
        return loaded
    ours = loaded.ids.isin(source.ids.dropna())
    if not ours.any():
        raise SourceError(
            f"{loaded.file.label}: none of its {len(ours)} rows is of a patient of {source.file.label}; "
            f"check `id` (column, strip_prefix, pad) of both in the study file"
        )
    return loaded.kept(ours, "", f"patient not in {source.name}", dropped)


def build_table(
    blocks: list[Block], spec: TableSpec, files: Mapping[str, Loaded], dropped: Dropped
) -> pd.DataFrame:
    """Return a contract table with the columns that the study maps; text, or numbers after `factor`.

    Raises
    ------
    SourceError
        If a block maps a column that the contract does not have, has no row left, or meets a value that
        `recode` does not list.
    """
    return pd.concat([_build_block(block, spec, files, dropped) for block in blocks], ignore_index=True)


def _build_block(
    block: Block, spec: TableSpec, files: Mapping[str, Loaded], dropped: Dropped
) -> pd.DataFrame:
    main = files[block.file]
    _check_columns(block, spec, main)
    main = _filtered(main, block.keep, spec.table, dropped)
    parts = [_level_rows(block, level, spec, main, files) for level in block.levels or [""]]
    rows = Loaded(main.name, main.file, pd.concat(parts, ignore_index=True), None)
    for column in block.drop_empty:
        rows = rows.kept(rows.cells[column].notna(), spec.table, f"{column} empty", dropped)
    if rows.cells.empty:
        raise SourceError(
            f"{main.file.label}: every row for table {spec.table} has an empty `drop_empty` cell"
        )
    return rows.cells


def _level_rows(
    block: Block, level: str, spec: TableSpec, main: Loaded, files: Mapping[str, Loaded]
) -> pd.DataFrame:
    """Return one row for each row of the file, at one level of `repeat` ("" where there is none)."""
    rows = pd.DataFrame(index=main.cells.index)
    if main.ids is not None and "usubjid" in spec.columns:
        rows["usubjid"] = main.ids
    if block.repeat is not None:
        rows[block.repeat] = level
    for name, rule in block.columns.items():
        column = rule.source_at(level)
        other = files[rule.file] if rule.file and rule.file != block.file else None
        if column is None:
            values = pd.Series(rule.constant, index=rows.index, dtype="str")
        else:
            values = main.cells[column] if other is None else _looked_up(column, other, main)
        origin = (other or main).file
        where = f"{origin.label}, column {column!r} (for {spec.table}.{name})"
        if rule.recode is not None:
            values = _recoded(values, rule, where, main.ids)
        rows[name] = _converted(values, rule, spec.columns[name], origin.decimal)
    return rows


def _check_columns(block: Block, spec: TableSpec, main: Loaded) -> None:
    named = [*block.columns, *([block.repeat] if block.repeat else [])]
    unknown = ", ".join(c for c in named if c not in spec.columns)
    if unknown:
        raise SourceError(f"study file, table {spec.table}: the contract has no column {unknown}; correct it")
    if main.ids is None and "usubjid" in spec.columns and "usubjid" not in block.columns:
        raise SourceError(f"{main.file.label}: table {spec.table} is of patients; give the file an `id`")


def _filtered(loaded: Loaded, keep: list[Keep], table: str, dropped: Dropped) -> Loaded:
    for rule in keep:
        reason = f"{rule.column} not {' or '.join(rule.values)}"
        loaded = loaded.kept(loaded.cells[rule.column].isin(rule.values), table, reason, dropped)
    if loaded.cells.empty:
        filters = "; ".join(f"{rule.column}: {', '.join(rule.values)}" for rule in keep)
        raise SourceError(
            f"{loaded.file.label}: no row is left (kept: {filters or 'all'}); check the file, and `keep` in "
            f"the study file"
        )
    return loaded


def _looked_up(column: str, other: Loaded, main: Loaded) -> pd.Series:
    """Return the patients' cells of a column in another file; NaN for patients that it does not have."""
    if main.ids is None or other.ids is None:
        raise SourceError(
            f"{other.file.label}, column {column!r}: looked up by patient; give both files an `id`"
        )
    known = other.ids[other.ids.isin(main.ids.dropna())]
    several = known[known.duplicated()].drop_duplicates()
    if len(several):
        raise SourceError(
            f"{other.file.label}, column {column!r}: looked up by patient, but {len(several)} patients have "
            f"several rows ({_named(several)}); narrow the file by `keep`"
        )
    by_patient = dict(zip(known, other.cells.loc[known.index, column], strict=True))
    return main.ids.map(by_patient).astype("str")


def _converted(values: pd.Series, rule: ColumnRule, column: ColumnSpec, decimal: str) -> pd.Series:
    """Read dates, convert units; what cannot be read stays as it is, for the contract to refuse."""
    if rule.date_format is not None:
        dates = pd.to_datetime(values, format=rule.date_format, errors="coerce").dt.strftime("%Y-%m-%d")
        values = dates.where(dates.notna(), values)
    if column.type in {"float", "integer"} and decimal != ".":
        values = values.str.replace(decimal, ".", regex=False)
    if rule.factor is not None:
        scaled = pd.to_numeric(values, errors="coerce").astype("float64") * rule.factor
        values = scaled.astype("object").where(scaled.notna(), values)
    return values


def _recoded(values: pd.Series, rule: ColumnRule, where: str, ids: pd.Series | None) -> pd.Series:
    codes = {text: level or np.nan for level, text in rule.recoded_texts}
    text = values.fillna("")
    unlisted = ~text.isin(list(codes)) & (text != "")
    if unlisted.any() and not rule.has_otherwise:
        who = "" if ids is None else f" ({_named(ids[unlisted])})"
        raise SourceError(
            f"{where}: {int(unlisted.sum())} rows{who} hold a value that `recode` does not list; add it, or "
            f"`otherwise`, in the study file"
        )
    return text.map(codes).mask(unlisted, rule.otherwise).astype("str")


def _named(ids: pd.Series) -> str:
    return "; ".join(sorted(ids.dropna().unique())[:3])
