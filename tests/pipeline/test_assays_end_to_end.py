"""A study with an assay through the real stages: learned, packed, explained, and scored from a file."""

import contextlib
import importlib
import json
import os
import re
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any
from unittest import mock

import numpy as np
import pandas as pd
import pytest

from features.errors import UserError
from models.serving.input_schema import assay_inputs, input_schema
from models.serving.serving import read_model
from pipeline.commands import scored_assays
from pipeline.commands.score import score
from pipeline.commands.scored_assays import with_matrices
from pipeline.project.stage import Run
from pipeline.service.settings import read_service_settings
from pipeline.service.tables import JSON
from pipeline.service.worker import answer_request
from pipeline.sources.assays import read_assays
from tests.cohort_campaign import SETTINGS, Odd, patients, study_of
from tests.in_process import write_study

GENES = [f"G{k}" for k in range(30)]
STAGES = ("raw", "cohort", "rules", "review", "features", "train", "resample", "package", "explain")
CHANGES: dict[str, Any] = {
    **SETTINGS,
    "configs/validation.yaml": {
        "leakage_alarm_auc": 0.999,
        "resampling": {"bootstrap": 4, "leave_centres_out": False},
    },
}


def run_stages(folder: Path, names: tuple[str, ...]) -> None:
    """Run stages of the study of a folder in this process, by one worker."""
    with contextlib.chdir(folder), mock.patch.dict(os.environ, {"PCR_WORKERS": "1"}):
        for name in names:
            module = importlib.import_module(f"pipeline.stages.{name}")
            items = {"landmark": "baseline"} if module.STAGE.items else {}
            module.main(Run(module.STAGE, items))


@pytest.fixture(scope="module", name="folder")
def _folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a study of 100 patients, ten of them without expression, run until it is explained."""
    made = tmp_path_factory.mktemp("assays")
    rng = np.random.default_rng(1)
    odd = Odd(100, 1, 0.4, "full", False, False, True, "nothing odd", False, False)
    frame = patients(odd, rng).assign(score=rng.normal(size=100))
    genes = rng.normal(size=(100, 30))
    genes[:, 0] += 2.0 * frame["pcr"].to_numpy(dtype=int)
    wide = pd.DataFrame(genes.round(4), columns=GENES)
    wide.insert(0, "ID", frame["id"])
    (made / "files").mkdir()
    frame.to_csv(made / "files/pat.csv", index=False)
    wide.iloc[:90].to_csv(made / "files/rna.csv", index=False)
    study = study_of(odd, frame)
    study["omics"] = {
        "rna": {
            "path": "rna.csv", "type": "expression", "visit": "baseline", "rows": "patients",
            "id": {"column": "ID"},
        }
    }  # fmt: skip
    write_study(made / "p", study, made / "files", CHANGES)
    run_stages(made / "p", STAGES)
    return made / "p"


def artifacts(folder: Path) -> Path:
    """Return the folder of the study's artifacts."""
    (found,) = (folder / "artifacts").iterdir()
    return found


def test_the_model_that_takes_the_assay_is_chosen_and_packed_in_readable_files(folder: Path) -> None:
    learning = json.loads((artifacts(folder) / "results/learning-baseline.json").read_text())
    assert learning["chosen"] in {"blocks", "late_fusion"}
    packed = artifacts(folder) / "models/baseline"
    assert {path.name for path in packed.iterdir()} == {"card.md", "model.json", "serving.py"}
    document = json.loads((packed / "model.json").read_text())
    assert document["blocks"]["blocks"]["rna"]["columns"] == sorted(f"rna:{gene}" for gene in GENES)
    assert set(document["serving"]["support"]["assays"]) == {"rna"}


def test_the_packed_model_predicts_from_its_folder_alone_for_patients_with_and_without_the_assay(
    folder: Path,
) -> None:
    model = read_model(artifacts(folder) / "models/baseline")
    rows = pd.read_parquet(artifacts(folder) / "features/baseline.parquet")
    wide = pd.read_parquet(artifacts(folder) / "features/omics/baseline.parquet")
    answers = model.predict(rows.merge(wide, on="usubjid"))
    lacking = [any(r["code"] == "no_assay" for r in reasons) for reasons in answers["reasons"]]
    assert sum(lacking) == 10
    assert answers["pcr_probability"].notna().all()


