import copy
import operator
import re
from collections.abc import Callable
from functools import reduce
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from features.contract.validation import validate
from pipeline.project import paths
from pipeline.project.configs import read_contract, read_identifiers
from pipeline.project.files import read_yaml
from pipeline.sources.mapped import (
    SourceError,
    SourceTables,
    StudyFileError,
    check_study_file,
    read_study,
    source_files,
)
from pipeline.stages import raw

REPOSITORY = Path(__file__).parents[2]
CONFIGS = REPOSITORY / "configs"
ISPY2_FILES = REPOSITORY / ".." / "shared" / "data" / "ispy2"
CONTRACT = read_contract(CONFIGS / "contract")
ISPY2 = read_yaml(CONFIGS / "studies" / "ispy2.yaml")

CLINICAL = """who;arm;age;her2;pcr;size;seen
X7;drug A;51,5;1;1;2,1;03.02.2025
X8;drug B;62;1;0;?;
X9;drug A;44;0;1;3,0;05.02.2025
"""
SCORES = "pid,visit,TIL,KI67 t0,KI67 t1\n0007,t0,12,30,20\n0008,t0,NA,,35\n0055,t0,9,1,1\n"
TIL_BY_PATIENT = {"file": "clinical", "columns": {"til_pct": {"file": "scores", "from": "TIL"}}}


def study() -> dict[str, object]:
    """A small cohort in two files: clinical (semicolons, decimal commas) and scores (wide)."""
    mapping = {
        "patients": "clinical",
        "files": {
            "clinical": {
                "path": "clinical.csv",
                "separator": ";",
                "decimal": ",",
                "missing": ["?"],
                "id": {"column": "who", "strip_prefix": "X", "pad": 4},
                "keep": [{"column": "her2", "values": [1]}],
            },
            "scores": {"path": "scores.csv", "missing": ["NA"], "id": {"column": "pid"}},
        },
        "tables": {
            "subjects": [
                {
                    "file": "clinical",
                    "columns": {
                        "arm": {"from": "arm", "recode": {"A": "drug A", "B": "drug B"}},
                        "age_years": "age",
                        "tumour_size_mm": {"from": "size", "factor": 10},
                        "rand_date": {"from": "seen", "date_format": "%d.%m.%Y"},
                    },
                }
            ],
            "surgery": [
                {
                    "file": "clinical",
                    "columns": {
                        "performed": {"constant": "Y"},
                        "pcr": {"from": "pcr", "recode": {"Y": "1", "N": "0"}},
                    },
                }
            ],
        },
    }
    lists = {"arms": ["A", "B"], "visits": ["t0", "t1", "t2", "t3"], "adaptive_arm": None}
    return ISPY2 | lists | {"mapping": mapping}


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "clinical.csv").write_text(CLINICAL, encoding="utf-8")
    (tmp_path / "scores.csv").write_text(SCORES, encoding="utf-8")
    return tmp_path


def block(columns: dict[str, object], file: str = "clinical", **settings: object) -> dict[str, object]:
    return {"file": file, "columns": columns} | settings


def with_table(name: str, *blocks: dict[str, object]) -> dict[str, object]:
    changed = study()
    changed["mapping"]["tables"] = changed["mapping"]["tables"] | {name: list(blocks)}
    return changed


def with_file(name: str, **settings: object) -> dict[str, object]:
    changed = study()
    changed["mapping"]["files"][name] |= settings
    return changed


def checked(
    source: SourceTables, settings: dict[str, object]
) -> tuple[dict[str, pd.DataFrame], pd.DataFrame]:
    vocabulary = {name: settings[name] for name in ("visits", "arms", "regimens")}
    return validate(source.tables, CONTRACT, vocabulary, read_identifiers(CONFIGS / "identifiers.yaml"))


@pytest.fixture(scope="module")
def ispy2(ispy2_files: Path) -> SourceTables:
    return read_study(ISPY2, ispy2_files, CONTRACT)


