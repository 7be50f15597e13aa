"""Reading a matrix file: names, and numbers as they stand; never as one row a cell."""

import csv
import io
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.csv as pa_csv
import pyarrow.parquet as pq

from pipeline.sources.formats.errors import SourceError
from pipeline.sources.formats.text import text_bytes, whole_table
from pipeline.sources.mapping.assay import Assay, matches

MISSING = ("", "NA", "NaN", "nan", "null", "N/A", "NULL")
MAX_VALUE = 1e100
"""No measurement is larger; the squares of such numbers have no place in a computer."""
INDEX = "__index_level_0__"
"""What pandas calls an index without a name."""


@dataclass(frozen=True)
class Matrix:
    """Names of rows and columns as the file has them, and numbers (rows, columns), NaN where missing."""

    rows: list[str]
    columns: list[str]
    numbers: np.ndarray


@dataclass(frozen=True)
class _Layout:
    """Columns that are not read, lines of metadata below the header; rows and samples, if they are said."""

    beside: int = 0
    below: int = 0
    said: tuple[int, int] | None = None


def read_matrix(path: Path, assay: Assay) -> Matrix:
    """Return the columns of a matrix file that the assay reads.

    Raises
    ------
    SourceError
        If the file does not exist, cannot be read, is not whole, lacks its id column, or has a cell that is
        no number.
    """
    if not path.is_file():
        several = "; one file is read: join them first" if "*" in assay.path or "?" in assay.path else ""
        raise SourceError(f"{assay.path}: there is no such file; copy it there{several}")
    try:
        if path.suffix.lower() == ".parquet":
            return _from_parquet(path, assay)
        return _from_text(text_bytes(path, assay.encoding, assay.path), assay)
    except (OSError, csv.Error, pa.ArrowException) as error:
        raise SourceError(
            f"{assay.path}: cannot be read ({type(error).__name__}); check that it is of the format that its "
            f"name says and whole, and `separator` and `quotes` in the study file"
        ) from None


def _from_text(content: bytes, assay: Assay) -> Matrix:
    """Return the matrix of text in UTF-8, of which every row has as many cells as the header."""
    layout, above = _Layout(), 0
    if assay.is_gct:
        layout, content, above = _gct_layout(content, assay)
    content, _ = whole_table(content, assay, assay.path, above)
    header, lines = _header(content, assay)
    ids = _id_place(header, assay)
    read = [place for place in _places(header, ids, assay) if not 0 < place <= layout.beside]
    skipped = lines + layout.below
    table = _parsed(content, assay, len(header), skipped, [ids, *read], assay.decimal)
    if layout.said is not None and layout.said != (
        found := (table.num_rows, len(header) - 1 - layout.beside)
    ):
        raise SourceError(
            f"{assay.path}: its second line says {layout.said[0]} rows and {layout.said[1]} samples, and "
            f"there are {found[0]} and {found[1]}; copy the file again, or correct that line"
        )
    return _matrix(table, [header[place] for place in read], assay)


def _parsed(
    content: bytes, assay: Assay, width: int, skipped: int, places: Sequence[int], decimal: str | None
) -> pa.Table:
    """Return columns by their places, the first as text; the others as numbers, or text without `decimal`.

    Raises
    ------
    SourceError
        If a cell is no number: which column, how many, and the first row; never the cell.
    """
    kind = pa.string() if decimal is None else pa.float64()
    # Names that stand twice would be one column: places are names that cannot.
    names = [str(place) for place in range(width)]
    try:
        return pa_csv.read_csv(
            pa.BufferReader(content),
            read_options=pa_csv.ReadOptions(column_names=names, skip_rows=skipped, use_threads=False),
            parse_options=pa_csv.ParseOptions(
                delimiter=assay.delimiter, quote_char='"' if assay.has_quotes else False
            ),
            convert_options=pa_csv.ConvertOptions(
                column_types={str(places[0]): pa.string(), **{str(place): kind for place in places[1:]}},
                include_columns=[str(place) for place in places],
                null_values=[*MISSING, *assay.missing],
                strings_can_be_null=True,
                decimal_point=decimal or ".",
            ),
        )  # fmt: skip
    except pa.ArrowInvalid as error:
        number = re.search(r"conversion error.*column #(\d+)|column #(\d+)", str(error))
        if number is None or decimal is None:
            raise
        place = int(number[1] or number[2])
        text = _parsed(content, assay, width, skipped, [places[0], place], None).column(1).to_pylist()
        wrong = [
            row for row, cell in enumerate(text, 1) if cell is not None and not _is_number(cell, decimal)
        ]
        raise SourceError(
            f"{assay.path}, column {place + 1}: a cell is no number ({len(wrong)} in all, the first in row "
            f"{wrong[0] if wrong else 1} of values); name what means missing in `missing`, columns without "
            f"numbers in `annotation`, and a decimal comma in `decimal`"
        ) from None


def _is_number(cell: str, decimal: str) -> bool:
    text = cell.strip()
    try:
        float(text.replace(decimal, "."))
    except ValueError:
        return False
    return "_" not in text and (decimal == "." or "." not in text)


