"""The visits of SDTM (SV): when each took place, for results that say the visit and not the day.

SV has a record for each patient and visit: the days on which it began and ended (SVSTDTC, SVENDTC) and, for
planned visits, whether it took place (SVOCCUR; SDTMIG 3.4, special-purpose domains).
"""

from dataclasses import replace

import pandas as pd

from pipeline.sources.formats.errors import ids_of
from pipeline.sources.formats.plain_text import plain_id, replaced
from pipeline.sources.formats.source_file import SourceFile
from pipeline.sources.mapping.blocks import Loaded
from pipeline.sources.mapping.files import Reader

PATIENT, VISIT, FIRST, LAST, OCCURRED = "USUBJID", "VISIT", "SVSTDTC", "SVENDTC", "SVOCCUR"
FILLED = "visit_date: no day beside the result, read as the first of its visit (SV)"
OUTSIDE = "visit_date_differs: a day outside of the visit's (SV), read as it stands"
NOT_DONE = "visit_not_done: results of a visit that did not take place (SVOCCUR N)"
DAY = 10
"""Characters of a whole date, YYYY-MM-DD."""


def with_visit_dates(loaded: Loaded, reader: Reader) -> Loaded:
    """Return the rows with the days of their visits where they have none, and count days that lie outside.

    Visits that a patient has several times (such as UNSCHEDULED) give no day.

    Raises
    ------
    SourceError
        If the file of visits cannot be read, or lacks a column.
    """
    spec = loaded.file.visits
    if spec is None or not (reader.folder / spec.path).is_file():
        return loaded
    days = _days(spec.path, reader).reindex(_keys(loaded.cells)).set_axis(loaded.cells.index)
    cells, label = loaded.cells.copy(), loaded.file.label
    for column in (name for name in spec.dates if name in cells):
        written = cells[column]
        filled = written.isna() & days[FIRST].notna()
        outside = _outside(written, days)
        undone = written.notna() & (days[OCCURRED] == "N")
        reader.note(label, column, FILLED, int(filled.sum()), ids_of(loaded.ids, filled))
        reader.doubt(label, column, OUTSIDE, int(outside.sum()), ids_of(loaded.ids, outside))
        reader.doubt(label, column, NOT_DONE, int(undone.sum()), ids_of(loaded.ids, undone))
        cells[column] = written.mask(filled, days[FIRST])
    return replace(loaded, cells=cells)


def _days(path: str, reader: Reader) -> pd.DataFrame:
    """Return first and last day of each patient's visit, and whether it took place."""
    file = SourceFile(path=path)
    visits = reader.read(file, [PATIENT, VISIT, FIRST], [LAST, OCCURRED])
    assert visits is not None  # noqa: S101 - the file is there, and not optional
    visits = visits.reindex(columns=[PATIENT, VISIT, FIRST, LAST, OCCURRED]).set_axis(_keys(visits))
    return visits[~visits.index.duplicated(keep=False)]


def _keys(frame: pd.DataFrame) -> pd.Index:
    patients = replaced(frame[PATIENT], plain_id)[0].fillna("")
    return pd.Index(patients + "\x1f" + frame[VISIT].fillna(""), dtype="str")


def _outside(written: pd.Series, days: pd.DataFrame) -> pd.Series:
    """Tell which whole dates lie before the visit's first or after its last day."""
    day, first = written.str.slice(stop=DAY), days[FIRST].str.slice(stop=DAY)
    last = days[LAST].fillna(days[FIRST]).astype("str").str.slice(stop=DAY)
    whole = (day.str.len() == DAY) & (first.str.len() == DAY) & (last.str.len() == DAY)
    return whole.fillna(value=False).astype(bool) & ((day < first) | (day > last)).fillna(value=False)
