"""Matrix files as laboratories and programs write them: read as meant, told, or refused; never misread."""

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from pipeline.intake.pages import advice_on
from pipeline.sources.assays import assay_reading
from pipeline.sources.formats.errors import SourceError
from pipeline.sources.omics.doubts import doubtful_names, ids_apart
from tests.pipeline.matrix_faults import BY_PATIENT, GCT, GENES, REFUSED, TOLD, MatrixFault
from tests.pipeline.test_omics_tables import EXPECTED, tables, values

SETS = "LOW\tna\tESR1\tPGR\nHIGH\tna\tERBB2\tPGR\n"


def rules(folder: Path, text: str | bytes, name: str = "rna.csv", **changes: Any) -> list[str]:
    """Return the rules of the problems that are told of a file; each has an advice."""
    found = tables(folder, text, name, **changes).problems["rule"].tolist()
    assert all(advice_on(rule) for rule in found)
    return found


@pytest.mark.parametrize("fault", REFUSED, ids=lambda fault: fault.what)
def test_what_would_be_misread_is_refused_with_its_place(fault: MatrixFault, tmp_path: Path) -> None:
    with pytest.raises(SourceError) as raised:
        tables(tmp_path, fault.content, fault.name, **fault.changes)
    assert all(word in str(raised.value) for word in fault.words), raised.value
    assert str(raised.value).startswith(str(fault.changes.get("path", fault.name)))
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


@pytest.mark.parametrize("fault", TOLD, ids=lambda fault: fault.what)
def test_what_is_odd_is_told_with_what_to_do(fault: MatrixFault, tmp_path: Path) -> None:
    told = rules(tmp_path, fault.content, fault.name, **fault.changes)
    assert any(all(word in rule for word in fault.words) for rule in told), told
    assert rules(tmp_path, GENES) == []


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
