"""The second reader: what it compares, and that a difference is refused without a value in the message."""

from pathlib import Path

import pandas as pd
import pytest

from pipeline.sources.audit.compare import compare, require_agreement
from pipeline.sources.audit.readers import second_reader
from pipeline.sources.formats.errors import SourceError
from pipeline.sources.formats.source_file import SUFFIXES, SourceFile
from pipeline.sources.mapping import files
from pipeline.sources.mapping.files import Reader


def test_a_cell_that_two_readers_read_differently_is_refused_by_its_row() -> None:
    first = pd.DataFrame({"x": ["1", "0012", None]}, dtype="str")
    second = pd.DataFrame({"x": ["1", "12", ""]}, dtype="object")
    audits = list(compare("a.csv", first, second, ["x"]))
    assert [(a.cells, a.differences, a.rows) for a in audits] == [(3, 1, (2,))]
    with pytest.raises(SourceError, match=r"a\.csv, column 'x': 1 of 3 cells \(rows 2\)") as error:
        require_agreement(audits)
    assert "12," not in str(error.value)


def test_another_number_of_rows_is_refused() -> None:
    with pytest.raises(SourceError, match="2 rows by one reader, 1 by the second"):
        list(compare("a.csv", pd.DataFrame({"x": ["1", "2"]}), pd.DataFrame({"x": ["1"]}), ["x"]))


@pytest.mark.parametrize("suffix", [s for s in SUFFIXES if ".vcf" not in s])
def test_every_tabular_format_has_a_second_reader(suffix: str) -> None:
    sheet = "s" if suffix in {".xlsx", ".xlsm"} else None
    assert second_reader(SourceFile(path=f"a{suffix}", sheet=sheet)) is not None


@pytest.mark.parametrize("audit", [False, True])
def test_a_large_file_is_read_twice_only_where_an_audit_is_asked_for(
    audit: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(files, "MAX_BYTES_ALWAYS", 0)
    (tmp_path / "a.csv").write_text("id,x\n1,a\n")
    reader = Reader(tmp_path, audit=audit)
    reader.read(SourceFile(path="a.csv"), ["id", "x"])
    assert bool(reader.audits) == audit
