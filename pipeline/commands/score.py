"""`pcr score`: a registered or stored model's answers for patients' raw tables, or for rows of inputs.

Of a large file parts are read, answered and written; several are answered side by side. The answers of a row
do not depend on the others, and so neither on its part nor on the number of workers.
"""

import gc
import re
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from contextlib import ExitStack, contextmanager
from functools import partial
from io import StringIO
from pathlib import Path
from typing import Literal
from xml.etree.ElementTree import ParseError
from zipfile import BadZipFile

import numpy as np
import pandas as pd
import pyarrow as pa
from pyarrow.parquet import ParquetFile, ParquetWriter

from features.contract.cells import as_text
from features.errors import UserError
from models.procedure.backends import in_order, workers
from models.serving.serving import PcrModel
from pipeline.console import stdout
from pipeline.project.files import replacing, write_json
from pipeline.registry.stored_models import open_model
from pipeline.service.fhir import bundle
from pipeline.service.worker import as_rows
from pipeline.sources.formats.errors import SourceError
from pipeline.sources.formats.parquet import as_written
from pipeline.sources.formats.plain_text import COMPUTED

AnswerFormat = Literal["table", "fhir"]
ENDINGS: dict[AnswerFormat, tuple[str, ...]] = {"table": (".parquet", ".csv"), "fhir": (".json",)}
IDENTIFIER = "usubjid"
ROWS_AT_ONCE = 100_000
"""Rows that are read, answered and written at once: what is needed on the way is not held for more."""
NUMBERS = ("pcr_probability", "lower", "upper")
FEW = pa.dictionary(pa.int32(), pa.large_string())
"""Arrow's type of a column with few texts: each is kept, and written, once."""
TYPES = {IDENTIFIER: pa.large_string(), "not_a_recommendation": pa.bool_()} | dict.fromkeys(
    NUMBERS, pa.float64()
)
INDEX = re.compile(r"__index_level_\d+__")
"""The name that pandas gives to an index without one, which is no column of a table."""


class ScoringError(UserError):
    """Patients that cannot be scored, and what to do."""


def score(
    model: str,
    tables: Path | None,
    rows: Path | None,
    landmark: str | None,
    out: Path,
    form: AnswerFormat = "table",
    assays: Path | None = None,
) -> None:
    """Write the answers of a model to `out`, and say how many rows have which status.

    As a table `out` is .parquet or .csv, as FHIR a .json. `assays` is a folder with the matrix files that the
    model's study file names.

    Raises
    ------
    UserError
        If the model, the tables, the rows or the landmark are not valid.
    """
    if (tables is None) == (rows is None):
        raise ScoringError("give --tables FOLDER of raw tables, or --rows FILE of inputs: one of the two")
    if out.suffix not in ENDINGS[form]:
        raise ScoringError(f"{out}: answers are written as {' or '.join(ENDINGS[form])} (--format {form})")
    served = open_model(model)
    at = str(served.document["landmark"])
    if landmark not in {None, at}:
        raise ScoringError(f"{model} answers at landmark {at}, not {landmark}: choose its model")
    ids: list[np.ndarray] = []
    parts = _with_ids_kept(_asked(tables, rows, served, assays), ids)
    if form == "fhir":
        counts = _write_bundle(out, served, pd.concat([*parts], ignore_index=True))
    else:
        with _frozen():
            counts = write_parts(out, in_order(partial(answered, served), parts, workers()))
    told = ", ".join(f"{count} {status}" for status, count in counts.most_common())
    line = f"{counts.total()} rows at {at}: {told}; written to {out}"
    stdout().print(line, highlight=False, soft_wrap=True)
    if ids and (repeated := _repeated(np.concatenate(ids))):
        told = f"{repeated} rows have the id of a row before them: answers cannot be joined by {IDENTIFIER}"
        stdout().print(told, highlight=False, soft_wrap=True)


def _with_ids_kept(parts: Iterable[pd.DataFrame], ids: list[np.ndarray]) -> Iterator[pd.DataFrame]:
    """Yield the parts as they are, and keep the hashes of their patients' ids, 8 bytes each."""
    for part in parts:
        if IDENTIFIER in part:
            known = part[IDENTIFIER].dropna().to_numpy(dtype=object)
            ids.append(pd.util.hash_array(known, categorize=False))
        yield part


