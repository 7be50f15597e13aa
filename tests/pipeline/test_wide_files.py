"""Wide files, patients in several files, ids in other spellings, and numbers beyond a limit."""

from pathlib import Path
from typing import Any

import openpyxl
import pytest

from features.errors import UserError
from pipeline.sources.ingest import Ingested
from pipeline.sources.mapped import source_files
from tests.pipeline.formats import STUDY, taken_in

SURGERY = {
    "file": "pat",
    "columns": {"performed": {"constant": "Y"}, "pcr": {"from": "pcr", "recode": {"Y": "1", "N": "0"}}},
}
SUBJECTS = {"file": "pat", "columns": {"arm": {"constant": "A"}, "age_years": "age"}}
PATIENTS = "id,age,pcr,original_Energy,original_Mean,wavelet_Mean\nP1,40,1,1,2,3\nP2,50,0,4,5,6\n"


def scores(source: Any, **more: Any) -> dict[str, Any]:
    """Return the block of a biomarkers table."""
    columns = {"visit": {"constant": "t0"}, "assay": {"constant": "x"}, "value": source}
    return {"file": "pat", "repeat": "biomarker", "columns": columns} | more


def read(folder: Path, files: dict[str, Any], patients: Any = "pat", **tables: Any) -> Ingested:
    """Read a study whose files are in a folder."""
    mapping = {
        "patients": patients,
        "files": {name: {"id": {"column": "id"}} | file for name, file in files.items()},
        "tables": {"subjects": [SUBJECTS], "surgery": [SURGERY]} | tables,
    }
    study = STUDY | {
        "study": "wide", "simulated": False, "simulations": [], "source": "data/wide", "arms": ["A"],
        "adaptive_arm": None, "strategies": [], "allocation": None, "rules": "none", "visits": ["t0"],
        "landmarks": ["t0"], "schedule": {"t0": {"visits": ["t0"]}}, "mapping": mapping,
        "primary": {"landmark": "t0"}, "features": {"domains": ["pathology"]},
    }  # fmt: skip
    return taken_in(study, folder)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "pat.csv").write_text(PATIENTS, encoding="utf-8")
    return tmp_path


@pytest.mark.parametrize(
    ("source", "more", "names"),
    [
        ({"original_*": "original_*"}, {}, ["original_Energy", "original_Mean"]),
        ({"*": "original_*"}, {}, ["Energy", "Mean"]),
        ({"*_Mean": "*_Mean"}, {}, ["original_Mean", "wavelet_Mean"]),
        ({"*": "*"}, {"leave_out": ["age", "pcr", "wave*"]}, ["original_Energy", "original_Mean"]),
    ],
)
def test_columns_are_taken_by_pattern(source: Any, more: Any, names: list[str], folder: Path) -> None:
    raw = read(folder, {"pat": {"path": "pat.csv"}}, biomarkers=[scores({"from": source}, **more)])
    assert sorted(raw.tables["biomarkers"]["biomarker"].unique()) == names


@pytest.mark.parametrize(
    ("source", "message"),
    [
        ({"glcm_*": "glcm_*"}, "matches none of the 5 columns"),
        ({"*": "original_*", "Mean": "wavelet_Mean"}, "gives Mean twice"),
        ({"all": "original_*"}, "as many stars on both sides"),
    ],
)
def test_a_pattern_that_fits_nothing_or_too_much_is_refused(source: Any, message: str, folder: Path) -> None:
    with pytest.raises(UserError, match=message):
        read(folder, {"pat": {"path": "pat.csv"}}, biomarkers=[scores({"from": source})])


def test_patients_spread_over_files_are_read_as_one_file_whatever_the_order_of_the_columns(
    folder: Path,
) -> None:
    (folder / "pat2.csv").write_text("pcr,more,id,age\n0,x,P3,60\n", encoding="utf-8")
    raw = read(folder, {"pat": {"path": "pat*.csv"}})
    assert raw.tables["subjects"]["age_years"].tolist() == [40, 50, 60]
    assert raw.reading["file"].tolist()[:2] == ["pat.csv", "pat2.csv"]


