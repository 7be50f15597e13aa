"""From a study's files, read as text, to the rows of contract tables."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd

from features.contract.specification import TableSpec
from pipeline.sources.formats.errors import SourceError, ids_of, named_ids
from pipeline.sources.formats.plain_text import COMPUTED, SPREADSHEET, plain_id, replaced
from pipeline.sources.formats.source_file import Keep, PatientId, Pivot, SourceFile
from pipeline.sources.formats.variants import read_panel
from pipeline.sources.mapping.convert import Origin, converted
from pipeline.sources.mapping.cycles import PLACED, in_cycles
from pipeline.sources.mapping.examples import Examples
from pipeline.sources.mapping.files import Reader
from pipeline.sources.mapping.recode import OFTEN_MISSING, recoded
from pipeline.sources.mapping.study_file import Block, SourceMapping

TEST = "the test's name"
"""A column beside those of the file, of which none has this name."""
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
    """Return the columns that are used of each file, after its `pivot`; unused files are left out."""
    used: dict[str, set[str]] = {name: set() for name in mapping.patient_files}
    for block in (b for blocks in mapping.tables.values() for b in blocks):
        used.setdefault(block.file, set()).update(k.column for k in block.keep)
        for rule in block.columns.values():
            used.setdefault(rule.file or block.file, set()).update(rule.source_columns)
            used[block.file].update(rule.by or ())
            used[rule.file or block.file].update((rule.by or {}).values())
    return used


def columns_read(file: SourceFile, used: set[str]) -> set[str]:
    """Return the columns that a file itself must have, for the `used` ones to come out of it."""
    columns = {k.column for k in file.keep} | ({file.id.column} if file.id else set())
    if file.accepted is not None:
        columns |= {file.accepted.flag, *file.accepted.group}
    if file.visits is not None:
        columns |= {"VISIT"}
    if file.cycles is not None:
        return columns | file.cycles.columns | (used - PLACED)
    if file.pivot is None:
        return columns | used
    return columns | {*file.pivot.by, *file.pivot.carry, *file.pivot.names, file.pivot.value}


def load(name: str, file: SourceFile, cells: pd.DataFrame, reader: Reader, dropped: Dropped) -> Loaded:
    """Make the usubjid of every row, and keep the rows that the file's `keep` and `accepted` want.

    Raises
    ------
    SourceError
        If no row is left of a file that is not optional.
    """
    if file.id is not None:
        ids, rows = replaced(cells[file.id.column], plain_id)
        told = "characters: invisible, or of another form"
        reader.note(file.label, file.id.column, told, int(rows.sum()), ids_of(ids, rows))
        _examine_ids(ids, file, reader)
        cells = cells.assign(**{file.id.column: ids})
    unread = [(reason, rows) for label, reason, rows, _ in reader.left_out if label == file.label]
    loaded = _filtered(Loaded(name, file, cells, _ids(file, cells)), file.keep, "", dropped, unread)
    reader.use(name, file, cells, loaded.cells.index)
    if file.accepted is not None:
        flag = loaded.cells[file.accepted.flag] == "Y"
        group = joined(loaded.cells[file.accepted.group].fillna(""))
        wanted = flag | ~group.isin(group[flag])
        loaded = loaded.kept(wanted, "", f"{file.accepted.flag} not Y", dropped)
    return loaded


def _examine_ids(ids: pd.Series, file: SourceFile, reader: Reader) -> None:
    """Refuse ids that a spreadsheet spoiled, and count those that look like none."""
    assert file.id is not None  # noqa: S101 - asked by the caller
    spoiled = ids.str.fullmatch(SPREADSHEET, na=False)
    if spoiled.any():
        raise SourceError(
            f"{file.label}, column {file.id.column!r}: {int(spoiled.sum())} rows hold an error or a formula "
            f"of a spreadsheet (such as #REF! or =A1) in place of an id; enter the ids at the source"
        )
    computed = ids.str.fullmatch(COMPUTED, na=False)
    if computed.any():
        raise SourceError(
            f"{file.label}, column {file.id.column!r}: {int(computed.sum())} rows have an id that begins "
            "with +, - or @, which a spreadsheet takes for a formula when a result names it; give these "
            "patients other ids"
        )
    blank = ids.str.lower().isin(OFTEN_MISSING)
    told = "missing_as_text: texts that often mean missing, read as they stand"
    reader.doubt(file.label, file.id.column, told, int(blank.sum()))


def wide(loaded: Loaded, used: set[str], reader: Reader) -> Loaded:
    """Apply the file's `pivot` or `cycles`, if it has one.

    Raises
    ------
    SourceError
        If the pivot finds two results in one place, or doses have no cycle.
    """
    if loaded.file.cycles is not None and loaded.ids is not None:
        cells = in_cycles(loaded.cells, loaded.ids, loaded.file, reader).reset_index(drop=True)
        return Loaded(loaded.name, loaded.file, cells, _ids(loaded.file, cells))
    if loaded.file.pivot is None:
        return loaded
    cells = pivoted(loaded, loaded.file.pivot, used, reader)
    return Loaded(loaded.name, loaded.file, cells, _ids(loaded.file, cells))


def _ids(file: SourceFile, cells: pd.DataFrame) -> pd.Series | None:
    if file.id is None:
        return None
    return usubjids(cells[file.id.column], file.id, file.label)


def usubjids(ids: pd.Series, spec: PatientId, label: str) -> pd.Series:
    """Return the usubjid of every id as a file writes it.

    Raises
    ------
    SourceError
        If an id does not match the `pattern`.
    """
    if spec.pattern is not None:
        part = ids.str.extract(spec.pattern, expand=False)
        if (rows := ids.notna() & part.isna()).any():
            raise SourceError(
                f"{label}, column {spec.column!r}: {int(rows.sum())} rows have an id that `pattern` "
                f"does not match; correct the pattern in the study file"
            )
        ids = part
    return ids.str.removeprefix(spec.strip_prefix).str.zfill(spec.pad)


def pivoted(loaded: Loaded, pivot: Pivot, used: set[str], reader: Reader) -> pd.DataFrame:
    """Return one row for each group and one column for each test that is used; other tests are counted.

    Raises
    ------
    SourceError
        If a group has two results of a test, or two values in a column that is carried along.
    """
    cells = loaded.cells.assign(**{TEST: test_names(loaded.cells, pivot)})
    tests, named = sorted(used - {*pivot.by, *pivot.carry}), ", ".join(pivot.names)
    unused = cells[TEST].notna() & ~cells[TEST].isin(tests)
    reader.note(loaded.file.label, named, "unknown_test: not mapped, not used", int(unused.sum()))
    rows = cells[~unused]
    twice = rows.duplicated([*pivot.by, TEST])
    carried, torn = _carried(rows, pivot)
    for found, what in (
        (rows[twice], f"stand twice in column {named!r} for one {', '.join(pivot.by)}"),
        (torn, f"differ in {', '.join(pivot.carry)} within one {', '.join(pivot.by)}"),
    ):
        if len(found):
            raise SourceError(
                f"{loaded.file.label}: {len(found)} rows ({named_ids(found[pivot.by[0]])}) {what}; "
                f"keep one, by `keep` in the study file or at the source"
            )
    filled = rows.dropna(subset=[TEST, pivot.value])
    results = filled.pivot(  # noqa: PD010 - two results in one place are refused above
        index=pivot.by, columns=TEST, values=pivot.value
    )
    results = results.reindex(
        pd.MultiIndex.from_frame(carried[pivot.by]) if len(pivot.by) > 1 else carried[pivot.by[0]]
    )
    results = results.reindex(columns=tests).astype("str").reset_index(drop=True)
    return pd.concat([carried.reset_index(drop=True), results], axis=1)


def test_names(cells: pd.DataFrame, pivot: Pivot) -> pd.Series:
    """Return the name of each row's test: the texts of the pivot's names, joined; missing where none is."""
    first, *others = pivot.names
    name = cells[first]
    for other in others:
        name = (name.fillna("") + " " + cells[other].fillna("")).str.strip()
    return name.mask(name == "") if others else name


def _carried(rows: pd.DataFrame, pivot: Pivot) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Return the columns carried along, one row a group, and the rows of groups with two values in one."""
    each = rows[[*pivot.by, *pivot.carry]].drop_duplicates()
    if not pivot.carry:
        return each, each.iloc[:0]
    groups = each.groupby(pivot.by, sort=False, dropna=False)[pivot.carry]
    return groups.first().reset_index(), each[groups.transform("nunique").gt(1).any(axis=1)]


