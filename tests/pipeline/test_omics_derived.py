"""Gene sets, repeatable features and ranks of an assay: read, checked, counted."""

import gzip
from pathlib import Path
from typing import Any

import pytest

from features.errors import UserError
from pipeline.project.files import read_yaml
from pipeline.sources.formats.errors import SourceError
from pipeline.sources.mapped import check_study_file, source_files
from pipeline.sources.mapping.assay import Repeatability
from pipeline.sources.omics.derived import read_gene_sets, read_icc
from tests.pipeline.test_omics_tables import tables, values

GENES = "gene,S-P1-T,S-P2-T\n" + "".join(f"G{k},{k},{9 - k}\n" for k in range(1, 7))
GMT = "LOW\thttp://x\tG1\tG2\tG2\nHIGH\tna\tG5\tG6\tG99\nFEW\tna\tG1\tG98\n"


def reasons(table: Any) -> dict[str, int]:
    return {reason: rows for _, _, reason, rows, _ in table.dropped}


def test_gene_sets_take_the_place_of_genes_and_small_ones_are_counted_and_told(tmp_path: Path) -> None:
    (tmp_path / "sets.gmt").write_text(GMT)
    table = tables(tmp_path, GENES, gene_sets={"path": "sets.gmt", "min_genes": 2})
    assert values(table) == {"HIGH": [1.0, 0.0], "LOW": [0.0, 1.0]}
    assert reasons(table) == {
        "gene set with fewer than 2 genes in the assay": 1,
        "gene of a gene set that the assay lacks": 2,
    }
    assert table.problems["rule"].tolist() == [f"left out: {reason}" for reason in reasons(table)]


def test_scores_may_stand_beside_the_genes_and_do_not_depend_on_the_scale(tmp_path: Path) -> None:
    (tmp_path / "sets.gmt.gz").write_bytes(gzip.compress(GMT.encode()))
    sets = {"path": "sets.gmt.gz", "min_genes": 2, "beside_features": True}
    linear = values(tables(tmp_path, GENES, gene_sets=sets))
    log = values(tables(tmp_path, GENES, gene_sets=sets, scale="linear", transform="log2"))
    assert {"G1", "HIGH"} <= set(linear)
    assert linear["HIGH"] == log["HIGH"]
    (tmp_path / "sets.gmt.gz").write_bytes(gzip.compress(b"G1\tna\tG5\tG6\n"))
    with pytest.raises(SourceError, match="gene set G1 has the name of a feature"):
        tables(tmp_path, GENES, gene_sets=sets)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("LOW\tna\n", "line 1: not a gene set"),
        ("LOW,na,G1\n", "line 1: not a gene set"),
        ("\tna\tG1\n", "line 1: not a gene set"),
        ("LOW\tna\tG1\n\nLOW\tna\tG2\n", "line 3: there is another set LOW"),
        ("\n", "has no gene set"),
        ("LOW\tna\tX1\tX2\n", "no set has 2 genes that the assay has"),
    ],
)
def test_a_file_that_is_no_gmt_is_refused(text: str, message: str, tmp_path: Path) -> None:
    (tmp_path / "sets.gmt").write_text(text)
    with pytest.raises(SourceError, match=message):
        tables(tmp_path, GENES, gene_sets={"path": "sets.gmt", "min_genes": 2})


def test_lines_may_end_as_on_windows_and_other_text_is_refused(tmp_path: Path) -> None:
    (tmp_path / "sets.gmt").write_bytes(b"\xef\xbb\xbfLOW\tna\tG1\tG2\r\n")
    assert read_gene_sets(tmp_path / "sets.gmt", "sets.gmt") == {"LOW": ["G1", "G2"]}
    (tmp_path / "sets.gmt").write_bytes(b"LOW\tna\t\xff\n")
    with pytest.raises(SourceError, match="is not UTF-8"):
        read_gene_sets(tmp_path / "sets.gmt", "sets.gmt")
    with pytest.raises(SourceError, match="no such file"):
        read_gene_sets(tmp_path / "none.gmt", "none.gmt")


