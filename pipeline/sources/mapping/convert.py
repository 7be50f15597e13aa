"""From the cells of a column, text, to the values that the contract reads: dates, numbers, units, limits."""

import datetime as dt
import re
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

import numpy as np
import pandas as pd

from features.contract.specification import ColumnSpec
from pipeline.sources.formats.errors import SourceError, ids_of, named_ids
from pipeline.sources.formats.plain_text import (
    ENCODED_TWICE,
    SPREADSHEET,
    plain_date,
    plain_number,
    plain_words,
    replaced,
)
from pipeline.sources.formats.source_file import SourceFile
from pipeline.sources.mapping.files import Reader
from pipeline.sources.mapping.study_file import ColumnRule

TIME = r"^\d{4}-\d{2}-\d{2}[T ](?!00:00(?::00(?:\.0+)?)?$)"
DAY_AND_MORE = r"\d{4}-\d{2}-\d{2}[T ]"
HOURS = r"(?!2[5-9]|[3-9]\d|\d\d:[6-9])[-\d:.,]*\s*(?:[AaPp]\.?[Mm]\.?)?"
DAY_AND_TIME = DAY_AND_MORE + rf"\s*{HOURS}\s*(?:[A-Z]{{1,5}}|[+-]\d{{2}}(?::?\d{{2}})?)?$"
"""A date with a time of day, of which parts may be unknown (SDTM: T-:15), and its zone."""
ZONE = r"(?:Z|[+-]\d{2}:?\d{2})$"
SHOWN_DATE = r"\d{4}-\d{2}-\d{2}(?: \d{2}:\d{2}:\d{2})?"
"""How the reader of workbooks writes a cell that is formatted as a date."""
PER_CENT = r"[+-]?\d+(?:\.\d+)?\s*%"
CENSORED = r"^[<>≤≥]=?\s*([+-]?\d+(?:\.\d+)?(?:[eE][+-]?\d+)?\s*%?)$"
OFTEN_MISSING = ("na", "n/a", "nan", "null", "missing", "n.d.", "nd", "n.a.", "#n/a", ".", "-", "?")
DAY_ZERO = {"excel": "1899-12-30", "sas": "1960-01-01"}
MAC_DAY_ZERO = "1904-01-01"
FIRST_SERIAL = 61
"""The first number that all programs take for one day: by spreadsheets 60 is a 29th of February 1900."""
"""Days from which programs count; a workbook says whether it counts as the Macintosh did."""
UNSEPARATED = re.compile("%[a-zA-Z](?=%)")
PLAIN_NUMBER = r"\d+(?:[.,]\d+)?"
PARTIAL = r"\d{4}(?:-\d{2})?"


@dataclass(frozen=True)
class Origin:
    """Where values come from: their file, its column, both as errors name them, and the rows' patients."""

    file: SourceFile
    column: str
    where: str
    ids: pd.Series | None

    def refuse(self, rows: pd.Series, what: str) -> None:
        """Raise if any of the rows is True."""
        if rows.any():
            who = "" if self.ids is None else f" ({named_ids(self.ids[rows])})"
            raise SourceError(f"{self.where}: {int(rows.sum())} rows{who} {what}")