def build_table(
    blocks: list[Block],
    spec: TableSpec,
    files: Mapping[str, Loaded],
    reader: Reader,
    dropped: Dropped,
    examples: Examples,
) -> pd.DataFrame | None:
    """Return a contract table with the columns that the study maps; text, or numbers after `factor`.

    None where all its files are optional and absent.

    Raises
    ------
    SourceError
        If a block maps a column that the contract does not have, has no row left, or meets a value that
        `recode` does not list.
    """
    parts = [_build_block(b, spec, files, reader, dropped, examples) for b in blocks if b.file in files]
    return pd.concat(parts, ignore_index=True) if parts else None


def _build_block(
    block: Block,
    spec: TableSpec,
    files: Mapping[str, Loaded],
    reader: Reader,
    dropped: Dropped,
    examples: Examples,
) -> pd.DataFrame:
    main = files[block.file]
    _check_columns(block, spec, main)
    main = _filtered(main, block.keep, spec.table, dropped)
    parts = [_level_rows(block, level, spec, main, files, reader, examples) for level in block.levels or [""]]
    rows = Loaded(main.name, main.file, pd.concat(parts, ignore_index=True), None)
    for column in block.drop_empty:
        rows = rows.kept(rows.cells[column].notna(), spec.table, f"{column} empty", dropped)
    if rows.cells.empty and not main.file.optional:
        raise SourceError(
            f"{main.file.label}: every row for table {spec.table} has an empty `drop_empty` cell"
        )
    return rows.cells


