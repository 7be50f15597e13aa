"""Reading a study's files: every cell as text, and one clear error when a file is not what was said."""

import csv
import struct
import zlib
from collections import Counter
from collections.abc import Collection
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from xml.etree.ElementTree import ParseError
from zipfile import BadZipFile

import numpy as np
import pandas as pd
import pyarrow as pa
from pandas.api import types
from pyreadstat import PyreadstatError, ReadstatError

from features.contract.cells import as_text
from pipeline.sources.audit.compare import MAX_BYTES_ALWAYS, Audit, compare, require_agreement
from pipeline.sources.audit.maf import audit_counts
from pipeline.sources.audit.readers import second_reader
from pipeline.sources.formats.dataset_json import read_dataset_json
from pipeline.sources.formats.errors import SourceError
from pipeline.sources.formats.grid import Doubt, Grid
from pipeline.sources.formats.maf import (
    BUILD,
    STATUS,
    builds_of,
    depth_contradictions,
    germline_rows,
    with_counts,
)
from pipeline.sources.formats.maf import COUNTS as MAF_COUNTS
from pipeline.sources.formats.ooxml import Package, open_package
from pipeline.sources.formats.parquet import read_parquet
from pipeline.sources.formats.redcap import STRUCTURE, decoded, read_dictionary
from pipeline.sources.formats.sdtm import (
    continued,
    read_xpt,
    reasons_filled,
    with_supplement,
)
from pipeline.sources.formats.source_file import DATASET_JSON, SourceFile
from pipeline.sources.formats.text import read_text
from pipeline.sources.formats.variants import called_origin, filtered
from pipeline.sources.formats.workbook import collection_paused, read_sheet
from pipeline.sources.mapping.headers import require_columns, require_one_header

UNREADABLE = (
    OSError, EOFError, ValueError, ArithmeticError, LookupError, ImportError, RuntimeError, BadZipFile,
    ParseError, csv.Error, struct.error, zlib.error, pa.ArrowException, PyreadstatError, ReadstatError,
)  # fmt: skip
"""What the libraries of the formats raise on files that are damaged or of another kind."""
FRACTION_CONTRADICTS = "fraction_contradicts_counts: the counts are used"
DEPTH_CONTRADICTS = "depth_contradicts_counts: it is not that of the two counts, and is used"
GERMLINE = "germline_status: called germline, read by the column of origins"
ALLELES_SPLIT = "alleles_split: records of several alternative alleles, each read as a row"
MIXED_BUILDS = "mixed_builds: genes and changes are read, places are not; rows of"
Repairs = list[tuple[str, str, str, int, str]]
"""Cells that were read otherwise than they stand: file, column, rule, rows, ids."""


@dataclass(frozen=True)
class ColumnReading:
    """What was read of a column of a file: its cells, and those that are empty or a code for missing."""

    file: str
    column: str
    cells: int
    empty: int
    coded_missing: int


@dataclass
class Claims:
    """A field of a REDCap export: the entry that reads it, the rows that have it, those that entries take."""

    entry: str
    filled: np.ndarray
    taken: list[np.ndarray] = field(default_factory=list)


