"""What a cross-check says: a rule, and the rows of a table that it speaks of."""

from typing import NamedTuple

import pandas as pd


class Finding(NamedTuple):
    """Rows of a table (mask) that a rule speaks of."""

    table: str
    column: str
    rule: str
    rows: pd.Series
    severity: str = "warning"
