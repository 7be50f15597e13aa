"""Parquet files: every column by both readers, whatever a library wrote beside them."""

from pathlib import Path

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from pipeline.sources.formats.errors import SourceError
from pipeline.sources.formats.parquet import read_parquet
from pipeline.sources.formats.source_file import SourceFile
from pipeline.sources.mapping.files import Reader


def test_a_parquet_file_is_read_without_what_pandas_says_of_its_kinds(tmp_path: Path) -> None:
    frame = pd.DataFrame({"n": pd.array([12345678901234567, None], dtype="Int64")}, index=["P1", "P2"])
    frame.rename_axis("id").to_parquet(tmp_path / "a.parquet")
    content = (tmp_path / "a.parquet").read_bytes()
    assert b'"Int64"' in content
    (tmp_path / "a.parquet").write_bytes(content.replace(b'"Int64"', b'"Int6T"'))
    cells = Reader(tmp_path).read(SourceFile(path="a.parquet"), ["id", "n"])
    assert cells is not None
    assert cells.fillna("").to_numpy().tolist() == [["P1", "12345678901234567"], ["P2", ""]]


def test_bytes_single_precision_and_factors_are_read_as_they_were_written(tmp_path: Path) -> None:
    columns = {
        "id": pa.array([b"007", "Zürich".encode()]),
        "vaf": pa.array([0.05, float("nan")], pa.float32()),
        "level": pa.array(["Y", "N"]).dictionary_encode(),
        "big": pa.array([12345678901234567, None]),
    }
    pq.write_table(pa.table(columns), tmp_path / "a.parquet")
    cells = Reader(tmp_path).read(SourceFile(path="a.parquet"), list(columns))
    assert cells is not None
    assert cells[list(columns)].fillna("").to_numpy().tolist() == [
        ["007", "0.05", "Y", "12345678901234567"], ["Zürich", "", "N", ""],
    ]  # fmt: skip


def test_a_column_of_lists_is_refused_where_it_is_used(tmp_path: Path) -> None:
    pq.write_table(pa.table({"id": ["P1"], "genes": [["TP53", "PTEN"]]}), tmp_path / "a.parquet")
    reader = Reader(tmp_path)
    assert reader.read(SourceFile(path="a.parquet"), ["id"]) is not None
    with pytest.raises(SourceError, match="'genes': 1 lists or records"):
        reader.read(SourceFile(path="a.parquet"), ["id", "genes"])


def test_only_a_column_of_lists_is_in_doubt(tmp_path: Path) -> None:
    pq.write_table(pa.table({"id": ["P1"], "genes": [["TP53"]], "n": [1]}), tmp_path / "a.parquet")
    grid = read_parquet(tmp_path / "a.parquet")
    assert [(doubt.column, doubt.refused) for doubt in grid.doubts] == [("genes", True)]
