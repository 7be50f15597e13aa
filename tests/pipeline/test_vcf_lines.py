"""Lines of a VCF that htslib reads otherwise than they stand are refused by their line."""

import gzip

import pytest

from pipeline.sources.formats.errors import SourceError
from pipeline.sources.formats.vcf_lines import refuse_other_kinds, require_plain_lines

HEADER = (
    b"##fileformat=VCFv4.2\n"
    b'##INFO=<ID=N,Number=1,Type=Integer,Description="a number">\n'
    b'##FORMAT=<ID=AD,Number=R,Type=Integer,Description="reads">\n'
    b'##FORMAT=<ID=AF,Number=A,Type=Float,Description="fraction">\n'
    b"#CHROM\tPOS\tID\tREF\tALT\tQUAL\tFILTER\tINFO\tFORMAT\tS\n"
)
RECORD = b"1\t5\t.\tA\tT\t.\tPASS\tG=TP53;N=3\tGT:AD:AF\t0/1:90,10:0.1\n"


@pytest.mark.parametrize(
    ("old", "new"),
    [
        (b"90,10:0.1", b"90,.:1e-2"), (b"90,10:0.1", b"."), (b":0.1", b""), (b"0.1\n", b"nan\n\n"),
        (b"0/1", b"0|0/1"), (b"\n", b"\r\n"), (b"N=3", b"N=."), (b"A\tT", b"a\t*,<DEL>"),
    ],
)  # fmt: skip
def test_what_stands_as_the_format_has_it_passes(old: bytes, new: bytes) -> None:
    require_plain_lines(HEADER + RECORD.replace(old, new), "a.vcf", ["INFO/G", "INFO/N"])


@pytest.mark.parametrize(
    ("old", "new", "words"),
    [
        (b"90,10", b"90,1O", "no number in a count"), (b":0.1", b":0.1:7", "more fields than FORMAT"),
        (b"N=3", b"N=3x", "INFO field N"), (b"N=3", b"N=3;N=4", "N stands twice"),
        (b"\t5\t", b"\t5a\t", "POS"), (b"\tPASS", b"", "9 columns, the header has 10"),
        (b"1\t5", b"#CHROM\t5", "second header"),
    ],
)  # fmt: skip
@pytest.mark.parametrize("pack", [bytes, gzip.compress], ids=["plain", "packed"])
def test_a_damaged_record_is_refused_by_its_line(old: bytes, new: bytes, words: str, pack: type) -> None:
    content = pack(HEADER + RECORD + RECORD.replace(old, new))
    with pytest.raises(SourceError, match=f"^a.vcf, line 7: .*{words}"):
        require_plain_lines(content, "a.vcf", ["INFO/G", "INFO/N"])


@pytest.mark.parametrize(("start", "words"), [(b"BCF\2\2", "BCF"), (b"\xff\xfe#", "UTF-16")])
def test_another_kind_of_file_is_named(start: bytes, words: str) -> None:
    with pytest.raises(SourceError, match=words):
        refuse_other_kinds(start + HEADER, "a.vcf")
