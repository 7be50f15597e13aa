"""Examples of cells and the values that they became, so that a data manager sees what was understood."""

from dataclasses import dataclass, field

import pandas as pd

from features.contract.cells import as_text

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

    def became(self, table: str, before: pd.DataFrame, after: pd.DataFrame) -> None:
        """Show what a table's values became: current symbols, short names, units of the criteria."""
        for column in (str(name) for name in after.columns if name in before.columns):
            if before[column].equals(after[column]):
                continue
            old, new = as_text(before.loc[after.index, column]).fillna(""), as_text(after[column]).fillna("")
            changed = (old != new).to_numpy()
            values = dict(zip(old[changed][::-1], new[changed][::-1], strict=True))  # of several the first
            self.rows = [
                (*row[:-1], values.get(row[-1], row[-1])) if row[:2] == (table, column) else row
                for row in self.rows
            ]

    def frame(self) -> pd.DataFrame:
        """Return the examples, a row each."""
        return pd.DataFrame(self.rows, columns=EXAMPLE_COLUMNS)