def _level_rows(
    block: Block,
    level: str,
    spec: TableSpec,
    main: Loaded,
    files: Mapping[str, Loaded],
    reader: Reader,
    examples: Examples,
) -> pd.DataFrame:
    """Return one row for each row of the file, at one level of `repeat` ("" where there is none)."""
    rows = pd.DataFrame(index=main.cells.index)
    if main.ids is not None and "usubjid" in spec.columns:
        rows["usubjid"] = main.ids
    if block.repeat is not None:
        rows[block.repeat] = level
    for name, rule in block.columns.items():
        column = rule.source_at(level)
        elsewhere = rule.file is not None and rule.file != block.file
        if elsewhere and rule.file not in files:
            reader.note(str(rule.file), str(column), "absent: optional file, its column is empty", len(rows))
            rows[name] = pd.Series(np.nan, index=rows.index, dtype="str")
            continue
        other = files[str(rule.file)] if elsewhere else None
        if column is None:
            values = pd.Series(rule.constant, index=rows.index, dtype="str")
        else:
            values = main.cells[column] if other is None else _looked_up(column, other, main, rule.by)
        for name_after in rule.fallback:
            after = main.cells[name_after] if other is None else _looked_up(name_after, other, main, rule.by)
            values = values.fillna(after)
        cells = values
        origin = (other or main).file
        where = f"{origin.label}, column {column!r} (for {spec.table}.{name})"
        if rule.recode is not None:
            values = recoded(
                values, rule, spec.columns[name], Origin(origin, str(rule.source), where, main.ids), reader
            )
        if rule.panels is not None:
            values = _panel_genes(values, rule.panels, where, reader)
        if column is not None:
            values = converted(
                values, rule, spec.columns[name], Origin(origin, column, where, main.ids), reader
            )
            examples.add((spec.table, name, origin.label, column), cells, values)
        rows[name] = values
    return rows


