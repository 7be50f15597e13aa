"""Tables as text: rows as wide as the header, in the encoding that was said, or refused by their line."""

import gzip
from pathlib import Path
from typing import Any

import pytest

from pipeline.sources.formats.errors import SourceError
from pipeline.sources.formats.source_file import SourceFile
from pipeline.sources.formats.text import read_text, table_part, text_bytes


def read(folder: Path, content: bytes, name: str = "a.csv", **settings: Any) -> list[list[str]]:
    """Return header and rows."""
    (folder / name).write_bytes(content)
    frame = read_text(folder / name, SourceFile(path=name, **settings), name).frame
    return [frame.columns.tolist(), *frame.to_numpy().tolist()]


def test_a_separator_and_a_line_end_within_quotation_marks_divide_nothing(tmp_path: Path) -> None:
    assert read(tmp_path, b'id,x\r\nP1,"a,\nb"\r\n') == [["id", "x"], ["P1", "a,\nb"]]


def test_in_tab_separated_text_marks_are_text_and_comments_stand_above_the_header(tmp_path: Path) -> None:
    assert read(tmp_path, b'# made up\nid\tx\nP1\t"5\n', "a.tsv") == [["id", "x"], ["P1", '"5']]


def test_several_rows_of_a_header_are_joined(tmp_path: Path) -> None:
    found = read(tmp_path, b"t,stroma,stroma\n,CD8,CD4\nP1,1,2\n", header_rows=2)
    assert found[0] == ["t", "stroma CD8", "stroma CD4"]


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "the file is empty, 0 bytes"),
        (b"id,x\nP1,1\nP2\n", r"1 rows have more or fewer cells than the header: line 3 has 1, the header 2"),
        (b"id,x\nP1,1\nP2,2", "its last line has no line end"),
        (b'id,x\nP1,"1\nP2,2\nP3,3"\n', r"lines 2 to 4: a cell in quotation marks holds lines"),
        (b'id,x\nP1,"a"b\n', "line 2: a quotation mark opens a cell that does not end"),
        (b"id,x\nP1,\xe9\n", r"cannot be read as utf-8 \(line 2"),
        (b"id,x\nP1,\0\n", "line 2: a zero byte"),
    ],
)
def test_a_damaged_file_is_refused_by_its_line(tmp_path: Path, content: bytes, message: str) -> None:
    with pytest.raises(SourceError, match=message):
        read(tmp_path, content)


def test_utf_8_is_not_read_as_a_single_byte_encoding(tmp_path: Path) -> None:
    with pytest.raises(SourceError, match="it is UTF-8, not cp1252"):
        read(tmp_path, "id\nMüller\n".encode(), encoding="cp1252")


def test_a_gzip_file_that_was_cut_off_is_refused(tmp_path: Path) -> None:
    (tmp_path / "a.csv.gz").write_bytes(gzip.compress(b"id\nP1\n")[:-9])
    with pytest.raises(SourceError, match="not a whole gzip file"):
        text_bytes(tmp_path / "a.csv.gz", "utf-8", "a.csv.gz")


def test_lines_above_the_header_are_counted() -> None:
    assert table_part(b"title\n\nid,x\n", SourceFile(path="a.csv", skip_rows=1)) == (b"id,x\n", 2)
