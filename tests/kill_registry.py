"""Kill track, promote, sync and update at random points, run each again, and compare with a clean run.

`python -m tests.kill_registry 500` makes a small registered study and does so as often as asked, in turn; a
second number is the seed of the points, for a campaign in parts. A command is a forked process that has
imported everything, also what MLflow imports as it is used, so that a kill costs about four seconds of
processor with all its checks, and hits the command's own work.
"""

import importlib
import json
import os
import random
import shutil
import signal
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import redirect_stderr, redirect_stdout, suppress
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
import yaml
from sqlalchemy.orm import configure_mappers

from models.packaging.reference import reference
from models.serving.champions import aliases_of
from models.serving.history import read_history
from models.serving.registry import DIGEST_TAG, KEY_TAG
from pipeline.commands.update import update_on
from pipeline.project.files import read_json, write_json
from pipeline.registry.promotion import promote_model
from pipeline.registry.runs import track_state, tracking_store
from pipeline.registry.state import workspace_state
from pipeline.registry.stored_models import open_model
from pipeline.registry.verify import all_runs, problems, repair_registry
from tests.patients import patients
from tests.registered_study import NAME, ROOT, lock_outputs, write_study

CANDIDATE = f"models:/{NAME}@candidate"
STUDY = "made-up"
AS_USED = (
    "mlflow.store.tracking.sqlalchemy_store", "mlflow.store.model_registry.sqlalchemy_store",
    "mlflow.store.artifact.local_artifact_repo", "mlflow.pyfunc.model", "lightgbm", "pipeline.registry.bill",
)  # fmt: skip
PLAN = {
    "agreed": "2020-01-01", "decided_by": ["Board"], "methods": ["intercept"], "min_outcomes": 10,
    "min_days_between": 0, "after_alarm_only": False, "max_intercept": 3.0, "min_slope": 0.5,
    "max_slope": 2.0,
}  # fmt: skip


def track() -> None:
    track_state(workspace_state(STUDY))


def promote() -> None:
    promote_model(NAME)


def sync() -> None:
    state = workspace_state(STUDY)
    repair_registry(state)
    track_state(state)


def update() -> None:
    rows, _ = patients(300, seed=21, missing=0.0)
    p = 1 / (1 + np.exp(1.2 - open_model("artifacts/made-up/models/c1").log_odds(rows)))
    y = (np.random.default_rng(3).random(len(rows)) < p).astype(float)
    outcomes = pd.DataFrame({"outcome": y, "outcome_date": pd.date_range("2024-01-01", periods=len(rows))})
    update_on(f"models:/{NAME}/1", "later", "c1", rows, outcomes, "Board")


COMMANDS: dict[str, Callable[[], None]] = {
    "track": track, "promote": promote, "sync": sync, "update": update,
}  # fmt: skip


def forked(work: Callable[[], None], kill_after: float | None = None) -> bool:
    """Do something in a process of its own; tell whether it was killed before its end.

    Raises
    ------
    AssertionError
        If it was not killed and failed.
    """
    child = os.fork()
    if child == 0:
        os.setsid()  # what it starts, such as DVC, is killed with it
        code = 1
        try:
            with Path("child.log").open("w") as log, redirect_stdout(log), redirect_stderr(log):
                work()
            code = 0
        finally:
            os._exit(code)
    if kill_after is not None:
        time.sleep(kill_after)
        with suppress(ProcessLookupError):  # it ended, or has not begun a group of its own
            os.killpg(child, signal.SIGKILL)
    _, status = os.waitpid(child, 0)
    killed = os.WIFSIGNALED(status)
    assert killed or os.waitstatus_to_exitcode(status) == 0, Path("child.log").read_text()
    return killed


def listed() -> None:
    """Write what the store holds, and what `pcr verify` says, to listed.json."""
    store = tracking_store(STUDY)
    with store.locked() as client:
        runs = all_runs(client, client.get_experiment_by_name(store.experiment).experiment_id)
        versions = client.search_model_versions(f"name = '{NAME}'")
        held = {
            "runs": sorted(run.data.tags.get(KEY_TAG, "unfinished") for run in runs),
            "versions": sorted((str(v.version), v.tags[DIGEST_TAG]) for v in versions),
            "aliases": aliases_of(client, NAME),
            "history": [[e.action, e.version, e.verdict] for e in read_history(client, NAME).entries],
        }
    held["problems"] = problems(workspace_state(STUDY))
    Path("listed.json").write_text(json.dumps(held, sort_keys=True))


