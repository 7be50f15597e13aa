"""A study with an assay through the real stages: learned, packed, explained, and scored from a file."""

import contextlib
import importlib
import json
import os
import re
import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any
from unittest import mock

import numpy as np
import pandas as pd
import pytest
import yaml
from scipy.special import logit

from features.errors import UserError
from models.evaluation.external import model_inputs
from models.monitoring.settings import MonitoringSettings
from models.packaging.reference import _by_the_others
from models.serving.input_schema import assay_inputs, input_schema
from models.serving.registry import Store
from models.serving.serving import read_model
from pipeline.commands import scored_assays
from pipeline.commands import update as updates
from pipeline.commands.monitor import Logs, monitor, monitored, written
from pipeline.commands.score import score
from pipeline.commands.scored_assays import with_matrices
from pipeline.commands.validate import print_validation
from pipeline.project.settings import read_settings
from pipeline.project.stage import Run
from pipeline.registry.runs import tracking_store
from pipeline.service.kept_logs import read_log
from pipeline.service.settings import read_service_settings
from pipeline.service.tables import JSON
from pipeline.service.worker import answer_request
from pipeline.sources.assays import read_assays
from tests.cohort_campaign import SETTINGS, Odd, study_of
from tests.cohort_campaign import patients as made_up
from tests.database import write_database
from tests.in_process import write_study
from tests.serving import ask, pcr_serve, register, send, server

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
    write_study(made / "p", with_files(made / "files", 1), made / "files", CHANGES)
    run_stages(made / "p", STAGES)
    return made / "p"


def with_files(
    folder: Path, seed: int, *, n: int = 100, responding: float = 1.0, dated: bool = False
) -> dict[str, Any]:
    """Write patients, and the expression of all but ten, to a new folder; return their study file.

    Of those who look like pCR the share `responding` has it.
    """
    rng = np.random.default_rng(seed)
    odd = Odd(n, 1, 0.4, "full", True, False, True, "nothing odd", False, False)
    frame = made_up(odd, rng).assign(score=rng.normal(size=n))
    genes = rng.normal(size=(n, 30))
    genes[:, 0] += 2.0 * frame["pcr"].to_numpy(dtype=int)
    wide = pd.DataFrame(genes.round(4), columns=GENES)
    wide.insert(0, "ID", frame["id"])
    frame["pcr"] = frame["pcr"].where(rng.random(n) < responding, 0)
    folder.mkdir()
    frame.to_csv(folder / "pat.csv", index=False)
    wide.iloc[: n - 10].to_csv(folder / "rna.csv", index=False)
    study = study_of(odd, frame)
    if dated:
        (surgery,) = study["mapping"]["tables"]["surgery"]
        surgery["columns"]["surgery_date"] = "date"
    study["omics"] = {
        "rna": {
            "path": "rna.csv", "type": "expression", "visit": "baseline", "rows": "patients",
            "id": {"column": "ID"},
        }
    }  # fmt: skip
    return study


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


