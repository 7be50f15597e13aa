"""Reads and fractions of a call in the FORMAT fields that each caller writes (docs/variant-callers.md)."""

from pathlib import Path

import pandas as pd
import pytest

from pipeline.sources.formats.errors import SourceError
from pipeline.sources.formats.maf import with_counts
from pipeline.sources.formats.source_file import Calls
from pipeline.sources.formats.vcf import VcfCalls, read_vcf

DECLARED = {
    "GT": ("1", "String", "Genotype"),
    "AD": ("R", "Integer", "Allelic depths for the ref and alt alleles in the order listed"),
    "DP": ("1", "Integer", "Depth"),
    "AF": ("A", "Float", "Allele fractions of alternate alleles in the tumor"),
}
STRANDS = {
    "AD": ("2", "Integer", "Variant forward, reverse reads"),
    "RD": ("2", "Integer", "Reference forward, reverse reads"),
}
UMI = {"AD": (".", "Integer", "Filtered allelic UMI depths for the ref and alt alleles")}
ALT_ONLY = {"AD": ("1", "Integer", "Depth matching alternate (ALT) allele")}
PER_CENT = {"AF": ("1", "Float", "Allele frequency (%)")}
GRIDSS = {"VF": ("1", "Integer", ""), "AF": ("1", "Float", "")}
LISTED = {"AD": (".", *DECLARED["AD"][1:])}
VARSCAN = {
    "AD": ("1", "Integer", "Depth of variant-supporting bases (reads2)"),
    "RD": ("1", "Integer", "Depth of reference-supporting bases (reads1)"),
    "FREQ": ("1", "String", "Variant allele frequency"),
}
PISCES = {"AD": (".", "Integer", "Allele Depth"), "VF": ("1", "Float", "Variant Frequency")}


def read(
    tmp_path: Path, record: str, declared: dict[str, tuple[str, str, str]] | None = None, samples: str = "S1",
    alt: str = "T", info: str = ".", passed: str = "PASS", header: str = "",
) -> VcfCalls:  # fmt: skip
    """Read one record C>`alt`: FORMAT and the samples' cells, separated by a space."""
    fields = DECLARED | {} if declared is None else declared
    lines = [f'##FORMAT=<ID={n},Number={k},Type={t},Description="{d}">' for n, (k, t, d) in fields.items()]
    columns = ["#CHROM", "POS", "ID", "REF", "ALT", "QUAL", "FILTER", "INFO", "FORMAT", *samples.split()]
    body = ["17", "7577120", ".", "C", alt, ".", passed, info, *record.split()]
    text = [
        "##fileformat=VCFv4.2",
        "##contig=<ID=17>",
        *lines,
        *header.splitlines(),
        "\t".join(columns),
        "\t".join(body),
    ]
    path = tmp_path / "a.vcf"
    path.write_text("\n".join(text) + "\n")
    return read_vcf(path, "a.vcf", set(), Calls())


def counts(calls: VcfCalls) -> list[float | None]:
    """Return supporting reads, depth and fraction of the one call; None where unknown."""
    row = calls.calls.iloc[0][["ALT_COUNT", "DEPTH", "VAF"]].astype("float64")
    return [None if pd.isna(value) else float(value) for value in row]