def test_a_pattern_of_files_is_copied_file_by_file(folder: Path) -> None:
    (folder / "pat2.csv").write_text("id,age,pcr\nP3,60,0\n", encoding="utf-8")
    mapping = {
        "patients": "pat",
        "files": {"pat": {"path": "pat*.csv", "id": {"column": "id"}}},
        "tables": {"subjects": [SUBJECTS]},
    }
    study = {
        "study": "a",
        "title": "a",
        "source": "data/a",
        "outcome": "none",
        "visits": ["t0"],
        "mapping": mapping,
    }
    assert source_files(study, folder) == ["pat.csv", "pat2.csv"]


def test_two_entries_can_give_the_patients(folder: Path) -> None:
    (folder / "north.csv").write_text("id,years\nP3,60\n", encoding="utf-8")
    north = {"file": "north", "columns": {"arm": {"constant": "A"}, "age_years": "years"}}
    files = {"pat": {"path": "pat.csv"}, "north": {"path": "north.csv"}}
    raw = read(folder, files, ["pat", "north"], subjects=[SUBJECTS, north])
    assert raw.tables["subjects"]["usubjid"].tolist() == ["P1", "P2", "P3"]


def test_ids_are_joined_by_pattern_and_whatever_their_case_where_the_study_says_so(folder: Path) -> None:
    (folder / "lab.csv").write_text("id,s\nBR-p1-T,7\nBR-P2-T,8\n", encoding="utf-8")
    lab = scores({"from": {"s": "s"}}) | {"file": "lab"}
    part = {"column": "id", "pattern": "BR-(.+)-T"}
    files = {"pat": {"path": "pat.csv"}, "lab": {"path": "lab.csv", "id": part}}
    raw = read(folder, files, biomarkers=[lab])
    assert raw.tables["biomarkers"]["value"].tolist() == [8]
    assert "case_differs" in raw.problems["rule"].str.cat()
    files["lab"]["id"] = part | {"ignore_case": True}
    raw = read(folder, files, biomarkers=[lab])
    assert raw.tables["biomarkers"]["usubjid"].tolist() == ["P1", "P2"]
    files["lab"]["id"] = {"column": "id", "pattern": "BR-(P.)-T"}
    with pytest.raises(UserError, match="1 rows have an id that `pattern` does not match"):
        read(folder, files, biomarkers=[lab])


def test_patients_whose_ids_differ_in_case_only_are_refused(folder: Path) -> None:
    (folder / "pat.csv").write_text(PATIENTS + "p1,40,1,1,2,3\n", encoding="utf-8")
    with pytest.raises(UserError, match="differ in upper and lower case only"):
        read(folder, {"pat": {"path": "pat.csv"}})


def test_a_number_beyond_a_limit_is_read_as_the_limit_and_counted_where_the_study_says_so(
    folder: Path,
) -> None:
    (folder / "pat.csv").write_text("id,age,pcr,er\nP1,40,1,<1\nP2,50,0,>= 95\nP3,60,0,5\n", encoding="utf-8")
    er = {"file": "pat", "columns": {"er_pct": {"from": "er", "censored": "limit"}}}
    raw = read(folder, {"pat": {"path": "pat.csv"}}, pathology=[er])
    assert raw.tables["pathology"]["er_pct"].tolist() == [1, 95, 5]
    told = raw.problems.query("severity == 'repair'")[["column", "rows"]].to_numpy().tolist()
    assert told == [["er", 2]]
    er["columns"] = {"er_pct": {"from": "er"}}
    with pytest.raises(UserError, match="see `censored`"):
        read(folder, {"pat": {"path": "pat.csv"}}, pathology=[er])


def test_merged_names_over_the_header_of_a_workbook_are_of_all_columns_below(tmp_path: Path) -> None:
    book = openpyxl.Workbook()
    sheet = book.active
    for row in (
        ["", "", "", "Stroma", ""],
        ["id", "age", "pcr", "CD8", "CD3"],
        ["P1", 40, 1, 1.5, 2],
        ["P2", 50, 0, 3, 4],
    ):
        sheet.append(row)
    sheet.merge_cells("D1:E1")
    book.save(tmp_path / "pat.xlsx")
    file = {"path": "pat.xlsx", "sheet": "Sheet", "header_rows": 2}
    raw = read(tmp_path, {"pat": file}, biomarkers=[scores({"from": {"*": "Stroma *"}})])
    assert raw.tables["biomarkers"]["biomarker"].tolist() == ["CD3", "CD8", "CD3", "CD8"]
    files = raw.reading[~raw.reading["file"].str.startswith("table ")]
    assert files["compared"].sum() == 10