def _repeated(hashes: np.ndarray) -> int:
    """Return how many of the hashes (n,) are those of one before them."""
    in_order = np.sort(hashes)
    return int((in_order[1:] == in_order[:-1]).sum())


def _asked(
    tables: Path | None, rows: Path | None, model: PcrModel, assays: Path | None
) -> Iterator[pd.DataFrame]:
    """Return what is to be answered, in parts; what reads tables and assays is slow to import."""
    if tables is not None:
        from pipeline.commands.scored_tables import rows_of  # noqa: PLC0415

        return iter([rows_of(tables, model, assays)])
    parts = read_parts(rows or Path())
    if assays is None:
        return parts
    from pipeline.commands.scored_assays import with_matrices  # noqa: PLC0415

    return iter([with_matrices(pd.concat([*parts], ignore_index=True), model, assays)])


@contextmanager
def _frozen() -> Iterator[None]:
    """Keep the garbage collector from looking again and again at all that was there before a million rows."""
    gc.freeze()
    try:
        yield
    finally:
        gc.unfreeze()


def _write_bundle(out: Path, model: PcrModel, frame: pd.DataFrame) -> Counter[str]:
    """Write the answers as FHIR, and return how many rows have which status."""
    ids = [None if pd.isna(one) else str(one) for one in frame.get(IDENTIFIER, ())] or None
    if odd := sum(one is not None and not one.isprintable() for one in ids or ()):
        raise ScoringError(
            f"{out}: {odd} ids hold characters that are no text in FHIR: write a table (--format table), or "
            "give these patients other ids"
        )
    answers = model.predict(frame.drop(columns=IDENTIFIER, errors="ignore"))
    write_json(out, bundle(as_rows(answers), model.document, ids))
    return Counter(answers["status"])


def write_parts(out: Path, parts: Iterable[pd.DataFrame]) -> Counter[str]:
    """Write answers one part below the other, and return how many rows have which status."""
    counts: Counter[str] = Counter()
    with replacing(out) as new, ExitStack() as opened:
        writer = None
        for part in parts:
            if out.suffix == ".csv":
                _refuse_formulas(part, out)
                part.to_csv(new, mode="a", header=not counts, index=False, lineterminator="\n")
            else:
                schema = pa.schema([(name, TYPES.get(name, FEW)) for name in map(str, part)])
                # Without the notes of pandas and Arrow: what is few here is read as text like any other.
                table = pa.Table.from_pandas(part, schema, preserve_index=False).replace_schema_metadata()
                writer = writer or opened.enter_context(ParquetWriter(new, schema, store_schema=False))
                writer.write_table(table)
            statuses = part["status"].value_counts(sort=False)
            counts.update({str(status): int(count) for status, count in statuses.items() if count})
    return counts


def _refuse_formulas(answers: pd.DataFrame, out: Path) -> None:
    """Refuse ids that a spreadsheet would compute: quoted they would be other ids, and join with nothing."""
    computed = answers[IDENTIFIER].str.fullmatch(COMPUTED, na=False).sum() if IDENTIFIER in answers else 0
    if computed:
        raise ScoringError(
            f"{out}: {computed} ids begin with =, +, - or @, which a spreadsheet takes for a formula: write "
            "a .parquet (--out), or give these patients other ids"
        )


def answered(model: PcrModel, frame: pd.DataFrame) -> pd.DataFrame:
    """Return the model's answers, beside the patients' ids where there are any; texts as categories."""
    names = [IDENTIFIER] if IDENTIFIER in frame else []
    answers = model.desk.answers_in_words(frame.drop(columns=names))
    return pd.concat([frame[names].reset_index(drop=True), answers], axis=1)


