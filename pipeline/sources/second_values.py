"""What a cell becomes, a second time: one cell after another, in decimal numbers.

It follows docs/study-file.md and shares nothing with `pipeline.sources.mapping.convert`.
"""

import datetime as dt
import math
import re
import unicodedata
from contextlib import suppress
from decimal import Decimal, InvalidOperation

from features.contract.specification import ColumnSpec
from pipeline.sources.formats.source_file import SourceFile
from pipeline.sources.mapping.column_rule import ColumnRule

FIRST_DAY_OF_ALL = 61
"""1900-03-01, counted alike by all programs: 60 is a 29th of February 1900 to spreadsheets."""
TOLERANCE = 1e-9
"""Part of a number by which two ways may differ: one multiplies in binary, the other in decimal numbers."""
EXCEL, MACINTOSH, SAS = dt.date(1899, 12, 30), dt.date(1904, 1, 1), dt.date(1960, 1, 1)


def value_of(cell: str, rule: ColumnRule, column: ColumnSpec, file: SourceFile, *, from_1904: bool) -> str:
    """Return the value that a cell becomes in a contract column, as text; "" for none."""
    text = recoded(cell, rule)
    if not text:
        return ""
    if column.type == "date":
        return _date(_plain(_with_hyphens(text), digits=True), rule, file, from_1904=from_1904)
    if column.type in ("float", "integer"):
        for number, words in (rule.words or {}).items():
            if text.upper() in [w.upper() for w in ([words] if isinstance(words, str) else words)]:
                if rule.factor is None or not number:
                    return number
                return str(Decimal(number) * Decimal(repr(rule.factor)))
        return _number(_plain(text, digits=True), rule, column, file)
    return _plain(text, digits=False)


def recoded(cell: str, rule: ColumnRule) -> str:
    """Return the level of a text, by `recode` and `otherwise`."""
    if rule.recode is None:
        return cell
    for level, texts in rule.recode.items():
        if cell in ([texts] if isinstance(texts, str) else texts):
            return level
    return (rule.otherwise or "") if cell else ""


def plain_identifier(text: str) -> str:
    """Return an id as a keyboard writes it: no invisible characters, one kind of hyphen and of space."""
    return _plain(_with_hyphens(text), False)


def _with_hyphens(text: str) -> str:
    return "".join("-" if c in "\u2010\u2011\u2012\u2013\u2014\u2212\ufe63" else c for c in text)


def same(one: str, other: str, column: ColumnSpec) -> bool:
    """Tell whether two readers' values of a contract column are one."""
    if one == other:
        return True
    if column.type not in ("float", "integer"):
        return False
    numbers = [_decimal(one), _decimal(other)]
    if None in numbers:
        return False
    first, second = (float(number) for number in numbers if number is not None)
    return math.isclose(first, second, rel_tol=TOLERANCE)


def _plain(text: str, digits: bool) -> str:
    if text.isascii():
        return text.strip()
    if not digits:
        text = unicodedata.normalize("NFC", text)
    return "".join(_plain_character(c, digits) for c in text).strip()


def _plain_character(c: str, digits: bool) -> str:
    kind = unicodedata.category(c)
    if kind == "Cf":
        return ""
    if kind == "Zs":
        return " "
    if "\uff01" <= c <= "\uff5e":
        return unicodedata.normalize("NFKC", c)
    if digits and kind == "Nd":
        return str(unicodedata.digit(c))
    return {"\u2212": "-", "\ufe63": "-", "\u066a": "%", "\u066b": "."}.get(c, c) if digits else c


def _decimal(text: str) -> Decimal | None:
    try:
        return Decimal(text)
    except InvalidOperation:
        return None


def _number(text: str, rule: ColumnRule, column: ColumnSpec, file: SourceFile) -> str:
    if not file.is_workbook and (file.is_text or "," in text):  # typed numbers have points
        text = _with_point(text, file)
    if rule.censored == "limit" and text[:1] in ("<", ">", "≤", "≥"):
        text = text[1:].removeprefix("=").strip()
    if text.endswith("%") and column.unit in ("%", "fraction"):
        number = _decimal(text[:-1].strip())
        return text if number is None else str(number if column.unit == "%" else number / 100)
    number = _decimal(text)
    if rule.factor is None or number is None:
        return text
    return str(number * Decimal(repr(rule.factor)))


def _with_point(text: str, file: SourceFile) -> str:
    mark = file.thousands
    if mark is not None and mark in text:
        whole, _, fraction = text.partition(file.decimal)
        groups = whole.lstrip("+-").split(mark)
        if 1 <= len(groups[0]) <= 3 and all(len(group) == 3 for group in groups[1:]):
            digits = "".join(groups)
            if digits.isdigit() and (not fraction or fraction.isdigit()):
                text = text.replace(mark, "")
    return text.replace(",", ".") if file.decimal == "," else text


def _date(text: str, rule: ColumnRule, file: SourceFile, *, from_1904: bool) -> str:
    if rule.date_format in ("excel", "sas"):
        first = SAS if rule.date_format == "sas" else MACINTOSH if from_1904 else EXCEL
        days = _decimal(text)
        if days is not None and (first != EXCEL or days >= FIRST_DAY_OF_ALL):
            with suppress(OverflowError, ValueError):  # no day of a calendar: left for the contract to refuse
                text = (first + dt.timedelta(days=int(days))).isoformat()
    elif rule.date_format is not None:
        with suppress(ValueError):  # left as it is, for the contract to refuse
            day = dt.datetime.strptime(text, rule.date_format)  # noqa: DTZ007 - a day
            packed = re.search("%[a-zA-Z]%", rule.date_format)
            text = text if packed and day.strftime(rule.date_format) != text else day.date().isoformat()
    if file.partial_dates == "refuse" or not re.fullmatch(r"\d{4}(-\d{2})?", text):
        return text
    return "" if file.partial_dates == "missing" else f"{text}-01" if len(text) > 4 else f"{text}-01-01"
