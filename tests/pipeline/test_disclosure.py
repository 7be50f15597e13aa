"""What of single patients a run holds, and what somebody who has it can rebuild."""

import base64
import gzip
import json
import shutil
import zipfile
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import yaml

from models.explanation.disclosure import rebuildable
from models.procedure.response_model import ResponseModel
from models.serving.serving import PcrModel
from pipeline.commands.disclose import table
from pipeline.project.files import read_yaml
from pipeline.registry.disclosure import Known, Scanner, disclosures
from pipeline.registry.runs import landmark_record, track_state, tracking_store
from pipeline.registry.state import workspace_state
from tests.patients import FEATURES, SETTINGS, patients
from tests.registered_study import NAME, enter, write_study


def rebuilt_ages(model: PcrModel, shares: np.ndarray, row: pd.DataFrame) -> np.ndarray:
    """Return the age that each share of age is of, as whoever has the model can look it up."""
    grid = np.linspace(18, 100, 4001)
    rows = row.loc[row.index.repeat(len(grid))].assign(age_years=grid)
    place = model.features.index("age_years")
    looked_up = model.contributions(rows)[0][:, place]
    return grid[np.abs(looked_up[:, None] - shares[None]).argmin(axis=0)]


def test_shares_of_patients_give_their_values_away_to_whoever_has_the_model() -> None:
    frame, y = patients(400, seed=5, missing=0.0)
    model = ResponseModel(FEATURES, SETTINGS, inner_folds=3, seed=1).fit(frame, y).models_["logistic"]
    shares = model.contributions(frame)[0][:, model.features.index("age_years")]
    wrong = np.abs(rebuilt_ages(model, shares, frame.head(1)) - frame["age_years"].to_numpy())
    assert np.mean(wrong < 0.5) > 0.5
    mean_share = np.full(len(frame), shares.mean())
    guessed = np.abs(rebuilt_ages(model, mean_share, frame.head(1)) - frame["age_years"].to_numpy())
    assert np.mean(guessed < 0.5) < 0.1