@pytest.fixture(scope="module")
def ispy2_tables(ispy2: SourceTables) -> dict[str, pd.DataFrame]:
    tables, problems = checked(ispy2, ISPY2)
    assert problems.empty
    return tables


def test_ispy2_has_the_patients_and_responses_that_were_published(ispy2_tables) -> None:
    frame = (
        ispy2_tables["subjects"].merge(ispy2_tables["pathology"]).merge(ispy2_tables["surgery"], on="usubjid")
    )
    pcr = frame["pcr"].eq("Y")
    assert (len(frame), pcr.sum()) == (244, 112)
    assert pcr.groupby(frame["hr"]).agg(["size", "sum"]).to_dict("index") == {
        "pos": {"size": 156, "sum": 57},
        "neg": {"size": 88, "sum": 55},
    }
    assert pcr.groupby(frame["arm"]).agg(["size", "sum"]).agg(tuple, axis=1).to_dict() == {
        "PTX_T": (31, 8),
        "PTX_T_P": (44, 26),
        "TDM1_P": (52, 30),
        "PTX_NERATINIB": (64, 25),
        "PTX_T_MK2206": (34, 17),
        "PTX_T_AMG386": (19, 6),
    }


def test_ispy2_has_four_features_of_mri_at_every_visit_of_ninety_patients(ispy2_tables) -> None:
    mri, surgery = ispy2_tables["imaging_features"], ispy2_tables["surgery"]
    with_mri = surgery[surgery["usubjid"].isin(mri["usubjid"])]
    assert (len(with_mri), with_mri["pcr"].eq("Y").sum()) == (90, 39)
    assert mri.groupby(["feature", "visit"]).size().unique().tolist() == [90]
    assert mri["feature"].unique().tolist() == ["BPE", "FTV", "longest_diameter", "sphericity"]
    assert mri["value"].notna().all()


@pytest.mark.parametrize(
    ("feature", "visit", "column", "factor"),
    [("FTV", "t2", "VOLUME_TUM_BLU_V30", 1), ("longest_diameter", "t1", "LD_T1", 10)],
)
def test_ispy2_cells_are_those_of_the_workbook_and_diameters_are_in_mm(
    feature, visit, column, factor, ispy2_tables
) -> None:
    book = pd.read_excel(
        ISPY2_FILES / "Multi-feature-MRI-NACT-Data.xlsx",
        index_col="CLINICAL-TRIAL-SUBJECT-ID",
        engine="openpyxl",
    )
    mri = ispy2_tables["imaging_features"].query("feature == @feature and visit == @visit")
    expected = book.loc[mri["usubjid"].astype("int64"), column].to_numpy() * factor
    np.testing.assert_array_equal(mri["value"].to_numpy(), expected)


def test_ispy2_has_the_27_scores_and_none_of_the_classes_chosen_on_its_outcome(ispy2_tables) -> None:
    scores = ispy2_tables["biomarkers"]
    assert scores["biomarker"].nunique() == 27
    assert scores.groupby("biomarker").size().nsmallest(2).to_dict() == {"TIE2_Y992": 132, "mTOR_S2448": 223}
    assert not scores["biomarker"].str.contains("RPS|BP|Immune|DRD|pch").any()


def test_ispy2_mammaprint_class_agrees_with_that_of_the_expression_table(ispy2_tables) -> None:
    geo = pd.read_csv(ISPY2_FILES / "ICB_Wolf_CLIN_GSE194040.csv", sep=";")
    mp2 = geo.set_index(geo["patient"].str.removeprefix("X"))["MP2"]
    pathology = ispy2_tables["pathology"].set_index("usubjid")
    assert pathology["risk_class"].eq("MP2").equals(mp2.reindex(pathology.index).eq(1).rename("risk_class"))


def test_every_row_of_ispy2_that_is_left_out_is_counted(ispy2) -> None:
    assert list(ispy2.dropped.itertuples(index=False, name=None)) == [
        ("clinical", "", "HER2 not 1", 741, 244),
        ("scores", "", "patient not in clinical", 743, 244),
        ("mri", "", "patient not in clinical", 294, 90),
        ("scores", "biomarkers", "value empty", 173, 803),
    ]


