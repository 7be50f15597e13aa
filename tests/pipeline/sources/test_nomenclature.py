"""Genes, panels and protein changes are read in one form, and what was changed is counted."""

from pathlib import Path

import pandas as pd
import pytest

from pipeline.sources.formats.errors import SourceError
from pipeline.sources.mapping.files import Reader
from pipeline.sources.nomenclature import Place, panels_of, with_current_names

PLACES = {name: Place("v.csv", name.upper()) for name in ("gene", "panel_genes", "hgvsp")}


@pytest.fixture
def reader(tmp_path: Path) -> Reader:
    return Reader(tmp_path)


def told(reader: Reader) -> list[tuple[str, int]]:
    return [(rule.partition(":")[0], rows) for _, _, rule, rows, _ in (*reader.repairs, *reader.warnings)]


def test_a_former_symbol_becomes_the_current_one_and_a_current_one_stays(reader: Reader) -> None:
    frame, between = with_current_names(pd.DataFrame({"gene": ["MLL2", "TP53", "MLL2"]}), PLACES, reader)
    assert (frame["gene"].tolist(), between) == (["KMT2D", "TP53", "KMT2D"], 0)
    assert told(reader) == [("gene_symbol", 2)]


def test_variants_between_genes_are_left_out_and_counted(reader: Reader) -> None:
    frame, between = with_current_names(pd.DataFrame({"gene": ["Unknown", ".", "PTEN"]}), PLACES, reader)
    assert (frame["gene"].tolist(), between) == (["PTEN"], 2)


def test_an_unknown_symbol_is_read_as_it_stands_and_doubted(reader: Reader) -> None:
    frame, _ = with_current_names(pd.DataFrame({"gene": ["NOTAGENE1", "PTEN"]}), PLACES, reader)
    assert frame["gene"].tolist() == ["NOTAGENE1", "PTEN"]
    assert told(reader) == [("gene_symbol_unknown", 1)]


def test_a_panel_is_separated_by_semicolons_and_names_each_gene_once(reader: Reader) -> None:
    frame, _ = with_current_names(pd.DataFrame({"panel_genes": ["TP53, PTEN|TP53", None]}), PLACES, reader)
    assert frame["panel_genes"].fillna("").tolist() == ["TP53;PTEN", ""]
    assert told(reader) == [("panel_separator", 1)]


def test_a_date_that_several_symbols_become_is_refused_by_file_column_and_sample(reader: Reader) -> None:
    variants = pd.DataFrame({"sample_id": ["S2", "S1"], "gene": ["1-Mar", "PTEN"]})
    with pytest.raises(SourceError, match=r"v\.csv, column 'GENE': 1 rows \(S2\) hold a date"):
        with_current_names(variants, PLACES, reader)


def test_panels_are_known_of_samples_that_list_one() -> None:
    samples = pd.DataFrame({"sample_id": ["a", "b"], "panel_genes": ["TP53;PTEN", None]})
    assert panels_of(samples) == {"a": frozenset({"TP53", "PTEN"})}
    assert panels_of(None) == {}
