import json
import subprocess
import sys
import time
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from models.procedure.landmark_features import as_documents
from models.procedure.resampling import TaskResult
from pipeline.project.checkpoints import FOLDER, TaskStore, run_digest
from tests.patients import FEATURES, SETTINGS, patients

ROOT = Path(__file__).parents[2]

# Cross-validates with a store in the folder argv[1], and waits for its end at task argv[2].
RUN = """
import hashlib, json, sys, time
from dataclasses import asdict
from pathlib import Path
import pipeline
from models.procedure.landmark_features import as_documents
from models.procedure.response_model import ResponseModel
from models.procedure.resampling import cross_validate
from models.procedure.splits import outcome_strata, stratified_splits
from pipeline.project.checkpoints import TaskStore, run_digest
from tests.patients import FEATURES, SETTINGS, patients

frame, y = patients(120)
splits = stratified_splits(outcome_strata(y, frame["arm"]), folds=3, repeats=2, seed=11)
fitted = []

def procedures(seed):
    if seed == splits[int(sys.argv[2])].seed and sys.argv[3] == "wait":
        time.sleep(600)
    fitted.append(seed)
    return [ResponseModel(FEATURES, SETTINGS, 3, seed)]

def digest(store):
    results = cross_validate(procedures, frame, y, splits, workers=1, store=store)
    text = json.dumps([[r.fits, {m: p.tobytes().hex() for m, p in r.predictions.items()}] for r in results])
    return hashlib.sha256(text.encode()).hexdigest()

run = run_digest({"frame": frame, "y": y, "features": as_documents(FEATURES), "settings": asdict(SETTINGS)})
resumed = digest(TaskStore(Path(sys.argv[1]), run))
refitted = len(fitted)
print(json.dumps({"resumed": resumed, "refitted": refitted, "whole": digest(None)}))
"""


def command(folder: Path, task: int, then: str) -> list[str]:
    return [sys.executable, "-c", RUN, str(folder), str(task), then]


def test_a_killed_run_goes_on_where_it_was_with_identical_numbers(tmp_path: Path) -> None:
    process = subprocess.Popen(command(tmp_path, 4, "wait"), cwd=ROOT)
    try:
        limit = time.monotonic() + 60
        while len(list(tmp_path.glob("*/*.npz"))) < 4 and time.monotonic() < limit and process.poll() is None:
            time.sleep(0.05)
    finally:
        process.kill()
        process.wait()
    assert process.returncode == -9
    assert len(list(tmp_path.glob("*/*.npz"))) == 4
    again = subprocess.run(
        command(tmp_path, 4, "go on"), cwd=ROOT, capture_output=True, text=True, check=True
    )
    found = json.loads(again.stdout)
    assert found["refitted"] == 2
    assert found["resumed"] == found["whole"]


def result() -> TaskResult:
    document = {"fits": {"logistic": {"c": [0.1, 1 / 3, 5e-324, -0.0], "booster": None}}}
    return TaskResult(document, {"file": np.array([1 / 3, np.nan]), "a/b": np.arange(3, dtype="<i4")})


def test_a_result_comes_back_with_every_bit(tmp_path: Path) -> None:
    store = TaskStore(tmp_path, "run")
    store["key"] = result()
    back = store.get("key")
    assert back is not None
    assert repr(back.document) == repr(result().document)
    for name, array in result().arrays.items():
        assert back.arrays[name].dtype == array.dtype
        assert back.arrays[name].tobytes() == array.tobytes()


def test_a_damaged_file_is_a_result_to_be_made_again(tmp_path: Path) -> None:
    store = TaskStore(tmp_path, "run")
    assert store.get("key") is None
    store["key"] = result()
    (file,) = tmp_path.glob("*/*.npz")
    for content in (b"", file.read_bytes()[:-40], b"not an archive"):
        file.write_bytes(content)
        assert store.get("key") is None


@pytest.mark.parametrize(
    "bad", [TaskResult({"loss": np.nan}, {}), TaskResult({}, {"a": np.array([{}], dtype=object)})]
)
def test_what_is_not_plain_data_is_refused_and_leaves_nothing(tmp_path: Path, bad: TaskResult) -> None:
    store = TaskStore(tmp_path, "run")
    with pytest.raises(ValueError, match=r"JSON|Object arrays"):
        store["key"] = bad
    assert len(store) == 0


def test_another_run_has_a_store_of_its_own_and_removing_one_leaves_the_other(tmp_path: Path) -> None:
    one, other = TaskStore(tmp_path, "one"), TaskStore(tmp_path, "other")
    one["key"] = result()
    assert other.get("key") is None
    other["key"] = result()
    one.remove()
    assert (len(one), len(other)) == (0, 1)


def changed() -> list[dict[str, Any]]:
    frame, y = patients(30)
    base = {"frame": frame, "y": y, "features": as_documents(FEATURES), "settings": asdict(SETTINGS)}
    return [
        base,
        base | {"y": 1 - y},
        base | {"frame": frame.assign(age_years=frame["age_years"] + 1e-12)},
        base | {"frame": frame.rename(columns={"arm": "group"})},
        base | {"frame": frame.assign(arm=frame["arm"].replace("A", "C"))},
        base | {"frame": frame.iloc[::-1]},
        base | {"settings": asdict(SETTINGS) | {"encoding": {}}},
    ]


def test_the_digest_of_a_run_changes_with_everything_that_decides_its_numbers() -> None:
    digests = [run_digest(values) for values in changed()]
    assert len(set(digests)) == len(digests)
    assert digests[0] == run_digest(changed()[0])


def test_text_and_missing_values_have_a_digest_that_does_not_depend_on_their_storage() -> None:
    text = pd.DataFrame({"state": ["a", None, "b"]})
    assert run_digest({"x": text}) == run_digest({"x": text.copy()})
    assert run_digest({"x": text}) != run_digest({"x": text.fillna("c")})


def test_checkpoints_are_kept_out_of_git_and_dvc() -> None:
    kept = FOLDER.relative_to(ROOT).as_posix()
    assert (
        subprocess.run(["git", "check-ignore", "-q", f"{kept}/x.npz"], cwd=ROOT, check=False).returncode == 0
    )
    assert ".pcr/" in (ROOT / ".dvcignore").read_text().split()
