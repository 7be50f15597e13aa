"""Cases of files that are a recipe: an export with one habit in it is read right, counted, or refused."""

import ast
import shutil
import time
from collections.abc import Callable, Mapping
from pathlib import Path

import numpy as np
import pandas as pd
import pyreadstat
import pytest

from features.errors import UserError
from pipeline.sources.export import export
from pipeline.sources.formats.sdtm import read_xpt
from pipeline.sources.mapped import read_study
from pipeline.sources.tables import SourceTables
from tests.pipeline.formats import CONTRACT, FORMATS, ROOT, study_of
from tests.pipeline.test_cases import CASES

API = {
    "Variable / Field Name": "field_name", "Form Name": "form_name", "Field Type": "field_type",
    "Choices, Calculations, OR Slider Labels": "select_choices_or_calculations",
}  # fmt: skip
"""Headings of a data dictionary -> those of the API."""
TESTED_ELSEWHERE = {
    "23-score-rows-ids": "tests/pipeline/test_score_rows.py::test_ids_stay_the_text_that_they_are",
    "24-two-runs": "tests/pipeline/test_run_safety.py::test_two_runs_started_together_give_one_result_each",
    "26-mlflow-deleted-experiment": "tests/pipeline/test_registry_repair.py::"
    "test_a_run_or_an_experiment_that_was_deleted_is_told_with_the_command",
    "27-venv-not-active": "tests/pipeline/test_run_refusals.py::"
    "test_a_run_needs_no_activated_environment_and_starts_in_any_folder",
    "31-mlflow-moved-folder": "tests/pipeline/test_registry_repair.py::"
    "test_a_moved_checkout_is_told_and_sync_lets_the_database_follow",
    "32-mlflow-shared-server": "tests/models/test_store_errors.py::"
    "test_the_database_beside_its_artifacts_belongs_to_the_checkout_and_a_server_keeps_files_itself",
}
"""Cases that are no files: the test that does what their README says should happen."""
PATIENTS = 6
Change = Callable[[pd.DataFrame], pd.DataFrame]


@pytest.fixture(scope="module")
def few(trial: dict[str, pd.DataFrame]) -> dict[str, pd.DataFrame]:
    """The tables of a few patients, of whom every table has one, so that every column is exported."""
    first = [frame["usubjid"].iloc[0] for frame in trial.values() if "usubjid" in frame and len(frame)]
    kept = {"usubjid": pd.Series([*trial["subjects"]["usubjid"].head(PATIENTS), *first]).drop_duplicates()}
    samples = trial["ctdna_samples"]
    kept["sample_id"] = samples.loc[samples["usubjid"].isin(kept["usubjid"]), "sample_id"]
    tables = {}
    for name, frame in trial.items():
        by = next((column for column in kept if column in frame), None)
        tables[name] = frame if by is None else frame[frame[by].isin(kept[by])].reset_index(drop=True)
    return {name: frame for name, frame in tables.items() if len(frame)}


