"""A VCF read a second time, as plain text: agreement, a difference, and what cannot be read."""

from pathlib import Path

import pandas as pd
import pytest

from pipeline.sources.audit.vcf import audit_calls
from pipeline.sources.formats.errors import SourceError
from pipeline.sources.formats.source_file import Calls

VCF = """##fileformat=VCFv4.2
##FORMAT=<ID=AD,Number=R,Type=Integer,Description="Reads of each allele">
##FORMAT=<ID=DP,Number=1,Type=Integer,Description="Depth">
#CHROM\tPOS\tID\tREF\tALT\tQUAL\tFILTER\tINFO\tFORMAT\tS1
17\t7\t.\tC\tT\t.\tPASS\t.\tAD:DP\t97,3:100
"""


def audited(folder: Path, content: str, alt: str) -> dict[str, int]:
    """Return the differences of a column from what the first reader is said to have read."""
    (folder / "a.vcf").write_text(content)
    first = pd.DataFrame({"SAMPLE": ["S1"], "POS": ["7"], "ALT_COUNT": [alt], "DEPTH": ["100"]})
    audits = audit_calls(folder / "a.vcf", "a.vcf", first, Calls(), {})
    return {audit.column: audit.differences for audit in audits}


def test_two_readers_agree_on_a_plain_call(tmp_path: Path) -> None:
    assert audited(tmp_path, VCF, "3") == {"SAMPLE": 0, "POS": 0, "ALT_COUNT": 0, "DEPTH": 0}


def test_a_count_that_was_read_otherwise_is_a_difference(tmp_path: Path) -> None:
    assert audited(tmp_path, VCF, "97")["ALT_COUNT"] == 1


def test_a_line_that_is_cut_off_cannot_be_read(tmp_path: Path) -> None:
    with pytest.raises(SourceError, match=r"a\.vcf: a second reader cannot read it"):
        audited(tmp_path, VCF[:-20], "3")