def test_a_study_names_the_files_that_it_reads() -> None:
    assert source_files(ISPY2) == [
        "ICB_Wolf_CLIN_GSE194040.csv",
        "ISPY2-Imaging-Cohort-1-Clinical-Data.xlsx",
        "Multi-feature-MRI-NACT-Data.xlsx",
    ]


def test_a_small_cohort_is_read_without_python(folder) -> None:
    tables, problems = checked(read_study(study(), folder, CONTRACT), study())
    assert problems.empty
    subjects = tables["subjects"].dropna(axis="columns", how="all")
    assert subjects.astype("object").where(subjects.notna(), None).to_numpy().tolist() == [
        ["0007", pd.Timestamp("2025-02-03"), "A", 51.5, 21.0],
        ["0008", None, "B", 62.0, None],
    ]
    assert tables["surgery"]["pcr"].tolist() == ["Y", "N"]


def test_a_workbook_and_a_parquet_file_give_the_same_tables_as_csv(folder) -> None:
    expected, _ = checked(read_study(study(), folder, CONTRACT), study())
    raw = pd.read_csv(folder / "clinical.csv", sep=";", dtype="str")
    typed = raw.assign(her2=raw["her2"].astype(float), age=raw["age"].str.replace(",", ".").astype(float))
    typed.to_excel(folder / "clinical.xlsx", sheet_name="all", index=False, startrow=2)
    typed.to_parquet(folder / "clinical.parquet")
    for settings in ({"path": "clinical.xlsx", "sheet": "all", "skip_rows": 2}, {"path": "clinical.parquet"}):
        tables, problems = checked(read_study(with_file("clinical", **settings), folder, CONTRACT), study())
        assert problems.empty
        pd.testing.assert_frame_equal(tables["subjects"], expected["subjects"])


def test_encoding_and_byte_order_mark_are_respected(folder) -> None:
    (folder / "clinical.csv").write_text(CLINICAL.replace("drug A", "drög A"), encoding="latin-1")
    changed = with_file("clinical", encoding="latin-1")
    changed["mapping"]["tables"]["subjects"][0]["columns"]["arm"]["recode"] = {"A": "drög A", "B": "drug B"}
    assert read_study(changed, folder, CONTRACT).tables["subjects"]["arm"].tolist() == ["A", "B"]
    (folder / "clinical.csv").write_text(CLINICAL, encoding="utf-8-sig")
    assert len(read_study(study(), folder, CONTRACT).tables["subjects"]) == 2


@pytest.mark.parametrize("settings", [{}, {"path": "clinical.xlsx", "sheet": "all"}])
def test_only_the_texts_that_the_study_names_mean_an_empty_cell(settings, folder) -> None:
    text = CLINICAL.replace("drug A", "None").replace("drug B", "N/A")
    (folder / "clinical.csv").write_text(text, encoding="utf-8")
    raw = pd.read_csv(folder / "clinical.csv", sep=";", dtype="str", keep_default_na=False)
    raw.to_excel(folder / "clinical.xlsx", sheet_name="all", index=False)
    changed = with_file("clinical", **settings)
    changed["mapping"]["tables"]["subjects"][0]["columns"]["arm"]["recode"] = {"A": "None", "B": "N/A"}
    assert read_study(changed, folder, CONTRACT).tables["subjects"]["arm"].tolist() == ["A", "B"]


def test_wide_visits_become_rows_and_an_empty_cell_can_mean_not_done(folder) -> None:
    ki67 = {"t0": "KI67 t0", "t1": "KI67 t1"}
    columns = {
        "feature": {"constant": "KI67"},
        "method": {"constant": "PET"},
        "value": {"from": ki67},
        "status": {"from": ki67, "recode": {"not_done": ""}, "otherwise": "done"},
    }
    wide = with_table("imaging_features", block(columns, file="scores", repeat="visit"))
    rows = read_study(wide, folder, CONTRACT).tables["imaging_features"]
    assert rows[["usubjid", "visit", "value", "status"]].fillna("-").to_numpy().tolist() == [
        ["0007", "t0", "30", "done"],
        ["0008", "t0", "-", "not_done"],
        ["0007", "t1", "20", "done"],
        ["0008", "t1", "35", "done"],
    ]