@pytest.mark.parametrize(
    ("caller", "declared", "record", "expected"),
    [
        ("Mutect2", DECLARED, "GT:AD:AF:DP 0/1:980,20:0.021:1000", [20, 1000, 0.02]),
        ("DRAGEN and TSO500", DECLARED, "GT:SQ:AD:AF:DP 0/1:40:980,20:0.020:1000", [20, 1000, 0.02]),
        ("HaplotypeCaller", LISTED, "GT:AD:DP:GQ:PL 0/1:980,20:1000:9:1,0,9", [20, 1000, 0.02]),
        ("nothing declared", {}, "GT:AD:DP 0/1:980,20:1000", [20, 1000, 0.02]),
        ("no depth", DECLARED, "GT:AD 0/1:980,20", [20, 1000, 0.02]),
        ("DeepVariant", {}, "GT:GQ:DP:AD:VAF:PL 0/1:9:1000:980,20:0.02:1,0,9", [20, 1000, 0.02]),
        ("VarDict", DECLARED, "GT:DP:VD:AD:AF:ALD 0/1:1000:20:980,20:0.02:10,10", [20, 1000, 0.02]),
        ("old VarDict", STRANDS, "GT:DP:VD:AD:RD:AF 0/1:1000:20:9,11:490,490:0.02", [20, 1000, 0.02]),
        ("by strand", STRANDS, "GT:DP:AD:AF 0/1:302:3,1:0.0132", [None, 302, 0.0132]),
        ("freebayes", {}, "GT:DP:AD:RO:QR:AO:QA 0/1:1000:980,20:980:1:20:1", [20, 1000, 0.02]),
        ("freebayes without AD", {}, "GT:DP:RO:AO 0/1:1000:980:20", [20, 1000, 0.02]),
        ("freebayes without DP", {}, "GT:RO:AO 0/1:980:20", [20, 1000, 0.02]),
        ("Ion Torrent", {}, "GT:DP:FDP:RO:FRO:AO:FAO:AF 0/1:1100:1000:1060:980:40:20:0.02", [20, 1000, 0.02]),
        ("VarScan", VARSCAN, "GT:GQ:SDP:DP:RD:AD:FREQ 0/1:9:1003:1000:980:20:2%", [20, 1000, 0.02]),
        ("VarScan, no depth", VARSCAN, "GT:RD:AD:FREQ 0/1:980:20:2%", [20, 1000, 0.02]),
        ("VarScan, fraction only", VARSCAN, "GT:FREQ 0/1:1.96%", [None, None, 0.0196]),
        ("VarScan, nothing declared", {}, "GT:RD:AD:FREQ 0/1:980:20:2%", [20, 1000, 0.02]),
        ("bcftools", {}, "GT:PL:DP:AD 0/1:1,0,9:1000:980,20", [20, 1000, 0.02]),
        ("samtools strands", {}, "GT:DP:DP4 0/1:1010:490,490,9,11", [20, 1000, 0.02]),
        ("Strelka substitution", {}, "DP:FDP:AU:CU:GU:TU 1003:3:0,0:980,990:0,1:20,30", [20, 1000, 0.02]),
        ("Strelka indel", {}, "DP:DP2:TAR:TIR:TOR 1003:1010:980,990:20,30:3,3", [20, 1000, 0.02]),
        ("Pisces", PISCES, "GT:GQ:AD:DP:VF 0/1:9:980,20:1000:0.02", [20, 1000, 0.02]),
        ("AD of unknown meaning", PISCES, "GT:AD:DP:VF 0/1:20,980:1000:0.02", [None, 1000, 0.02]),
        ("smCounter2 (UMI)", UMI, "GT:AD:VF 0/1:980,20:0.02", [20, 1000, 0.02]),
        ("counts of one allele", ALT_ONLY, "DP:RD:AD:VF 1000:980:20:0.02", [20, 1000, 0.02]),
        ("in per cent", PER_CENT, "GT:AF 0/1:2.0", [None, None, 0.02]),
        ("fraction only", DECLARED, "GT:AF 0/1:0.013", [None, None, 0.013]),
        ("no count in this record", DECLARED, "GT:AD:DP:AF 0/1:.:1000:0.02", [None, 1000, 0.02]),
        ("GRIDSS counts fragments in VF", GRIDSS, "GT:VF:AF 0/1:20:0.02", [None, None, 0.02]),
    ],
)  # fmt: skip
def test_counts_are_read_as_the_caller_writes_them(
    tmp_path: Path,
    caller: str,
    declared: dict[str, tuple[str, str, str]],
    record: str,
    expected: list[float | None],
) -> None:
    calls = read(tmp_path, record, declared)
    assert counts(calls) == expected, caller
    assert calls.contradictory == 0


@pytest.mark.parametrize(
    ("record", "count"), [("GT:AF 0/1:0,05", 2), ("GT:DP:AF 0/1:1000:0,05", 2), ("AF 0,05,1", 3)]
)
def test_a_decimal_comma_in_a_fraction_is_refused_by_its_field(
    tmp_path: Path, record: str, count: int
) -> None:
    told = rf"AF has {count} numbers, of 1 alternative allele\(s\); .* 0\.05 and not 0,05"
    with pytest.raises(SourceError, match=told):
        read(tmp_path, record, DECLARED)


def test_a_decimal_comma_beside_counts_changes_nothing(tmp_path: Path) -> None:
    assert counts(read(tmp_path, "GT:AD:AF 0/1:980,20:0,02", DECLARED)) == [20, 1000, 0.02]


def test_bcftools_counts_of_a_single_sample_stand_in_info(tmp_path: Path) -> None:
    header = '##INFO=<ID=DP4,Number=4,Type=Integer,Description="reads of each allele and strand">'
    assert counts(read(tmp_path, "GT:PL 0/1:1,0,9", info="DP4=490,490,9,11", header=header)) == [
        20,
        1000,
        0.02,
    ]
    with pytest.raises(SourceError, match="no reads and no fraction"):
        read(tmp_path, "GT 0/1 0/1", info="DP4=490,490,9,11", header=header, samples="S1 S2")


@pytest.mark.parametrize(
    "record", ["GT 0/1", "GT:DP 0/1:1000", "GT:AD:DP:AF 0/1:.:.:.", "DP 1000", "GT:FREQ 0/1:1.96"]
)
def test_an_unknown_count_is_not_a_small_one(tmp_path: Path, record: str) -> None:
    with pytest.raises(SourceError, match="record at 17:7577120 gives no reads and no fraction"):
        read(tmp_path, record)
    assert read(tmp_path, record, passed="weak").calls.empty, "it did not pass, and is not used"


def test_samples_without_the_variant_are_counted(tmp_path: Path) -> None:
    for record in ("GT:AD 0/1:980,20 ./.:.", "GT:AD 0/1:980,20 0/0:.", "AD 980,20 ."):
        calls = read(tmp_path, record, samples="S1 S2")
        assert calls.calls["SAMPLE"].tolist() == ["S1"]
        assert dict(calls.left_out) == {"not called in the sample": 1}


