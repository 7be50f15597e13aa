"""Reading the cells of a raw column as the contract's types; what cannot be read is marked, never guessed."""

from typing import Any, Literal

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc
from pandas.api import types

Dtype = Literal["str", "float64", "Int64", "datetime64[us]"]
DTYPES: dict[str, Dtype] = {
    "string": "str",
    "visit": "str",
    "float": "float64",
    "integer": "Int64",
    "date": "datetime64[us]",
}
"""Contract type -> dtype of the column in memory."""

MIN_PLAIN, MAX_PLAIN, MAX_EXACT = 1e-4, 1e9, 2.0**53
"""Between the first two, numbers are written without an exponent; below the third, whole ones are exact."""
MIN_YEAR, MAX_YEAR = 1900, 2100
"""No patient's date lies outside; 9999-12-31 and 0001-01-01 stand for no date in some databases."""
_DAY = r"^(\d{4}-\d{2}-\d{2})(?:[T ].*)?$"


def as_text(values: pd.Series) -> pd.Series:
    """Return the cells as text, dtype `str`: stripped, whole numbers without ``.0``, empty text as missing.

    So an identifier reads the same from a workbook, where 756412 is a number, and from a CSV file.
    """
    if values.dtype == "str":
        # What `.str.strip` and `.where` do, without what pandas does around each: a third of the time.
        stripped = pc.utf8_trim_whitespace(pa.array(values.array))
        filled = pc.if_else(pc.not_equal(stripped, ""), stripped, None)
        return pd.Series(pd.array(filled, dtype="str"), index=values.index, name=values.name)
    if types.is_integer_dtype(values.dtype) or types.is_bool_dtype(values.dtype):
        text = values.astype("str")
    elif values.dtype == "float64":
        text = _numbers_as_text(values)
    elif types.is_datetime64_dtype(values.dtype):
        moments = values.dt.round("s").dt.strftime("%Y-%m-%d %H:%M:%S").astype("str")
        text = moments.str.removesuffix(" 00:00:00")
    else:
        text = values.astype("object").map(_cell_text).astype("str")
    return text.where(text != "")


def _numbers_as_text(values: pd.Series) -> pd.Series:
    """Return numbers as Python writes them; Arrow does so only between `MIN_PLAIN` and `MAX_PLAIN`."""
    numbers = values.to_numpy()
    size = np.abs(numbers)
    fraction = numbers != np.floor(numbers)
    plain = fraction & (size >= MIN_PLAIN) & (size < MAX_PLAIN)
    text = pd.array(pc.cast(pa.array(np.where(plain, numbers, np.nan)), pa.string()), dtype="str")
    result = pd.Series(text, index=values.index).mask(np.isnan(numbers))
    others = ~plain & ~np.isnan(numbers)
    whole = others & ~fraction & (size < MAX_EXACT)
    result = result.mask(
        whole, pd.Series(np.where(whole, numbers, 0), values.index).astype("int64").astype("str")
    )
    rest = others & ~whole
    return result.mask(rest, values[rest].astype("object").map(_cell_text)) if rest.any() else result


def _cell_text(cell: Any) -> str | None:
    if types.is_scalar(cell) and pd.isna(cell):
        return None
    if isinstance(cell, float | np.floating) and float(cell).is_integer():
        return str(int(cell))
    return str(cell).strip()


def as_type(values: pd.Series, kind: str) -> tuple[pd.Series, pd.Series]:
    """Read a column as a contract type.

    Parameters
    ----------
    values : Series
        Raw cells of any dtype.
    kind : str
        A key of `DTYPES`. A date is YYYY-MM-DD, a time of day after it is cut off; a partial date,
        another order of day and month, or a serial number is not a date.

    Returns
    -------
    Series
        The column in the dtype of `DTYPES`, unreadable cells missing; the index is kept.
    Series
        True where a cell is filled and could not be read.
    """
    if kind in {"string", "visit"}:
        return as_text(values), pd.Series(False, index=values.index)
    typed = types.is_numeric_dtype(values.dtype) or types.is_datetime64_any_dtype(values.dtype)
    filled = values.notna() if typed else as_text(values).notna()
    read = _dates(values) if kind == "date" else _numbers(values)
    if kind == "integer":
        read = read.where(read == np.floor(read))
    return read.astype(DTYPES[kind]), filled & read.isna()


