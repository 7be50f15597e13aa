"""The record of results: every number a row, exported, compared, and read by R."""

import json
import shutil
import subprocess
from datetime import datetime
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from features.errors import UserError
from pipeline.commands.ard import filtered, tell_differences, write_record
from pipeline.project.files import write_json
from pipeline.record.export import analysis_results, dataset_json
from pipeline.record.result_rows import KEY
from pipeline.record.rows import differences, record

ONE = {"value": 0.7, "low": 0.6, "high": 0.8}
ROWS = [
    {"population": "treated", "group": "A", "level": "cycle 2", "measure": "ejection_fraction",
     "method": "median, quartiles", "value": 62.0, "low": 60.0, "high": 64.0, "n": 9},
    {"population": "observed", "group": "B - A", "level": "", "measure": "risk_ratio", "method": "Katz",
     "error": "an arm has no events"},
]  # fmt: skip
SOURCES = {
    "results/c2.json": {
        "chosen@A": {"n": {"value": 40}, "events": {"value": 9}, "auc": ONE | {"scaled": 0.4}}
    },
    "results/subgroups-c2.json": {"hr": {"pos": {"n": {"value": 12}, "auc": ONE}}},
    "results/size.json": {"c2": {"development": {"n": 40, "needed": 900, "enough": False}}},
    "results/efficacy.json": {"rows": ROWS},
    "metrics/comparison.json": {"primary": {"declared": {"landmark": "c2"}, "result": ONE}},
}


@pytest.fixture
def whole(tmp_path: Path) -> pd.DataFrame:
    for name, content in SOURCES.items():
        (tmp_path / name).parent.mkdir(exist_ok=True)
        write_json(tmp_path / name, content)
    return record(tmp_path, "toy", ["c2"], 0.95, {"results/c2.json": "judge"}, "abc")


def test_every_number_is_a_row_with_its_place_and_no_two_rows_have_the_same(whole: pd.DataFrame) -> None:
    assert len(whole) == 11
    assert not whole.duplicated(KEY).any()
    (auc,) = whole.query("file == 'results/c2.json' and measure == 'auc'").to_dict("records")
    assert (auc["landmark"], auc["model"], auc["group"], auc["stage"]) == ("c2", "chosen", "A", "judge")
    assert (auc["value"], auc["low"], auc["n"], auc["events"], auc["state_key"]) == (0.7, 0.6, 40, 9, "abc")
    assert whole.query("measure == 'auc.scaled'")["value"].item() == 0.4


def test_what_is_no_number_is_no_row_and_a_reason_is_one(whole: pd.DataFrame) -> None:
    assert whole.query("measure == 'enough' or measure == 'landmark'").empty
    (ratio,) = whole.query("measure == 'risk_ratio'").to_dict("records")
    assert ratio["error"] == "an arm has no events"
    assert pd.isna(ratio["value"])


AGES = {"median": 50.0, "q25": 40.0, "q75": 60.0, "n": 39}
SIZE = {"mean_abs": 0.3, "mean_low": 0.2, "mean_high": 0.4, "share": 0.5, "low": 0.4, "high": 0.6}
R1 = {"node": "c2", "branch": "R1", "n": 20, "events": 9, "value": 0.45, "low": 0.3, "high": 0.6}
DOCUMENTS: dict[str, Any] = {
    "results/size.json": {"c2": {"n": 40}},
    "cohort/flow.json": {"pcr": 9, "landmarks": {"c2": {"at_risk": 40, "by_arm": {"A": 40}}}},
    "description.json": {
        "table_one": {
            "landmark": "c2",
            "rows": [
                {"feature": "age", "level": None, "unit": "years", "cells": {"A": AGES}},
                {"feature": "hr", "level": "pos", "unit": "", "cells": {"A": {"count": 12, "n": 40}}},
            ],
        },
        "branches": [R1],
        "used": {"versions": {"numpy": "2.0"}},
    },
    "features/c2.json": {
        "late": [
            {"table": "labs", "visit": "c1", "reason": "reported_late", "rows": 3},
            {"table": "labs", "visit": "c2", "reason": "reported_late", "rows": 4},
        ]
    },
    "shap/c2.json": {
        "biology": [{"group": "HER2"} | SIZE],
        "features": [{"feature": "age", "mean_abs": 0.1, "low": 0.05, "high": 0.2, "share": 0.9}],
        "clusters": [{"features": ["age", "ecog"], "correlation": 0.4}],
        "curves": {"age": [{"x": 1, "fit": 0.1}]},
    },
}  # fmt: skip