def test_an_assay_on_another_scale_or_with_other_names_is_told_or_refused(
    folder: Path, rows: pd.DataFrame, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    rows.to_parquet(tmp_path / "rows.parquet")
    source = next((folder / "data").glob("*/rna.csv"))
    wide = pd.read_csv(source, index_col="ID")
    for values, told in (
        (wide, ""),
        (0.5 * wide, "values vary 0.5 times as much as in training"),
        (wide + 3, "standard deviations from those of training"),
    ):
        values.to_csv(tmp_path / "rna.csv")
        scored(folder, tmp_path / "a.parquet", rows=tmp_path / "rows.parquet", assays=tmp_path)
        printed = " ".join(capsys.readouterr().out.split())
        assert told in printed if told else "warning" not in printed
    wide.add_prefix("ENSG").to_csv(tmp_path / "rna.csv")
    with pytest.raises(UserError, match=r"rna.csv: none of the model's 30 columns of rna .* \(G0 is one\)"):
        scored(folder, tmp_path / "a.parquet", rows=tmp_path / "rows.parquet", assays=tmp_path)


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


@pytest.fixture(scope="module", name="later")
def _later(folder: Path) -> str:
    """Return the name of a study of later patients, whose file describes the matrix file, too."""
    study = with_files(folder / "data/later", 2) | {"study": "later", "source": "data/later"}
    (folder / "configs/studies/later.yaml").write_text(yaml.safe_dump(study, sort_keys=False))
    return "later"


@pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::FutureWarning", "ignore::UserWarning")
def test_an_update_of_a_registered_model_with_an_assay_is_a_candidate_that_scores(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    home = tmp_path / "home"
    shutil.copytree(folder, home)
    study = with_files(home / "data/rarer", 2, n=150, responding=0.5, dated=True)
    written = study | {"study": "rarer", "source": "data/rarer"}
    (home / "configs/studies/rarer.yaml").write_text(yaml.safe_dump(written, sort_keys=False))
    plan = yaml.safe_load((home / "configs/change_plan.yaml").read_text())
    agreed = plan | {"agreed": "2020-01-01", "decided_by": ["Board"], "max_intercept": 5.0}
    (home / "configs/change_plan.yaml").write_text(yaml.safe_dump(agreed))
    monkeypatch.chdir(home)
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "")
    monkeypatch.setenv("DVC_ROOT", str(home))
    write_database(home / "mlflow.db")
    packed = artifacts(home) / "models/baseline"
    name = read_model(packed).document["model"]
    register(tracking_store("odd"), name, packed)
    candidate = f"models:/{name}@candidate"
    before = read_model(packed)
    with pytest.raises(UserError, match="--assays FOLDER"):
        updates.update(candidate, "rarer", "baseline", None, "Board")
    updates.update(candidate, "rarer", "baseline", None, "Board", home / "data/rarer")
    assert f"{name} version 2 is the candidate now, from version 1" in capsys.readouterr().out
    rows = pd.read_parquet(artifacts(home) / "features/baseline.parquet")
    rows.to_parquet(tmp_path / "rows.parquet")
    source = next((home / "data").glob("odd/rna.csv")).parent
    score(candidate, None, tmp_path / "rows.parquet", None, tmp_path / "answers.parquet", assays=source)
    answers = pd.read_parquet(tmp_path / "answers.parquet")
    wide = pd.read_parquet(artifacts(home) / "features/omics/baseline.parquet")
    moved = logit(answers["pcr_probability"].astype(float)) - before.log_odds(rows.merge(wide, on="usubjid"))
    assert moved.std() == pytest.approx(0.0, abs=1e-9)
    assert moved.mean() < -0.5


def test_a_shift_of_an_assay_is_an_alarm_by_level_and_spread_and_its_absence_too(
    folder: Path, tmp_path: Path
) -> None:
    model = read_model(artifacts(folder) / "models/baseline")
    rows = pd.read_parquet(artifacts(folder) / "features/baseline.parquet")
    drawn = np.random.default_rng(7).choice(100, 300)
    frame = rows.iloc[drawn].reset_index(drop=True)
    genes = [f"rna:{gene}" for gene in GENES]
    values = np.random.default_rng(8).normal(size=(300, 30))
    values[:, 0] += 2.0 * np.random.default_rng(9).binomial(1, 0.4, 300)
    values[:30] = np.nan
    watch = read_settings(MonitoringSettings, Path("configs/monitoring.yaml"))

    def alarms(values: np.ndarray) -> set[str]:
        given = frame.assign(**dict(zip(genes, values.T, strict=True)))
        y = np.random.default_rng(10).binomial(1, model.probability(given)).astype(float)
        found = monitored(model, given, y, watch, read_log(None))
        assert {"rna: level", "rna: spread"} <= set(found.watched.inputs)
        page = written(found, model, watch)
        assert "rna: level" in str(page[2])
        return {alarm.detail for alarm in found.watched.alarms if alarm.kind == "drift"}

    assert not any(name.startswith("rna") for name in alarms(values))
    assert "rna: level" in alarms(values + 1.0)
    assert alarms(values * 1.5) & {"rna: spread"}
    lacking = values.copy()
    lacking[100:] = np.nan
    assert "rna: level" in alarms(lacking)


def test_training_patients_are_standardised_by_the_others_and_look_like_those_to_come() -> None:
    rng = np.random.default_rng(11)
    values = rng.normal(3.0, 2.0, size=(40, 400))
    values[3, 5] = np.nan
    values[:, 7] = np.r_[1.0, np.zeros(39)]
    mean, scale = np.nanmean(values, axis=0), np.nanstd(values, axis=0)
    found = _by_the_others((values - mean) / scale)
    for place in (0, 3):
        others = np.delete(values, place, axis=0)
        deviation = np.nanstd(others, axis=0)
        expected = np.full(400, np.nan)
        np.divide(
            values[place] - np.nanmean(others, axis=0), deviation, out=expected, where=deviation > 1e-12
        )
        np.testing.assert_allclose(found[place], expected, rtol=1e-6)
    new = (rng.normal(3.0, 2.0, size=(500, 400)) - mean) / scale
    kept = np.arange(400) != 7
    spread = np.sqrt((new[:, kept] ** 2).mean(axis=1))
    assert np.sqrt(np.nanmean(found[:, kept] ** 2, axis=1)).mean() == pytest.approx(spread.mean(), rel=0.01)


def test_later_patients_are_judged_with_their_assays_and_never_without(
    folder: Path, later: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    packed, source = str(artifacts(folder) / "models/baseline"), folder / "data/later"
    with contextlib.chdir(folder):
        print_validation(packed, later, "baseline", None, "none", tmp_path / "v.json", source)
        with pytest.raises(UserError, match=r"takes assays \(rna\).*--assays FOLDER"):
            print_validation(packed, later, "baseline", None, "none", None)
        monitor(packed, later, "baseline", None, Logs(), tmp_path / "page.html", source)
    measures = json.loads((tmp_path / "v.json").read_text())["measures"]
    assert measures["auc"]["low"] > 0.6
    told = capsys.readouterr().out
    assert "rna: 90 of 100 rows have it" in told
    assert "100 outcomes, 40 with pCR" in told
    assert "Update by the closed test: " in told


def test_an_update_takes_the_matrix_files_and_an_assay_is_a_domain_of_its_own(
    folder: Path, later: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    given: dict[str, pd.DataFrame] = {}

    def update_on(*args: Any) -> None:
        given.update(rows=args[3], outcomes=args[4])

    monkeypatch.setattr(updates, "update_on", update_on)
    monkeypatch.setattr(updates, "REGISTERED", "")
    packed = artifacts(folder) / "models/baseline"
    plan = folder / "configs/change_plan.yaml"
    agreed = {"agreed": "2020-01-01", "decided_by": ["Board"]}
    plan.write_text(yaml.safe_dump(yaml.safe_load(plan.read_text()) | agreed))
    with contextlib.chdir(folder):
        updates.update(str(packed), later, "baseline", None, "Board", folder / "data/later")
    model = read_model(packed)
    frame = model_inputs(given["rows"], model)[0]
    y = given["outcomes"]["outcome"].to_numpy(dtype=float)
    watch = read_settings(MonitoringSettings, Path("configs/monitoring.yaml"))
    with_assay = monitored(model, frame, y, watch, read_log(None))
    hidden = frame.assign(**dict.fromkeys([f"rna:{gene}" for gene in GENES], np.nan))
    without = monitored(model, hidden, y, watch, read_log(None))
    told = [sum(abs(w.observed - w.expected) for w in each.windows) for each in (with_assay, without)]
    assert told[0] != told[1]
    assert with_assay.update is not None


# MLflow's own code meets deprecations of its dependencies.
@pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::FutureWarning", "ignore::UserWarning")
def test_a_row_with_the_columns_of_the_assay_is_answered_over_http(folder: Path) -> None:
    uri = f"sqlite:///{folder / 'mlflow.db'}"
    write_database(folder / "mlflow.db")
    packed = artifacts(folder) / "models/baseline"
    register(Store(uri, "pcr-odd", folder / "mlartifacts"), "pcr-odd-baseline", packed)
    rows = pd.read_parquet(artifacts(folder) / "features/baseline.parquet").head(3)
    wide = pd.read_parquet(artifacts(folder) / "features/omics/baseline.parquet")
    both = rows.merge(wide, on="usubjid").drop(columns="usubjid")
    both.loc[2, wide.columns.drop("usubjid")] = np.nan
    expected = read_model(packed).probability(both)
    records = json.loads(both.to_json(orient="records", double_precision=15))
    with server(pcr_serve("models:/pcr-odd-baseline@candidate"), folder, uri, folder / "serve.log") as port:
        answers = ask(port, {"dataframe_records": records})
        bad = json.dumps({"dataframe_records": [records[0] | {"rna:G0": "much"}]}).encode()
        status, body = send(port, bad, "application/json")
    assert [answer["pcr_probability"] for answer in answers] == pytest.approx(expected, abs=1e-9)
    assert [reason["code"] for reason in answers[2]["reasons"]] == ["no_assay"]
    (rejected,) = json.loads(body)["predictions"]
    assert (status, rejected["status"]) == (200, "rejected")
    assert "much" not in body.decode()
