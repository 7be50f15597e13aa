import json
import shutil
import subprocess
import sys
from pathlib import Path

import mlflow
import numpy as np
import pytest

from models.procedure.response_model import ResponseModel
from models.serving import serving
from models.serving.champions import CANDIDATE
from models.serving.records import Record
from models.serving.registry import (
    KEY_TAG,
    PENDING_TAG,
    Release,
    Store,
    ensure_run,
    ensure_version,
    finish_run,
)
from models.serving.serving import model_digest
from tests.patients import FEATURES, NAMES, SETTINGS, patients

# MLflow's own code meets deprecations of its dependencies.
pytestmark = pytest.mark.filterwarnings(
    "ignore::DeprecationWarning", "ignore::FutureWarning", "ignore::UserWarning"
)
ROW = {"arm": "A", "age_years": 50.0, "til_pct": 20.0, "ctdna_state": "negative"}


@pytest.fixture(scope="module")
def fitted() -> ResponseModel:
    frame, y = patients(150)
    return ResponseModel(FEATURES, SETTINGS, inner_folds=3, seed=1).fit(frame, y)


@pytest.fixture
def store(tmp_path: Path) -> Store:
    return Store(f"sqlite:///{tmp_path / 'mlflow.db'}", "pcr-test", tmp_path / "mlartifacts")


def model_folder(path: Path, fitted: ResponseModel, name: str) -> Path:
    path.mkdir()
    document = fitted.documents_[name] | {"landmark": "c2", "requirements": ["numpy", "pandas", "lightgbm"]}
    (path / "model.json").write_text(json.dumps(document))
    if fitted.boosters_[name]:
        (path / "booster.txt").write_text(str(fitted.boosters_[name]))
    shutil.copy(serving.__file__, path / "serving.py")
    return path


def record(key: str = "k1") -> Record:
    return Record(key, "run", {"a": "1"}, {"chosen.auc": 0.7}, {"study": "test"})


def test_the_same_state_twice_is_one_run(store: Store) -> None:
    with store.locked() as client:
        first, new = ensure_run(client, store, record())
        finish_run(client, first, "k1")
        again, added = ensure_run(client, store, record())
    assert (first == again, new, added) == (True, True, False)


def test_a_run_that_was_interrupted_is_finished(store: Store) -> None:
    with store.locked() as client:
        half, _ = ensure_run(client, store, record())
        whole, new = ensure_run(client, store, record())
        finish_run(client, whole, "k1")
        experiment = client.get_experiment_by_name("pcr-test").experiment_id
        runs = client.search_runs([experiment])
    assert new
    assert half == whole
    assert runs[0].data.params == {"a": "1"}
    assert [run.info.run_id for run in runs] == [whole]
    assert runs[0].data.tags[KEY_TAG] == "k1"
    assert PENDING_TAG not in runs[0].data.tags


@pytest.mark.parametrize("name", ["logistic", "lightgbm"])
def test_identical_content_is_one_version_and_it_predicts_like_the_pipeline_without_pickle(
    store: Store, fitted: ResponseModel, name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = model_folder(tmp_path / "model", fitted, name)
    with store.locked() as client:
        for key in ("k1", "k2"):
            run, _ = ensure_run(client, store, record(key))
            version, new = ensure_version(client, run, Release("pcr-test-c2", folder, {"study": "test"}, ROW))
            finish_run(client, run, key)
        versions = client.search_model_versions("name = 'pcr-test-c2'")
    assert (version, new, len(versions)) == ("1", False, 1)
    monkeypatch.setenv("MLFLOW_ALLOW_PICKLE_DESERIALIZATION", "false")
    loaded = mlflow.pyfunc.load_model(f"models:/pcr-test-c2@{CANDIDATE}")
    frame, _ = patients(30, seed=8, missing=0.0)
    answer = loaded.predict(frame[NAMES])
    expected = fitted.models_[name].probability(frame)
    assert answer["pcr_probability"].to_numpy(dtype=float) == pytest.approx(expected, abs=1e-9)


def test_the_digest_sees_every_file_of_the_model(fitted: ResponseModel, tmp_path: Path) -> None:
    folder = model_folder(tmp_path / "model", fitted, "lightgbm")
    before = model_digest(folder)
    with (folder / "booster.txt").open("a") as file:
        file.write("\n")
    assert model_digest(folder) != before


def test_a_model_runs_where_the_project_is_not(fitted: ResponseModel, tmp_path: Path) -> None:
    folder = model_folder(tmp_path / "model", fitted, "logistic")
    script = "import serving, pathlib, json; m = serving.read_model(pathlib.Path('.')); "
    script += f"print(m.predict([{ROW!r}])['pcr_probability'][0])"
    done = subprocess.run(
        [sys.executable, "-c", script], cwd=folder, capture_output=True, text=True, check=True
    )
    frame = patients(1)[0].assign(**ROW)
    assert float(done.stdout) == pytest.approx(fitted.models_["logistic"].probability(frame)[0], abs=1e-12)
    assert np.isfinite(float(done.stdout))
