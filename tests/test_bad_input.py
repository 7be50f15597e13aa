"""Every wrong input ends in one clear message, exit code 1, and nothing changed."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
import yaml

from tests.workspace import Workspace, content

pytestmark = pytest.mark.line
Tables = dict[str, pd.DataFrame]
MAPPED: dict[str, dict[str, str]] = {
    "subjects": {"arm": "ARM", "consent_date": "CONSENT", "age_years": "AGE"},
    "surgery": {"performed": "DONE", "surgery_date": "OPDATE", "yp_t": "YPT", "yp_n": "YPN"},
    "ctdna_samples": {
        "sample_id": "SAMPLE", "visit": "VISIT", "draw_date": "DRAW", "qc": "QC", "mean_vaf": "VAF",
    },
}  # fmt: skip


def valid_tables(n: int = 40) -> Tables:
    ids = [f"S{i:03d}" for i in range(n)]
    return {
        "subjects": pd.DataFrame({"ID": ids, "ARM": "ADAPTIVE", "CONSENT": "2026-01-10", "AGE": 50}),
        "surgery": pd.DataFrame(
            {
                "ID": ids,
                "DONE": "Y",
                "OPDATE": "2026-07-01",
                "YPT": ["ypT0", "ypT1"] * (n // 2),
                "YPN": "ypN0",
            }
        ),
        "ctdna_samples": pd.DataFrame(
            {"ID": ids, "SAMPLE": [f"X{i}" for i in range(n)], "VISIT": "baseline", "DRAW": "2026-01-12"}
            | {"QC": "pass", "VAF": 0.02}
        ),
    }


def study_file(base: dict[str, Any]) -> dict[str, Any]:
    mapping = {
        "patients": "subjects",
        "files": {name: {"path": f"{name}.csv", "id": {"column": "ID"}} for name in MAPPED},
        "tables": {name: [{"file": name, "columns": columns}] for name, columns in MAPPED.items()},
    }
    return base | {
        "study": "tiny", "simulated": False, "simulations": [], "source": "data/tiny", "mapping": mapping,
        "rules": "none", "adaptive_arm": None, "outcome": base["outcome"] | {"sensitivity": []},
    }  # fmt: skip


@pytest.fixture(scope="module")
def workspace(tmp_path_factory: pytest.TempPathFactory) -> Workspace:
    workspace = Workspace(tmp_path_factory.mktemp("bad"))
    document = study_file(workspace.read("configs/study.yaml"))
    (workspace.folder / "configs/studies/tiny.yaml").write_text(yaml.safe_dump(document))
    (workspace.folder / "artifacts/tiny").mkdir(parents=True)
    (workspace.folder / "artifacts/tiny/former.txt").write_text("a former result")
    return workspace


def cell(table: str, column: str, value: object, rows: int = 1) -> Callable[[Tables], None]:
    def change(tables: Tables) -> None:
        tables[table] = tables[table].astype({column: object})
        tables[table].loc[: rows - 1, column] = value

    return change


def duplicate(tables: Tables) -> None:
    tables["surgery"] = pd.concat([tables["surgery"], tables["surgery"].head(2)])


def stray_sample(tables: Tables) -> None:
    tables["subjects"] = tables["subjects"].iloc[1:]
    tables["surgery"] = tables["surgery"].iloc[1:]


FAULTS: dict[str, tuple[Callable[[Tables], None], list[str]]] = {
    "a level outside the contract": (cell("surgery", "YPT", "pT0"), ["surgery", "yp_t", "S000"]),
    "an arm that the study has not": (cell("subjects", "ARM", "PLACEBO"), ["subjects", "arm", "S000"]),
    "a value out of range": (cell("subjects", "AGE", 500), ["subjects", "age_years", "S000"]),
    "a fraction given in per cent": (cell("ctdna_samples", "VAF", 25), ["ctdna_samples", "mean_vaf", "S000"]),
    "text where a number belongs": (cell("subjects", "AGE", "fifty"), ["subjects", "age_years", "S000"]),
    "duplicate keys": (duplicate, ["surgery", "duplicate", "S000", "S001"]),
    "plasma before consent": (cell("ctdna_samples", "DRAW", "2025-12-01"), ["draw_date", "consent_date"]),
    "plasma after surgery": (cell("ctdna_samples", "DRAW", "2026-08-01"), ["draw_date", "surgery_date"]),
    "an outcome with one class": (cell("surgery", "YPT", "ypT1", rows=40), ["outcome"]),
    "nobody with an outcome": (cell("surgery", "YPT", "ypTX", rows=40), ["outcome"]),
}


def refused(workspace: Workspace, folder: Path, *arguments: str) -> str:
    """Run, expect a refusal that changes nothing, and return the message."""
    before = workspace.state()
    done = workspace.pcr_here("run", *(arguments or ("--study", "tiny", "--source", str(folder))), expect=1)
    assert "Traceback" not in done.stderr
    assert "Error:" in done.stderr
    assert workspace.state() == before
    return str(done.stderr)


def written(tables: Tables, folder: Path) -> Path:
    for name, frame in tables.items():
        frame.to_csv(folder / f"{name}.csv", index=False)
    return folder


@pytest.mark.parametrize("fault", FAULTS)
def test_a_fault_in_the_data_is_named_with_table_column_and_ids(
    workspace: Workspace, tmp_path: Path, fault: str
) -> None:
    change, words = FAULTS[fault]
    tables = valid_tables()
    change(tables)
    message = refused(workspace, written(tables, tmp_path))
    assert all(word in message for word in words), message
    assert not any(value in message for value in ("fifty", "500", "2025-12-01"))


def test_valid_data_pass_the_same_check(workspace: Workspace, tmp_path: Path) -> None:
    done = workspace.pcr_here("check", "--study", "tiny", "--source", str(written(valid_tables(), tmp_path)))
    assert "no errors" in done.stdout


def test_all_problems_are_listed_at_once_in_refused_csv(workspace: Workspace, tmp_path: Path) -> None:
    tables = valid_tables()
    cell("subjects", "AGE", 500)(tables)
    cell("surgery", "YPT", "pT0")(tables)
    refused(workspace, written(tables, tmp_path))
    listed = pd.read_csv(workspace.folder / "artifacts/tiny/refused.csv")
    assert {("subjects", "age_years"), ("surgery", "yp_t")} <= set(
        zip(listed["table"], listed["column"], strict=True)
    )


def test_a_missing_file_a_missing_column_and_an_unreadable_workbook_are_named(
    workspace: Workspace, tmp_path: Path
) -> None:
    folder = written(valid_tables(), tmp_path)
    (folder / "surgery.csv").rename(folder / "elsewhere.csv")
    assert "surgery.csv" in refused(workspace, folder)
    valid_tables()["surgery"].drop(columns="YPT").to_csv(folder / "surgery.csv", index=False)
    message = refused(workspace, folder)
    assert "surgery.csv" in message
    assert "YPT" in message
    document = yaml.safe_load((workspace.folder / "configs/studies/tiny.yaml").read_text())
    document["mapping"]["files"]["surgery"] = {
        "path": "surgery.xlsx",
        "sheet": "Sheet1",
        "id": {"column": "ID"},
    }
    (workspace.folder / "configs/studies/sheet.yaml").write_text(
        yaml.safe_dump(document | {"study": "sheet", "source": "data/sheet"})
    )
    (folder / "surgery.xlsx").write_text("this is no workbook")
    assert "surgery.xlsx" in refused(workspace, folder, "--study", "sheet", "--source", str(folder))


def test_an_empty_cohort_is_refused(workspace: Workspace, tmp_path: Path) -> None:
    folder = written({name: frame.iloc[:0] for name, frame in valid_tables().items()}, tmp_path)
    assert "subjects" in refused(workspace, folder)


def test_an_unknown_study_is_answered_with_the_known_ones(workspace: Workspace, tmp_path: Path) -> None:
    message = refused(workspace, tmp_path, "--study", "nosuch")
    assert "nosuch" in message
    assert "ispy2" in message


def test_an_unknown_landmark_in_a_study_file_is_named(workspace: Workspace, tmp_path: Path) -> None:
    document = workspace.read("configs/studies/tiny.yaml")
    document |= {"study": "odd", "landmarks": ["baseline", "c9"]}
    (workspace.folder / "configs/studies/odd.yaml").write_text(yaml.safe_dump(document))
    assert "c9" in refused(workspace, tmp_path, "--study", "odd", "--source", str(tmp_path))


def test_a_study_without_its_files_is_told_to_give_them(workspace: Workspace, tmp_path: Path) -> None:
    assert "SOURCE" in refused(workspace, tmp_path, "--study", "ispy2")


def test_an_edited_active_study_is_not_overwritten(workspace: Workspace, tmp_path: Path) -> None:
    active = workspace.folder / "configs/study.yaml"
    with content(active, active.read_text().replace("landmark: c2", "landmark: c4")):
        told = refused(workspace, written(valid_tables(), tmp_path))
    assert (
        "configs/study.yaml was edited, but configs/studies/nct07239271.yaml is the file that counts" in told
    )
    assert "-primary.landmark: c2\n+primary.landmark: c4" in told
    assert "To keep the edit: cp configs/study.yaml configs/studies/nct07239271.yaml" in told


def test_a_stage_that_fails_leaves_the_former_results(workspace: Workspace) -> None:
    with content(workspace.folder / "configs/simulation.yaml", "seed: ["):
        assert "simulation.yaml" in refused(workspace, workspace.folder, "--study", "nct07239271")