STATED = {"path": "icc.csv", "feature": "name", "icc": "ICC", "minimum": 0.8}


def test_features_below_the_minimum_or_without_an_icc_are_left_out_and_counted(tmp_path: Path) -> None:
    (tmp_path / "icc.csv").write_text("name,ICC\nG1,0.95\nG2,0.8\nG3,0.79\nG4,NA\nG9,0.9\n")
    table = tables(tmp_path, GENES, repeatability=STATED)
    assert list(values(table)) == ["G1", "G2"]
    assert reasons(table) == {"feature without an ICC": 3, "feature with an ICC below 0.8": 1}
    assert "left out: feature with an ICC below 0.8" in table.problems["rule"].tolist()


def test_an_icc_is_computed_from_repeated_measurements_in_any_order(tmp_path: Path) -> None:
    spec = Repeatability(path="retest.csv", subject="who", session="when")
    rows = [f"P{k},{day},{k + shift},{k}" for k in range(5) for day, shift in (("a", 0), ("b", 0.1))]
    for order in (1, -1):
        (tmp_path / "retest.csv").write_text("who,when,G1,G2\n" + "\n".join(rows[::order]) + "\n")
        icc = read_icc(tmp_path / "retest.csv", spec)
        assert icc["G2"] == pytest.approx(1)
        assert 0.99 < icc["G1"] < 1
    (tmp_path / "retest.csv").write_text("who,when,G1,G2\n" + "\n".join(rows[1:]) + "\n")
    with pytest.raises(SourceError, match="has 9 rows of 5 subjects and 2 sessions"):
        read_icc(tmp_path / "retest.csv", spec)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("name,icc\nG1,0.9\n", "has no column 'ICC'"),
        ("name,ICC\nG1,secret\n", "column 'ICC': 1 cells are no number"),
        ("name,ICC\nG1,90\n", "1 values are above 1"),
        ("name,ICC\nG1,0.9\nG1,0.8\n", r"1 features stand twice \(G1\)"),
        ("name,ICC\nG1,0.9,5\n", "more or fewer cells"),
        ("name,ICC,ICC\nG1,0.9,5\n", "two columns have one name"),
        ("name,ICC\nX,0.9\n", "no feature of the assay has an ICC of at least 0.8"),
        ("", "has no column 'name'"),
    ],
)
def test_a_file_that_does_not_say_how_repeatable_features_are_is_refused(
    text: str, message: str, tmp_path: Path
) -> None:
    (tmp_path / "icc.csv").write_text(text)
    with pytest.raises(SourceError, match=message) as raised:
        tables(tmp_path, GENES, repeatability=STATED)
    assert "secret" not in str(raised.value)


def test_ranks_inside_a_sample_are_features_of_any_scale(tmp_path: Path) -> None:
    assert values(tables(tmp_path, GENES, transform="ranks"))["G1"] == pytest.approx([1 / 12, 11 / 12])


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"repeatability": {"path": "a.csv"}}, "must name the columns"),
        ({"repeatability": {"path": "a.csv", "feature": "f", "subject": "s"}}, "must name the columns"),
        ({"repeatability": STATED | {"minimum": 2}}, "minimum"),
        ({"gene_sets": {"path": "../a.gmt"}}, "inside the source folder"),
        ({"transform": "rank"}, "transform"),
    ],
)
def test_a_faulty_entry_is_refused(changes: dict[str, Any], message: str) -> None:
    study = read_yaml(Path("configs/studies/transneo_blocks.yaml"))
    study["omics"]["rna"] |= changes
    with pytest.raises(UserError, match=message):
        check_study_file(study)


def test_the_files_that_an_assay_needs_are_among_those_of_the_study() -> None:
    study = read_yaml(Path("configs/studies/transneo_blocks.yaml"))
    study["omics"]["rna"] |= {"gene_sets": {"path": "sets.gmt"}, "repeatability": STATED}
    assert {"sets.gmt", "icc.csv"} <= set(source_files(study))
