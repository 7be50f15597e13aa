"""Genes and protein changes as laboratories write them, and the one form in which they are read."""

import csv
from pathlib import Path

import pytest
import yaml

from pipeline.sources.formats.gene_symbols import GENES, gene_list, parse_gene_list
from pipeline.sources.formats.hgvs import short_protein_change

CONFIGS = Path(__file__).parents[2] / "configs"


@pytest.mark.parametrize(
    ("text", "symbol", "rule"),
    [
        ("TP53", "TP53", None),
        ("tp53", "TP53", "letter_case"),
        (" Tp53 ", "TP53", "letter_case"),
        ("C1ORF112", "FIRRM", "previous_symbol"),
        ("ENSG00000141510", "TP53", "ensembl_id"),
        ("ENSG00000141510.18", "TP53", "ensembl_id"),
        ("HGNC:11998", "TP53", "hgnc_id"),
        ("MLL2", "KMT2D", "previous_symbol"),
        ("SEPT9", "SEPTIN9", "previous_symbol"),
        ("MARCH1", "MARCHF1", "previous_symbol"),
        ("HER2", "ERBB2", "alias"),
        ("MLL4", "MLL4", "ambiguous"),
        ("TP53-AS1", "TP53-AS1", "unknown"),
        ("ENSG00000000000", "ENSG00000000000", "unknown"),
        ("2-Sep", "SEPTIN2", "spreadsheet_date"),
        ("02-Sep", "SEPTIN2", "spreadsheet_date"),
        ("2-Sep-25", "SEPTIN2", "spreadsheet_date"),
        ("Sep-02", "SEPTIN2", "spreadsheet_date"),
        ("2025-09-02 00:00:00", "SEPTIN2", "spreadsheet_date"),
        ("45902", "SEPTIN2", "spreadsheet_date"),
        ("2. Sep", "SEPTIN2", "spreadsheet_date"),
        ("3-Mar", "MARCHF3", "spreadsheet_date"),
        ("1. Dez", "DELEC1", "spreadsheet_date"),
        ("1-Mar", None, "ambiguous_date"),
        ("Mar-01", None, "ambiguous_date"),
        ("2-Mar", None, "ambiguous_date"),
        ("3/9/2025", None, "ambiguous_date"),
        ("30-Jun", None, "ambiguous_date"),
    ],
)
def test_a_gene_has_its_current_symbol(text: str, symbol: str | None, rule: str | None) -> None:
    assert gene_list().resolve(text) == (symbol, rule)


def test_a_current_symbol_is_never_read_as_another_genes_former_one() -> None:
    rows = [
        ("NEW", "HGNC:1", "", "OLD", ""),
        ("OLD", "HGNC:2", "", "", ""),
        ("A", "", "", "B", ""),
        ("C", "", "", "", "B"),
    ]
    genes = parse_gene_list("test", rows)
    assert genes.resolve("OLD") == ("OLD", None)
    assert genes.resolve("B") == ("A", "previous_symbol"), "an alias only where no gene was called so"


def test_the_genes_of_the_configuration_are_current_symbols() -> None:
    with (CONFIGS / "rules" / "pam_genes.csv").open(newline="") as file:
        listed = {row["gene"] for row in csv.DictReader(file)}
    sets = yaml.safe_load((CONFIGS / "features.yaml").read_text())["ctdna"]["gene_sets"]
    listed |= {gene for genes in sets.values() for gene in genes or ()}
    assert {gene: gene_list().resolve(gene) for gene in listed} == {gene: (gene, None) for gene in listed}


def test_the_list_says_where_it_is_from_and_under_which_licence() -> None:
    about = (GENES / "README.md").read_text()
    assert f"hgnc-{gene_list().version}.csv" in about
    assert "CC0" in about
    assert len(gene_list().current) > 25_000


@pytest.mark.parametrize(
    ("text", "short"),
    [
        ("p.R273H", "p.R273H"),
        ("p.Arg273His", "p.R273H"),
        ("p.(Arg273His)", "p.R273H"),
        ("p.(R273H)", "p.R273H"),
        ("ENSP00000269305.4:p.Arg273His", "p.R273H"),
        ("NP_000537.3:p.(Arg273His)", "p.R273H"),
        ("R273H", "p.R273H"),
        ("p.ARG273HIS", "p.R273H"),
        ("p.r273h", "p.R273H"),
        ("p.Gly776%3D", "p.G776="),
        ("p.Arg213Ter", "p.R213*"),
        ("p.R213X", "p.R213*"),
        ("p.Arg97ProfsTer23", "p.R97Pfs*23"),
        ("p.R97PfsX23", "p.R97Pfs*23"),
        ("p.Lys23_Val25del", "p.K23_V25del"),
        ("p.Glu746_Ala750delinsIlePro", "p.E746_A750delinsIP"),
        ("p.K2_M3insGLYS", "p.K2_M3insGLYS"),
        ("p.Ter110GlnextTer17", "p.*110Qext*17"),
        ("p.X125_splice", "p.X125_splice"),
        ("p.?", "p.?"),
        ("ENST00000269305.9:c.375+1G>A", "c.375+1G>A"),
    ],
)
def test_a_protein_change_has_one_form(text: str, short: str) -> None:
    assert short_protein_change(text) == short
    assert short_protein_change(short) == short
