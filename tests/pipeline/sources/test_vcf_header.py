"""What a VCF's header declares of its fields."""

from pipeline.sources.formats.vcf_header import Field, declared_fields

HEADER = """##fileformat=VCFv4.2
##INFO=<ID=AF,Number=A,Type=Float,Description="Allele frequency, in %, of \\"tumour\\"">
##INFO=<ID=AF,Number=1,Type=String,Description="again">
##FORMAT=<ID=AD,Number=R,Type=Integer,Description="Depths, reference first">
##FORMAT=<ID=ODD>
##contig=<ID=17>
#CHROM\tPOS"""


def test_fields_are_declared_by_kind_and_id_and_commas_in_quotes_divide_nothing() -> None:
    fields = declared_fields(HEADER)
    assert list(fields) == [("INFO", "AF"), ("FORMAT", "AD"), ("FORMAT", "ODD")]
    assert fields["FORMAT", "AD"] == Field("R", "Integer", "Depths, reference first")


def test_of_two_declarations_the_first_counts_and_one_without_keys_is_a_text() -> None:
    fields = declared_fields(HEADER)
    assert (fields["INFO", "AF"].number, fields["INFO", "AF"].type) == ("A", "Float")
    assert fields["FORMAT", "ODD"] == Field(".", "String", "")


def test_the_description_says_whether_a_field_is_in_per_cent() -> None:
    fields = declared_fields(HEADER)
    assert fields["INFO", "AF"].in_percent
    assert not fields["FORMAT", "AD"].in_percent
