"""Biological themes beside each other and in groups of patients: open ranks, and mean contributions."""

from collections.abc import Mapping, Sequence

import pandas as pd

from models.explanation.documents import GroupContribution, GroupMean


def open_ranks(themes: Sequence[GroupContribution]) -> list[tuple[int, int]]:
    """Return the first and last rank that the intervals of mean |contribution| leave open for each theme.

    Those that lie wholly above or wholly below it are set apart from it; all others may change places.
    """
    return [
        (
            1 + sum(other["mean_low"] > theme["mean_high"] for other in themes),
            len(themes) - sum(other["mean_high"] < theme["mean_low"] for other in themes),
        )
        for theme in themes
    ]


def group_means(
    explained: pd.DataFrame, members: Sequence[str], groups: Mapping[str, pd.Series]
) -> list[GroupMean]:
    """Return the mean summed contribution of a theme's features in every group of patients, log-odds.

    Parameters
    ----------
    explained : DataFrame
        usubjid and contributions, a row for each patient and repeat.
    members : sequence of str
        The theme's features.
    groups : mapping of str to Series
        By what patients are told apart: their group, rows as in `explained`; a missing one is none. What has
        one group only tells nobody apart and is left out.
    """
    total = explained[list(members)].sum(axis=1)
    return [
        {
            "by": by,
            "part": str(part),
            "patients": int(explained.loc[group == part, "usubjid"].nunique()),
            "mean": float(total[group == part].mean()),
        }
        for by, group in groups.items()
        if len(group.dropna().unique()) > 1
        for part in sorted(group.dropna().unique())
    ]
