"""What a format's reader gives: the cells of a file, and the doubts that the file raises about them."""

from dataclasses import dataclass

import pandas as pd


@dataclass(frozen=True)
class Doubt:
    """Cells of a column that do not mean what they seem to, such as a formula without a result.

    `rule` is a key of ``pipeline.sources.repairs.ADVICE`` with an explanation behind a colon; `cells` are the
    addresses of the first, never their values; `column` is None where the whole file is concerned. A
    `refused` doubt is an error if the study uses the column; any other is counted as a repair.
    """

    column: str | None
    rule: str
    rows: int
    cells: tuple[str, ...] = ()
    refused: bool = False

    @property
    def addresses(self) -> str:
        """At most three addresses, as errors name them."""
        return ", ".join(self.cells[:3]) + ", ..." * (self.rows > 3)


@dataclass(frozen=True)
class Grid:
    """A file's cells, one column for each of the header, in the order of the file.

    `stored` are the cells before rules of display (per cent, leading zeros) were applied, as a second reader
    gives them; None where there are no such rules.
    """

    frame: pd.DataFrame
    doubts: tuple[Doubt, ...] = ()
    stored: pd.DataFrame | None = None

    @property
    def cells(self) -> pd.DataFrame:
        """The cells as they are stored."""
        return self.frame if self.stored is None else self.stored
