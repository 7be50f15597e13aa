"""Reading a study's files: every cell as text, and one clear error when a file is not what was said."""

import warnings
import zlib
from collections.abc import Collection
from difflib import get_close_matches
from pathlib import Path
from xml.etree.ElementTree import ParseError
from zipfile import BadZipFile

import pandas as pd

from features.cells import as_text
from pipeline.sources.mapping.study_file import SourceFile

UNREADABLE = (OSError, ValueError, LookupError, ImportError, BadZipFile, ParseError, zlib.error)
"""What pandas, openpyxl and pyarrow raise on files that are damaged or of another kind."""


class SourceError(ValueError):
    """A study's files do not fit its study file; the message names file, sheet, column and what to do."""


def read_file(folder: Path, file: SourceFile, columns: Collection[str]) -> pd.DataFrame:
    """Return the columns asked for, sorted by name: cells as stripped text, empty and `missing` cells as NaN.

    Raises
    ------
    SourceError
        If the file or sheet is not there or cannot be read, or a column is not there or there twice.
    """
    path = folder / file.path
    if not path.is_file():
        raise SourceError(f"{file.label}: there is no such file in {folder}; copy it there")
    try:
        frame = _read(path, file)
    except UNREADABLE as error:
        what = "format, encoding, separator and sheet in the study file"
        raise SourceError(
            f"{file.label}: cannot be read ({_short(error)}); check the file, and {what}"
        ) from error
    for column in sorted(columns):
        found = list(frame.columns).count(column)
        if found != 1:
            names = [str(name) for name in frame.columns]
            hint = f" (similar: {', '.join(get_close_matches(column, names))})" if found == 0 else ""
            raise SourceError(
                f"{file.label}: {found or 'none'} of its {len(names)} columns named {column!r}{hint}; "
                f"correct column, separator or skip_rows in the study file"
            )
    text = frame[sorted(columns)].apply(as_text)
    return text.mask(text.isin(file.missing)).reset_index(drop=True)


def _short(error: BaseException) -> str:
    return " ".join(f"{type(error).__name__}: {error}".split())[:200]


def _read(path: Path, file: SourceFile) -> pd.DataFrame:
    """Return the file; the header is read as a row, so that names that stand twice are seen."""
    if path.suffix.lower() == ".parquet":
        return pd.read_parquet(path)
    if file.sheet is None:
        rows = pd.read_csv(
            path, sep=file.separator, encoding=file.encoding, skiprows=file.skip_rows,
            header=None, dtype=str, keep_default_na=False,
        )  # fmt: skip
    else:
        with warnings.catch_warnings(), pd.ExcelFile(path, engine="openpyxl") as book:
            warnings.filterwarnings("ignore", module="openpyxl")  # they are about styles and drop-down lists
            if file.sheet not in book.sheet_names:
                raise LookupError(f"it has the sheets {', '.join(map(str, book.sheet_names))}")
            rows = pd.read_excel(
                book,
                sheet_name=file.sheet,
                skiprows=file.skip_rows,
                header=None,
                dtype=str,
                keep_default_na=False,
            )
    if rows.empty:
        raise ValueError("it has no header")
    return rows.iloc[1:].set_axis(as_text(rows.iloc[0]).fillna("").tolist(), axis=1)
