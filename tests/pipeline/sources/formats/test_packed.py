"""Compressed files: members are read as one, and what inflates beyond measure is refused."""

import gzip
import zipfile
from pathlib import Path

import pytest

from pipeline.sources.formats.errors import SourceError
from pipeline.sources.formats.packed import require_plausible, unpacked

BLANKS = b" " * 60_000_000


def test_several_members_of_a_gzip_file_are_one_text() -> None:
    assert unpacked(gzip.compress(b"id\n") + gzip.compress(b"P1\n"), "a.csv.gz") == b"id\nP1\n"


def test_a_small_file_that_would_fill_the_memory_is_refused(tmp_path: Path) -> None:
    with pytest.raises(SourceError, match=r"a\.csv\.gz: its \d+ bytes inflate to more than 50000000"):
        unpacked(gzip.compress(BLANKS), "a.csv.gz")
    with zipfile.ZipFile(tmp_path / "a.xlsx", "w", zipfile.ZIP_DEFLATED) as book:
        book.writestr("sheet.xml", BLANKS)
    with zipfile.ZipFile(tmp_path / "a.xlsx") as book, pytest.raises(SourceError, match="inflate"):
        require_plausible(book, (tmp_path / "a.xlsx").stat().st_size, "a.xlsx")
