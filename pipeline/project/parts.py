"""A cohort in parts of some ten thousand patients: a stage holds a few of them, whatever there are in all.

Parts follow each other in the order of the patients' ids, in which raw tables are sorted and written. Which
patients make a part changes no bit of what a stage writes; small cohorts are one part.
"""

import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Self, TypeVar

import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
from joblib import Parallel, cpu_count, delayed
from joblib.externals.loky.process_executor import TerminatedWorkerError

from features.errors import UserError
from pipeline.project.files import replacing

Item = TypeVar("Item")
Result = TypeVar("Result")
PATIENTS = 20_000
"""In a part, and in a row group of a raw table."""
ROWS = 131_072
"""In a row group of what stages write: by rows, for the parts must not be seen in the bytes."""
PATIENT, SAMPLE = "usubjid", "sample_id"
SAMPLES = "ctdna_samples"
"""Where the patient of a sample stands; tables without patients follow it."""


@dataclass(frozen=True)
class Part:
    """The patients whose ids lie between two, both included; `whole` where these are all."""

    first: str
    last: str
    whole: bool


def _asked(name: str, usual: int) -> int:
    """Return what an environment variable says, or what is usual."""
    asked = os.environ.get(name, str(usual))
    if not asked.isdigit() or int(asked) < 1:
        raise UserError(f"{name} is {asked!r}; it must be a whole number of at least 1")
    return int(asked)


def parts_of(raw: Path) -> list[Part]:
    """Return the parts of a study's patients, by the ids of its raw table of subjects; at least one.

    A part has `PATIENTS` patients, or as many as PCR_PATIENTS_AT_ONCE says.

    Raises
    ------
    UserError
        If that is no whole number of at least 1.
    """
    ids = pq.read_table(raw / "subjects.parquet", columns=[PATIENT])[PATIENT].combine_chunks().sort()
    size = _asked("PCR_PATIENTS_AT_ONCE", PATIENTS)
    starts = range(0, len(ids), size)
    if len(starts) < 2:
        return [Part("", "", whole=True)]
    ends = (min(start + size, len(ids)) - 1 for start in starts)
    return [
        Part(ids[start].as_py(), ids[end].as_py(), whole=False)
        for start, end in zip(starts, ends, strict=True)
    ]


def of_each(
    function: Callable[[Item], Result], items: Sequence[Item], most: int | None = None
) -> Iterator[Result]:
    """Yield `function` of every item, in their order; of several at once in fresh processes (PCR_WORKERS).

    Function, items and results go from process to process. Small work is not worth more than `most`.

    Raises
    ------
    UserError
        If a process was killed, or PCR_WORKERS is no whole number of at least 1.
    """
    several = min(_asked("PCR_WORKERS", cpu_count()), len(items), most or len(items))
    if several < 2:
        yield from map(function, items)
        return
    try:
        yield from Parallel(n_jobs=several, return_as="generator")(delayed(function)(item) for item in items)
    except TerminatedWorkerError as error:
        raise UserError(
            "a process that worked on a part of the patients was killed, as happens where memory does not "
            "suffice; PCR_WORKERS=1 needs the least, and PCR_PATIENTS_AT_ONCE makes parts smaller"
        ) from error


