"""Matrix files of assays: every format gives the same table, and what does not fit is said by name."""

import gzip
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from features.errors import UserError
from pipeline.project.configs import read_contract
from pipeline.sources.assays import read_assays
from pipeline.sources.formats.errors import SourceError
from pipeline.sources.mapped import check_study_file, source_files
from pipeline.sources.mapping.assay import Assay
from pipeline.sources.omics.matrix import read_matrix
from pipeline.sources.omics.tables import OmicsTable
from tests.pipeline.matrix_faults import GCT, GENES

CONTRACT = read_contract(Path("configs/contract"))
PATIENTS = ["P1", "P2", "P3"]
MAPPING: dict[str, Any] = {
    "patients": "patients",
    "files": {
        "patients": {"path": "patients.csv", "id": {"column": "ID"}},
        "samples": {"path": "samples.csv", "id": {"column": "ID"}},
    },
    "tables": {
        "surgery": [{"file": "patients", "columns": {"performed": {"constant": "Y"}, "pcr": "PCR"}}],
    },
}


def tables(folder: Path, text: str | bytes, name: str = "rna.csv", **changes: Any) -> OmicsTable:
    content = text.encode() if isinstance(text, str) else text
    (folder / name).write_bytes(gzip.compress(content) if name.endswith(".gz") else content)
    entry = {
        "path": name, "type": "expression", "visit": "baseline",
        "id": {"column": "gene", "pattern": "S-(P[0-9]+)-T"}, **changes,
    }  # fmt: skip
    document: Any = {"study": "a", "mapping": MAPPING, "omics": {"rna": entry}}
    return read_assays(document, folder, PATIENTS, CONTRACT)["rna"]


def values(table: OmicsTable) -> dict[str, list[float]]:
    return {str(name): table.frame[name].tolist() for name in table.frame.columns.drop("usubjid")}


EXPECTED = {"ERBB2": [8.0, 7.0], "ESR1": [1.0, 2.0]}
TRANSPOSED = "ID,PGR,ESR1,ERBB2\nP2,5.5,2,7\nP1,,1,8\nP9,9,9,9\n"


@pytest.mark.parametrize(
    ("name", "text", "changes"),
    [
        ("rna.csv", GENES, {}),
        ("rna.csv.gz", GENES, {}),
        ("rna.tsv", GENES.replace(",", "\t"), {}),
        ("rna.csv", GENES.replace(",", ";").replace("5.5", "5,5"), {"separator": ";", "decimal": ","}),
        ("rna.csv", "\ufeff" + GENES, {}),
        ("rna.csv", GENES.replace("\n", "\r\n"), {}),
        ("rna.csv", GENES.replace("gene,", "gene,chr,").replace("1,2", "1,x,2").replace("R,5", "R,y,5")
         .replace("B2,7", "B2,z,7"), {"annotation": ["chr"]}),
        ("rna.csv", TRANSPOSED, {"rows": "patients", "id": {"column": "ID"}}),
        ("rna.gct", GCT, {"id": {"column": "id", "pattern": "S-(P[0-9]+)-T"}}),
    ],
)  # fmt: skip
def test_every_format_gives_the_same_table(
    name: str, text: str, changes: dict[str, Any], tmp_path: Path
) -> None:
    table = tables(tmp_path, text, name, **changes)
    assert table.frame["usubjid"].tolist() == ["P1", "P2"]
    assert values(table) == EXPECTED
    assert {reason: rows for _, _, reason, rows, _ in table.dropped} == {
        "sample of no patient": 1,
        "feature that is constant": 1,
    }


def test_parquet_has_patients_or_features_in_rows(tmp_path: Path) -> None:
    frame = pd.DataFrame({"ID": ["P2", "P1"], "ESR1": [2, 1], "ERBB2": [7.0, 8.0]})
    frame.to_parquet(tmp_path / "rna.parquet")
    content = (tmp_path / "rna.parquet").read_bytes()
    table = tables(tmp_path, content, "rna.parquet", rows="patients", id={"column": "ID"})
    assert values(table) == EXPECTED


def test_patterns_and_a_panel_choose_features(tmp_path: Path) -> None:
    (tmp_path / "panel.txt").write_text("ESR1\nPGR\n")
    assert list(values(tables(tmp_path, GENES, features=["E*"], leave_out=["ERBB?"]))) == ["ESR1"]
    assert list(values(tables(tmp_path, GENES, panel="panel.txt"))) == ["ESR1"]
    with pytest.raises(SourceError, match="no feature is left"):
        tables(tmp_path, GENES, features=["ZZZ*"])


def test_shuffled_columns_and_rows_give_the_same_table(tmp_path: Path) -> None:
    header, *rows = GENES.splitlines()
    shuffled = "\n".join([header, *rows[::-1]]) + "\n"
    pd.testing.assert_frame_equal(tables(tmp_path, GENES).frame, tables(tmp_path, shuffled).frame)


