"""What a file tells of single patients: whose values stand in it, and which can be rebuilt from it.

Nothing is assumed of a file's names: a column is compared with what is known of the same patients. A share of
a linear model is affine in the value that it is of, and a share of trees hardly less telling: whoever has the
model, or knows some patients, looks the others up.
"""

from collections.abc import Mapping

import numpy as np
import numpy.typing as npt
import pandas as pd

FloatArray = npt.NDArray[np.float64]
NEAR = 0.05
"""Share of the range within which a number counts as rebuilt."""
MIN_REBUILT, MIN_GAIN = 0.5, 0.3
"""A column gives values away that rebuilds such a share of them, and so much more than chance does."""
MIN_PATIENTS = 20
MIN_DIGITS = 4
"""Numbers of fewer digits stand in files by chance: versions, thresholds, rounded figures."""
RELATIVE, TINY = 5e-4, 1e-9


def neighbours(column: FloatArray) -> npt.NDArray[np.int64]:
    """Return for every patient the one who is nearest in a column, (n,); without a value the patient."""
    places = np.arange(len(column))
    there = np.flatnonzero(~np.isnan(column))
    if len(there) < MIN_PATIENTS or np.ptp(column[there]) == 0:
        return places
    order = there[np.argsort(column[there], kind="stable")]
    gaps = np.diff(column[order])
    left, right = np.append(np.inf, gaps), np.append(gaps, np.inf)
    places[order] = order[np.where(left <= right, np.arange(len(order)) - 1, np.arange(len(order)) + 1)]
    return places


def rebuilt_share(value: FloatArray, tolerance: float, nearest: npt.NDArray[np.int64]) -> tuple[float, float]:
    """Return the share of patients whose value a neighbour tells, and that by chance; (n,) each.

    The attacker knows the other patients' values, and takes that of the `nearest`; by chance it is that of
    any other. NaN where fewer than `MIN_PATIENTS` have both.
    """
    places = np.arange(len(value))
    both = (nearest != places) & ~np.isnan(value) & ~np.isnan(value[nearest])
    if both.sum() < MIN_PATIENTS:
        return np.nan, np.nan
    own, told = value[both], value[nearest[both]]
    other = np.roll(own, len(own) // 2)
    return float((np.abs(own - told) <= tolerance).mean()), float((np.abs(own - other) <= tolerance).mean())


def rebuildable(columns: pd.DataFrame, known: pd.DataFrame) -> dict[str, str]:
    """Return which known values can be rebuilt, and from which column that is not the value itself.

    A share of a linear model is affine in the value that it is of: the neighbour in one is that in the other.

    Parameters
    ----------
    columns, known : DataFrame
        By the same index, a row per patient; of `columns` those that are numbers are looked at.
    """
    values = {str(name): _as_numbers(known[name]) for name in known}
    best: dict[str, tuple[float, str]] = {}
    for name in columns.select_dtypes("number"):
        nearest = neighbours(columns[name].to_numpy(dtype=float))
        for wanted, (value, tolerance) in values.items():
            share, chance = rebuilt_share(value, tolerance, nearest)
            gives_away = share >= MIN_REBUILT and share - chance >= MIN_GAIN
            if gives_away and share > best.get(wanted, (0.0, ""))[0]:
                best[wanted] = (share, str(name))
    return {wanted: column for wanted, (_, column) in best.items()}


def _as_numbers(column: pd.Series) -> tuple[FloatArray, float]:
    """Return values, levels by a code, and how far apart two may be that count as the same."""
    if pd.api.types.is_numeric_dtype(column):
        value = column.to_numpy(dtype=float)
        return value, NEAR * float(np.nanmax(value) - np.nanmin(value)) if (~np.isnan(value)).any() else 0.0
    codes = column.factorize()[0].astype(float)
    codes[codes < 0] = np.nan
    return codes, 0.0


def stated(columns: pd.DataFrame, known: pd.DataFrame) -> list[str]:
    """Return which known values stand in the columns as they are, numbers to four significant digits."""
    numbers = columns.select_dtypes("number").to_numpy(dtype=float)
    texts = [columns[name].astype(str).to_numpy() for name in columns.select_dtypes(exclude="number")]
    told = []
    for name in known:
        column = known[name]
        there = column.notna().to_numpy()
        if there.sum() < MIN_PATIENTS or column.nunique() < 2:
            continue
        if pd.api.types.is_numeric_dtype(column):
            value = column.to_numpy(dtype=float)[there, None]
            same = np.abs(numbers[there] - value) <= RELATIVE * np.abs(value) + TINY
            found = bool(same.all(axis=0).any())
        else:
            value = column.astype(str).to_numpy()[there]
            found = any((text[there] == value).all() for text in texts)
        if found:
            told.append(str(name))
    return told


def extremes(numbers: set[float], known: Mapping[str, pd.Series]) -> list[str]:
    """Return the inputs of which one patient's smallest or largest value is among a file's numbers."""
    told = []
    for name, column in known.items():
        if not pd.api.types.is_numeric_dtype(column) or column.nunique() <= MIN_PATIENTS:
            continue
        ends = {float(column.min()), float(column.max())}
        single = {end for end in ends if (column == end).sum() == 1 and _digits(end) >= MIN_DIGITS}
        if single & numbers:
            told.append(name)
    return told


def _digits(number: float) -> int:
    """Return how many significant digits a number is written with."""
    return len(f"{number!r}".partition("e")[0].replace(".", "").strip("-0"))
