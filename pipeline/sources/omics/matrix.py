"""Reading a matrix file: names, and numbers as they stand; never as one row a cell."""

import csv
import gzip
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
from pipeline.sources.formats.packed import unpacked
from pipeline.sources.mapping.assay import Assay

MISSING = ("", "NA", "NaN", "nan", "null", "N/A", "NULL")


@dataclass(frozen=True)
class Matrix:
    """Names of rows and columns as the file has them, and numbers (rows, columns), NaN where missing."""

    rows: list[str]
    columns: list[str]
    numbers: np.ndarray


@dataclass(frozen=True)
class _Layout:
    """Lines above the header, columns that are not read, and lines of metadata below the header."""

    above: int = 0
    beside: int = 0
    below: int = 0


def read_matrix(path: Path, assay: Assay) -> Matrix:
    """Return the columns of a matrix file that the assay reads.

    Raises
    ------
    SourceError
        If the file does not exist, cannot be read, lacks its id column, or has a cell that is no number.
    """
    if not path.is_file():
        raise SourceError(f"{assay.path}: there is no such file; copy it there")
    try:
        if path.suffix.lower() == ".parquet":
            return _from_parquet(path, assay)
        content = path.read_bytes()
        if path.suffix.lower() == ".gz":
            content = unpacked(content, assay.path)
        return _from_text(content, assay)
    except (OSError, UnicodeDecodeError, gzip.BadGzipFile, csv.Error, pa.ArrowException) as error:
        if number := re.search(r"column #(\d+)", str(error)):
            raise SourceError(
                f"{assay.path}, column {int(number[1]) + 1}: a cell is no number; name what means missing in "
                f"`missing`, columns without numbers in `annotation`, and a decimal comma in `decimal`"
            ) from None
        raise SourceError(
            f"{assay.path}: cannot be read ({type(error).__name__}); check the file, and encoding and "
            f"separator in the study file"
        ) from None


def _from_text(content: bytes, assay: Assay) -> Matrix:
    layout = _gct_layout(content, assay) if assay.is_gct else _Layout()
    header = _header(content, assay, layout.above)
    ids = _id_place(header, assay)
    read = [place for place in _places(header, ids, assay) if not 0 < place <= layout.beside]
    # Names that stand twice would be one column: places are names that cannot.
    names = [str(place) for place in range(len(header))]
    table = pa_csv.read_csv(
        pa.BufferReader(content),
        read_options=pa_csv.ReadOptions(
            column_names=names, skip_rows=layout.above + 1 + layout.below, encoding=assay.encoding,
            use_threads=False,
        ),
        parse_options=pa_csv.ParseOptions(delimiter=assay.delimiter),
        convert_options=pa_csv.ConvertOptions(
            column_types={str(ids): pa.string(), **{str(place): pa.float64() for place in read}},
            include_columns=[str(ids), *map(str, read)],
            null_values=[*MISSING, *assay.missing],
            strings_can_be_null=True,
            decimal_point=assay.decimal,
        ),
    )  # fmt: skip
    return _matrix(table, [header[place] for place in read], assay)


def _from_parquet(path: Path, assay: Assay) -> Matrix:
    header = pq.ParquetFile(path).schema_arrow.names
    ids = _id_place(header, assay)
    read = _places(header, ids, assay)
    table = pq.ParquetFile(path).read(columns=[header[ids], *(header[place] for place in read)])
    wrong = [
        name
        for name in table.column_names[1:]
        if not (pa.types.is_floating(kind := table.schema.field(name).type) or pa.types.is_integer(kind))
    ]
    if wrong:
        raise SourceError(f"{assay.path}, column {wrong[0]!r}: holds no numbers; name it in `annotation`")
    return _matrix(table, list(table.column_names[1:]), assay)


def _matrix(table: pa.Table, columns: list[str], assay: Assay) -> Matrix:
    rows = table.column(0).cast(pa.string()).to_pylist()
    if empty := sum(name is None or not name.strip() for name in rows):
        raise SourceError(f"{assay.path}, column {assay.id.column!r}: empty in {empty} rows")
    values = np.empty((table.num_rows, len(columns)))
    for place in range(len(columns)):
        values[:, place] = table.column(place + 1).to_numpy()
    if infinite := int(np.isinf(values).sum()):
        raise SourceError(f"{assay.path}: {infinite} cells are infinite; correct them at the source")
    return Matrix([name.strip() for name in rows], columns, values)


def _header(content: bytes, assay: Assay, above: int) -> list[str]:
    with io.TextIOWrapper(io.BytesIO(content), encoding=assay.encoding, newline="") as lines:
        for _ in range(above):
            next(lines, None)
        header = next(csv.reader(lines, delimiter=assay.delimiter), [])
    return [name.strip().removeprefix("\ufeff") for name in header]


def _gct_layout(content: bytes, assay: Assay) -> _Layout:
    """Return the layout that the first two lines of a GCT file say."""
    first, second, *_ = [*content.split(b"\n", 2), b"", b""]
    version = first.decode("ascii", "replace").strip()
    sizes = second.decode("ascii", "replace").split()
    if version == "#1.2" and len(sizes) >= 2:
        return _Layout(2, 1, 0)
    if version == "#1.3" and len(sizes) == 4 and all(size.isdigit() for size in sizes):
        return _Layout(2, int(sizes[2]), int(sizes[3]))
    raise SourceError(f"{assay.path}: not a GCT file of version 1.2 or 1.3, or its second line lacks sizes")


def _id_place(header: Sequence[str], assay: Assay) -> int:
    places = [place for place, name in enumerate(header) if name == assay.id.column]
    if len(places) != 1:
        said = "does not exist" if not places else f"stands {len(places)} times"
        raise SourceError(f"{assay.path}: column {assay.id.column!r} of `id` {said}")
    return places[0]


def _places(header: Sequence[str], ids: int, assay: Assay) -> list[int]:
    """Return the places of the columns that are read: patients, or the features that are wanted."""
    wanted: Callable[[str], bool] = assay.selects if assay.rows == "patients" else bool
    places = [
        place
        for place, name in enumerate(header)
        if place != ids and name not in assay.annotation and wanted(name)
    ]
    if not places:
        raise SourceError(f"{assay.path}: no column is left by `features`, `leave_out` and `annotation`")
    return places