def test_rows_are_scored_from_a_file_with_the_columns_of_the_assay(folder: Path, tmp_path: Path) -> None:
    rows = pd.read_parquet(artifacts(folder) / "features/baseline.parquet")
    wide = pd.read_parquet(artifacts(folder) / "features/omics/baseline.parquet")
    both = rows.merge(wide, on="usubjid")
    both.to_parquet(tmp_path / "rows.parquet")
    packed, out = artifacts(folder) / "models/baseline", tmp_path / "answers.parquet"
    score(str(packed), None, tmp_path / "rows.parquet", None, out)
    p = read_model(packed).predict(both.drop(columns="usubjid"))["pcr_probability"].astype(float)
    np.testing.assert_allclose(pd.read_parquet(out)["pcr_probability"], p, atol=1e-12)


def test_contributions_out_of_fold_have_the_assay_as_a_whole_and_its_first_column(folder: Path) -> None:
    explained = pd.read_parquet(artifacts(folder) / "shap/baseline.parquet")
    assert explained.columns[-1] == "rna:*"
    summary = json.loads((artifacts(folder) / "shap/baseline.json").read_text())
    assert summary["assays"]["rna"][0]["column"] == "G0"
    assert {row["group"] for row in summary["domains"]} >= {"clinical", "rna"}


def scored(folder: Path, out: Path, **given: Path) -> pd.DataFrame:
    """Return what `pcr score` writes for rows and matrix files of a folder, in which the study stands."""
    with contextlib.chdir(folder):
        packed = artifacts(folder) / "models/baseline"
        score(str(packed), given.get("tables"), given.get("rows"), None, out, assays=given.get("assays"))
    return pd.read_parquet(out)


@pytest.fixture(name="rows")
def _rows(folder: Path, tmp_path: Path) -> pd.DataFrame:
    """Return the inputs without the assay's columns, as rows.parquet has them."""
    rows = pd.read_parquet(artifacts(folder) / "features/baseline.parquet")
    rows.to_parquet(tmp_path / "rows.parquet")
    return rows


