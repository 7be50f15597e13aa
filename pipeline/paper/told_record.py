"""Numbers of the record of results in words, for the templates of sentences."""

from dataclasses import dataclass

import pandas as pd

from features.errors import UserError
from pipeline.project.estimates import Estimate, bounds_text, number_text


@dataclass(frozen=True)
class ToldRow:
    """A row of the record: whom it is of, and its number."""

    group: str
    estimate: Estimate

    @property
    def percent(self) -> str:
        """The number in percentage points, signed, with its interval."""
        return _told(self.estimate, 1, signed=True, scale=100)


class ToldRecord:
    """The record of results (`pipeline.record.rows.record`) as sentences ask for it, by its columns."""

    def __init__(self, record: pd.DataFrame) -> None:
        self._record = record

    def has(self, **where: str) -> bool:
        """Tell whether a row with these columns has a number."""
        return bool(self._rows(where)["value"].notna().any())

    def all(self, **where: str) -> list[ToldRow]:
        """Return the rows with these columns that have a number, in the order of the record."""
        rows = self._rows(where).dropna(subset="value")
        return [ToldRow(str(row["group"]), _estimate(row)) for _, row in rows.iterrows()]

    def told(self, *, digits: int = 3, signed: bool = False, **where: str) -> str:
        """Return the number of the one row with these columns, and its interval.

        Raises
        ------
        UserError
            If there is none, or more than one.
        """
        rows = self.all(**where)
        if len(rows) != 1:
            raise UserError(f"the record has {len(rows)} rows with {where}; a sentence must ask for one")
        return _told(rows[0].estimate, digits, signed=signed)

    def _rows(self, where: dict[str, str]) -> pd.DataFrame:
        return self._record.loc[(self._record[list(where)] == pd.Series(where)).all(axis=1)]


def _estimate(row: pd.Series) -> Estimate:
    low, high = (None if pd.isna(row[name]) else float(row[name]) for name in ("low", "high"))
    return Estimate(float(row["value"]), low, high)


def _told(estimate: Estimate, digits: int, *, signed: bool = False, scale: float = 1) -> str:
    value = number_text(estimate.point, digits, signed=signed, scale=scale)
    if not estimate.has_interval:
        return value
    return f"{value} ({bounds_text(*estimate.interval, digits, signed=signed, scale=scale)})"
