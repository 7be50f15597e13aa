"""Reading a study's files: every cell as text, and one clear error when a file is not what was said."""

import warnings
import zlib
from collections.abc import Collection
from dataclasses import dataclass, field
from difflib import get_close_matches
from pathlib import Path
from typing import Any
from xml.etree.ElementTree import ParseError
from zipfile import BadZipFile

import numpy as np
import pandas as pd
from pandas.api import types
from pyreadstat import PyreadstatError, ReadstatError

from features.cells import as_text
from pipeline.sources.errors import SourceError
from pipeline.sources.formats.redcap import decoded, read_dictionary
from pipeline.sources.formats.sdtm import continued, read_dataset_json, read_xpt, with_supplement
from pipeline.sources.mapping.study_file import SourceFile

UNREADABLE = (
    OSError, ValueError, LookupError, ImportError, BadZipFile, ParseError, zlib.error, PyreadstatError,
    ReadstatError,
)  # fmt: skip
"""What pandas, openpyxl, pyarrow and pyreadstat raise on files that are damaged or of another kind."""
STRUCTURED = (".xpt", ".json")
Repairs = list[tuple[str, str, str, int, str]]
"""Cells that were read otherwise than they stand: file, column, rule, rows, ids."""


@dataclass
class Reader:
    """Reads a study's files once each; `repairs` and `left_out` collect what was changed or not used."""

    folder: Path
    repairs: Repairs = field(default_factory=list)
    left_out: list[tuple[str, str, int, int]] = field(default_factory=list)
    _raw: dict[tuple[Any, ...], pd.DataFrame] = field(default_factory=dict)
    _noted: set[tuple[str, str, str]] = field(default_factory=set)
    _used: dict[str, list[np.ndarray]] = field(default_factory=dict)

    def read(self, file: SourceFile, columns: Collection[str]) -> pd.DataFrame | None:
        """Return the columns asked for, sorted by name: stripped text, empty and `missing` cells as NaN.

        None where an `optional` file is not there, or has no row that `keep` wants.

        Raises
        ------
        SourceError
            If the file or sheet is not there or cannot be read, or a column is not there or there twice.
        """
        if file.is_vcf:
            return self._variants(file, columns)
        path = self.folder / file.path
        if not path.is_file():
            if file.optional:
                return None
            raise SourceError(f"{file.label}: there is no such file in {self.folder}; copy it there")
        frame = self._frame(path, file)
        if file.calls is not None:
            frame = self._filtered_calls(frame, file, columns)
        if file.optional and not _any_kept(frame, file):
            return None
        given = set(file.supplement.columns if file.supplement else ())
        frame = frame.assign(**{c: np.nan for c in sorted(given & set(columns)) if c not in frame.columns})
        _require_columns(frame, columns, file)
        chosen = frame[sorted(columns)]
        for name in chosen:
            self._note_spaces(chosen[name], str(name), file)
        text = chosen.apply(as_text)
        return text.mask(text.isin(file.missing)).reset_index(drop=True)

    def note(self, label: str, column: str, rule: str, rows: int, ids: str = "") -> None:
        """Count a repair, once for each file, column and rule."""
        if rows and (label, column, rule) not in self._noted:
            self._noted.add((label, column, rule))
            self.repairs.append((label, column, rule, rows, ids))

    def use(self, file: SourceFile, rows: int, kept: pd.Index) -> None:
        """Remember which rows of a file an entry of the study file takes by its `keep`."""
        taken = np.zeros(rows, dtype=bool)
        taken[kept] = True
        self._used.setdefault(file.label, []).append(taken)

    def unused_rows(self) -> list[tuple[str, str, int, int]]:
        """Return (file, reason, rows, rows left) of every file with rows that none of its entries takes."""
        found = []
        for label, masks in self._used.items():
            used = np.logical_or.reduce(masks)
            if len(masks) > 1 and not used.all():
                found.append((label, "taken by no part of the mapping", int((~used).sum()), int(used.sum())))
        return found

    def _note_spaces(self, cells: pd.Series, column: str, file: SourceFile) -> None:
        if types.is_numeric_dtype(cells.dtype) or types.is_datetime64_any_dtype(cells.dtype):
            return
        text = cells.dropna().astype("str")
        filled = (text != text.str.strip()) & (text.str.strip() != "")
        self.note(file.label, column, "spaces_removed: around text", int(filled.sum()))

    def _frame(self, path: Path, file: SourceFile) -> pd.DataFrame:
        """Return a file as it stands, with its dictionary and its supplemental qualifiers applied."""
        key: tuple[Any, ...] = (
            file.path,
            file.sheet,
            file.separator,
            file.encoding,
            file.skip_rows,
            file.dictionary,
        )
        key += (None if file.supplement is None else file.supplement.path, *file.missing)
        if key not in self._raw:
            frame = self._parsed(path, file, file.label)
            if file.dictionary is not None:
                source = self.folder / file.dictionary
                if not source.is_file():
                    raise SourceError(f"{file.dictionary}: there is no such file in {self.folder}")
                fields = read_dictionary(source, file.dictionary)
                frame = decoded(frame, fields, file.missing, file.label, file.dictionary)
            extra = None if file.supplement is None else self.folder / file.supplement.path
            if extra is not None and file.supplement is not None and extra.is_file():
                label = file.supplement.path
                qualifiers = self._parsed(extra, file.model_copy(update={"path": label}), label)
                qualifiers = continued(qualifiers, ["QVAL"])
                domain = path.stem.upper()
                frame = with_supplement(frame, qualifiers, domain, label)
            self._raw[key] = continued(frame, _continuations(frame))
        return self._raw[key]

    def _parsed(self, path: Path, file: SourceFile, label: str) -> pd.DataFrame:
        try:
            return _parse(path, file)
        except SourceError:
            raise
        except UNREADABLE as error:
            what = "format, encoding, separator and sheet in the study file"
            raise SourceError(
                f"{label}: cannot be read ({_short(error)}); check the file, and {what}"
            ) from error

    def _variants(self, file: SourceFile, columns: Collection[str]) -> pd.DataFrame | None:
        """Return the calls of all VCFs that the path means."""
        from pipeline.sources.formats.variants import read_vcf  # noqa: PLC0415 - htslib only where needed

        assert file.calls is not None  # noqa: S101 - the study file was checked
        paths = sorted(self.folder.glob(file.path))
        if not paths:
            if file.optional:
                return None
            raise SourceError(f"{file.label}: there is no such file in {self.folder}; copy it there")
        extra = {file.calls.tier_column} - {None}
        wanted = {c for c in {*columns, *extra} if c is not None}
        parts = [read_vcf(p, p.relative_to(self.folder).as_posix(), wanted, file.calls) for p in paths]
        calls = pd.concat([p for p in parts if len(p)] or parts[:1], ignore_index=True)
        calls = self._filtered_calls(calls, file, columns)
        _require_columns(calls, columns, file)
        text = calls[sorted(columns)].apply(as_text)
        return text.mask(text.isin(file.missing)).reset_index(drop=True)

    def _filtered_calls(
        self, calls: pd.DataFrame, file: SourceFile, columns: Collection[str]
    ) -> pd.DataFrame:
        from pipeline.sources.formats.variants import called_origin, filtered, with_counts  # noqa: PLC0415

        assert file.calls is not None  # noqa: S101 - only called where they are
        if not file.is_vcf:
            calls = with_counts(calls, file.label)
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


