"""Matrix files as laboratories and programs write them: read as meant, told, or refused; never misread."""

import gzip
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from pipeline.intake.pages import advice_on
from pipeline.sources.assays import assay_reading
from pipeline.sources.formats.errors import SourceError
from pipeline.sources.omics.doubts import doubtful_names, ids_apart
from tests.pipeline.test_omics_tables import EXPECTED, GCT, GENES, tables, values

PATTERN = {"column": "gene", "pattern": "S-(P[0-9]+)-T"}
BY_PATIENT: dict[str, Any] = {"rows": "patients", "id": {"column": "ID"}}
SETS = "LOW\tna\tESR1\tPGR\nHIGH\tna\tERBB2\tPGR\n"


def rules(folder: Path, text: str | bytes, name: str = "rna.csv", **changes: Any) -> list[str]:
    """Return the rules of the problems that are told of a file; each has an advice."""
    found = tables(folder, text, name, **changes).problems["rule"].tolist()
    assert all(advice_on(rule) for rule in found)
    return found


@pytest.mark.parametrize(
    ("name", "text", "message", "changes"),
    [
        ("rna.csv", GENES[:-3], "no line end, as in a file that is cut off", {}),
        ("rna.csv", GENES.replace("PGR,5.5,NA,9", "PGR,5.5,NA"), "line 3 has 3, the header 4; check", {}),
        ("rna.csv", GENES.replace("gene,", "", 1), "line 2 has 4, the header 3; give the first", {}),
        ("rna.csv", "", "0 bytes", {}),
        ("rna.csv", gzip.compress(GENES.encode()), "it is gzipped, not text", {}),
        ("rna.csv", "<!DOCTYPE html><html>404</html>\n", "a web page", {}),
        ("rna.csv", GENES.replace("PGR", "P\x00R"), "line 3: a zero byte", {}),
        ("rna.csv", GENES.replace("PGR", "PGµ").encode("cp1252"), "cannot be read as utf-8", {}),
        ("rna.csv", GENES, "cannot be read as klingon", {"encoding": "klingon"}),
        ("rna.csv", GENES.replace("NA", "<LOD"), r"column 3: .* \(1 in all, the first in row 2", {}),
        ("rna.csv", GENES.replace("5.5", "1e300"), "1 cells are beyond 1e.100", {}),
        ("rna.csv", GENES.replace(",", ";"), "the header has one cell only: check `separator`", {}),
        ("rna.csv", GENES.replace("gene", ""), "the first of its 4 columns is ''", {}),
        ("rna.csv", GENES.replace("S-P9-T", "Entrez"), r"1 of its 3 columns \(Entrez\)", {}),
        ("rna-*.csv", GENES, "one file is read: join them first", {"path": "rna-?.csv"}),
        ("rna.gct", GCT.rpartition("ERBB2")[0], "3 rows and 3 samples, and there are 2 and 3",
         {"id": {"column": "id"}}),
        ("rna.gct", GCT.replace("3\t3\t1\t1", "3\t3\t1\t0"), "3 rows and 3 samples, and there are 4 and 3",
         {"id": {"column": "id"}}),
        ("rna.gct", GCT.replace("3\t3\t1\t1", "3\t3\t2\t1"), "3 rows and 3 samples, and there are 3 and 2",
         {"id": {"column": "id"}}),
        ("rna.tsv", GENES.replace(",", "\t").replace("PGR", '"PGR').replace("ERBB2", '"ERBB2'),
         "a cell in quotation marks|a quotation mark opens", {}),
        ("rna.csv", "ID,usubjid,PGR\nP1,1,2\nP2,3,4\n", "no feature can be called usubjid", BY_PATIENT),
        ("rna.csv", "ID,PGR\nP1,1\nP9,2\n", r"varies among its 1 patients \(1 that is", BY_PATIENT),
    ],
)  # fmt: skip
def test_what_would_be_misread_is_refused_with_its_place(
    name: str, text: str | bytes, message: str, changes: dict[str, Any], tmp_path: Path
) -> None:
    with pytest.raises(SourceError, match=message) as raised:
        tables(tmp_path, text, name, **changes)
    assert "LOD" not in str(raised.value)