def linear_shares(n: int = 400) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Return inputs and shares of a linear model, by id."""
    frame, y = patients(n, seed=5)
    model = ResponseModel(FEATURES, SETTINGS, inner_folds=3, seed=1).fit(frame, y).models_["logistic"]
    values = frame.set_index("usubjid")[model.features]
    return values, pd.DataFrame(model.contributions(frame)[0], index=values.index, columns=model.features)


def test_values_are_rebuilt_from_shares_and_not_from_what_is_public() -> None:
    values, shares = linear_shares()
    assert set(rebuildable(shares, values)) >= {"age_years", "til_pct", "arm"}
    public = pd.DataFrame({"group": shares["age_years"] * 0 + shares["age_years"].mean()})
    assert rebuildable(public, values) == {}
    noise = pd.DataFrame({"p": np.random.default_rng(1).random(len(values))}, index=values.index)
    assert rebuildable(noise, values) == {}


def test_every_kind_of_file_is_told_by_its_content(tmp_path: Path) -> None:
    values, shares = linear_shares()
    outcome = pd.Series(np.random.default_rng(2).integers(0, 2, len(values)), index=values.index)
    known = Known(pd.DataFrame({"outcome": outcome}), {"c1": values})
    shares.reset_index().to_parquet(tmp_path / "a.parquet")
    packed = base64.b64encode(values["age_years"].to_numpy().astype("<f4").tobytes()).decode()
    page = {"people": {"ids": [*values.index], "y": outcome.tolist()}, "inputs": [{"values": packed}]}
    (tmp_path / "b.html").write_text(f'<script type="application/json">{json.dumps(page)}</script>')
    (tmp_path / "c.json").write_text(json.dumps({"largest": float(values["til_pct"].max())}))
    (tmp_path / "d.json").write_text(json.dumps({"auc": 0.7123}))
    (tmp_path / "e.log").write_text(f"patient {values.index[3]} has no visit")
    told = {entry.place: entry for entry in Scanner(known).folder(tmp_path, "x")}
    assert told.keys() == {"x/a.parquet", "x/b.html", "x/c.json", "x/e.log"}
    assert {"age_years", "til_pct"} <= set(told["x/a.parquet"].rebuilt)
    assert (told["x/b.html"].outcomes, told["x/b.html"].inputs) == (True, ("age_years",))
    assert told["x/c.json"].extremes == ("til_pct",)
    assert (told["x/e.log"].ids, told["x/e.log"].of_single_patients) == (1, True)


def test_a_table_is_of_patients_by_its_values_and_what_is_damaged_is_named(tmp_path: Path) -> None:
    ids = [f"P-{number}" for number in range(30)]
    known = Known(pd.DataFrame({"outcome": [number % 2 for number in range(30)]}, index=ids), {})
    pd.DataFrame({"site": "S1", "person": ids, "z": known.patients["outcome"].to_numpy()}).to_csv(
        tmp_path / "a.csv", index=False
    )
    known.patients.rename_axis("person").to_parquet(tmp_path / "b.parquet")
    for name in ("c.parquet", "d.json.gz"):
        (tmp_path / name).write_bytes(b"no such format")
    told = {
        entry.place: (entry.ids, entry.outcomes, entry.readable)
        for entry in Scanner(known).folder(tmp_path, "x")
    }
    assert told == {
        "x/a.csv": (30, True, True), "x/b.parquet": (30, True, True),
        "x/c.parquet": (0, False, False), "x/d.json.gz": (0, False, False),
    }  # fmt: skip


def test_ids_are_found_in_words_names_and_other_letters_and_what_is_packed_is_named(tmp_path: Path) -> None:
    known = Known(pd.DataFrame({"outcome": [0, 1, 0]}, index=["P-1", "S_01/002", "Zürich 7"]), {})
    texts = {
        "end.txt": "seen was P-1.", "ending.txt": "see P-1.png", "more.txt": "P-11, AP-1, S_01/0022, 01/002",
        "composed.txt": "S_01/002, P-1", "escaped.json": json.dumps(["Zürich 7"]), "shap-P-1.svg": "",
        "shap-P-12.svg": "",
    }  # fmt: skip
    for name, text in texts.items():
        (tmp_path / name).write_text(text)
    (tmp_path / "sheet.txt").write_text("P-1", encoding="utf-16")
    (tmp_path / "P-1").mkdir()
    (tmp_path / "P-1/empty").touch()
    with zipfile.ZipFile(tmp_path / "book.xlsx", "w") as book:
        book.writestr("P.xml", "P-1")
    (tmp_path / "table.bin").write_bytes(gzip.compress(b"P-1"))
    told = {e.place[2:]: (e.ids, e.readable) for e in Scanner(known).folder(tmp_path, "x")}
    assert told == {
        "P-1/empty": (1, True), "book.xlsx": (0, False), "composed.txt": (2, True), "end.txt": (1, True),
        "ending.txt": (1, True), "escaped.json": (1, True), "shap-P-1.svg": (1, True), "sheet.txt": (1, True),
        "table.bin": (0, False),
    }  # fmt: skip


@pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::FutureWarning", "ignore::UserWarning")
def test_runs_without_their_files_and_ids_in_tags_are_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write_study(enter(tmp_path, monkeypatch))
    track_state(workspace_state("made-up"))
    store = tracking_store("made-up")
    with store.locked() as client:
        (parent, child) = sorted(
            client.search_runs([client.get_experiment_by_name(store.experiment).experiment_id]),
            key=lambda run: "mlflow.parentRunId" in run.data.tags,
        )
        client.set_tag(parent.info.run_id, "note", "P-1 was looked at")
        client.set_experiment_tag(parent.info.experiment_id, "mlflow.note.content", "without P-1")
        client.set_model_version_tag(NAME, "1", "reason", "asked for by P-1")
        client.delete_run(parent.info.run_id)
        shutil.rmtree(Path(child.info.artifact_uri.removeprefix("file://")))
    known = Known(pd.DataFrame({"outcome": [1]}, index=["P-1"]), {})
    told = {entry.place: entry for entry in disclosures(Path("artifacts/made-up"), store, known)}
    assert told[f"MLflow run {parent.info.run_name}, parameters and tags"].ids == 1
    assert told[f"MLflow {NAME} version 1, tags"].ids == 1
    assert told["MLflow pcr-made-up, tags"].ids == 1
    assert not told[f"MLflow run {child.info.run_name}"].readable
    shown = table([told[f"MLflow run {child.info.run_name}"]])
    assert [*shown.columns[1].cells] == ["not read"]


def test_single_patients_go_to_mlflow_only_where_the_study_allows_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    home = tmp_path / "home"
    home.mkdir()
    write_study(enter(home, monkeypatch))
    allowed = landmark_record(workspace_state("made-up"), "c1", "").artifacts
    assert {"predictions", "shap", "reports"} <= allowed.keys()
    study = yaml.safe_load((home / "configs/study.yaml").read_text())
    del study["single_patients_in_mlflow"]
    (home / "configs/study.yaml").write_text(yaml.safe_dump(study))
    private = landmark_record(workspace_state("made-up"), "c1", "").artifacts
    assert private.keys() == {"metrics", "figures"}
    path = home / "configs/report_pages.yaml"
    pages = read_yaml(path)
    pages["privacy"]["patient_view"] = False
    path.write_text(yaml.safe_dump(pages))
    public = landmark_record(workspace_state("made-up"), "c1", "").artifacts
    assert public.keys() == {"metrics", "figures", "reports"}