def _require_columns(frame: pd.DataFrame, columns: Collection[str], file: SourceFile) -> None:
    for column in sorted(columns):
        found = list(frame.columns).count(column)
        if found != 1:
            names = [str(name) for name in frame.columns]
            hint = f" (similar: {', '.join(get_close_matches(column, names))})" if found == 0 else ""
            raise SourceError(
                f"{file.label}: {found or 'none'} of its {len(names)} columns named {column!r}{hint}; "
                f"correct column, separator or skip_rows in the study file"
            )


def _short(error: BaseException) -> str:
    return " ".join(f"{type(error).__name__}: {error}".split())[:200]


def _parse(path: Path, file: SourceFile) -> pd.DataFrame:
    """Return the file; the header is read as a row, so that names that stand twice are seen."""
    suffix = path.suffix.lower()
    if path.stat().st_size == 0:
        raise ValueError("the file is empty, 0 bytes")
    if suffix == ".parquet":
        return pd.read_parquet(path)
    if suffix == ".xpt":
        return read_xpt(path, file.encoding)
    if suffix == ".json":
        return read_dataset_json(path)
    rows = _text_rows(path, file) if file.sheet is None else _sheet_rows(path, file)
    if rows.empty:
        raise ValueError("it has no header")
    return rows.iloc[1:].set_axis(as_text(rows.iloc[0]).fillna("").tolist(), axis=1)


def _text_rows(path: Path, file: SourceFile) -> pd.DataFrame:
    maf = path.suffix.lower() == ".maf"
    return pd.read_csv(
        path, sep="\t" if maf else file.separator, comment="#" if maf else None, encoding=file.encoding,
        skiprows=file.skip_rows, header=None, dtype=str, keep_default_na=False,
    )  # fmt: skip


def _sheet_rows(path: Path, file: SourceFile) -> pd.DataFrame:
    with warnings.catch_warnings(), pd.ExcelFile(path, engine="openpyxl") as book:
        warnings.filterwarnings("ignore", module="openpyxl")  # they are about styles and drop-down lists
        if file.sheet not in book.sheet_names:
            raise LookupError(f"it has the sheets {', '.join(map(str, book.sheet_names))}")
        return pd.read_excel(
            book,
            sheet_name=file.sheet,
            skiprows=file.skip_rows,
            header=None,
            dtype=str,
            keep_default_na=False,
        )
