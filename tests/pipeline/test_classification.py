"""MAF classes from HGVS names, as SDTM's GF has variants."""

import pytest

from pipeline.sources.classification import class_of, classification_of


@pytest.mark.parametrize(
    ("protein", "coding", "expected"),
    [
        ("p.H1047R", "c.3140A>G", "Missense_Mutation"),
        ("p.R130*", None, "Nonsense_Mutation"),
        ("p.A45=", None, "Silent"),
        ("p.=", None, "Silent"),
        ("p.M1?", None, "Translation_Start_Site"),
        ("p.*404Qext*8", None, "Nonstop_Mutation"),
        ("p.E542del", "c.1624_1626del", "In_Frame_Del"),
        ("p.E542_T544dup", None, "In_Frame_Ins"),
        ("p.K267Rfs*9", "c.800del", "Frame_Shift_Del"),
        ("p.K267Rfs*9", "c.800dup", "Frame_Shift_Ins"),
        ("p.K267Rfs*9", "c.800delinsTT", None),
        ("p.K267Rfs*9", None, None),
        (None, "c.165-1G>A", "Splice_Site"),
        (None, "c.165+2T>C", "Splice_Site"),
        (None, "c.165-3C>T", None),
        ("amplification", None, None),
        (None, None, None),
    ],
)
def test_a_variants_names_say_its_class_or_none(
    protein: str | None, coding: str | None, expected: str | None
) -> None:
    assert classification_of(protein, coding) == expected


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("NONSENSE_MUTATION", "Nonsense_Mutation"),
        ("stop_gained", "Nonsense_Mutation"),
        ("splice_region_variant&stop_gained", "Nonsense_Mutation"),
        ("frameshift_variant,splice_region_variant", "Frame_Shift_Del"),
        ("splice_donor_variant|intron_variant", "Splice_Site"),
        ("5_prime_UTR_variant", "5'UTR"),
        ("pathogenic", None),
        ("gained", None),
    ],
)
def test_a_class_in_other_words_is_mafs_or_unknown(text: str, expected: str | None) -> None:
    assert class_of(text) == expected
