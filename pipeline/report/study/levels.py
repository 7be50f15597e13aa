"""Rare levels of table one: merged, so that as few counts as possible are hidden."""

from collections.abc import Iterator, Sequence

from models.description.documents import TableOneRow
from pipeline.report.tables import Privacy

OTHER = "other"
RARE = 0.1
"""A level with a smaller share in every column may be merged though its counts could be shown."""


def with_merged_levels(
    rows: Sequence[TableOneRow], groups: Sequence[str], privacy: Privacy
) -> Iterator[TableOneRow]:
    """Yield the rows of table one, the levels with a count too small to be shown as one row at their end.

    Where together they are still too few, the smallest other levels join them, if these are rare as well; if
    none is, all are left as they are: to hide two counts tells more than to merge a level that matters.
    """
    features = dict.fromkeys(row["feature"] for row in rows)
    for feature in features:
        part = [row for row in rows if row["feature"] == feature]
        yield from part if part[0]["level"] is None else _merged(part, groups, privacy)


def _merged(rows: Sequence[TableOneRow], groups: Sequence[str], privacy: Privacy) -> list[TableOneRow]:
    def small(*some: TableOneRow) -> bool:
        return any(privacy.hides(sum(row["cells"][group]["count"] for row in some)) for group in groups)

    rare = [row for row in rows if small(row)]
    kept = sorted((row for row in rows if not small(row)), key=_share, reverse=True)
    while rare and small(*rare) and len(kept) > 1 and _share(kept[-1]) < RARE:
        rare.append(kept.pop())
    if len(rare) < 2 or small(*rare):
        return list(rows)
    members = [row for row in rows if row in rare]
    return [*(row for row in rows if row not in rare), _sum_of(members, groups)]


def _share(row: TableOneRow) -> float:
    """Return the largest share that a level has in a column."""
    return max(cell["count"] / max(cell["n"], 1) for cell in row["cells"].values())


def _sum_of(rows: Sequence[TableOneRow], groups: Sequence[str]) -> TableOneRow:
    first = rows[0]
    cells = dict(first["cells"])
    for group in groups:
        cells[group] = {**cells[group], "count": sum(row["cells"][group]["count"] for row in rows)}
    level = f"{OTHER}: {', '.join(str(row['level']) for row in rows)}"
    return {**first, "level": level, "cells": cells}
