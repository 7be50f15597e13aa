"""Text files: every row has the header's cells and is read as it stands, or is refused by its line."""

import gzip
from pathlib import Path
from typing import Any

import pytest

from pipeline.sources.formats.errors import SourceError
from pipeline.sources.formats.source_file import SourceFile
from pipeline.sources.mapping.files import Reader


def rows(folder: Path, name: str, content: str | bytes, **settings: Any) -> list[list[str]]:
    """Return the cells of the columns id and x, empty ones as ""."""
    (folder / name).write_bytes(content if isinstance(content, bytes) else content.encode())
    frame = Reader(folder).read(SourceFile(path=name, **settings), ["id", "x"])
    assert frame is not None
    return frame.fillna("").to_numpy().tolist()


def refusal(folder: Path, name: str, content: str | bytes, **settings: Any) -> str:
    with pytest.raises(SourceError) as error:
        rows(folder, name, content, **settings)
    return str(error.value)


@pytest.mark.parametrize("name", ["a.tsv", "a.maf", "a.tsv.gz", "a.maf.gz"])
def test_a_quotation_mark_is_text_in_a_tab_separated_file_plain_or_gzipped(name: str, tmp_path: Path) -> None:
    text = b'id\tx\n1\t"begins here\n2\tb\n3\tends here"\n'
    content = gzip.compress(text) if name.endswith(".gz") else text
    assert rows(tmp_path, name, content) == [["1", '"begins here'], ["2", "b"], ["3", 'ends here"']]


def test_quotes_of_tab_separated_text_enclose_cells_where_the_study_file_says_so(tmp_path: Path) -> None:
    assert rows(tmp_path, "a.tsv", '"id"\t"x"\n"1"\t"a\tb"\n', quotes=True) == [["1", "a\tb"]]


@pytest.mark.parametrize(("name", "settings"), [("a.txt", {"separator": "\t"}), ("a.maf", {}), ("a.tsv", {})])
def test_only_the_lines_that_begin_with_a_hash_above_the_header_are_comments(
    name: str, settings: dict[str, str], tmp_path: Path
) -> None:
    content = "#version 2.4\n#made by hand\nid\tx\n1\tc.1#2\n#3\ty\n"
    assert rows(tmp_path, name, content, **settings) == [["1", "c.1#2"], ["#3", "y"]]


@pytest.mark.parametrize("line", ["2", "2,b,c"])
def test_a_row_with_more_or_fewer_cells_than_the_header_is_refused_by_its_line(
    line: str, tmp_path: Path
) -> None:
    assert "line 3 has " in refusal(tmp_path, "a.csv", f"id,x\n1,a\n{line}\n3,c\n")


def test_the_line_of_a_short_row_counts_comments_skipped_lines_and_lines_within_cells(tmp_path: Path) -> None:
    assert "line 5 has 1" in refusal(tmp_path, "a.csv", 'title\nid,x\n1,"a\nb"\n2\n', skip_rows=1)
    assert "line 4 has 1" in refusal(tmp_path, "a.tsv", "#c\nid\tx\n1\ta\n2\n")


@pytest.mark.parametrize("name", ["a.csv", "a.tsv"])
def test_a_last_line_without_line_end_is_refused_unless_the_study_file_allows_it(
    name: str, tmp_path: Path
) -> None:
    content = "id,x\n1,29\n2,2".replace(",", "\t" if name == "a.tsv" else ",")
    assert "last line has no line end" in refusal(tmp_path, name, content)
    assert rows(tmp_path, name, content, final_newline=False) == [["1", "29"], ["2", "2"]]


def test_a_last_cell_in_closed_quotation_marks_is_whole(tmp_path: Path) -> None:
    assert rows(tmp_path, "a.csv", 'id,x\n"1","29"') == [["1", "29"]]


@pytest.mark.parametrize(
    "content",
    [
        'id,x\n1,"begins\n2,b\n3,ends"\n',
        'id,x,z\n1,"begins,a\n2,b,c\n3,d,"ends"\n',
        'id,x\n1,"a" b\n2,c\n',
        'id,x\n1,"a\n2,b\n',
    ],
)
def test_a_quoted_cell_that_swallows_rows_or_does_not_close_is_refused(content: str, tmp_path: Path) -> None:
    assert "quotation mark" in refusal(tmp_path, "a.csv", content)


def test_a_quoted_cell_of_several_lines_and_marks_within_a_cell_are_read(tmp_path: Path) -> None:
    assert rows(tmp_path, "a.csv", 'id,x,z\n1,"one\ntwo, more",q\n') == [["1", "one\ntwo, more"]]
    assert rows(tmp_path, "a.csv", 'id,x\n1,5" wide\n2,"a ""b"""\n') == [["1", '5" wide'], ["2", 'a "b"']]