def read_parts(path: Path) -> Iterator[pd.DataFrame]:
    """Yield the rows of a CSV or Parquet file or a workbook's first sheet in parts; patients' ids are text.

    An id reads the same from all of them: 007 and 1E5 stay what they are where they are text, and a number
    has no ``.0``.

    Raises
    ------
    ScoringError
        If it is none of them, holds no rows, or a column is given twice.
    SourceError
        If rows of a CSV have more or fewer cells than its header, or a cell of a workbook has no value.
    """
    if path.suffix not in READERS:
        raise ScoringError(f"{path}: rows are read from {', '.join(READERS)}")
    rows = 0
    try:
        for part in READERS[path.suffix](path):
            if part.columns.has_duplicates:
                raise ScoringError(f"{path}: a column is given twice: every name must be there once")
            rows += len(part)
            yield part.assign(**{IDENTIFIER: as_text(part[IDENTIFIER])}) if IDENTIFIER in part else part
    except UserError:
        raise
    except (ValueError, LookupError, OSError, BadZipFile, ParseError, pa.ArrowException) as error:
        # The reader's own message may quote the file.
        raise ScoringError(f"{path} cannot be read as {path.suffix} ({type(error).__name__})") from None
    if not rows:
        raise ScoringError(f"{path} has no rows")


def _in_parts(frame: pd.DataFrame) -> Iterator[pd.DataFrame]:
    for row in range(0, len(frame), ROWS_AT_ONCE):
        yield frame.iloc[row : row + ROWS_AT_ONCE]


def _csv_rows(path: Path) -> Iterator[pd.DataFrame]:
    from pipeline.sources.formats.source_file import SourceFile  # noqa: PLC0415 - slow to import
    from pipeline.sources.formats.text import read_text  # noqa: PLC0415

    text = read_text(path, SourceFile(path="rows.csv", final_newline=False), str(path)).frame
    yield from _in_parts(_typed(text.set_axis(as_text(pd.Series(text.columns)).fillna(""), axis=1)))


def _sheet_rows(path: Path) -> Iterator[pd.DataFrame]:
    from pipeline.sources.formats.ooxml import open_package  # noqa: PLC0415 - slow to import
    from pipeline.sources.formats.source_file import SourceFile  # noqa: PLC0415
    from pipeline.sources.formats.workbook import read_sheet  # noqa: PLC0415

    book = open_package(path)
    sheet = next(iter(book.sheets))
    grid = read_sheet(book, SourceFile(path="rows.xlsx", sheet=sheet))
    for doubt in grid.doubts:
        if doubt.refused:
            raise SourceError(f"{path}, column {doubt.column!r}: {doubt.rule} ({doubt.addresses})")
    yield from _in_parts(_typed(grid.frame))


def _typed(cells: pd.DataFrame) -> pd.DataFrame:
    """Return cells of text as a CSV file's reader types them; ids stay text, and empty ids empty."""
    if cells.columns.has_duplicates:
        return cells
    typed = pd.read_csv(StringIO(cells.to_csv(index=False)))
    return typed.assign(**{IDENTIFIER: cells[IDENTIFIER].to_numpy()}) if IDENTIFIER in cells else typed


def _parquet_rows(path: Path) -> Iterator[pd.DataFrame]:
    """Yield the rows of a Parquet file; ids as the text that they are, bytes included.

    Text is read as categories: a million cells have few levels.
    """
    texts = [
        field.name
        for field in ParquetFile(path).schema_arrow
        if field.name != IDENTIFIER and field.type in {pa.string(), pa.large_string()}
    ]
    with ParquetFile(path, read_dictionary=texts) as file:
        for batch in file.iter_batches(ROWS_AT_ONCE):
            columns = [_plain(column) for column in batch.columns]
            frame = pa.table(columns, batch.schema.names).to_pandas(ignore_metadata=True)
            if IDENTIFIER in frame:
                ids = pa.table({IDENTIFIER: batch[IDENTIFIER]})
                frame = frame.assign(**{IDENTIFIER: as_written(ids)[IDENTIFIER]})
            yield frame.drop(columns=[name for name in frame if INDEX.fullmatch(str(name))])


def _plain(column: pa.Array) -> pa.Array:
    """Return decimals, which databases write, as numbers, and bytes as the text that they are."""
    kind = column.type
    if pa.types.is_decimal(kind):
        return column.cast(pa.string()).cast(pa.float64())
    if pa.types.is_binary(kind) or pa.types.is_large_binary(kind) or pa.types.is_fixed_size_binary(kind):
        return column.cast(pa.binary()).cast(pa.string())
    return column


READERS: dict[str, Callable[[Path], Iterator[pd.DataFrame]]] = {
    ".csv": _csv_rows, ".parquet": _parquet_rows, ".xlsx": _sheet_rows,
}  # fmt: skip
"""Reads rows of inputs in parts, by the ending of their file."""
