"""Parquet files: every column by both readers, whatever a library wrote beside them."""

from pathlib import Path

import pandas as pd

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