def test_a_column_is_looked_up_in_another_file_by_patient(folder) -> None:
    rows = read_study(with_table("pathology", TIL_BY_PATIENT), folder, CONTRACT).tables["pathology"]
    assert rows.fillna("-").to_numpy().tolist() == [["0007", "12"], ["0008", "-"]]


def test_a_block_can_keep_some_rows_and_drop_empty_ones_and_both_are_counted(folder) -> None:
    columns = {"biomarker": {"constant": "TIL"}, "visit": "visit", "value": "TIL"}
    keep = [{"column": "visit", "values": ["t0"]}]
    at_t0 = with_table("biomarkers", block(columns, file="scores", keep=keep, drop_empty=["value"]))
    (folder / "scores.csv").write_text(SCORES + "0007,t1,13,1,1\n", encoding="utf-8")
    source = read_study(at_t0, folder, CONTRACT)
    assert source.tables["biomarkers"]["value"].tolist() == ["12"]
    assert source.dropped.iloc[-2:].to_numpy().tolist() == [
        ["scores", "biomarkers", "visit not t0", 1, 2],
        ["scores", "biomarkers", "value empty", 1, 1],
    ]


def test_a_value_that_recode_does_not_list_becomes_otherwise_where_there_is_one(folder) -> None:
    changed = study()
    changed["mapping"]["tables"]["surgery"][0]["columns"]["pcr"] = {
        "from": "pcr",
        "recode": {"Y": "1"},
        "otherwise": None,
    }
    assert read_study(changed, folder, CONTRACT).tables["surgery"]["pcr"].fillna("-").tolist() == ["Y", "-"]


def test_cells_that_cannot_be_converted_are_left_for_the_contract_to_refuse(folder) -> None:
    (folder / "clinical.csv").write_text(
        CLINICAL.replace("2,1;03.02.2025", "big;2025/02/03"), encoding="utf-8"
    )
    _, problems = checked(read_study(study(), folder, CONTRACT), study())
    assert problems["column"].tolist() == ["rand_date", "tumour_size_mm"]
    assert problems["rule"].tolist() == [
        "type: date (no hyphens, see `date_format` in docs/study-file.md)",
        "type: float",
    ]


@pytest.mark.parametrize(
    ("partial", "dates", "rules"),
    [
        ("refuse", ["2025-02-03", "2025-03"], ["type: date (partial dates)"]),
        ("missing", ["2025-02-03", "-"], ["partial_date: missing"]),
        ("first_day", ["2025-02-03", "2025-03-01"], ["partial_date: first day"]),
    ],
)
def test_a_partial_date_becomes_what_the_study_says_and_is_counted(partial, dates, rules, folder) -> None:
    text = CLINICAL.replace("03.02.2025", "2025-02-03").replace(";?;", ";?;2025-03")
    (folder / "clinical.csv").write_text(text, encoding="utf-8")
    changed = with_file("clinical", partial_dates=partial)
    changed["mapping"]["tables"]["subjects"][0]["columns"]["rand_date"] = "seen"
    source = read_study(changed, folder, CONTRACT)
    assert source.tables["subjects"]["rand_date"].fillna("-").tolist() == dates
    _, problems = checked(source, changed)
    noted = [*problems["rule"], *source.repairs["rule"]]
    assert noted == rules


