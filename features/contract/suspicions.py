"""What no rule forbids in a column, and yet looks wrong: other units, codes for missing, isolated dates."""

from collections.abc import Iterator

import pandas as pd

from features.contract.specification import ColumnSpec

UNIT_MIN_VALUES = 10
"""Fewer values than this do not show that a whole column is in another unit."""
CODES = (77, 88, 99, 99.9, 777, 888, 999, 999.9, 7777, 8888, 9999)
"""Numbers that stand for none in many databases."""
MIN_CODES, MAX_BELOW_CODE = 3, 0.85
"""From how often such a number is suspected, if no other value reaches this part of it."""
MAX_GAP, MAX_ISOLATED = pd.Timedelta(days=5 * 365), 3
"""Dates of one column that lie apart from all others, and in how many rows they are suspected."""
MM_LIKE_CM = 25.0
"""Diameters in mm are not all below this in a study; diameters in cm are."""
Suspicion = tuple[str, pd.Series, str]
"""Rule, True for the rows concerned, and severity."""


def suspicions(values: pd.Series, column: ColumnSpec) -> Iterator[Suspicion]:
    """Yield what looks wrong in the values of a column, in the contract's dtype."""
    yield from _unit_suspicions(values, column)
    yield from _value_suspicions(values, column)


def _unit_suspicions(values: pd.Series, column: ColumnSpec) -> Iterator[Suspicion]:
    """Yield a suspicion that a column is in another unit than the contract's.

    Fractions above 1 and up to 100 are out of range as well; the finding says why. The other two are
    warnings, from at least `UNIT_MIN_VALUES` values: per cents that are all at most 1 and not all whole, and
    diameters in mm that are all below `MM_LIKE_CM`.
    """
    if column.unit == "fraction":
        high = (values > 1) & (values <= 100)
        if high.any():
            yield ("wrong_unit: per cent, not fraction", high, "error")
    filled = values.dropna()
    if len(filled) < UNIT_MIN_VALUES:
        return
    if column.unit == "%" and (filled <= 1).all() and (filled % 1 != 0).any():
        yield ("wrong_unit: fraction, not per cent", values.notna(), "warning")
    if column.unit == "mm" and (filled < MM_LIKE_CM).all() and (filled > 0).any():
        yield ("wrong_unit: cm, not mm", values.notna(), "warning")


def _value_suspicions(values: pd.Series, column: ColumnSpec) -> Iterator[Suspicion]:
    """Yield codes for missing that are read as numbers, and dates far from all others; warnings."""
    filled = values.dropna()
    if len(filled) < UNIT_MIN_VALUES:
        return
    if column.type in ("float", "integer"):
        highest = float(filled.max())
        others = filled[filled < highest]
        often = len(filled) - len(others) >= MIN_CODES
        if highest in CODES and often and (others < MAX_BELOW_CODE * highest).all():
            rule = f"code_for_missing: {highest:g} looks like a code, and is read as a number"
            yield (rule, values == highest, "warning")
    if column.type == "date":
        days = filled.sort_values()
        groups = (days.diff() > MAX_GAP).cumsum()
        sizes = groups.map(groups.value_counts())
        isolated = days.index[(sizes <= MAX_ISOLATED) & (sizes < sizes.max())]
        rows = pd.Series(values.index.isin(isolated), index=values.index)
        yield ("isolated_date: years away from all others", rows, "warning")