MISSING = "texts that often mean missing, see `missing` in docs/study-file.md"
MISSING_TEXTS = r"(?i:n/?a|\\n|n\.?d\.?|n\.a\.|nan|null|none|missing|unknown|unk|not done|#n/a|[-–.?]+)"
NUMBER = r"-?\d+(?:[.,]\d+)?"
DAY = r"(?:0[1-9]|1[0-2])-(?:0[1-9]|[12]\d|3[01])"
MONTH = r"[-. /]?[A-Za-z]{3,9}[-. /,]*"
GROUPED = r"-?\d{1,3}(?:[.,' ]\d{3})+(?:[.,]\d+)?"
LOOKS = {
    "date": {
        "serial numbers of a workbook, see `date_format` in docs/study-file.md": r"\d{5}(?:\.\d+)?",
        "another order of day and month": r"\d{1,2}[./-]\d{1,2}[./-]\d{2,4}",
        "partial dates": r"\d{4}(?:-\d{2})?",
        "days that the month does not have": r"\d{4}-(?:02-(?:29|3\d)|0[469]-31|11-31)(?:[T ].*)?",
        "years before 1900 or after 2100": rf"\d{{4}}-{DAY}(?:[T ].*)?",
        "digits left out, see `date_format` in docs/study-file.md": r"\d{4}-\d{1,2}-\d{1,2}",
        "Chinese dates, see `date_format` in docs/study-file.md": r"\d{4}年\d{1,2}月\d{1,2}日?",
        "seconds or milliseconds since 1970": r"\d{10}|\d{13}",
        "an approximate date": r"(?i:~|≈|c(?:irc)?a\.?|about)\s*\d.*|\d{4}-\d{2}-\d{2}\s*\?",
        "no hyphens, see `date_format` in docs/study-file.md": r"\d{8}(?:T\d+)?|\d{4}[./]\d{1,2}[./]\d{1,2}",
        "names of months, see `date_format` in docs/study-file.md": rf"\d{{1,2}}{MONTH}\d{{2,4}}",
        "parts that are not known": r"(?i:unk?|\d{2})-(?i:unk?|[a-z]{3}|\d{2})-\d{4}",
        MISSING: MISSING_TEXTS,
    },
    "float": {
        "decimal commas": r"-?\d+,\d+",
        "limits such as <1, see `censored` in docs/study-file.md": rf"[<>≤≥]=?\s*{NUMBER}\s*%?",
        "marks between digits, see `thousands` in docs/study-file.md": GROUPED,
        "units beside the numbers": rf"{NUMBER}\s*[A-Za-zµμ%‰][A-Za-zµμ/%‰]*",
        "ranges or approximate numbers": rf"[~≈]\s*{NUMBER}|{NUMBER}\s*(?:-|–|to|±)\s*{NUMBER}",
        "marks beside the numbers, as of a footnote": rf"[*†‡§^]*{NUMBER}\s*[*†‡§?+^#]+",
        "several numbers in one cell": rf"{NUMBER}(?:\s*[x×/;|]\s*|,?\s+){NUMBER}.*",
        "numbers in brackets": rf"[(\[]\s*{NUMBER}\s*[)\]]",
        "numbers that a spreadsheet was to keep as text": r"=\"[^\"]*\"|'.*",
        MISSING: MISSING_TEXTS,
    },
}


def looks_like(unreadable: pd.Series, kind: str) -> str:
    """Return what cells that cannot be read as `kind` seem to be, in brackets; else empty."""
    for what, pattern in LOOKS.get(kind, {}).items():
        if unreadable.str.fullmatch(pattern).all():
            return f" ({what})"
    return ""


def _numbers(values: pd.Series) -> pd.Series:
    """Return float64; booleans, dates, text and infinities become NaN."""
    if types.is_bool_dtype(values.dtype):
        return pd.Series(np.nan, index=values.index)
    if types.is_numeric_dtype(values.dtype):
        numbers = values.astype("float64")
    else:
        numbers = numbers_in(as_text(values))
    return numbers.where(np.isfinite(numbers))


def numbers_in(text: pd.Series) -> pd.Series:
    """Return texts as float64, NaN where a text is no number; each distinct text is read once."""
    codes, distinct = pd.factorize(text)
    numbers = pd.to_numeric(pd.Series(distinct), errors="coerce").to_numpy(dtype="float64")
    return pd.Series(np.append(numbers, np.nan)[codes], index=text.index)  # a missing text has code -1


def _dates(values: pd.Series) -> pd.Series:
    """Return datetime64[us] at midnight; anything that does not begin with a full ISO date becomes NaT."""
    if types.is_datetime64_any_dtype(values.dtype):
        return pd.Series(values.dt.tz_localize(None).dt.normalize().astype("datetime64[us]"))
    day = as_text(values).str.extract(_DAY, expand=False)
    dates = pd.to_datetime(day, format="%Y-%m-%d", errors="coerce").astype("datetime64[us]")
    return dates.where(dates.dt.year.between(MIN_YEAR, MAX_YEAR))
