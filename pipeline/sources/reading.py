"""The reading report: what was read of every file and made of every table, left empty, repaired, left out."""

from collections.abc import Iterable, Mapping

import pandas as pd

from pipeline.sources.audit.compare import Audit
from pipeline.sources.mapping.files import Reader
from pipeline.sources.second_tables import TABLE

READING_COLUMNS = [
    "file", "columns", "rows", "cells", "empty", "missing codes", "repaired", "rows left out", "compared",
    "differences", "by rule",
]  # fmt: skip

MADE_AGAIN = "made a second time from the cells of its files"


def reading_report(
    reader: Reader, dropped: Iterable[tuple[str, str, str, int, int]], labels: Mapping[str, str]
) -> pd.DataFrame:
    """Return one row for each file: what was read, left empty, repaired, left out, and compared.

    Below the files stand the tables that were made a second time, with the cells compared.

    Parameters
    ----------
    reader : Reader
        That has read the files.
    dropped : iterable
        File (or entry of the study file), table, reason, rows left out, rows left.
    labels : mapping
        Entry of the study file -> file as messages name it.
    """
    rules: dict[str, dict[str, int]] = {}
    for label, _, rule, count, _ in reader.repairs:
        at = rules.setdefault(label, {})
        name = rule.partition(":")[0]
        at[name] = at.get(name, 0) + count
    lost: dict[str, dict[str, int]] = {}
    for entry, _, reason, count, _ in dropped:
        at = lost.setdefault(labels.get(entry, entry), {})
        at[reason] = at.get(reason, 0) + count
    rows: list[tuple[str | int, ...]] = []
    for label in dict.fromkeys(label for label, _ in reader.readings):
        columns = [reading for (file, _), reading in reader.readings.items() if file == label]
        names = reader.parts_read.get(label, {label})
        audits = [audit for (file, _), audit in reader.audits.items() if file in names]
        repaired, left_out = rules.get(label, {}), lost.get(label, {})
        rows.append(
            (
                label,
                len(columns),
                max(c.cells for c in columns),
                sum(c.cells for c in columns),
                sum(c.empty for c in columns),
                sum(c.coded_missing for c in columns),
                sum(repaired.values()),
                sum(left_out.values()),
                sum(audit.cells for audit in audits),
                sum(audit.differences for audit in audits),
                "; ".join(f"{rule} ({count})" for rule, count in {**repaired, **left_out}.items()),
            )
        )
    files = {row[0] for row in rows} | {name for names in reader.parts_read.values() for name in names}
    made: dict[str, list[Audit]] = {}
    for (label, _), audit in reader.audits.items():
        if label.startswith(TABLE) and label not in files:
            made.setdefault(label, []).append(audit)
    rows += [_row_of_table(label, audits) for label, audits in made.items()]
    return pd.DataFrame(rows, columns=READING_COLUMNS)


def _row_of_table(label: str, audits: list[Audit]) -> tuple[str | int, ...]:
    cells, differences = sum(audit.cells for audit in audits), sum(audit.differences for audit in audits)
    return (label, len(audits), audits[0].cells, cells, 0, 0, 0, 0, cells, differences, MADE_AGAIN)