def test_a_matrix_file_beside_the_rows_answers_as_columns_in_the_rows_do(
    folder: Path, rows: pd.DataFrame, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    wide = pd.read_parquet(artifacts(folder) / "features/omics/baseline.parquet")
    rows.merge(wide, on="usubjid").to_parquet(tmp_path / "both.parquet")
    expected = scored(folder, tmp_path / "a.parquet", rows=tmp_path / "both.parquet")
    source = next((folder / "data").glob("*/rna.csv")).parent
    found = scored(folder, tmp_path / "b.parquet", rows=tmp_path / "rows.parquet", assays=source)
    pd.testing.assert_frame_equal(found, expected)
    assert "rna: 90 of 100 rows have it" in capsys.readouterr().out


def test_one_patient_whose_every_feature_is_constant_is_scored_and_lacking_columns_are_told(
    folder: Path, rows: pd.DataFrame, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    one = pd.read_csv(next((folder / "data").glob("*/rna.csv")), dtype="str").iloc[:1]
    (tmp_path / "files").mkdir()
    one.drop(columns=["G3", "G4"]).to_csv(tmp_path / "files/rna.csv", index=False)
    everyone = scored(
        folder, tmp_path / "a.parquet", rows=tmp_path / "rows.parquet", assays=tmp_path / "files"
    )
    answer = everyone[everyone["usubjid"] == one["ID"].iloc[0]]
    assert answer["reasons"].str.contains("values are missing").all()
    others = everyone.drop(index=answer.index)
    assert others["reasons"].str.contains("no value of this assay").all()
    assert "rna: 1 of 100 rows have it; the file lacks 2 of the model's 30 columns" in (
        capsys.readouterr().out.replace("\n", " ")
    )
    assert len(rows) == len(everyone)


def test_what_was_reported_after_the_decision_is_not_seen_with_raw_tables(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    model = read_model(artifacts(folder) / "models/baseline")
    rows = pd.read_parquet(artifacts(folder) / "features/baseline.parquet")
    source = next((folder / "data").glob("*/rna.csv")).parent
    first = rows["usubjid"].iloc[0]
    reported = pd.DataFrame({"usubjid": rows["usubjid"], "batch": None, "platform": None})
    reported["reported"] = pd.Timestamp("2026-01-02").as_unit("us")
    reported["performed"] = pd.Series(pd.NaT, index=reported.index, dtype="datetime64[us]")

    def late(*args: Any, **kwargs: Any) -> Any:
        read = read_assays(*args, **kwargs)
        table = read["rna"]
        samples = reported.set_index("usubjid").loc[table.frame["usubjid"]].reset_index()
        return {"rna": replace(table, samples=samples)}

    monkeypatch.setattr(scored_assays, "read_assays", late)
    due = pd.Series(pd.Timestamp("2026-02-01"), index=rows["usubjid"]).dt.as_unit("us")
    due[first] = pd.Timestamp("2026-01-01")
    with contextlib.chdir(folder):
        beside = with_matrices(rows, model, source, due).set_index("usubjid")
    columns = [column for column in beside if str(column).startswith("rna:")]
    assert beside.loc[first, columns].isna().all()
    assert beside[columns].notna().all(axis=1).sum() == 89


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (lambda rows: rows.drop(columns="usubjid"), "no column usubjid"),
        (lambda rows: rows.assign(**{"rna:G0": 1.0}), "one of the two"),
        (lambda rows: rows.assign(usubjid="nobody"), "none of its 90 samples is of a patient"),
    ],
)
def test_rows_that_no_sample_can_join_are_refused(
    change: Callable[[pd.DataFrame], pd.DataFrame],
    said: str,
    folder: Path,
    rows: pd.DataFrame,
    tmp_path: Path,
) -> None:
    change(rows).to_parquet(tmp_path / "rows.parquet")
    source = next((folder / "data").glob("*/rna.csv")).parent
    with pytest.raises(UserError, match=said):
        scored(folder, tmp_path / "a.parquet", rows=tmp_path / "rows.parquet", assays=source)
    with pytest.raises(UserError, match="is no folder"):
        scored(folder, tmp_path / "a.parquet", rows=tmp_path / "rows.parquet", assays=tmp_path / "nowhere")


def test_the_service_takes_rows_with_the_assay_whatever_its_limit_of_other_columns(folder: Path) -> None:
    packed = artifacts(folder) / "models/baseline"
    document = json.loads((packed / "model.json").read_text())
    columns = assay_inputs(document)["rna"]
    limits = replace(read_service_settings(), max_columns=10, max_name_characters=4)
    room = limits.with_room_for(columns)
    row = dict.fromkeys(columns, 1.0) | {"usubjid": "P1"}
    body = json.dumps({"dataframe_records": [row]}).encode()
    answer = answer_request(read_model(packed), JSON, body, replace(room, max_name_characters=10))
    assert (answer.status, answer.rows) == (200, 1)
    refused = answer_request(read_model(packed), JSON, body, limits).refusal
    assert refused is not None
    assert refused["code"] == "too_many_columns"
    assert room.max_name_characters == max(map(len, columns))


def test_the_schema_says_what_cells_of_an_assay_hold_and_lists_its_columns_once(folder: Path) -> None:
    document = json.loads((artifacts(folder) / "models/baseline/model.json").read_text())
    schema = input_schema(document, "abc")
    assert schema["x-assays"] == {"rna": sorted(f"rna:{gene}" for gene in GENES)}
    ((pattern, cell),) = schema["patternProperties"].items()  # type: ignore[attr-defined]
    assert cell["type"] == ["number", "null"]
    assert all(re.search(pattern, column) for column in schema["x-assays"]["rna"])  # type: ignore[index]
    assert not any(re.search(pattern, name) for name in schema["properties"])  # type: ignore[attr-defined]
    del document["blocks"]
    assert {"patternProperties", "x-assays"}.isdisjoint(input_schema(document, "abc"))