def test_what_pages_tell_beside_results_is_named_by_its_texts_and_has_its_own_interval(
    tmp_path: Path,
) -> None:
    for name, content in DOCUMENTS.items():
        (tmp_path / name).parent.mkdir(exist_ok=True)
        write_json(tmp_path / name, content)
    (tmp_path / "review").mkdir()
    (tmp_path / "review/branches.csv").write_text("node,branch,in_force,other\nc2,R1,7,\n")
    made = record(tmp_path, "toy", ["c2"], 0.95, {"shap": "explain", "description.json": "describe"}, "")
    assert not made.duplicated(KEY).any()
    rows = made.set_index(["file", "group", "measure"])[["value", "low", "high", "n", "landmark", "stage"]]
    rows = rows.astype(object).where(rows.notna(), None)
    told = {key: tuple(row) for key, row in zip(rows.index, rows.to_numpy(), strict=True)}
    one, shap = "description.json", "shap/c2.json"
    assert told["cohort/flow.json", "landmarks / by_arm", "A"] == (40, None, None, None, "c2", "")
    assert told[one, "table_one / rows / age / cells / A", "median"] == (50, 40, 60, 39, "c2", "describe")
    assert told[one, "table_one / rows / hr / pos / cells / A", "count"] == (
        12,
        None,
        None,
        40,
        "c2",
        "describe",
    )
    assert told[one, "branches / c2 / R1", "value"] == (0.45, 0.3, 0.6, 20, "", "describe")
    assert told["features/c2.json", "late", "reported_late"][0] == 7
    assert told["review/branches.csv", "c2 / R1", "in_force"][0] == 7
    assert ("review/branches.csv", "c2 / R1", "other") not in told
    assert told[shap, "biology / HER2", "mean_abs"][:3] == (0.3, 0.2, 0.4)
    assert told[shap, "biology / HER2", "share"][:3] == (0.5, 0.4, 0.6)
    assert told[shap, "features / age", "mean_abs"] == (0.1, 0.05, 0.2, None, "c2", "explain")
    assert told[shap, "features / age", "share"][1] is None, "the interval is that of the mean"
    assert told[shap, "clusters / age, ecog", "correlation"][0] == 0.4
    assert told[shap, "clusters", "number"][0] == 1
    assert not [key for key in told if "curves" in key[1] or "numpy" in key[2]]


def test_without_results_there_is_no_record(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="run `pcr run` first"):
        record(tmp_path, "toy", [], 0.95, {}, "")


def test_quartiles_are_exported_as_quartiles_and_limits_as_limits(whole: pd.DataFrame) -> None:
    results = analysis_results(whole)
    names = results.groupby(["SRCFILE", "PARAM"])["STATNAME"].agg(list)
    assert names["results/efficacy.json", "ejection_fraction"] == ["median", "p25", "p75", "N"]
    assert names["results/c2.json", "auc"] == ["estimate", "conf.low", "conf.high", "conf.level", "N", "n"]
    (reason,) = results.query("PARAM == 'risk_ratio'").to_dict("records")
    assert reason["REASON"] == "an arm has no events"


def test_dataset_json_has_as_many_cells_as_columns_and_as_many_rows_as_it_says(whole: pd.DataFrame) -> None:
    told = dataset_json(analysis_results(whole), datetime(2026, 1, 2, 3, 4, 5))  # noqa: DTZ001
    assert told["datasetJSONCreationDateTime"] == "2026-01-02T03:04:05"
    assert told["records"] == len(told["rows"])
    assert {len(row) for row in told["rows"]} == {len(told["columns"])}
    assert None in {cell for row in told["rows"] for cell in row}


def test_two_states_differ_by_what_changed_beyond_rounding_and_by_what_came_and_went(
    whole: pd.DataFrame,
) -> None:
    assert differences(whole, whole.assign(state_key="other")).empty
    assert differences(whole, whole.assign(value=whole["value"] * (1 + 1e-12))).empty
    other = whole.iloc[1:].copy()
    other.loc[other["measure"] == "needed", "value"] = 901
    other.loc[other["measure"] == "risk_ratio", "error"] = "another reason"
    found = differences(whole, other)
    assert found["change"].value_counts().to_dict() == {"changed": 2, "gone": 1}
    assert tell_differences(whole, other, "other") == 3


def test_filters_choose_rows_and_an_unknown_column_is_refused(whole: pd.DataFrame) -> None:
    assert filtered(whole, {"measure": "auc", "file": "subgroups"})["group"].to_list() == ["hr / pos"]
    with pytest.raises(UserError, match="colour is unknown"):
        filtered(whole, {"colour": "red"})


def test_the_record_comes_back_from_parquet_as_it_was(whole: pd.DataFrame, tmp_path: Path) -> None:
    write_record(whole, tmp_path / "ard")
    assert differences(whole, pd.read_parquet(tmp_path / "ard" / "ard.parquet")).empty
    table = pd.read_csv(tmp_path / "ard" / "ard.csv")
    stored = json.loads((tmp_path / "ard" / "ard.json").read_text())
    assert table["STAT"].to_numpy() == pytest.approx(
        [float("nan") if row[11] is None else row[11] for row in stored["rows"]], nan_ok=True
    )


@pytest.mark.skipif(shutil.which("Rscript") is None, reason="R is not installed")
def test_r_reads_the_dataset_with_its_numbers(whole: pd.DataFrame, tmp_path: Path) -> None:
    write_record(whole, tmp_path)
    script = (
        'd <- jsonlite::fromJSON("ard.json"); r <- as.data.frame(d$rows); names(r) <- d$columns$name; '
        "cat(nrow(r) == d$records, sum(as.numeric(r$STAT), na.rm = TRUE))"
    )
    done = subprocess.run(
        ["Rscript", "--vanilla", "-e", script], cwd=tmp_path, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    equal, total = done.stdout.split()
    assert equal == "TRUE"
    assert float(total) == pytest.approx(analysis_results(whole)["STAT"].sum())
