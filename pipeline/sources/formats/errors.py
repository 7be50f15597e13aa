"""The one error of sources: files that do not fit what the study file says of them."""

import pandas as pd

from features.errors import UserError


class SourceError(UserError):
    """A study's files do not fit its study file; the message names file, sheet, column and what to do."""


def named_ids(ids: pd.Series) -> str:
    """Return at most three ids, as messages name them."""
    return "; ".join(sorted(ids.dropna().unique())[:3])


def ids_of(ids: pd.Series | None, rows: pd.Series) -> str:
    """Return at most three ids of the rows; empty where the file has none."""
    return "" if ids is None or not rows.any() else named_ids(ids[rows])