def _from_parquet(path: Path, assay: Assay) -> Matrix:
    header = pq.ParquetFile(path).schema_arrow.names
    if twice := len(header) - len(set(header)):
        raise SourceError(f"{assay.path}: {twice} columns have the name of another one; make names distinct")
    ids = _id_place(header, assay)
    read = _places(header, ids, assay)
    table = pq.ParquetFile(path).read(columns=[header[ids], *(header[place] for place in read)])
    table = table.select([header[ids], *(header[place] for place in read)])
    wrong = [
        name
        for name in table.column_names[1:]
        if not (pa.types.is_floating(kind := table.schema.field(name).type) or pa.types.is_integer(kind))
    ]
    if wrong:
        raise SourceError(f"{assay.path}, column {wrong[0]!r}: holds no numbers; name it in `annotation`")
    if pa.types.is_nested(table.schema.field(0).type):
        raise SourceError(f"{assay.path}, column {assay.id.column!r}: holds lists or records, not names")
    return _matrix(table, list(table.column_names[1:]), assay)


def _matrix(table: pa.Table, columns: list[str], assay: Assay) -> Matrix:
    rows = table.column(0).cast(pa.string()).to_pylist()
    if empty := sum(name is None or not name.strip() for name in rows):
        raise SourceError(
            f"{assay.path}, column {assay.id.column!r}: empty in {empty} rows; name them, or delete the rows"
        )
    values = np.empty((table.num_rows, len(columns)))
    for place in range(len(columns)):
        values[:, place] = table.column(place + 1).to_numpy()
    for code in _numbers_that_mean_missing(assay):
        values[values == code] = np.nan
    if infinite := int(np.isinf(values).sum()):
        raise SourceError(f"{assay.path}: {infinite} cells are infinite; correct them at the source")
    if beyond := int((np.abs(values) > MAX_VALUE).sum()):
        raise SourceError(
            f"{assay.path}: {beyond} cells are beyond {MAX_VALUE:g}, as no measurement is; correct them at "
            f"the source, or name what they stand for in `missing`"
        )
    return Matrix([name.strip() for name in rows], columns, values)


def _numbers_that_mean_missing(assay: Assay) -> list[float]:
    """Return the numbers among `missing`: a file may write 0 as 0.0, and Parquet has no text."""
    texts = [text.strip() for text in assay.missing]
    return [float(text.replace(assay.decimal, ".")) for text in texts if _is_number(text, assay.decimal)]


def _header(content: bytes, assay: Assay) -> tuple[list[str], int]:
    """Return the names in the header, and of how many lines it is."""
    with io.TextIOWrapper(io.BytesIO(content), encoding="utf-8", newline="") as lines:
        reader = csv.reader(
            lines,
            delimiter=assay.delimiter,
            quoting=csv.QUOTE_MINIMAL if assay.has_quotes else csv.QUOTE_NONE,
        )
        header = next(reader, [])
        return [name.strip() for name in header], reader.line_num


def _gct_layout(content: bytes, assay: Assay) -> tuple[_Layout, bytes, int]:
    """Return the layout that the first two lines of a GCT file say, what follows them, and their number."""
    first, second, rest = [*content.split(b"\n", 2), b"", b""][:3]
    version = first.decode("utf-8").strip()
    sizes = second.decode("utf-8").split()
    if all(size.isdecimal() for size in sizes):
        said = [int(size) for size in sizes]
        if version == "#1.2" and len(said) == 2:
            return _Layout(1, 0, (said[0], said[1])), rest, 2
        if version == "#1.3" and len(said) == 4:
            return _Layout(said[2], said[3], (said[0], said[1])), rest, 2
    raise SourceError(f"{assay.path}: not a GCT file of version 1.2 or 1.3, or its second line lacks sizes")


def _id_place(header: Sequence[str], assay: Assay) -> int:
    places = [place for place, name in enumerate(header) if name == assay.id.column]
    if len(places) != 1:
        said = f"stands {len(places)} times" if places else f"does not exist; {_first_column(header)}"
        raise SourceError(f"{assay.path}: column {assay.id.column!r} of `id` {said}")
    return places[0]


def _first_column(header: Sequence[str]) -> str:
    if len(header) == 1:
        return "the header has one cell only: check `separator`, and `skip_rows`"
    if INDEX in header:
        return f"the file has an index, whose column is {INDEX!r}"
    return f"the first of its {len(header)} columns is {header[0]!r}"


def _places(header: Sequence[str], ids: int, assay: Assay) -> list[int]:
    """Return the places of the columns that are read: patients, or the features that are wanted."""
    wanted: Callable[[str], bool] = assay.selects if assay.rows == "patients" else bool
    beside = assay.annotation
    places = [
        place
        for place, name in enumerate(header)
        if place != ids and not matches(name, beside) and wanted(name)
    ]
    if not places:
        raise SourceError(f"{assay.path}: no column is left by `features`, `leave_out` and `annotation`")
    return places