@pytest.mark.parametrize(
    ("name", "text", "changes"),
    [
        ("rna.csv", GENES[:-1], {"final_newline": False}),
        ("rna.csv", "# by a program\n" + GENES, {"skip_rows": 1}),
        ("rna.tsv", "# by a program\n" + GENES.replace(",", "\t"), {}),
        ("rna.tsv", GENES.replace(",", "\t").replace("ESR1", '"ESR1"'), {}),
        ("rna.csv", GENES.replace("NA", "0.0"), {"missing": ["0"]}),
        ("rna.csv", GENES.replace("S-P9-T", "Entrez"), {"annotation": ["Ent*"]}),
        ("rna.gct", "\ufeff" + GCT, {"id": {"column": "id", "pattern": "S-(P[0-9]+)-T"}}),
        ("rna.csv", GENES.encode("utf-16"), {"encoding": "utf-16"}),
        ("rna.csv", GENES + "\n\n", {}),
    ],
)  # fmt: skip
def test_what_a_program_writes_around_a_matrix_changes_nothing(
    name: str, text: str | bytes, changes: dict[str, Any], tmp_path: Path
) -> None:
    assert values(tables(tmp_path, text, name, **changes)) == EXPECTED


def test_names_that_begin_with_a_quotation_mark_are_read_where_marks_are_no_quotes(tmp_path: Path) -> None:
    text = GENES.replace(",", "\t").replace("ESR1", '"ESR1').replace("ERBB2", '"ERBB2')
    found = values(tables(tmp_path, text, "rna.tsv", quotes=False))
    assert found == {f'"{name}': numbers for name, numbers in EXPECTED.items()}


@pytest.mark.parametrize(
    ("text", "changes", "told"),
    [
        (GENES, {"features": ["ESR1", "ERRB2", "KRT*", "ERBB?"]}, "not_found: .*(ERRB2, KRT*)"),
        (GENES.replace("ESR1", "1-Mar"), {}, "spreadsheet_names: .*(1-Mar)"),
        (GENES.replace("ESR1", "2.31E+13"), {}, "spreadsheet_names: .*(2.31E+13)"),
        (GENES.replace("ESR1", "__no_feature"), {}, "no_measurement: .*(__no_feature)"),
        (GENES + "PR,1,3,9\nTotal,15.5,12,36\n", {}, "no_measurement: the sum of all other features (Total)"),
        (GENES.replace("5.5", "5500"), {}, "scale: .*no `scale` is said"),
        (GENES.replace("5.5", "-5.5"), {"scale": "linear"}, "scale: values are negative"),
        (GENES, {"type": "methylation"}, "scale: values are neither shares"),
        (GENES.replace("5.5", "0"), {"type": "protein", "scale": "linear"}, "zeros: "),
        (GENES.replace("S-P9", "S-p-03"), {"id": PATTERN | {"pattern": "S-(.+)-T"}}, "ids_apart: "),
    ],
)  # fmt: skip
def test_what_is_odd_is_told_with_what_to_do(
    text: str, changes: dict[str, Any], told: str, tmp_path: Path
) -> None:
    start, _, end = told.partition(".*")
    assert any(rule.startswith(start) and rule.endswith(end) for rule in rules(tmp_path, text, **changes))
    assert not any(rule.startswith(start) for rule in rules(tmp_path, GENES))


def test_a_name_that_looks_like_a_pattern_is_a_name_too(tmp_path: Path) -> None:
    text = GENES.replace("ESR1", "HER2[IHC]")
    found = values(tables(tmp_path, text, features=["HER2[IHC]"]))
    assert list(found) == ["HER2[IHC]"]


def test_a_panel_is_read_as_text_is_and_says_which_names_are_not_there(tmp_path: Path) -> None:
    (tmp_path / "panel.txt").write_bytes("\ufeffESR1\r\nERBB2\r\nXYZ\r\n".encode())
    table = tables(tmp_path, GENES, panel="panel.txt")
    assert values(table) == EXPECTED
    assert table.problems["rule"].tolist() == ["not_found: asked for, and not among the features (XYZ)"]
    (tmp_path / "panel.txt").write_bytes("ESR1\nTNFµ\n".encode("cp1252"))
    with pytest.raises(SourceError, match=r"panel.txt: cannot be read as utf-8 \(line 2"):
        tables(tmp_path, GENES, panel="panel.txt")


