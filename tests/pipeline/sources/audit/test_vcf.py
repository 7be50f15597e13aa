"""A VCF read a second time, as plain text: agreement, a difference, and what cannot be read."""

from pathlib import Path

import pandas as pd
import pytest

from pipeline.sources.audit.annotation import Declared, Record, annotated
from pipeline.sources.audit.vcf import audit_calls
from pipeline.sources.formats.errors import SourceError
from pipeline.sources.formats.source_file import Calls
from pipeline.sources.formats.vcf import read_vcf

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


TWO = VCF.replace("C\tT\t.\tPASS\t.", "C\tT,A\t.\tPASS\tN=0.5,0.25;M=a,b,c").replace("97,3:100", "90,3,7:100")
TWO = TWO.replace("#CHROM", '##INFO=<ID=N,Number=A,Type=Float,Description="x">\n#CHROM', 1)
TWO = TWO.replace("#CHROM", '##INFO=<ID=M,Number=R,Type=String,Description="x">\n#CHROM', 1)


def test_both_readers_split_a_record_of_two_alleles_with_the_parts_of_each(tmp_path: Path) -> None:
    path = tmp_path / "a.vcf"
    path.write_text(TWO)
    first = read_vcf(path, "a.vcf", {"INFO/N", "INFO/M"}, Calls()).calls
    assert first[["ALT", "ALT_COUNT", "INFO/N", "INFO/M"]].to_numpy().tolist() == [
        ["T", 3, "0.5", "b"], ["A", 7, "0.25", "c"],
    ]  # fmt: skip
    assert not any(audit.differences for audit in audit_calls(path, "a.vcf", first, Calls(), {}))
    path.write_text(TWO.replace("N=0.5,0.25", "N=0.5"))
    with pytest.raises(SourceError, match="INFO field N must have a part for each allele"):
        read_vcf(path, "a.vcf", {"INFO/N"}, Calls())


def test_the_second_reader_tells_the_blocks_of_two_alleles_apart() -> None:
    record = Record(["17", "7", ".", "CA", "C,CAA"], {}, ["C", "CAA"], 1, alone=False)
    declared = {"INFO/CSQ": Declared(".", "String", "Format: Allele|Consequence|SYMBOL")}
    info = {"CSQ": "-|missense_variant|TP53,AA|missense_variant|PTEN"}
    assert annotated("CSQ/SYMBOL", ["CSQ/SYMBOL"], info, declared, set(), record) == "PTEN"