def converted(
    values: pd.Series, rule: ColumnRule, column: ColumnSpec, origin: Origin, reader: Reader
) -> pd.Series:
    """Read dates, convert units; what cannot be read stays as it is, for the contract to refuse."""
    words = column.type not in {"date", "float", "integer"}
    plain = plain_words if words else plain_date if column.type == "date" else plain_number
    values, rows = replaced(values, plain)
    told = "characters: invisible, or of another form" if words else "digits: of another script or form"
    reader.note(origin.file.label, origin.column, told, int(rows.sum()), ids_of(origin.ids, rows))
    if column.type == "date":
        return _dates(values, rule, origin, reader)
    if column.type not in {"float", "integer"}:
        if origin.file.is_workbook:
            origin.refuse(
                values.str.fullmatch(SHOWN_DATE, na=False),
                "hold a date where a text belongs; format the cells as text and enter them again",
            )
        origin.refuse(
            values.str.fullmatch(SPREADSHEET, na=False),
            "hold an error or a formula of a spreadsheet (such as #REF! or =A1) in place of a text; enter "
            "the text at the source, or name it under `missing` in the study file",
        )
        told = "encoded_twice: texts such as ZÃ¼rich, read as they stand"
        spoiled = values.str.contains(ENCODED_TWICE, na=False)
        reader.doubt(origin.file.label, origin.column, told, int(spoiled.sum()), ids_of(origin.ids, spoiled))
        if rule.recode is None and not (column.levels or column.listed_as):
            unsaid = values.str.lower().isin(OFTEN_MISSING)
            told = "missing_as_text: texts that often mean missing, read as they stand"
            reader.doubt(
                origin.file.label, origin.column, told, int(unsaid.sum()), ids_of(origin.ids, unsaid)
            )
        return values
    if rule.recode is None:
        _doubt_codes(rule, column, origin, reader)
    values = _from_words(values, rule, origin, reader)
    values = _pointed(values, origin, reader)
    if rule.censored == "limit":
        beyond = values.str.extract(CENSORED, expand=False)
        told = "censored: below or above a limit of measurement, read as the limit"
        count = int(beyond.notna().sum())
        reader.note(origin.file.label, origin.column, told, count, ids_of(origin.ids, beyond.notna()))
        values = values.mask(beyond.notna(), beyond)
    percents = _per_cents(values) & (column.unit in {"%", "fraction"})
    if rule.factor is not None:
        scaled = pd.to_numeric(values, errors="coerce").astype("float64") * rule.factor
        values = scaled.astype("object").where(scaled.notna(), values)
    if percents.any():
        if not origin.file.is_workbook:  # there they are counted already
            reader.note(origin.file.label, origin.column, "per_cent: the sign is read", int(percents.sum()))
        values = values.mask(percents, values[percents].map(lambda cell: _of_per_cent(cell, column.unit)))
    return values


def _doubt_codes(rule: ColumnRule, column: ColumnSpec, origin: Origin, reader: Reader) -> None:
    """Count cells read as missing whose code may be a value here: a 9 for none takes 9 mm with it.

    A code below zero is chosen because nothing that is measured can have it.
    """
    for code, cells in reader.codes_met.get((origin.file.label, origin.column), {}).items():
        if not re.fullmatch(PLAIN_NUMBER, code):
            continue
        value = float(code.replace(",", ".")) * (rule.factor or 1)
        if (column.low is None or value >= column.low) and (column.high is None or value <= column.high):
            told = f"code_may_be_value: {code} is among `missing`, and possible here; read as missing"
            reader.doubt(origin.file.label, origin.column, told, cells)


def _from_words(values: pd.Series, rule: ColumnRule, origin: Origin, reader: Reader) -> pd.Series:
    """Return the numbers that `words` says in place of its texts, counted."""
    if not rule.words:
        return values
    decimal = origin.file.decimal if origin.file.is_text else "."
    words = {text: number.replace(".", decimal) or np.nan for text, number in rule.number_words.items()}
    rows = values.str.upper().isin(list(words))
    told = "result_in_words: read as the number, or as none, that the study file says"
    reader.note(origin.file.label, origin.column, told, int(rows.sum()), ids_of(origin.ids, rows))
    return values.mask(rows, values.str.upper().map(words).astype("str"))


def _per_cents(values: pd.Series) -> pd.Series:
    """Tell which cells are a number with a sign of per cent; the plain search is 20 times as fast."""
    signed = values.str.contains("%", regex=False, na=False)
    return signed & values.where(signed).str.fullmatch(PER_CENT, na=False) if signed.any() else signed


def _of_per_cent(cell: str, unit: str | None) -> str:
    number = Decimal(cell.removesuffix("%").strip())
    return f"{number if unit == '%' else number / 100:f}"