def test_serial_numbers_of_a_workbook_are_dates_where_the_study_says_so(folder) -> None:
    (folder / "clinical.csv").write_text(CLINICAL.replace("03.02.2025", "45691"), encoding="utf-8")
    changed = study()
    changed["mapping"]["tables"]["subjects"][0]["columns"]["rand_date"]["date_format"] = "excel"
    source = read_study(changed, folder, CONTRACT)
    assert source.tables["subjects"]["rand_date"].fillna("-").tolist() == ["2025-02-03", "-"]
    assert source.repairs["rule"].tolist() == ["excel_dates: serial numbers read as dates"]
    assert source.repairs["rows"].tolist() == [1]


def test_of_several_readings_the_accepted_one_counts_where_there_is_one(folder) -> None:
    readings = "pid,visit,reader,flag,TIL\n0007,t0,1,,10\n0007,t0,2,Y,14\n0008,t0,1,,20\n0008,t1,1,N,30\n"
    (folder / "scores.csv").write_text(readings, encoding="utf-8")
    columns = {"biomarker": {"constant": "TIL"}, "visit": "visit", "value": "TIL"}
    changed = with_table("biomarkers", block(columns, file="scores"))
    changed["mapping"]["files"]["scores"]["accepted"] = {"flag": "flag", "group": ["pid", "visit"]}
    source = read_study(changed, folder, CONTRACT)
    assert source.tables["biomarkers"]["value"].tolist() == ["14", "20", "30"]
    assert source.dropped.iloc[-1].tolist() == ["scores", "", "flag not Y", 1, 3]


def test_a_patient_who_stands_twice_in_the_file_is_left_to_the_contract(folder) -> None:
    (folder / "clinical.csv").write_text(CLINICAL + "X7;drug B;50;1;0;2;\n", encoding="utf-8")
    _, problems = checked(read_study(study(), folder, CONTRACT), study())
    assert problems["rule"].tolist() == ["duplicate_key: usubjid"] * 2


def test_columns_that_the_study_does_not_name_are_not_read(folder) -> None:
    (folder / "clinical.csv").write_text("name;" + CLINICAL.replace("\nX", "\nLi;X"), encoding="utf-8")
    tables = read_study(study(), folder, CONTRACT).tables
    assert not any("Li" in frame.to_csv() for frame in tables.values())


FILES_THAT_DO_NOT_FIT = {
    "no such file": ({"path": "other.csv"}, "other.csv: there is no such file"),
    "no workbook": ({"path": "fake.xlsx", "sheet": "s"}, "fake.xlsx, sheet s: cannot be read"),
    "no Parquet": ({"path": "fake.parquet"}, "fake.parquet: cannot be read"),
    "empty file": ({"path": "empty.csv"}, "empty.csv: cannot be read"),
    "no such sheet": (
        {"path": "book.xlsx", "sheet": "s"},
        "cannot be read (LookupError: it has the sheets all)",
    ),
    "wrong encoding": (
        {"path": "latin.csv"},
        "latin.csv: cannot be read as utf-8 (line 2: invalid start byte)",
    ),
    "unknown encoding": (
        {"encoding": "klingon"},
        "clinical.csv: cannot be read as klingon (unknown encoding",
    ),
    "ragged rows": (
        {"path": "ragged.csv"},
        "ragged.csv: 1 rows have more or fewer cells than the header: line 5 has 9, the header 7",
    ),
    "wrong separator": ({"separator": "|"}, "clinical.csv: none of its 1 columns named 'age'"),
    "column twice": ({"path": "twice.csv"}, "twice.csv: 2 of its 8 columns named 'age'"),
    "no row kept": ({"keep": [{"column": "her2", "values": ["no"]}]}, "no row is left (kept: her2: no;"),
    "ids do not join": (
        {"id": {"column": "who"}},
        "scores.csv: none of its 3 rows is of a patient of clinical.csv",
    ),
}