@dataclass
class Study:
    """The study's folder, and copies of it as it is before each command."""

    home: Path
    kept: Path

    def prepare(self) -> None:
        """Make the study, track it, and keep what each command starts from."""
        write_study(self.home)
        for name in ("monitoring", "measures"):
            shutil.copy(ROOT / f"configs/{name}.yaml", self.home / "configs")
        (self.home / "configs/change_plan.yaml").write_text(yaml.safe_dump(PLAN))
        model = self.home / "artifacts/made-up/models/c1/model.json"
        document = read_json(model)
        document["serving"]["reference"] = reference(document["features"], patients(300)[0])
        write_json(model, document)
        lock_outputs(self.home)
        forked(_open_store)
        self.keep("track")
        forked(track)
        for name in ("promote", "update"):
            self.keep(name)
        for file in (self.home / "mlartifacts").rglob("model.json"):
            file.unlink()
        forked(_rename_runs)
        self.keep("sync")

    def keep(self, name: str) -> None:
        shutil.copytree(self.home, self.kept / name)

    def restore(self, name: str) -> None:
        os.chdir(self.kept)
        shutil.rmtree(self.home)
        shutil.copytree(self.kept / name, self.home)
        os.chdir(self.home)

    def outcome(self) -> str:
        forked(listed)
        return (self.home / "listed.json").read_text()


def _rename_runs() -> None:
    """Do to every run what its users can do to it in MLflow."""
    store = tracking_store(STUDY)
    with store.locked() as client:
        for run in all_runs(client, client.get_experiment_by_name(store.experiment).experiment_id):
            client.update_run(run.info.run_id, name="renamed")
            client.set_tag(run.info.run_id, "study", "another")


def _open_store() -> None:
    with tracking_store(STUDY).locked():
        pass


@dataclass
class Clean:
    """A command without a kill: what the store holds after it, and how many seconds its last run took."""

    command: Callable[[], None]
    expected: str
    seconds: float


def run_clean(study: Study, command: Callable[[], None]) -> Clean:
    """Run a command to its end."""
    begun = time.monotonic()
    forked(command)
    seconds = time.monotonic() - begun
    return Clean(command, study.outcome(), seconds)


def campaign(folder: Path, kills: int, seed: int = 1) -> Iterator[tuple[str, str]]:
    """Yield the command of each kill, in turn, and how the store then differed from a clean run's.

    A command is killed at a random moment within the time that its last whole run took; one that ended before
    is no kill.
    """
    study = Study(folder / "home", folder / "kept")
    for path in (study.home, study.kept):
        path.mkdir(parents=True)
    os.chdir(study.home)
    os.environ |= {"MLFLOW_TRACKING_URI": "", "DVC_ROOT": str(study.home), "DVC_NO_ANALYTICS": "1"}
    for name in AS_USED:
        importlib.import_module(name)
    configure_mappers()
    study.prepare()
    draw = random.Random(seed)  # noqa: S311 - where to kill is no secret
    clean = {}
    for name, command in COMMANDS.items():
        study.restore(name)
        clean[name] = run_clean(study, command)
        assert json.loads(clean[name].expected)["problems"] == [], clean[name].expected
    done = 0
    while done < kills:
        name = [*COMMANDS][done % len(COMMANDS)]
        before = clean[name]
        study.restore(name)
        after = draw.uniform(0, before.seconds)
        if not forked(before.command, after):
            before.seconds = after  # nothing else runs beside it any more
            continue
        done += 1
        again = run_clean(study, before.command)
        before.seconds = again.seconds
        differs = again.expected != before.expected
        yield name, f"after {after:.2f} s: {again.expected} instead of {before.expected}" if differs else ""


def main() -> None:
    """Kill as often as asked for, tell, and exit with 1 if anything differs."""
    kills: Counter[str] = Counter()
    wrong = 0
    with tempfile.TemporaryDirectory() as scratch:
        try:
            for name, differs in campaign(Path(scratch), *map(int, sys.argv[1:])):
                kills[name] += 1
                wrong += bool(differs)
                if differs:
                    print(f"{name} killed {differs}", flush=True)
                if kills.total() % 20 == 0 or kills.total() == int(sys.argv[1]):
                    counts = ", ".join(f"{name} {count}" for name, count in kills.items())
                    print(f"kills: {counts}; {wrong} then differed", flush=True)
        finally:
            os.chdir(ROOT)
    sys.exit(bool(wrong))


if __name__ == "__main__":
    main()
