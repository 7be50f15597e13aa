"""Files of out-of-fold predictions of models made elsewhere."""

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
        frame = (
            pd.read_parquet(path)
            if path.suffix.lower() == ".parquet"
            else pd.read_csv(path, dtype=str, na_filter=False)
        )
    except (OSError, ValueError, pa.ArrowException) as error:
        raise UserError(
            f"{path}: cannot be read ({type(error).__name__}); must be Parquet, or CSV with commas in UTF-8"
        ) from None
    if missing := [name for name in COLUMNS if name not in frame.columns]:
        raise UserError(
            f"{path}: has no column {' and no column '.join(missing)}; must have {', '.join(COLUMNS)}"
        )
    forecasts = pd.DataFrame({"usubjid": frame["usubjid"].astype("str").str.strip()})
    for name in COLUMNS[1:]:
        numbers = pd.to_numeric(frame[name], errors="coerce").astype("float64")
        wrong = numbers.isna() | (numbers % 1 != 0) if name in WHOLE else numbers.isna()
        if wrong.any():
            kind = "whole number" if name in WHOLE else "number"
            raise UserError(f"{path}, column {name}: {int(wrong.sum())} cells are no {kind}")
        forecasts[name] = numbers.astype("int64") if name in WHOLE else numbers
    return forecasts
