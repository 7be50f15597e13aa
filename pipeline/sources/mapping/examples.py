"""Examples of cells and the values that they became, so that a data manager sees what was understood."""

from dataclasses import dataclass, field

import pandas as pd

EXAMPLE_COLUMNS = ["table", "column", "file", "source", "cell", "value"]
MAX_EXAMPLES = 5
ROWS_LOOKED_AT = 2_000
"""Examples come from the first rows of a file: enough for a person to see what was understood."""


@dataclass
class Examples:
    """Distinct pairs of a cell and the value that it became, for every mapped column."""

    rows: list[tuple[str, ...]] = field(default_factory=list)

    def add(self, where: tuple[str, str, str, str], cells: pd.Series, values: pd.Series) -> None:
        """Add the first pairs of a column; `where` is table, column, file and source column."""
        pairs = pd.DataFrame(
            {"cell": cells.head(ROWS_LOOKED_AT), "value": values.head(ROWS_LOOKED_AT)}, dtype="object"
        )
        for cell, value in pairs.drop_duplicates().head(MAX_EXAMPLES).itertuples(index=False, name=None):
            self.rows.append((*where, *("" if pd.isna(text) else str(text) for text in (cell, value))))

    def frame(self) -> pd.DataFrame:
        """Return the examples, a row each."""
        return pd.DataFrame(self.rows, columns=EXAMPLE_COLUMNS)