@pytest.mark.parametrize("kind", FILES_THAT_DO_NOT_FIT)
def test_a_file_that_does_not_fit_the_study_file_gives_one_clear_error(kind, folder) -> None:
    settings, message = FILES_THAT_DO_NOT_FIT[kind]
    (folder / "fake.xlsx").write_text("no zip", encoding="utf-8")
    (folder / "fake.parquet").write_text("no parquet", encoding="utf-8")
    (folder / "empty.csv").touch()
    (folder / "latin.csv").write_text(CLINICAL.replace("drug", "dröge"), encoding="latin-1")
    (folder / "ragged.csv").write_text(CLINICAL + "X1;drug A;1;1;1;1;1;1;1\n", encoding="utf-8")
    (folder / "twice.csv").write_text(re.sub("(?m)^(?=.)", "age;", CLINICAL), encoding="utf-8")
    pd.DataFrame({"a": [1]}).to_excel(folder / "book.xlsx", sheet_name="all")
    changed = with_file("clinical", **settings)
    changed["mapping"]["tables"]["pathology"] = [TIL_BY_PATIENT]
    with pytest.raises(SourceError) as error:
        read_study(changed, folder, CONTRACT)
    assert message in str(error.value)


BLOCKS_THAT_DO_NOT_FIT = {
    "missing column": ("pathology", block({"til_pct": "ages"}), "7 columns named 'ages' (similar: age)"),
    "value not listed": (
        "pathology",
        block({"hr": {"from": "arm", "recode": {"pos": "drug A"}}}),
        "clinical.csv, column 'arm' (for pathology.hr): 1 rows (0008) hold a value that",
    ),
    "only empty cells": (
        "biomarkers",
        block({"value": "size"}, drop_empty=["value"], keep=[{"column": "who", "values": ["X8"]}]),
        "every row for table biomarkers has an empty `drop_empty` cell",
    ),
    "no contract table": ("genes", block({"gene": "age"}), "the contract has no table genes"),
    "no contract column": (
        "pathology",
        block({"tils": "age"}),
        "table pathology: the contract has no column tils",
    ),
}


@pytest.mark.parametrize("kind", BLOCKS_THAT_DO_NOT_FIT)
def test_a_table_that_the_files_cannot_fill_gives_one_clear_error_without_values(kind, folder) -> None:
    table, rows, message = BLOCKS_THAT_DO_NOT_FIT[kind]
    with pytest.raises(SourceError) as error:
        read_study(with_table(table, rows), folder, CONTRACT)
    assert message in str(error.value)
    assert "drug B" not in str(error.value)


def test_a_look_up_in_a_file_with_several_rows_for_a_patient_is_an_error(folder) -> None:
    (folder / "scores.csv").write_text(SCORES + "0007,t1,13,1,1\n", encoding="utf-8")
    with pytest.raises(SourceError, match=r"column 'TIL': .* 1 patients have several rows \(0007\)"):
        read_study(with_table("pathology", TIL_BY_PATIENT), folder, CONTRACT)


def test_a_look_up_minds_only_the_patients_of_its_rows(folder) -> None:
    (folder / "scores.csv").write_text(SCORES + "0007,t1,13,1,1\n", encoding="utf-8")
    only_0008 = TIL_BY_PATIENT | {"keep": [{"column": "who", "values": ["X8"]}]}
    rows = read_study(with_table("pathology", only_0008), folder, CONTRACT).tables["pathology"]
    assert rows["usubjid"].tolist() == ["0008"]


def test_a_table_of_patients_needs_a_file_with_ids(folder) -> None:
    changed = with_table("pathology", block({"til_pct": "TIL"}, file="scores"))
    del changed["mapping"]["files"]["scores"]["id"]
    with pytest.raises(
        SourceError, match=r"scores\.csv: table pathology is of patients; give the file an `id`"
    ):
        read_study(changed, folder, CONTRACT)


@pytest.mark.parametrize("name", sorted(p.stem for p in (CONFIGS / "studies").glob("*.yaml")))
def test_the_study_files_that_come_with_the_project_are_sound(name) -> None:
    assert check_study_file(read_yaml(CONFIGS / "studies" / f"{name}.yaml")).study == name


