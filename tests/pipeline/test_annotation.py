"""Which gene and change a VCF record is read as, of the blocks that VEP, SnpEff and Funcotator write."""

import pytest

from pipeline.sources.formats.annotation import (
    AmbiguousAnnotationError,
    annotated,
    of_allele,
    parse_annotation,
    severity,
)

VEP = parse_annotation(
    "CSQ",
    "Consequence annotations from Ensembl VEP. Format: Allele|Consequence|SYMBOL|PICK|CANONICAL|HGVSc|HGVSp",
)
SNPEFF = parse_annotation(
    "ANN", "Functional annotations: 'Allele | Annotation | Annotation_Impact | Gene_Name | HGVS.c | HGVS.p' "
)
FUNCOTATOR = parse_annotation(
    "FUNCOTATION",
    "Functional annotation from the Funcotator tool.  Funcotation fields are: "
    "Gencode_34_hugoSymbol|Gencode_34_variantClassification|Gencode_34_cDnaChange|Gencode_34_proteinChange",
)
MISSENSE = "T|missense_variant|TP53|||ENST5:c.818G>A|ENSP5:p.Arg273His"
ANTISENSE = "T|intron_variant&non_coding_transcript_variant|TP53-AS1|||ENST4:n.1G>A|"


def vep(*blocks: str, panel: tuple[str, ...] = ()) -> list[str]:
    return annotated(VEP, VEP.blocks(",".join(blocks)), ["SYMBOL", "HGVSp"], frozenset(panel))


def test_the_most_severe_consequence_counts_wherever_it_stands() -> None:
    assert vep(ANTISENSE, MISSENSE) == vep(MISSENSE, ANTISENSE) == ["TP53", "p.R273H"]


def test_the_block_that_vep_picked_counts_before_a_more_severe_one() -> None:
    picked = "T|missense_variant|TP53|1||c.1|p.Arg248Gln"
    assert vep("T|stop_gained|TP53|||c.2|p.Arg213Ter", picked) == ["TP53", "p.R248Q"]


def test_the_panels_gene_counts_before_a_picked_one_that_the_panel_does_not_list() -> None:
    picked = "T|missense_variant|WRAP53|1||c.1|p.Arg68Gly"
    assert vep(picked, MISSENSE, panel=("TP53", "PIK3CA")) == ["TP53", "p.R273H"]
    assert vep(picked, "T|upstream_gene_variant|TP53||||", panel=("TP53",)) == ["WRAP53", "p.R68G"], (
        "not in TP53"
    )


def test_a_former_symbol_is_on_the_panel_that_lists_the_current_one() -> None:
    former = "T|stop_gained|MLL2|||c.1|p.Arg1Ter"
    assert vep("T|stop_gained|DDN|||c.2|p.Arg2Ter", former, panel=("KMT2D",))[0] == "MLL2"


def test_several_genes_of_which_none_is_picked_or_more_severe_are_refused() -> None:
    with pytest.raises(AmbiguousAnnotationError, match="several genes and picks none"):
        vep(MISSENSE, "T|missense_variant|WRAP53|||c.1|p.Arg68Gly")


def test_of_several_transcripts_the_canonical_one_names_the_change_or_the_record_is_refused() -> None:
    other = "T|missense_variant|TP53|||c.2|p.Arg114His"
    assert vep(other, MISSENSE.replace("TP53||", "TP53||YES"))[1] == "p.R273H"
    with pytest.raises(AmbiguousAnnotationError, match="several transcripts"):
        vep(other, MISSENSE)
    assert vep(MISSENSE, MISSENSE.replace("ENSP5", "ENSP6"))[1] == "p.R273H", "all say the same"


def test_a_variant_that_changes_no_protein_is_named_by_its_coding_change() -> None:
    assert vep("T|splice_donor_variant|TP53|||ENST5:c.375+1G>A|") == ["TP53", "c.375+1G>A"]


def test_snpeff_sorts_its_blocks_and_funcotator_writes_them_in_brackets() -> None:
    text = (
        "T|missense_variant|MODERATE|TP53|c.818G>A|p.Arg273His,T|missense_variant|MODERATE|TP53|c.422G>A|p.Arg141His,"
        "T|downstream_gene_variant|MODIFIER|ATP1B2|c.*1G>A|"
    )
    assert annotated(SNPEFF, SNPEFF.blocks(text), ["Gene_Name", "HGVS.p"], frozenset()) == ["TP53", "p.R273H"]
    columns = ["Gencode_hugoSymbol", "Gencode_proteinChange"]
    encoded = "[TP53-AS1|INTRON||#TP53|MISSENSE|c.818G>A|p.R273H_%20_]"
    assert annotated(FUNCOTATOR, FUNCOTATOR.blocks(encoded), columns, frozenset()) == ["TP53", "p.R273H"]


def test_severity_is_in_the_order_of_ensembl() -> None:
    order = [
        "stop_gained",
        "missense_variant",
        "synonymous_variant",
        "intron_variant",
        "downstream_gene_variant",
    ]
    assert sorted(order, key=lambda term: severity()[term]) == order
    assert severity()["MISSENSE"] == severity()["missense_variant"]


@pytest.mark.parametrize(
    ("ref", "alternatives", "names"),
    [("C", "T A", "T A"), ("CA", "C CAA", "- AA"), ("CA", "* C", "* -"), ("CA", "C T", "C T")],
)
def test_each_of_several_alleles_has_the_blocks_that_name_it(ref: str, alternatives: str, names: str) -> None:
    text = ",".join(f"{name}|missense_variant|GENE{i}" for i, name in enumerate(names.split()))
    for i in range(2):
        blocks = of_allele(VEP, text, ref, alternatives.split(), i)
        assert [block["SYMBOL"] for block in blocks] == [f"GENE{i}"]


def test_funcotator_has_a_part_for_each_allele_and_vep_may_number_them() -> None:
    parts = "[TP53|MISSENSE|c.1|p.R1H],[PTEN|MISSENSE|c.2|p.R2H]"
    assert of_allele(FUNCOTATOR, parts, "C", ["T", "A"], 1)[0]["Gencode_hugoSymbol"] == "PTEN"
    numbered = parse_annotation("CSQ", "Format: Allele|SYMBOL|ALLELE_NUM")
    assert of_allele(numbered, "T|TP53|1,T|PTEN|2", "CA", ["CT", "TA"], 1) == [
        {"Allele": "T", "SYMBOL": "PTEN", "ALLELE_NUM": "2"}
    ]


def test_blocks_that_do_not_say_which_allele_is_meant_are_refused() -> None:
    with pytest.raises(AmbiguousAnnotationError, match="no block that names"):
        of_allele(VEP, "G|missense_variant|TP53", "C", ["T", "A"], 0)
    with pytest.raises(AmbiguousAnnotationError, match="another number of parts"):
        of_allele(FUNCOTATOR, "[TP53|MISSENSE|c.1|p.R1H]", "C", ["T", "A"], 0)
