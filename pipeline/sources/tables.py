"""What every source gives: unchecked tables, and what was left out or repaired on the way."""

from dataclasses import dataclass, field

import pandas as pd

from features.contract.validation import PROBLEM_COLUMNS

DROPPED_COLUMNS = ["file", "table", "reason", "rows", "left"]


def _frame(columns: list[str]) -> pd.DataFrame:
    return pd.DataFrame(columns=columns)


@dataclass(frozen=True)
class SourceTables:
    """Contract tables with uncoerced cells, for the contract's `validate`, and what was left out.

    `dropped`: file, table (empty where the whole file is concerned), reason, rows dropped, rows left.
    `reading` is what was read of every file, `examples` a few cells of every column and the values that they
    became (`pipeline.sources.reading`). `repairs`: cells read otherwise than they stand, in
    `PROBLEM_COLUMNS`: ``table`` is the file, ``column`` its column, severity repair. `origins`: (table,
    column) -> file and column, as errors name them. `assays`: of a simulated study, matrix and samples.
    """

    tables: dict[str, pd.DataFrame]
    dropped: pd.DataFrame = field(default_factory=lambda: _frame(DROPPED_COLUMNS))
    repairs: pd.DataFrame = field(default_factory=lambda: _frame(PROBLEM_COLUMNS))
    origins: dict[tuple[str, str], str] = field(default_factory=dict)
    reading: pd.DataFrame = field(default_factory=pd.DataFrame)
    examples: pd.DataFrame = field(default_factory=pd.DataFrame)
    assays: dict[str, tuple[pd.DataFrame, pd.DataFrame]] = field(default_factory=dict)
