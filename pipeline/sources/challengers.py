"""Files of out-of-fold predictions of models made elsewhere."""

import gzip
import io
import zlib
from decimal import Decimal
from pathlib import Path

import pandas as pd
import pyarrow as pa

from features.errors import UserError

COLUMNS = ("usubjid", "repeat", "fold", "p")
WHOLE = ("repeat", "fold")


def read_forecasts(path: Path) -> pd.DataFrame:
    """Return usubjid, repeat, fold and p of a CSV file (also gzipped) or a Parquet file; others are left out.

    Raises
    ------
    UserError
        If the file does not exist or cannot be read, a column is missing, or a cell is no number.
    """
    if not path.is_file():
        raise UserError(
            f"{path} does not exist: give the challenger's predictions on the folds of `pcr folds`"
        )
    try:
        frame = pd.read_parquet(path) if path.suffix.lower() == ".parquet" else _from_text(path)
    except UserError:
        raise
    except (OSError, EOFError, zlib.error, ValueError, pa.ArrowException) as error:
        raise UserError(
            f"{path}: cannot be read ({type(error).__name__}); must be Parquet, or CSV with commas in UTF-8"
        ) from None
    if twice := [name for name in COLUMNS if list(frame.columns).count(name) > 1]:
        raise UserError(f"{path}: several columns are called {twice[0]}; keep one")
    if missing := [name for name in COLUMNS if name not in frame.columns]:
        raise UserError(
            f"{path}: has no column {' and no column '.join(missing)}; must have {', '.join(COLUMNS)}"
        )
    forecasts = pd.DataFrame({"usubjid": frame["usubjid"].astype("str").str.strip()})
    for name in COLUMNS[1:]:
        cells = frame[name] if frame[name].dtype != object else frame[name].map(_number_or_text)
        numbers = pd.to_numeric(cells, errors="coerce").astype("float64")
        wrong = numbers.isna() | (numbers % 1 != 0) if name in WHOLE else numbers.isna()
        if wrong.any():
            kind = "whole number" if name in WHOLE else "number"
            raise UserError(f"{path}, column {name}: {int(wrong.sum())} cells are no {kind}")
        forecasts[name] = numbers.astype("int64") if name in WHOLE else numbers
    return forecasts


def _from_text(path: Path) -> pd.DataFrame:
    """Return the cells of a CSV file as text, with the names of its columns as they stand."""
    content = path.read_bytes()
    content = gzip.decompress(content) if path.suffix.lower() == ".gz" else content
    if content and not content.endswith((b"\n", b"\r", b'"')):
        raise UserError(f"{path}: its last line has no line end, as in a file that is cut off; copy it again")
    rows = pd.read_csv(io.BytesIO(content), dtype=str, na_filter=False, header=None, encoding="utf-8-sig")
    names = rows.iloc[0].str.strip().tolist()
    return rows.iloc[1:].set_axis(names, axis=1).reset_index(drop=True)


def _number_or_text(cell: object) -> object:
    """Return a cell that is no list or record; Parquet has such, too."""
    return cell if isinstance(cell, (int, float, str, Decimal)) else None