def rows_of_a_part(rows: int, patients: int) -> int | None:
    """Return how many rows of a raw table make a row group, so that a part lies in one or two.

    None (Parquet's own number) where all patients are one part.
    """
    return None if patients <= PATIENTS else max(1, -(-rows * PATIENTS // patients))


def read_part(path: Path, part: Part, columns: list[str] | None = None) -> pd.DataFrame:
    """Return the rows of a Parquet table that are of the part's patients, in their order.

    Only row groups that may hold such rows are read.
    """
    if part.whole:
        return pd.read_parquet(path, columns=columns)
    rows: pd.DataFrame = _between(path, PATIENT, part.first, part.last, columns).to_pandas()
    return rows


def read_tables_of(
    raw: Path, part: Part, columns: Mapping[str, list[str] | None] | None = None
) -> dict[str, pd.DataFrame]:
    """Return the raw tables with the rows of the part's patients, by name.

    A table without patients has the rows of their plasma samples, or, without samples, all its rows.

    Parameters
    ----------
    columns : mapping, optional
        The tables that are wanted, each with its columns (None = all). Without it, all of all.
    """
    paths = {path.stem: path for path in sorted(raw.glob("*.parquet"))}
    wanted = (
        dict.fromkeys(paths)
        if columns is None
        else {name: columns[name] for name in paths if name in columns}
    )
    samples: pa.ChunkedArray | None = None
    tables = {}
    for name, named in wanted.items():
        path = paths[name]
        there = pq.read_schema(path).names
        if part.whole or PATIENT in there:
            tables[name] = read_part(path, part, named)
        elif SAMPLE in there and SAMPLES in paths:
            if samples is None:
                samples = _between(paths[SAMPLES], PATIENT, part.first, part.last, [SAMPLE, PATIENT])[SAMPLE]
            tables[name] = _of_samples(path, samples, named).to_pandas()
        else:
            tables[name] = pd.read_parquet(path, columns=named)
    return tables


def _of_samples(path: Path, samples: pa.ChunkedArray, columns: list[str] | None) -> pa.Table:
    """Return the rows of samples; samples of a patient stand together wherever ids are made of patients'."""
    if not len(samples):
        return pq.ParquetFile(path).read_row_groups([], columns)
    ends = pc.min_max(samples).as_py()
    rows = _between(path, SAMPLE, ends["min"], ends["max"], columns)
    return rows.filter(pc.is_in(rows[SAMPLE], samples))


def _between(path: Path, key: str, first: str, last: str, columns: list[str] | None) -> pa.Table:
    """Return the rows whose key lies between two texts, both included."""
    with pq.ParquetFile(path) as file:
        place = file.schema_arrow.get_field_index(key)
        groups = [
            number
            for number in range(file.num_row_groups)
            if _may_hold(file.metadata.row_group(number).column(place).statistics, first, last)
        ]
        rows = file.read_row_groups(groups, columns)
    return rows.filter(pc.and_(pc.greater_equal(rows[key], first), pc.less_equal(rows[key], last)))


def _may_hold(statistics: pq.Statistics | None, first: str, last: str) -> bool:
    if statistics is None or not statistics.has_min_max:
        return True
    return bool(statistics.min <= last and statistics.max >= first)


def columns_of(path: Path) -> list[str]:
    """Return the columns of a Parquet table, in order."""
    return list(pq.read_schema(path).names)


def taken_back(file: Path, columns: list[str] | None = None) -> pd.DataFrame:
    """Return a part's table from its file, which is removed."""
    frame = pd.read_feather(file, columns=columns)
    file.unlink()
    return frame


class TableWriter:
    """Writes a Parquet table from rows that come in pieces: the same bytes, however they are cut.

    Parameters
    ----------
    path : Path
        The file, which is not replaced atomically.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._writer: pq.ParquetWriter | None = None
        self._held: list[pa.Table] = []
        self._rows = 0

    def __enter__(self) -> Self:
        """Begin."""
        return self

    def append(self, frame: pd.DataFrame) -> None:
        """Write rows below those before; columns and types are those of the first rows."""
        table = pa.Table.from_pandas(frame, preserve_index=False)
        self._held.append(table)
        self._rows += len(table)
        if self._rows >= ROWS:
            self._write(full_groups_only=True)

    def _write(self, *, full_groups_only: bool) -> None:
        # In one chunk: where chunks end, so do pages.
        held = pa.concat_tables(self._held).combine_chunks()
        if self._writer is None:
            self._writer = pq.ParquetWriter(self._path, held.schema)
        ready = self._rows - self._rows % ROWS if full_groups_only else self._rows
        self._writer.write_table(held.slice(0, ready), row_group_size=ROWS)
        self._held = [held.slice(ready)]
        self._rows -= ready

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Write what is left, unless an error ended the work."""
        if kind is None and self._held and (self._rows or self._writer is None):
            self._write(full_groups_only=False)
        if self._writer is not None:
            self._writer.close()


@contextmanager
def appended(path: Path) -> Iterator[TableWriter]:
    """Give a writer of a Parquet table that stands in its place only once all is written."""
    with replacing(path) as new, TableWriter(new) as writer:
        yield writer