def test_features_of_one_name_are_refused_or_their_mean_is_taken(tmp_path: Path) -> None:
    twice = GENES + "ESR1,4,3,9\n"
    with pytest.raises(SourceError, match=r"1 features have the name of another one \(ESR1\)"):
        tables(tmp_path, twice)
    assert values(tables(tmp_path, twice, duplicates="mean"))["ESR1"] == [2, 3]


def test_two_samples_of_a_patient_are_refused(tmp_path: Path) -> None:
    with pytest.raises(SourceError, match=r"1 patients \(P1\) have several samples"):
        tables(tmp_path, GENES.replace("S-P9-T", "S-P1-T"))


def test_a_cell_that_is_no_number_is_named_by_its_column_and_never_shown(tmp_path: Path) -> None:
    with pytest.raises(SourceError, match="column 3: a cell is no number") as raised:
        tables(tmp_path, GENES.replace("NA", "secret"))
    assert "secret" not in str(raised.value)


def test_ids_that_do_not_join_are_an_error(tmp_path: Path) -> None:
    with pytest.raises(SourceError, match="none of its 3 samples is of a patient"):
        tables(tmp_path, GENES, id={"column": "gene"})
    with pytest.raises(SourceError, match="column 'symbol' of `id` does not exist"):
        tables(tmp_path, GENES, id={"column": "symbol"})


def test_what_the_outcome_is_read_from_is_no_feature(tmp_path: Path) -> None:
    text = "ID,PCR,ESR1\nP1,1,2\nP2,0,3\n"
    with pytest.raises(SourceError, match="PCR: the outcome is read from it"):
        tables(tmp_path, text, "patients.csv", rows="patients", id={"column": "ID"})


def test_logarithms_are_taken_of_linear_values_and_doubtful_scales_are_told(tmp_path: Path) -> None:
    linear = "gene,S-P1-T,S-P2-T\nESR1,0,1023\nPGR,3,7\n"
    assert values(tables(tmp_path, linear, scale="linear", transform="log2"))["ESR1"] == [0, 10]
    with pytest.raises(SourceError, match="1 cells are negative"):
        tables(tmp_path, linear.replace("3,7", "-3,7"), scale="linear", transform="log2")
    assert "as of logarithms" in tables(tmp_path, GENES, scale="linear").problems["rule"].iloc[0]
    assert "said to be logarithms" in tables(tmp_path, linear, scale="log").problems["rule"].iloc[0]


def test_dates_and_batches_of_samples_come_from_a_file_of_the_mapping(tmp_path: Path) -> None:
    (tmp_path / "samples.csv").write_text("ID,DONE,RUN\nP1,2026-03-01,a\nP7,2026-01-01,b\n")
    spec = {"file": "samples", "reported": "DONE", "batch": "RUN"}
    samples = tables(tmp_path, GENES, samples=spec).samples.set_index("usubjid")
    assert samples.loc["P1", "reported"] == pd.Timestamp("2026-03-01")
    assert samples.loc["P1", "batch"] == "a"
    assert samples.loc["P2", ["reported", "batch"]].isna().all()
    (tmp_path / "samples.csv").write_text("ID,DONE,RUN\nP1,01.03.2026,a\n")
    with pytest.raises(SourceError, match="1 cells are no date"):
        tables(tmp_path, GENES, samples=spec)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"path": "../rna.csv"}, "inside the source folder"),
        ({"path": "rna.xlsx"}, "must end in one of"),
        ({"visit": "c9"}, "c9 is not one of `visits`"),
        ({"transform": "log2"}, "`scale: linear`"),
        ({"path": "rna.gct", "rows": "patients"}, "features in rows"),
        ({"kind": "x"}, "kind"),
    ],
)
def test_a_faulty_entry_of_the_study_file_is_refused(changes: dict[str, Any], message: str) -> None:
    from pipeline.project.files import read_yaml  # noqa: PLC0415

    study = read_yaml(Path("configs/studies/transneo_blocks.yaml"))
    study["omics"]["rna"] |= changes
    with pytest.raises(UserError, match=message):
        check_study_file(study)


def test_an_infinite_cell_and_an_empty_name_are_refused(tmp_path: Path) -> None:
    assay = Assay.model_validate(
        {"path": "rna.csv", "type": "expression", "visit": "baseline", "id": {"column": "gene"}}
    )
    for text, message in (
        (GENES.replace("5.5", "inf"), "1 cells are infinite"),
        (GENES + ",1,2,3\n", "empty in 1"),
    ):
        (tmp_path / "rna.csv").write_text(text)
        with pytest.raises(SourceError, match=message):
            read_matrix(tmp_path / "rna.csv", assay)
    (tmp_path / "rna.csv").write_text(GENES)
    assert read_matrix(tmp_path / "rna.csv", assay).numbers.dtype == np.float64


def test_the_files_of_assays_are_among_those_that_a_study_reads() -> None:
    entry = {"path": "rna.gct", "visit": "baseline", "panel": "panel.txt", "samples": {"file": "samples"}}
    document: Any = {"study": "a", "mapping": MAPPING, "omics": {"rna": entry}}
    assert source_files(document) == ["panel.txt", "patients.csv", "rna.gct", "samples.csv"]