def test_parquet_has_distinct_columns_names_as_texts_and_numbers_that_mean_missing(tmp_path: Path) -> None:
    frame = pd.DataFrame({"ESR1": [2.0, 1, 9], "ERBB2": [7.0, -999, 8], "ID": ["P2", "P1", "P3"]})
    frame.to_parquet(tmp_path / "made.parquet")
    content = (tmp_path / "made.parquet").read_bytes()
    found = tables(tmp_path, content, "rna.parquet", missing=["-999"], **BY_PATIENT).frame
    assert found.set_index("usubjid")["ERBB2"].isna().to_dict() == {"P1": True, "P2": False, "P3": False}
    frame.set_index("ID").rename_axis(None).T.to_parquet(tmp_path / "made.parquet")
    with pytest.raises(SourceError, match="has an index, whose column is '__index_level_0__'"):
        tables(tmp_path, (tmp_path / "made.parquet").read_bytes(), "rna.parquet")
    frame["ID"] = pd.Series([["P2"], ["P1"], ["P3"]], dtype=object)
    frame.to_parquet(tmp_path / "made.parquet")
    with pytest.raises(SourceError, match="'ID': holds lists or records"):
        tables(tmp_path, (tmp_path / "made.parquet").read_bytes(), "rna.parquet", **BY_PATIENT)


def test_gene_sets_without_descriptions_would_lose_a_gene_and_are_refused(tmp_path: Path) -> None:
    sets = {"path": "sets.gmt", "min_genes": 1}
    (tmp_path / "sets.gmt").write_text(SETS + "OTHER\tna\tABC\tXYZ\n")
    text = GENES.replace("ESR1,2", "ESR1,8")
    told = tables(tmp_path, text, gene_sets=sets).problems["rule"].tolist()
    assert told[-1] == "left out: gene of a gene set that the assay lacks"
    (tmp_path / "sets.gmt").write_text(SETS.replace("na\t", ""))
    with pytest.raises(SourceError, match="genes where the descriptions should be"):
        tables(tmp_path, text, gene_sets=sets)


@pytest.mark.parametrize("kind", ["batch", "platform"])
def test_a_batch_or_platform_that_the_outcome_is_read_from_is_refused(kind: str, tmp_path: Path) -> None:
    (tmp_path / "patients.csv").write_text("ID,PCR\nP1,1\nP2,0\nP3,0\n")
    with pytest.raises(SourceError, match=f"`{kind}` of `samples`: the outcome is read from PCR"):
        tables(tmp_path, GENES, samples={"file": "patients", kind: "PCR"})


def test_ids_that_nearly_join_are_counted_where_none_does(tmp_path: Path) -> None:
    text = "ID,ESR1\np1,1\nP-02,2\nX,3\n"
    with pytest.raises(
        SourceError, match=r"none of its 3 samples .* \(2 differ in case, zeros or marks only\)"
    ):
        tables(tmp_path, text, **BY_PATIENT)


def test_the_reading_report_has_a_row_for_each_assay(tmp_path: Path) -> None:
    (row,) = assay_reading({"rna": tables(tmp_path, GENES)}).to_dict("records")
    told = {key: row[key] for key in ("file", "columns", "rows", "cells", "empty", "rows left out")}
    assert told == {
        "file": "assay rna", "columns": 2, "rows": 2, "cells": 4, "empty": 0, "rows left out": 1,
    }  # fmt: skip
    assert np.isfinite(row["compared"])


def test_ids_are_apart_by_case_zeros_and_marks_and_not_by_zeros_within() -> None:
    ids = pd.Series(["P01", "p1", "P-001\u00a0", "P10", "P101", "P1.1"])
    assert ids_apart(ids, ["P01", "P1001"]).tolist() == [False, True, True, False, False, False]


def test_numbers_of_genes_are_no_dates() -> None:
    assert not doubtful_names(["45000", "672", "ENSG00000012048.23", "1007_s_at", "cg00000029", "MARCHF1"])
