"""A cohort in parts: which patients make a part changes no bit, however odd the patients are."""

import importlib
import os
import shutil
import signal
from collections.abc import Callable
from pathlib import Path

import pandas as pd
import pyarrow.parquet as pq
import pytest
import yaml

from features.assemble import LeakageError
from features.documents.study import with_defaults
from features.errors import UserError
from features.feature import FeatureError
from pipeline.project import parts
from pipeline.project.parts import appended, of_each, parts_of, read_part, read_tables_of, rows_of_a_part
from pipeline.project.stage import Run
from tests.features.tables import STUDY, table, trial
from tests.workspace import ROOT

N = 24
STAGES = ("cohort", "rules", "features")
Tables = dict[str, pd.DataFrame]
AT_ONCE, WORKERS = "PCR_PATIENTS_AT_ONCE", "PCR_WORKERS"


def as_drawn(tables: Tables) -> Tables:
    return tables


def of_few_patients(tables: Tables) -> Tables:
    """Leave rows of most kinds to one patient or two, each of another end of the cohort."""
    first, last = tables["subjects"]["usubjid"].min(), tables["subjects"]["usubjid"].max()
    of_last, of_both = {last}, {first, last}
    kept = {"lesions": of_last, "response": {first}, "imaging_features": of_both, "exposure": of_both}
    few = {name: frame[frame["usubjid"].isin(kept[name])] for name, frame in tables.items() if name in kept}
    samples = tables["ctdna_samples"]
    early = samples["visit"].isin(["baseline", "c2"]) | (samples["usubjid"] == last)
    scores = [
        {"usubjid": first, "visit": "baseline", "biomarker": "TMB", "value": 3.0},
        {"usubjid": last, "visit": "baseline", "biomarker": "CelTIL", "value": 0.5},
        {"usubjid": last, "visit": "c2", "biomarker": "TMB", "value": 1.0},
    ]
    return tables | few | {"ctdna_samples": samples[early], "biomarkers": table("biomarkers", scores)}


def without_variants(tables: Tables) -> Tables:
    return {name: frame for name, frame in tables.items() if name not in {"ctdna_variants", "lesions"}}


def study_in(folder: Path, tables: Tables, **features: object) -> Path:
    """Make a folder with the configurations and the raw tables of a study."""
    shutil.copytree(ROOT / "configs", folder / "configs")
    study = STUDY | {"features": STUDY["features"] | {"domains": [*STUDY["features"]["domains"], "tissue"]}}
    study["features"] |= features
    text = yaml.safe_dump(with_defaults(study), sort_keys=False)
    (folder / "configs/study.yaml").write_text(text, encoding="utf-8")
    raw = folder / "artifacts/nct07239271/raw"
    raw.mkdir(parents=True)
    for name, frame in tables.items():
        frame.to_parquet(raw / f"{name}.parquet", index=False, row_group_size=50)
    return folder


def run(stage: str, root: Path) -> None:
    module = importlib.import_module(f"pipeline.stages.{stage}")
    module.main(Run(module.STAGE, {}, root))


def written(root: Path) -> dict[str, bytes]:
    """Return what the stages have written, by name."""
    here = root / "artifacts/nct07239271"
    return {
        str(file.relative_to(here)): file.read_bytes()
        for file in sorted(here.rglob("*"))
        if file.is_file() and file.parent.name != "raw"
    }