def change(*place: object, **values: object) -> Callable[[dict], None]:
    """Return a change of the mapping (key by key) at a place in a study file; None takes a key out."""

    def apply(settings: dict) -> None:
        part = reduce(operator.getitem, place, settings)
        part.update(values)
        for key in [k for k, v in values.items() if v is None]:
            del part[key]

    return apply


FILES = ("mapping", "files")
PCR = ("mapping", "tables", "surgery", 0, "columns")
SCORE_ROWS = ("mapping", "tables", "biomarkers", 0)
BAD_STUDIES = {
    "unknown key": (change(arm=["A"]), "- arm: Extra inputs are not permitted"),
    "missing key": (change(visits=None), "- visits: Field required"),
    "no landmark": (change(landmarks=[]), "- landmarks: List should have at least 1 item"),
    "unknown landmark": (change(landmarks=["t1", "t9"]), "unknown landmark t9: `schedule` does not have it"),
    "unknown visit": (change("schedule", "t1", visits=["t9"]), "schedule, t1: t9 is not one of `visits`"),
    "primary landmark": (change("primary", landmark="t3"), "primary: unknown landmark t3"),
    "unknown arm": (change(adaptive_arm="Z"), "Z is not one of `arms`"),
    "an adaptive arm without rules": (
        change(adaptive_arm=ISPY2["arms"][0], rules="none"),
        "follows rules, and `rules` says none",
    ),
    "arm twice": (change(arms=["A", "A"]), "`arms` names A twice"),
    "unknown outcome": (change("outcome", definition="cCR"), "- outcome.definition: Input should be"),
    "unknown domain": (change("features", domains=["mri"]), "- features.domains.0: Input should be"),
    "simulated and mapped": (change(simulated=True), "`mapping` is for studies with files"),
    "no mapping": (change(mapping=None), "`mapping` is for studies with files"),
    "unknown file": (change("mapping", patients="x"), "- mapping: names files that `files` has not: x"),
    "patients without id": (change(*FILES, "clinical", id=None), "file clinical gives the patients"),
    "path outside": (change(*FILES, "mri", path="../x.xlsx"), "must be a path inside the source folder"),
    "unknown format": (change(*FILES, "mri", path="x.sas7bdat"), "must end in one of .csv"),
    "no sheet": (change(*FILES, "mri", sheet=None), "`sheet` must be given for a workbook"),
    "no origin": (change(*PCR, pcr={}), "needs either `from` or `constant`"),
    "text twice": (change(*PCR, "pcr", recode={"Y": "1", "N": "1"}), "`recode` lists twice: 1"),
    "levels without repeat": (change(*SCORE_ROWS, repeat=None), "`repeat` and a mapping"),
    "unmapped drop_empty": (change(*SCORE_ROWS, drop_empty=["x"]), "columns that are not mapped: x"),
}


@pytest.mark.parametrize("kind", BAD_STUDIES)
def test_a_faulty_study_file_is_refused_with_the_place_of_the_fault(kind) -> None:
    settings = copy.deepcopy(ISPY2)
    make_faulty, message = BAD_STUDIES[kind]
    make_faulty(settings)
    with pytest.raises(StudyFileError) as error:
        check_study_file(settings)
    assert message in str(error.value)


def test_every_fault_of_a_study_file_is_named_at_once() -> None:
    with pytest.raises(StudyFileError, match=r"\(unnamed\): 1[0-9] faults"):
        check_study_file(None)


def test_a_simulated_study_has_no_files() -> None:
    with pytest.raises(StudyFileError, match="has no files to read"):
        source_files(read_yaml(CONFIGS / "studies" / "nct07239271.yaml"))


def test_files_are_read_by_the_part_of_the_study_file_that_their_stage_declares(folder) -> None:
    part = {key: value for key, value in study().items() if key in raw.STAGE.params[paths.STUDY]}
    assert set(part) < set(study())
    whole = read_study(study(), folder, CONTRACT)
    for name, table in read_study(part, folder, CONTRACT).tables.items():
        pd.testing.assert_frame_equal(table, whole.tables[name])