def _pointed(values: pd.Series, origin: Origin, reader: Reader) -> pd.Series:
    """Return numbers with a decimal point and without marks between their digits.

    A workbook's reader has done so: it knows what is a number. Typed numbers of other files have points; a
    point is refused only beside texts with commas.
    """
    file = origin.file
    if file.is_workbook or (file.decimal == "." and file.thousands is None):
        return values
    if not file.is_text and not values.str.contains(",", regex=False, na=False).any():
        return values
    if file.thousands is not None:
        mark, decimal = re.escape(file.thousands), re.escape(file.decimal)
        grouped = values.str.fullmatch(rf"[+-]?\d{{1,3}}(?:{mark}\d{{3}})+(?:{decimal}\d+)?", na=False)
        reader.note(file.label, origin.column, "thousands: marks between digits", int(grouped.sum()))
        values = values.mask(grouped, values.str.replace(file.thousands, "", regex=False))
    if file.decimal == ",":
        origin.refuse(
            values.str.contains(".", regex=False, na=False),
            "hold a point in a file with decimal commas; correct them, or, if it groups digits by three, say "
            "thousands: '.' in the study file",
        )
        values = values.str.replace(",", ".", regex=False)
    return values


def _moments(values: pd.Series, form: str) -> pd.Series:
    """Return texts of a format as moments, by the clock of their own zone; NaT where they are of another."""
    if "%z" not in form:
        return pd.to_datetime(values, format=form, errors="coerce")

    def moment(text: Any) -> dt.datetime | None:
        try:
            return dt.datetime.strptime(text, form).replace(tzinfo=None)  # noqa: DTZ007
        except (TypeError, ValueError):  # an empty cell, or another text: left for the contract to refuse
            return None

    return pd.Series([moment(text) for text in values], index=values.index, dtype="datetime64[us]")


def _dates(values: pd.Series, rule: ColumnRule, origin: Origin, reader: Reader) -> pd.Series:
    """Return dates as YYYY-MM-DD where the study file says how; repairs are counted."""
    file, source = origin.file, origin.column
    if rule.date_format in DAY_ZERO:
        serial = pd.to_numeric(values, errors="coerce")
        if rule.date_format == "excel" and not reader.starts_1904(file):
            serial = serial.where(serial >= FIRST_SERIAL)
        if rule.date_format == "excel" and file.is_sdtm:
            origin.refuse(serial.notna(), "hold days as SAS counts them, from 1960; say date_format: sas")
        epoch = MAC_DAY_ZERO if rule.date_format == "excel" and reader.starts_1904(file) else None
        epoch = epoch or DAY_ZERO[rule.date_format]
        dates = pd.to_datetime(serial, unit="D", origin=epoch, errors="coerce").dt.strftime("%Y-%m-%d")
        told = f"{rule.date_format}_dates: serial numbers read as dates"
        reader.note(file.label, source, told, int(dates.notna().sum()))
        values = dates.where(dates.notna(), values)
    elif rule.date_format is not None:
        days = _moments(values, rule.date_format)
        if UNSEPARATED.search(
            rule.date_format
        ):  # 2026112 could be the 12th of January or the 2nd of November
            days = days.where(days.dt.strftime(rule.date_format) == values)
        dates = days.dt.strftime("%Y-%m-%d")
        cut = days.notna() & (days != days.dt.normalize())
        reader.note(file.label, source, "time_cut_off: only the date is used", int(cut.sum()))
        values = dates.where(dates.notna(), values)
    origin.refuse(
        values.str.match(DAY_AND_MORE, na=False) & ~values.str.match(DAY_AND_TIME, na=False),
        "hold another text than a time of day behind a date; enter one date",
    )
    timed = values.str.contains(TIME, na=False)
    zoned = timed & values.str.contains(ZONE, na=False)
    reader.note(file.label, source, "time_cut_off: only the date is used", int((timed & ~zoned).sum()))
    reader.note(file.label, source, "time_zone: the date as written is used", int(zoned.sum()))
    if file.partial_dates != "refuse":
        partial = values.str.fullmatch(PARTIAL, na=False)
        rule_name = f"partial_date: {file.partial_dates.replace('_', ' ')}"
        reader.note(file.label, source, rule_name, int(partial.sum()))
        first = values.str.removesuffix("-").str.pad(7, side="right", fillchar="-")
        first = first.str.replace(r"^(\d{4})-+$", r"\1-01", regex=True) + "-01"
        values = values.mask(partial, np.nan if file.partial_dates == "missing" else first)
    return values