@pytest.mark.parametrize(("change", "size"), [(of_few_patients, 3), (as_drawn, 7), (without_variants, N - 1)])
def test_parts_of_any_size_give_the_same_bytes(
    change: Callable[[Tables], Tables], size: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    root = study_in(tmp_path, change(trial(5, N)))
    found = []
    monkeypatch.setenv(WORKERS, "1")
    for at_once in (N, size):
        monkeypatch.setenv(AT_ONCE, str(at_once))
        for stage in STAGES:
            run(stage, root)
        found.append(written(root))
    assert len(found[0]) > 20
    assert {name for name in found[0] if found[0][name] != found[1].get(name)} == set()
    assert found[0].keys() == found[1].keys()


def test_several_processes_give_the_same_bytes_as_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    root = study_in(tmp_path, of_few_patients(trial(6, N)))
    monkeypatch.setenv(AT_ONCE, "9")
    found = []
    for workers in ("1", "2"):
        monkeypatch.setenv(WORKERS, workers)
        for stage in STAGES:
            run(stage, root)
        found.append(written(root))
    assert found[0] == found[1]


def test_a_feature_in_another_unit_in_another_part_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    tables = trial(7, N)
    scans = tables["imaging_features"]
    last = scans["usubjid"] == scans["usubjid"].max()
    tables["imaging_features"] = scans.assign(unit=scans["unit"].mask(last, "mL"))
    root = study_in(tmp_path, tables)
    monkeypatch.setenv(WORKERS, "1")
    for size in (N, 10):
        monkeypatch.setenv(AT_ONCE, str(size))
        run("cohort", root)
        with pytest.raises(FeatureError, match=r"recorded in 2 units \(cc, mL\)"):
            run("features", root)
    assert not (root / "artifacts/nct07239271/features").exists()


def test_a_state_that_stands_for_the_arm_is_found_though_no_part_shows_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    tables = trial(8, 60)
    control = set(tables["subjects"].loc[tables["subjects"]["arm"] == STUDY["arms"][0], "usubjid"])
    samples = tables["ctdna_samples"]
    tables["ctdna_samples"] = samples[~samples["usubjid"].isin(control)]
    root = study_in(tmp_path, tables)
    monkeypatch.setenv(WORKERS, "1")
    said = []
    for size in (60, 9):
        monkeypatch.setenv(AT_ONCE, str(size))
        run("cohort", root)
        with pytest.raises(LeakageError) as error:
            run("features", root)
        said.append(str(error.value))
    assert said[0] == said[1]


def test_a_part_is_read_from_any_row_groups(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    tables = trial(9, N)
    raw = study_in(tmp_path, tables) / "artifacts/nct07239271/raw"
    whole = read_tables_of(raw, parts_of(raw)[0])
    assert sum(map(len, whole.values())) == sum(map(len, tables.values()))
    monkeypatch.setenv(AT_ONCE, "7")
    read = [read_tables_of(raw, part) for part in parts_of(raw)]
    assert len(read) == 4
    for name, frame in whole.items():
        by = list(frame)
        bound = pd.concat([one[name] for one in read], ignore_index=True)
        left, right = (f.sort_values(by, ignore_index=True) for f in (bound, frame))
        pd.testing.assert_frame_equal(left, right)
    named = read_part(raw / "subjects.parquet", parts_of(raw)[1], ["usubjid", "arm"])
    assert list(named) == ["usubjid", "arm"]
    assert len(named) == 7


@pytest.mark.parametrize("rows", [1, 10, 25, 1000])
def test_a_table_is_the_same_bytes_however_its_rows_are_cut(
    rows: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(parts, "ROWS", 25)
    frame = trial(1, 20)["ctdna_samples"]
    with appended(tmp_path / "pieces.parquet") as writer:
        for start in range(0, len(frame), rows):
            writer.append(frame.iloc[start : start + rows])
    frame.reset_index(drop=True).to_parquet(tmp_path / "whole.parquet", index=False, row_group_size=25)
    assert (tmp_path / "pieces.parquet").read_bytes() == (tmp_path / "whole.parquet").read_bytes()
    assert pq.ParquetFile(tmp_path / "pieces.parquet").num_row_groups == len(frame) / 25


def test_a_row_group_of_a_raw_table_holds_about_a_part() -> None:
    assert rows_of_a_part(75_000, 20_000) is None
    assert rows_of_a_part(12_000_000, 1_000_000) == 240_000
    assert rows_of_a_part(7, 1_000_000) == 1


def test_a_table_without_rows_is_written_and_one_that_failed_is_not(tmp_path: Path) -> None:
    frame = trial(1, 2)["subjects"]
    with appended(tmp_path / "empty.parquet") as writer:
        writer.append(frame.iloc[:0])
        writer.append(frame.iloc[:0])
    pd.testing.assert_frame_equal(pd.read_parquet(tmp_path / "empty.parquet"), frame.iloc[:0])
    with pytest.raises(ZeroDivisionError), appended(tmp_path / "failed.parquet") as writer:
        writer.append(frame)
        raise ZeroDivisionError
    assert not (tmp_path / "failed.parquet").exists()


@pytest.mark.parametrize("name", [AT_ONCE, WORKERS])
def test_a_number_that_is_none_is_refused(name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    root = study_in(tmp_path, trial(1, 20))
    run("cohort", root)
    monkeypatch.setenv(name, "many")
    with pytest.raises(UserError, match=f"{name} is 'many'; it must be a whole number of at least 1"):
        run("features", root)


def _killed(number: int) -> None:
    os.kill(os.getpid(), signal.SIGKILL if number else signal.SIGCONT)


def test_a_killed_process_is_told_in_one_line(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(WORKERS, "2")
    with pytest.raises(UserError, match="was killed, as happens where memory does not suffice"):
        list(of_each(_killed, [0, 1]))