@pytest.fixture(scope="module")
def exports(few: dict[str, pd.DataFrame], tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """Their tables in two formats: a folder for each."""
    folders = {name: tmp_path_factory.mktemp("few") for name in ("REDCap", "SDTM XPT")}
    for name, folder in folders.items():
        export(few, study_of(FORMATS[name]), CONTRACT, folder)
    return folders


def redcap(exports: dict[str, Path], folder: Path, change: Change | None = None) -> SourceTables:
    """Read a REDCap export with a change in its rows."""
    if not (folder / "redcap.csv").is_file():
        shutil.copytree(exports["REDCap"], folder, dirs_exist_ok=True)
    if change is not None:
        path = folder / "redcap.csv"
        rows = pd.read_csv(path, dtype="str", keep_default_na=False)
        change(rows).to_csv(path, index=False)
    return read_study(study_of(["redcap"]), folder, CONTRACT)


def sdtm(exports: dict[str, Path], folder: Path, changes: Mapping[str, Change]) -> SourceTables:
    """Read an SDTM export with changes in some of its domains."""
    shutil.copytree(exports["SDTM XPT"], folder, dirs_exist_ok=True)
    for domain, change in changes.items():
        path = folder / f"{domain}.xpt"
        changed = change(pyreadstat.read_xport(path)[0])
        pyreadstat.write_xport(changed, path, table_name=domain.upper(), file_format_version=5)
    return read_study(study_of(["sdtm"]), folder, CONTRACT)


def repairs(source: SourceTables) -> dict[str, int]:
    """Return how many rows each rule is told of."""
    rules = source.repairs["rule"].astype("str").str.partition(":")[0]
    return source.repairs.groupby(rules)["rows"].sum().to_dict()


def words_of(case: str) -> tuple[str, str]:
    """Return how a test names a case: as the folder, or within its own name."""
    return case, f"def test_{case.replace('-', '_')}_"


def test_every_case_has_a_test() -> None:
    if not CASES.is_dir():
        pytest.skip("the cases are not here")
    sources = [path.read_text(encoding="utf-8") for path in (ROOT / "tests").rglob("test_*.py")]
    named = {
        case.name
        for case in CASES.iterdir()
        if any(word in source for word in words_of(case.name) for source in sources)
    }
    assert named == {case.name for case in CASES.iterdir()}
    for test in TESTED_ELSEWHERE.values():
        path, name = test.split("::")
        tree = ast.parse((ROOT / path).read_text(encoding="utf-8"))
        assert name in {node.name for node in tree.body if isinstance(node, ast.FunctionDef)}, test


def test_16_redcap_dag_columns_that_redcap_adds_are_no_fields(
    exports: dict[str, Path], few: dict[str, pd.DataFrame], tmp_path: Path
) -> None:
    def with_columns(rows: pd.DataFrame) -> pd.DataFrame:
        rows.insert(4, "redcap_data_access_group", "site_a")
        rows.insert(5, "redcap_survey_identifier", "")
        return rows

    assert len(redcap(exports, tmp_path, with_columns).tables["subjects"]) == len(few["subjects"])


def test_17_redcap_dictionary_fault_is_read_or_refused_by_the_dictionarys_name(
    exports: dict[str, Path], few: dict[str, pd.DataFrame], tmp_path: Path
) -> None:
    shutil.copytree(exports["REDCap"], tmp_path, dirs_exist_ok=True)
    path = tmp_path / "redcap_dictionary.csv"
    plain = pd.read_csv(path, dtype="str", keep_default_na=False)
    of_api = plain.rename(columns=API)[list(API.values())]
    for content in (plain.to_csv(index=False, sep=";"), of_api.to_csv(index=False)):
        path.write_text(content, encoding="utf-8")
        assert len(redcap(exports, tmp_path).tables["subjects"]) == len(few["subjects"])
    accented = plain.to_csv(index=False).replace("Centre", "Hôpital")
    for damaged in (b"", accented.encode("latin-1")):
        path.write_bytes(damaged)
        with pytest.raises(UserError, match=r"redcap_dictionary\.csv"):
            redcap(exports, tmp_path)


def test_18_redcap_nonrepeating_row_with_fields_of_a_repeating_instrument_is_counted(
    exports: dict[str, Path], few: dict[str, pd.DataFrame], tmp_path: Path
) -> None:
    def moved(rows: pd.DataFrame) -> pd.DataFrame:
        fields = [name for name in rows if name.startswith("pl_")]
        at_baseline = rows["redcap_event_name"] == "baseline_arm_1"
        repeated = rows[at_baseline & (rows["redcap_repeat_instrument"] == "ctdna_samples")].head(5)
        for _, row in repeated.iterrows():
            once = at_baseline & (rows["record_id"] == row["record_id"])
            rows.loc[once & (rows["redcap_repeat_instrument"] == ""), fields] = row[fields].to_numpy()
        return rows.drop(index=repeated.index)

    source = redcap(exports, tmp_path, moved)
    assert len(source.tables["ctdna_samples"]) == len(few["ctdna_samples"]) - 5
    told = source.dropped.set_index("reason")["rows"]
    assert told["fields of ctdna_samples are filled in rows that its `keep` does not take"] == 5


def test_19_xpt_quadratic_four_times_the_rows_take_no_more_than_eight_times_as_long(tmp_path: Path) -> None:
    took = []
    for rows in (50_000, 200_000):
        frame = pd.DataFrame(
            {"USUBJID": ["HB-001"] * rows, "LBTESTCD": "ALT", "LBSTRESN": np.arange(rows) * 1.0}
        )
        pyreadstat.write_xport(frame, tmp_path / "lb.xpt", table_name="LB", file_format_version=5)
        start = time.process_time()
        assert len(read_xpt(tmp_path / "lb.xpt", "utf-8")) == rows
        took.append(time.process_time() - start)
    assert took[1] < 8 * max(took[0], 0.05), "16 times by the square"


def in_other_units(rows: pd.DataFrame) -> pd.DataFrame:
    """Give 20 diameters in cm, and another a reason of the site's own words."""
    measured = rows.index[(rows["TRTESTCD"] == "LDIAM") & rows["TRSTRESN"].notna()]
    rows.loc[measured[:20], "TRSTRESU"] = "cm"
    rows.loc[measured[:20], "TRSTRESN"] /= 10
    rows.loc[measured[20], ["TRSTRESN", "TRREASND"]] = [np.nan, "LESION NOT EVALUABLE DUE TO MOTION"]
    return rows


def in_months(rows: pd.DataFrame) -> pd.DataFrame:
    """Give the first age in months."""
    rows["AGEU"] = ["MONTHS", *["YEARS"] * (len(rows) - 1)]
    rows.loc[0, "AGE"] *= 12
    return rows


def below_limits(rows: pd.DataFrame) -> pd.DataFrame:
    """Give 20 results as below a limit, in text alone."""
    rows["LBSTRESC"] = rows["LBSTRESN"].map(lambda number: "" if pd.isna(number) else f"{number:g}")
    rows.loc[rows.index[rows["LBSTRESN"].notna()][:20], ["LBSTRESN", "LBSTRESC"]] = [np.nan, "<3"]
    return rows


def test_30_sdtm_units_are_read_beside_the_numbers_and_what_is_no_number_is_counted(
    exports: dict[str, Path], few: dict[str, pd.DataFrame], tmp_path: Path
) -> None:
    changes = {"tr": in_other_units, "dm": in_months, "lb": below_limits}
    source = sdtm(exports, tmp_path, changes)
    told = {"unit_converted": 21, "beyond_limit": 20, "recode_otherwise": 1}
    assert told.items() <= repairs(source).items()
    ages = source.tables["subjects"]["age_years"].astype(float)
    assert sorted(ages) == pytest.approx(sorted(few["subjects"]["age_years"]))
    sizes, written = source.tables["lesions"]["diameter_mm"].astype(float), few["lesions"]["diameter_mm"]
    assert len(sizes.dropna()) == len(written.dropna()) - 1
    assert written.dropna().min() <= sizes.min(), "a centimetre read as a millimetre would be smaller"
    assert sizes.max() <= written.max()