@pytest.mark.parametrize("end", ["\r\n", "\r", "\n"])
def test_every_kind_of_line_end_and_blank_lines_are_read(end: str, tmp_path: Path) -> None:
    assert rows(tmp_path, "a.csv", f"id,x{end}1,a{end}{end}2,{end} {end}") == [["1", "a"], ["2", ""]]


def test_rows_without_any_cell_are_counted(tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_text("id,x\n1,a\n,\n\n")
    reader = Reader(tmp_path)
    reader.read(SourceFile(path="a.csv"), ["id", "x"])
    assert reader.repairs == [("a.csv", "", "empty_rows: without any cell, not read", 2, "")]


@pytest.mark.parametrize(
    ("content", "encoding", "words"),
    [
        ("id,x\n1,Zürich\n".encode("latin-1"), "utf-8", "line 2"),
        ("id,x\n1,Zürich\n".encode(), "latin-1", "it is UTF-8"),
        ("id,x\n1,Zürich\n".encode(), "cp1252", "it is UTF-8"),
        ("id,x\n1,a\n".encode("utf-16"), "utf-8", "cannot be read as utf-8"),
        (b"id,x\n1,\0a\n", "utf-8", "line 2: a zero byte"),
    ],
)
def test_text_in_another_encoding_is_refused(
    content: bytes, encoding: str, words: str, tmp_path: Path
) -> None:
    assert words in refusal(tmp_path, "a.csv", content, encoding=encoding)


@pytest.mark.parametrize(
    ("content", "encoding"),
    [("id,x\n1,Zürich\n".encode("utf-16"), "utf-16"), ("\ufeffid,x\n1,Zürich\n".encode(), "utf-8")],
)
def test_byte_order_marks_are_no_text(content: bytes, encoding: str, tmp_path: Path) -> None:
    assert rows(tmp_path, "a.csv", content, encoding=encoding) == [["1", "Zürich"]]


def test_a_gzip_file_that_is_cut_off_is_refused(tmp_path: Path) -> None:
    whole = gzip.compress(b"id,x\n" + b"1,a\n" * 1000)
    assert "not a whole gzip file" in refusal(tmp_path, "a.csv.gz", whole[:-12])


@pytest.mark.parametrize("mark", ["\x0b", "\x0c", "\x1c", "\x85", "\u2028", "\u2029"])
@pytest.mark.parametrize(("name", "separator"), [("a.csv", ","), ("a.tsv", "\t")])
def test_what_other_programs_end_lines_with_stays_within_its_cell(
    name: str, separator: str, mark: str, tmp_path: Path
) -> None:
    lines = f"id,x\n1,a{mark}b\n2,c\n".replace(",", separator)
    assert rows(tmp_path, name, lines) == [["1", f"a{mark}b"], ["2", "c"]]


@pytest.mark.parametrize(
    "content",
    [
        gzip.compress(b"id,x\n1,a\n") + gzip.compress(b"2,b\n"),
        gzip.compress(b"id,x\n1,a\n2,b\n") + b"\0" * 512,
    ],
    ids=["two members", "padded with zeros"],
)
def test_a_gzip_file_is_read_to_its_end(content: bytes, tmp_path: Path) -> None:
    assert rows(tmp_path, "a.csv.gz", content) == [["1", "a"], ["2", "b"]]


def test_a_zip_file_named_gz_is_refused(tmp_path: Path) -> None:
    assert "not a whole gzip file" in refusal(tmp_path, "a.csv.gz", b"PK\x03\x04")


@pytest.mark.parametrize("content", ['1,"a \\"b\\" c"', '1, "a,b"'], ids=["escaped by \\", "after a space"])
def test_quotation_marks_that_csv_has_not_are_refused_by_their_line(content: str, tmp_path: Path) -> None:
    assert "line 2" in refusal(tmp_path, "a.csv", f"id,x\n{content}\n")


def test_marks_of_a_byte_order_before_quoted_names_are_no_text(tmp_path: Path) -> None:
    assert rows(tmp_path, "a.csv", '\ufeff"id","x"\n"1","a"\n') == [["1", "a"]]


def test_a_second_reader_looks_at_every_cell_of_a_small_file(tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_text("id,x\n1,a\n2,b\n")
    reader = Reader(tmp_path)
    reader.read(SourceFile(path="a.csv"), ["id", "x"])
    assert [(a.column, a.cells, a.differences) for a in reader.audits.values()] == [("id", 2, 0), ("x", 2, 0)]
