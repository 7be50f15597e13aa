"""Current HGNC symbols for previous ones, aliases, ids, lower case, and the dates of spreadsheets."""

import csv
import re
from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from functools import cache
from pathlib import Path
from typing import NamedTuple

GENES = Path(__file__).parents[3] / "configs" / "genes"
EXCEL_EPOCH = date(1899, 12, 30)
SERIAL_DAYS = range(30_000, 60_000)
"""Serial numbers of a workbook for the years 1982 to 2064."""
PREFIXES = {
    1: ("JAN",), 2: ("FEB",), 3: ("MAR", "MARCH", "MARC"), 4: ("APR",), 5: ("MAY",), 6: ("JUN",), 7: ("JUL",),
    8: ("AUG",), 9: ("SEP", "SEPT"), 10: ("OCT",), 11: ("NOV",), 12: ("DEC",),
}  # fmt: skip
"""Month -> what symbols begin with that a spreadsheet reads as that month."""
MONTHS = {
    "jan": 1, "feb": 2, "fév": 2, "mar": 3, "mär": 3, "mrz": 3, "apr": 4, "avr": 4, "may": 5, "mai": 5,
    "jun": 6, "jul": 7, "aug": 8, "aoû": 8, "sep": 9, "oct": 10, "okt": 10, "nov": 11, "dec": 12, "dez": 12,
    "déc": 12,
}  # fmt: skip
"""First letters of a month's name in English, German and French."""
_NAME = r"(?P<month>[A-Za-zäéû]{3,9})\.?"
_NAMED_DATES = (
    re.compile(rf"(?P<day>\d{{1,2}})[-. /]+{_NAME}(?:[-. /]+\d{{2}}(?:\d{{2}})?)?"),
    re.compile(rf"{_NAME}[-. /]+(?P<day>\d{{1,2}})"),
)
_ISO_DATE = re.compile(r"\d{4}-(?P<month>\d{2})-(?P<day>\d{2})(?:[T ][\d:.]+)?")
_NUMERIC_DATE = re.compile(r"\d{1,2}[/.]\d{1,2}[/.]\d{2,4}")
_ENSEMBL = re.compile(r"(ENSG\d{11})(?:\.\d+)?")


class Symbol(NamedTuple):
    """A gene as it is read: its symbol (None where it cannot be told), and the rule if the text was another.

    Rules: letter_case, ensembl_id, hgnc_id, previous_symbol, alias, spreadsheet_date; ambiguous and unknown,
    which leave the text as it is; ambiguous_date, which leaves no symbol.
    """

    text: str | None
    rule: str | None = None


@dataclass(frozen=True)
class GeneList:
    """A version of the HGNC's list. All keys are in upper case, ``ids`` hold Ensembl and HGNC ids."""

    version: str
    current: dict[str, str]
    ids: dict[str, str]
    previous: dict[str, set[str]]
    alias: dict[str, set[str]]

    def resolve(self, text: str) -> Symbol:
        """Return the current symbol of a gene, from a symbol, id, previous symbol, alias or date."""
        text = text.strip()
        key = text.upper()
        if key in self.current:
            symbol = self.current[key]
            return Symbol(symbol, None if symbol == text else "letter_case")
        ensembl = _ENSEMBL.fullmatch(key)
        if ensembl or key in self.ids:
            symbol = self.ids.get(ensembl[1] if ensembl else key, "")
            return (
                Symbol(symbol, "ensembl_id" if ensembl else "hgnc_id") if symbol else Symbol(text, "unknown")
            )
        for names, rule in ((self.previous, "previous_symbol"), (self.alias, "alias")):
            if key in names:
                symbols = names[key]
                return Symbol(min(symbols), rule) if len(symbols) == 1 else Symbol(text, "ambiguous")
        day = spreadsheet_date(text)
        if day is not None:
            symbols = self._written_as(*day)
            return (
                Symbol(min(symbols), "spreadsheet_date")
                if len(symbols) == 1
                else Symbol(None, "ambiguous_date")
            )
        return Symbol(text, "unknown")

    def _written_as(self, month: int, number: int) -> set[str]:
        """Return the genes whose symbols become the date; aliases only if no symbol does."""
        names = [f"{prefix}{number}" for prefix in PREFIXES.get(month, ())]
        symbols = {self.current[n] for n in names if n in self.current}
        symbols |= {s for n in names for s in self.previous.get(n, ())}
        return symbols or {s for n in names for s in self.alias.get(n, ())}


def spreadsheet_date(text: str) -> tuple[int, int] | None:
    """Return (month, day) of a spreadsheet's date, (0, 0) if the two could be swapped; else None."""
    for pattern in _NAMED_DATES:
        match = pattern.fullmatch(text)
        if match and (month := MONTHS.get(match["month"][:3].lower())):
            return month, int(match["day"])
    if match := _ISO_DATE.fullmatch(text):
        return int(match["month"]), int(match["day"])
    if text.isdecimal() and int(text) in SERIAL_DAYS:
        day = EXCEL_EPOCH + timedelta(days=int(text))
        return day.month, day.day
    return (0, 0) if _NUMERIC_DATE.fullmatch(text) else None


@cache
def gene_list() -> GeneList:
    """Return the newest list in configs/genes."""
    path = max(GENES.glob("hgnc-*.csv"))
    with path.open(encoding="utf-8", newline="") as file:
        rows = csv.reader(file)
        next(rows)
        return parse_gene_list(path.stem.removeprefix("hgnc-"), rows)


def parse_gene_list(version: str, rows: Iterable[Sequence[str]]) -> GeneList:
    """Return the list of these rows: symbol, hgnc_id, ensembl_id, previous and alias (separated by ``|``)."""
    current, ids = {}, {}
    previous: defaultdict[str, set[str]] = defaultdict(set)
    alias: defaultdict[str, set[str]] = defaultdict(set)
    for symbol, hgnc, ensembl, before, others in rows:
        current[symbol.upper()] = symbol
        ids[hgnc] = ids[ensembl] = symbol
        if before:
            for name in before.upper().split("|"):
                previous[name].add(symbol)
        if others:
            for name in others.upper().split("|"):
                alias[name].add(symbol)
    ids.pop("", None)
    return GeneList(version, current, ids, dict(previous), dict(alias))