@pytest.mark.parametrize("alt", ["*", "<NON_REF>", "<*>", "<DEL>", "C[3:100[", "."])
def test_alleles_without_bases_are_left_out_and_counted(tmp_path: Path, alt: str) -> None:
    calls = read(tmp_path, "GT:AD:DP 0/1:980,20:1000" if alt != "." else "GT:DP 0/0:1000", alt=alt)
    assert calls.calls.empty
    assert calls.left_out.total() == 1


def test_an_allele_beside_one_without_bases_is_read_with_its_own_counts(tmp_path: Path) -> None:
    for alt, reads in (("T,<NON_REF>", "970,20,10"), ("*,T", "970,10,20")):
        calls = read(tmp_path, f"GT:AD:DP 0/1:{reads}:1000", alt=alt)
        assert counts(calls) == [20, 1000, 0.02]
        assert calls.calls["ALT"].tolist() == ["T"]
        assert calls.left_out.total() == 1


@pytest.mark.parametrize(
    "record",
    ["GT:AD:DP 1/2:880,20,100:1000", "GT:AD:AF 1/2:880,20,100:0.02,0.1", "GT:DP:RO:AO 1/2:1000:880:20,100"],
)
def test_each_of_several_alleles_is_a_row_with_its_own_counts(tmp_path: Path, record: str) -> None:
    calls = read(tmp_path, record, alt="T,A")
    rows = calls.calls[["ALT", "ALT_COUNT", "DEPTH", "VAF"]]
    assert rows.to_numpy().tolist() == [["T", 20, 1000, 0.02], ["A", 100, 1000, 0.1]]
    assert calls.split == 1
    assert calls.contradictory == 0


@pytest.mark.parametrize("record", ["GT:VD:DP 1/2:20:1000", "GT:AF 1/2:0.02", "GT:TIR:TAR 1/2:20,20:900,900"])
def test_one_number_for_several_alleles_is_that_of_none(tmp_path: Path, record: str) -> None:
    with pytest.raises(SourceError, match="no reads and no fraction"):
        read(tmp_path, record, alt="T,A")


def test_a_fraction_that_contradicts_the_counts_is_told(tmp_path: Path) -> None:
    assert read(tmp_path, "GT:AD:DP:AF 0/1:1,3:302:0.0132").contradictory == 0
    assert read(tmp_path, "GT:AD:DP:AF 0/1:3,1:302:0.0132").contradictory == 1
    assert read(tmp_path, "GT:AD:DP:AF 0/1:980,20:1000:2.0").contradictory == 1
    assert read(tmp_path, "GT:AD:DP:AF 0/1:100,2:102:0.029").contradictory == 0, "Mutect2's pseudocounts"


def test_damaged_counts_are_refused(tmp_path: Path) -> None:
    for record in ("GT:AD 0/1:-4,20", "GT:FREQ 0/1:abc%", "GT:AO:RO 0/1:2O:980"):
        with pytest.raises(SourceError, match=r"a\.vcf"):
            read(tmp_path, record)


def maf(**columns: list[str]) -> tuple[pd.DataFrame, int]:
    return with_counts(pd.DataFrame(columns), "a.maf", ["NA"])


def test_the_counts_of_a_maf_stand_in_for_each_other_in_every_row() -> None:
    frame, _ = maf(
        t_alt_count=["20", "20", "20"], t_ref_count=["980", "980", ""], t_depth=["1000", "", "1000"],
        n_alt_count=["400", "400", "NA"], n_ref_count=["400", "400", "."], n_depth=["", "800", ""],
    )  # fmt: skip
    assert frame["VAF"].tolist() == [0.02, 0.02, 0.02]
    assert frame["NORMAL_VAF"].tolist()[:2] == [0.5, 0.5]
    assert pd.isna(frame["NORMAL_VAF"][2]), "not sequenced"


def test_a_mafs_own_fraction_is_compared_with_its_counts() -> None:
    assert maf(t_alt_count=["20", "3"], t_depth=["1000", "1000"], t_vaf=["0.02", "0.3"])[1] == 1
    assert maf(t_alt_count=["20"], t_depth=["1000"], tumor_f=["0.0213"])[1] == 0


@pytest.mark.parametrize("cell", ["many", "1,000", "-4", "2.5", "inf"])
def test_a_count_of_a_maf_that_is_no_whole_number_is_refused(cell: str) -> None:
    with pytest.raises(SourceError, match="1 cells of column n_alt_count are no whole numbers"):
        maf(t_alt_count=["20"], t_depth=["1000"], n_alt_count=[cell], n_depth=["800"])


def test_more_reads_of_the_variant_than_reads_in_white_cells_are_refused() -> None:
    with pytest.raises(SourceError, match="n_alt_count above n_depth"):
        maf(t_alt_count=["20"], t_depth=["1000"], n_alt_count=["900"], n_depth=["800"])