@dataclass
class Reader:
    """Reads a study's files once each; `repairs` and `left_out` collect what was changed or not used.

    Files below `MAX_BYTES_ALWAYS`, and all with `audit`, are read by a second reader, too.
    `warnings` are cells that look wrong and are read as they stand. `panels`: sample -> genes that its
    panel lists; of a variant that several genes share, those count first. `parts_read`: pattern -> VCFs.
    `codes_met`: (file, column) -> the cells that hold each of the `missing` texts.
    """

    folder: Path
    audit: bool = False
    repairs: Repairs = field(default_factory=list)
    left_out: list[tuple[str, str, int, int]] = field(default_factory=list)
    readings: dict[tuple[str, str], ColumnReading] = field(default_factory=dict)
    codes_met: dict[tuple[str, str], dict[str, int]] = field(default_factory=dict)
    audits: dict[tuple[str, str], Audit] = field(default_factory=dict)
    _grids: dict[tuple[Any, ...], Grid] = field(default_factory=dict)
    _doubts: dict[tuple[Any, ...], tuple[Doubt, ...]] = field(default_factory=dict)
    _books: dict[str, Package] = field(default_factory=dict)
    warnings: Repairs = field(default_factory=list)
    panels: dict[str, frozenset[str]] = field(default_factory=dict)
    parts_read: dict[str, set[str]] = field(default_factory=dict)
    _raw: dict[tuple[Any, ...], pd.DataFrame] = field(default_factory=dict)
    _noted: set[tuple[str, str, str]] = field(default_factory=set)
    _used: dict[str, list[np.ndarray]] = field(default_factory=dict)
    _claims: dict[str, dict[str, "Claims"]] = field(default_factory=dict)
    _expected: dict[str, set[str]] = field(default_factory=dict)

    def expect(self, file: SourceFile, columns: Collection[str]) -> None:
        """Say which columns of a file will be read, so that the second reader reads them at once."""
        self._expected.setdefault(file.path, set()).update(columns)

    def read(
        self, file: SourceFile, columns: Collection[str], beside: Collection[str] = ()
    ) -> pd.DataFrame | None:
        """Return the columns asked for, sorted by name: stripped text, empty and `missing` cells as NaN.

        Those of `beside` are returned where they are there.

        None where an `optional` file is not there, or has no row that `keep` wants.

        Raises
        ------
        SourceError
            If the file or sheet is not there or cannot be read, a column is not there or there twice, a cell
            has no value of its own, or a second reader reads another one.
        """
        if file.is_vcf:
            return self._variants(file, columns)
        if file.is_pattern:
            parts = [self.read(part, columns, beside) for part in self.parts(file)]
            frames = [part for part in parts if part is not None]
            return pd.concat(frames, ignore_index=True) if frames else None
        path = self.folder / file.path
        if not path.is_file():
            if file.optional:
                return None
            raise SourceError(f"{file.label}: there is no such file in {self.folder}; copy it there")
        frame = self._frame(path, file)
        require_one_header(frame, columns, file)
        if file.calls is not None:
            frame = self._counted_calls(frame, path, file)
            frame = self._filtered_calls(frame, file, columns)
        given = {*(file.supplement.columns if file.supplement else ()), *file.permissible}
        frame = frame.assign(**{c: np.nan for c in sorted(given & set(columns)) if c not in frame.columns})
        if file.optional and not _any_kept(frame, file):
            return None
        columns = {*columns, *(name for name in beside if name in frame.columns)}
        require_columns(frame, columns, file)
        self._examine(path, file, file.label, columns)
        text = {str(name): self._text(frame[name], str(name), file) for name in sorted(columns)}
        return pd.DataFrame(text).reset_index(drop=True)

    def parts(self, file: SourceFile) -> list[SourceFile]:
        """Return the files that a pattern stands for, by name; the file itself where it is none.

        Raises
        ------
        SourceError
            If no file matches, and the entry is not `optional`.
        """
        if not file.is_pattern:
            return [file]
        paths = sorted(p.relative_to(self.folder).as_posix() for p in self.folder.glob(file.path))
        if not paths and not file.optional:
            raise SourceError(f"{file.label}: no file in {self.folder} matches; copy them there")
        return [file.model_copy(update={"path": path}) for path in paths]

    def columns(self, file: SourceFile) -> list[str]:
        """Return the names of the columns that a file has, in all of its parts, in order of the first."""
        named = [
            [str(name) for name in self._frame(self.folder / part.path, part).columns]
            for part in self.parts(file)
            if (self.folder / part.path).is_file()
        ]
        return [name for name in named[0] if all(name in names for names in named)] if named else []

    def note(self, label: str, column: str, rule: str, rows: int, ids: str = "") -> None:
        """Count a repair, once for each file, column and rule."""
        if rows and (label, column, rule) not in self._noted:
            self._noted.add((label, column, rule))
            self.repairs.append((label, column, rule, rows, ids))

    def doubt(self, label: str, column: str, rule: str, rows: int, ids: str = "") -> None:
        """Count cells that were read as they stand but look wrong, once for each file, column and rule."""
        if rows and (label, column, rule) not in self._noted:
            self._noted.add((label, column, rule))
            self.warnings.append((label, column, rule, rows, ids))

    def use(self, name: str, file: SourceFile, cells: pd.DataFrame, kept: pd.Index) -> None:
        """Remember which rows of a file an entry of the study file takes by its `keep`, and their cells."""
        taken = np.zeros(len(cells), dtype=bool)
        taken[kept] = True
        self._used.setdefault(file.label, []).append(taken)
        if file.dictionary is not None:
            structure = {*STRUCTURE, file.id.column if file.id else "", *(rule.column for rule in file.keep)}
            for column in cells.columns.difference(list(structure)):
                unticked = cells[column] == "0" if "___" in str(column) else False
                filled = (cells[column].notna() & ~pd.Series(unticked, index=cells.index)).to_numpy()
                claims = self._claims.setdefault(file.label, {}).setdefault(str(column), Claims(name, filled))
                claims.taken.append(taken)

    def unclaimed_rows(self) -> list[tuple[str, str, int, int]]:
        """Return (file, reason, rows, rows left) where fields are filled in rows that no entry takes.

        In REDCap an instrument may repeat in one event and not in another: its fields then stand in rows of
        two kinds, and an entry that keeps one kind does not see the other.
        """
        result = []
        for label, columns in self._claims.items():
            lost: dict[str, np.ndarray] = {}
            for claims in columns.values():
                missed = claims.filled & ~np.logical_or.reduce(claims.taken)
                lost[claims.entry] = lost.get(claims.entry, np.zeros_like(missed)) | missed
            for entry, rows in lost.items():
                if rows.any():
                    reason = f"fields of {entry} are filled in rows that its `keep` does not take"
                    result.append((label, reason, int(rows.sum()), int((~rows).sum())))
        return result

    def unused_rows(self) -> list[tuple[str, str, int, int]]:
        """Return (file, reason, rows, rows left) of every file with rows that none of its entries takes."""
        found = []
        for label, masks in self._used.items():
            used = np.logical_or.reduce(masks)
            if len(masks) > 1 and not used.all():
                found.append((label, "taken by no part of the mapping", int((~used).sum()), int(used.sum())))
        return found

    def rows(self, file: SourceFile) -> list[dict[str, str]]:
        """Return the rows of a file, or of all that its pattern means, as text as it stands; "" if empty."""
        result = []
        for part in self.parts(file):
            if not (self.folder / part.path).is_file():
                continue
            frame = self._grid(self.folder / part.path, part, part.label).frame
            names = [name for name, times in Counter(frame.columns).items() if times == 1]
            cells = [as_text(frame[name]).fillna("").tolist() for name in names]
            result += [dict(zip(map(str, names), row, strict=True)) for row in zip(*cells, strict=True)]
        return result

    def is_audited(self, file: SourceFile) -> bool:
        """Tell whether all that is read of a file is read twice."""
        paths = [self.folder / part.path for part in self.parts(file)]
        return all(self._audited(path) for path in paths if path.is_file())

    def starts_1904(self, file: SourceFile) -> bool:
        """Tell whether a file is a workbook whose days are counted from 1904."""
        books = [self._books[part.path] for part in self.parts(file) if part.path in self._books]
        starts = {book.starts_1904 for book in books}
        if len(starts) > 1:
            raise SourceError(f"{file.label}: some of its workbooks count days from 1904; give them apart")
        return True in starts

    def _text(self, cells: pd.Series, column: str, file: SourceFile) -> pd.Series:
        """Return a column as text, its `missing` codes as missing, and count what was read."""
        text = as_text(cells)
        if not (types.is_numeric_dtype(cells.dtype) or types.is_datetime64_any_dtype(cells.dtype)):
            written = cells if cells.dtype == "str" else cells.where(cells.map(lambda c: isinstance(c, str)))
            spaces = int((written.notna() & (written != text) & text.notna()).sum())
            self.note(file.label, column, "spaces_removed: around text", spaces)
        coded = text.isin(file.missing)
        if coded.any():
            met = text[coded].value_counts()
            self.codes_met[file.label, column] = dict(zip(met.index.astype(str), met.tolist(), strict=True))
        empty = int(text.isna().sum())
        self.readings[file.label, column] = ColumnReading(
            file.label, column, len(text), empty, int(coded.sum())
        )
        return text.mask(coded)

    def _examine(self, path: Path, file: SourceFile, label: str, columns: Collection[str]) -> None:
        """Refuse or count the doubtful cells of the columns, and compare all with a second reader's."""
        grid = self._grid(path, file, label)
        for doubt in (*grid.doubts, *self._doubts.get(self._key(path, file), ())):
            if doubt.column is not None and doubt.column not in columns:
                continue
            if doubt.refused:
                raise SourceError(
                    f"{label}, column {doubt.column!r}: {doubt.rows} {doubt.rule.partition(': ')[2]} "
                    f"({doubt.addresses}); correct them at the source"
                )
            self.note(label, doubt.column or "", doubt.rule, doubt.rows)
        reader = second_reader(file)
        if reader is None or not self._audited(path):
            return
        names = [str(name) for name in grid.cells.columns]
        # The entries of one file share its second reading.
        compared = {*columns, *self._expected.get(file.path, ())}
        parts = {name for name in names if name.rstrip("0123456789") in compared} | compared
        times = Counter(names)
        wanted = {n for n in parts if times[n] == 1 and (label, n) not in self.audits}
        if wanted:
            first = pd.DataFrame({name: as_text(grid.cells[name]) for name in sorted(wanted)})
            try:
                second = reader(path, file, wanted)
            except UNREADABLE as error:
                raise SourceError(
                    f"{label}: a second reader cannot read it ({_short(error)}); check that it is whole"
                ) from error
            audits = list(compare(label, first, second, wanted))
            self.audits |= {(audit.file, audit.column): audit for audit in audits}
            require_agreement(audits)

    def _grid(self, path: Path, file: SourceFile, label: str) -> Grid:
        """Return a file as it stands."""
        how = (path, file.sheet, file.delimiter, file.quotes, file.final_newline, file.encoding, file.decimal)
        key: tuple[Any, ...] = (*how, file.thousands, file.skip_rows, file.header_rows, *file.missing)
        if key not in self._grids:
            self._grids[key] = self._parsed(path, file, label)
        return self._grids[key]

    def _key(self, path: Path, file: SourceFile) -> tuple[Any, ...]:
        """Return what tells a frame from others: the file, how it is read, and what is applied to it."""
        extra = None if file.supplement is None else file.supplement.path
        return (id(self._grid(path, file, file.label)), file.dictionary, extra, *file.missing)

    def _frame(self, path: Path, file: SourceFile) -> pd.DataFrame:
        """Return a file with its dictionary and its supplemental qualifiers applied."""
        extra = None if file.supplement is None else self.folder / file.supplement.path
        key = self._key(path, file)
        if key not in self._raw:
            frame = self._grid(path, file, file.label).frame
            if file.is_sdtm:
                frame = reasons_filled(frame)
            if file.dictionary is not None:
                source = self.folder / file.dictionary
                if not source.is_file():
                    raise SourceError(f"{file.dictionary}: there is no such file in {self.folder}")
                fields = read_dictionary(source, file.dictionary, file.encoding)
                frame, doubts = decoded(frame, fields, file.missing, file.label, file.dictionary)
                self._doubts[key] = tuple(doubts)
            if extra is not None and file.supplement is not None and extra.is_file():
                frame = self._supplemented(frame, path, extra, file, file.supplement.path)
            self._raw[key] = continued(frame, _continuations(frame))
        return self._raw[key]

    def _supplemented(
        self, frame: pd.DataFrame, path: Path, extra: Path, file: SourceFile, label: str
    ) -> pd.DataFrame:
        other = file.model_copy(update={"path": label})
        qualifiers = continued(self._grid(extra, other, label).frame, ["QVAL"])
        result = with_supplement(frame, qualifiers, path.stem.upper(), label)
        self._examine(extra, other, label, ["USUBJID", "RDOMAIN", "IDVAR", "IDVARVAL", "QNAM", "QVAL"])
        return result

    def _parsed(self, path: Path, file: SourceFile, label: str) -> Grid:
        try:
            return self._parse(path, file, label)
        except SourceError:
            raise
        except UNREADABLE as error:
            what = "format, encoding, separator and sheet in the study file"
            raise SourceError(
                f"{label}: cannot be read ({_short(error)}); check the file, and {what}"
            ) from error

    def _parse(self, path: Path, file: SourceFile, label: str) -> Grid:
        suffix = path.suffix.lower()
        if path.stat().st_size == 0:
            raise ValueError("the file is empty, 0 bytes")
        if suffix == ".parquet":
            return read_parquet(path)
        if suffix == ".xpt":
            return Grid(read_xpt(path, file.encoding))
        if suffix in DATASET_JSON:
            return Grid(read_dataset_json(path))
        if file.is_text:
            return read_text(path, file, label)
        with collection_paused():
            if file.path not in self._books:
                self._books[file.path] = open_package(path)
            return read_sheet(self._books[file.path], file)

    def _variants(self, file: SourceFile, columns: Collection[str]) -> pd.DataFrame | None:
        """Return the calls of all VCFs that the path means."""
        from pipeline.sources.audit.vcf import audit_calls  # noqa: PLC0415 - as the first reader
        from pipeline.sources.formats.vcf import read_vcf  # noqa: PLC0415 - htslib only where needed

        assert file.calls is not None  # noqa: S101 - the study file was checked
        paths = sorted(self.folder.glob(file.path))
        if not paths:
            if file.optional:
                return None
            raise SourceError(f"{file.label}: there is no such file in {self.folder}; copy it there")
        extra = {file.calls.tier_column} - {None}
        wanted = {c for c in {*columns, *extra} if c is not None}
        names = [path.relative_to(self.folder).as_posix() for path in paths]
        self.parts_read[file.label] = set(names)
        parts = [
            read_vcf(path, name, wanted, file.calls, self.panels)
            for path, name in zip(paths, names, strict=True)
        ]
        for path, name, part in zip(paths, names, parts, strict=True):
            if self._audited(path):
                audits = audit_calls(path, name, part.calls, file.calls, self.panels)
                self.audits |= {(audit.file, audit.column): audit for audit in audits}
                require_agreement(audits)
        frames = [part.calls for part in parts]
        calls = pd.concat([f for f in frames if len(f)] or frames[:1], ignore_index=True)
        for reason, rows in sum((part.left_out for part in parts), Counter[str]()).items():
            self.left_out.append((file.label, reason, rows, len(calls)))
        self.doubt(file.label, "VAF", FRACTION_CONTRADICTS, sum(part.contradictory for part in parts))
        self.note(file.label, "ALT", ALLELES_SPLIT, sum(part.split for part in parts))
        calls = self._filtered_calls(calls, file, columns)
        require_columns(calls, columns, file)
        text = calls[sorted(columns)].apply(as_text)
        coded = text.isin(file.missing)
        for column in sorted(columns):
            empty, codes = int(text[column].isna().sum()), int(coded[column].sum())
            reading = ColumnReading(file.label, column, len(text), empty, codes)
            self.readings[file.label, column] = reading
        return text.mask(coded).reset_index(drop=True)

    def _counted_calls(self, calls: pd.DataFrame, path: Path, file: SourceFile) -> pd.DataFrame:
        """Return a table of calls with the columns derived from its counts."""
        self._examine(path, file, file.label, [c for c in (*MAF_COUNTS, "FILTER") if c in calls])
        calls, contradictory = with_counts(calls, file.label, file.missing)
        self.doubt(file.label, "VAF", FRACTION_CONTRADICTS, contradictory)
        self.doubt(file.label, "t_depth", DEPTH_CONTRADICTS, depth_contradictions(calls, file.missing))
        self.doubt(file.label, STATUS, GERMLINE, germline_rows(calls))
        builds = builds_of(calls)
        if len(builds) > 1:
            self.doubt(file.label, BUILD, f"{MIXED_BUILDS} {' and '.join(builds)}", len(calls))
        if self._audited(path):
            audits = audit_counts(file.label, calls, file.missing)
            self.audits |= {(audit.file, audit.column): audit for audit in audits}
            require_agreement(audits)
        return calls

    def _audited(self, path: Path) -> bool:
        return self.audit or path.stat().st_size < MAX_BYTES_ALWAYS

    def _filtered_calls(
        self, calls: pd.DataFrame, file: SourceFile, columns: Collection[str]
    ) -> pd.DataFrame:
        assert file.calls is not None  # noqa: S101 - only called where they are
        calls, counts = filtered(calls, file.calls, genotyped=file.is_vcf)
        self.left_out += [(file.label, reason, rows, left) for reason, rows, left in counts]
        if "CALLED_ORIGIN" in columns:
            origin = called_origin(calls["VAF"], calls["NORMAL_VAF"], file.calls.origin)
            calls = calls.assign(CALLED_ORIGIN=origin)
        return calls


def _any_kept(frame: pd.DataFrame, file: SourceFile) -> bool:
    """Tell whether `keep` leaves a row; where its columns are not there, that is told elsewhere."""
    rows = pd.Series(data=True, index=frame.index)
    for rule in file.keep:
        if list(frame.columns).count(rule.column) != 1:
            return True
        rows &= as_text(frame[rule.column]).fillna("").isin(rule.wanted)
    return bool(rows.any())


def _continuations(frame: pd.DataFrame) -> list[str]:
    """Return the columns whose text goes on in NAME1: those of full length with such a neighbour."""
    names = [str(c) for c in frame.columns]
    return [c for c in names if f"{c}1" in names and (as_text(frame[c]).str.len() >= 200).any()]


def _short(error: BaseException) -> str:
    return " ".join(f"{type(error).__name__}: {error}".split())[:200]