def _check_columns(block: Block, spec: TableSpec, main: Loaded) -> None:
    named = [*block.columns, *([block.repeat] if block.repeat else [])]
    unknown = ", ".join(c for c in named if c not in spec.columns)
    if unknown:
        raise SourceError(f"study file, table {spec.table}: the contract has no column {unknown}; correct it")
    if main.ids is None and "usubjid" in spec.columns and "usubjid" not in block.columns:
        raise SourceError(f"{main.file.label}: table {spec.table} is of patients; give the file an `id`")


def keep_reason(rule: Keep) -> str:
    """Return how rows that a filter leaves out are counted."""
    return f"{rule.column} not {' or '.join(text or 'empty' for text in rule.wanted)}"


def _filtered(
    loaded: Loaded, keep: list[Keep], table: str, dropped: Dropped, unread: Sequence[tuple[str, int]] = ()
) -> Loaded:
    """Return the rows that `keep` wants; `unread` are the calls that reading left out, by reason."""
    for rule in keep:
        reason = keep_reason(rule)
        wanted = loaded.cells[rule.column].fillna("").isin(rule.wanted)
        loaded = loaded.kept(wanted, table, reason, dropped)
    if loaded.cells.empty and not loaded.file.optional:
        filters = "; ".join(f"{rule.column}: {', '.join(rule.wanted)}" for rule in keep)
        before = [(reason, rows) for name, _, reason, rows, _ in dropped if name == loaded.name]
        reasons = ", ".join(f"{reason}: {rows}" for reason, rows in [*unread, *before])
        raise SourceError(
            f"{loaded.file.label}: no row is left (kept: {filters or 'all'}; left out: {reasons or 'none'}); "
            f"check the file, and {'`calls` and ' if unread else ''}`keep` in the study file"
        )
    return loaded


def _looked_up(column: str, other: Loaded, main: Loaded, by: Mapping[str, str] | None) -> pd.Series:
    """Return the cells of a column in another file, by patient or by `by`; NaN where it has no row."""
    if by is not None:
        wanted = joined(main.cells[list(by)])
        key, what = joined(other.cells[list(by.values())]), f"looked up by {', '.join(by.values())}"
    elif main.ids is None or other.ids is None:
        raise SourceError(
            f"{other.file.label}, column {column!r}: looked up by patient; give both files an `id`"
        )
    else:
        wanted, key, what = main.ids, other.ids, "looked up by patient"
    pairs = pd.DataFrame({"key": key, "value": other.cells[column]})
    pairs = pairs[pairs["key"].isin(wanted.dropna())].drop_duplicates()
    several = pairs.loc[pairs["key"].duplicated(), "key"].drop_duplicates()
    if len(several):
        ids = several if other.ids is None else other.ids[several.index]
        raise SourceError(
            f"{other.file.label}, column {column!r}: {what}, but {len(several)} "
            f"{'patients' if by is None else 'keys'} have several rows ({named_ids(ids)}); narrow the "
            f"file by `keep`"
        )
    return wanted.map(dict(zip(pairs["key"], pairs["value"], strict=True))).astype("str")


def joined(keys: pd.DataFrame) -> pd.Series:
    """Return the columns as one key; missing where one of them is."""
    first, *others = [keys[name] for name in keys]
    for other in others:
        first = first + "\x1f" + other
    return first


def _panel_genes(values: pd.Series, panels: Mapping[str, str], where: str, reader: Reader) -> pd.Series:
    unlisted = values.notna() & ~values.isin(list(panels))
    if unlisted.any():
        raise SourceError(
            f"{where}: {int(unlisted.sum())} rows name a panel that `panels` does not list; add it"
        )
    return values.map({name: read_panel(reader.folder / path, path) for name, path in panels.items()})
