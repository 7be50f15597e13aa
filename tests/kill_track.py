"""Kill the stage `track` at random points, run it again, and compare with one clean run.

`python -m tests.kill_track 50` makes a small pipeline state in a temporary folder and does so 50 times.
"""

import itertools
import os
import random
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

from tests import warm
from tests.workspace import CHEAP, Workspace, simulated_line

COMMAND = ["python", "-m", "pipeline.stages.track"]


class Tracker:
    """A workspace whose `track` writes into a store of its own."""

    def __init__(self, workspace: Workspace, folder: Path) -> None:
        self.workspace = workspace
        self.folder = folder
        folder.mkdir()
        self.uri = f"sqlite:///{folder / 'mlflow.db'}"
        # DVC_ROOT is where artifacts go; MLFLOW_TRACKING_URI where the records go.
        path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
        own = {"MLFLOW_TRACKING_URI": self.uri, "DVC_ROOT": str(folder), "PYTHONPATH": str(workspace.folder)}
        self.environment = {**os.environ, "PATH": path, **own, **CHEAP}

    def start(self) -> "subprocess.Popen[str]":
        """Start the stage."""
        return subprocess.Popen(
            COMMAND, cwd=self.workspace.folder, env=self.environment, text=True, start_new_session=True,
            stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
        )  # fmt: skip

    def run(self) -> None:
        """Run the stage to its end."""
        done = warm.run(COMMAND[2:], self.workspace.folder, self.environment)
        assert done.returncode == 0, done.stderr

    def seconds(self) -> float:
        """Run the stage to its end as `start` does; return the seconds that it took."""
        begun = time.monotonic()
        process = self.start()
        told, _ = process.communicate()
        assert process.returncode == 0, told
        return time.monotonic() - begun

    def kill_after(self, seconds: float) -> bool:
        """Start the stage, kill it, and tell whether it was still running."""
        process = self.start()
        try:
            process.communicate(timeout=seconds)
        except subprocess.TimeoutExpired:
            os.killpg(process.pid, signal.SIGKILL)
            process.communicate()
            return True
        return False

    def listed(self) -> Any:
        """Return the keys of all runs, whether nested, models, versions, stored models and aliases."""
        from mlflow import MlflowClient  # noqa: PLC0415 - seconds, and the workspace may need another one

        client = MlflowClient(self.uri, registry_uri=self.uri)
        experiments = [e.experiment_id for e in client.search_experiments()]
        runs = [run.data.tags for run in client.search_runs(experiments)]
        names = sorted(model.name for model in client.search_registered_models())
        return [
            sorted(tags.get("pcr.key", "unfinished") for tags in runs),
            sorted(tags.get("mlflow.parentRunId", "") != "" for tags in runs),
            names,
            sorted((v.name, v.version, v.tags["pcr.model_digest"]) for v in client.search_model_versions()),
            len(client.search_logged_models(experiments)),
            [sorted(client.get_registered_model(name).aliases.items()) for name in names],
        ]


def killed_and_recovered(workspace: Workspace, folder: Path, kills: int, seed: int) -> tuple[int, list[str]]:
    """Kill the stage so many times before its end; return the runs this took, and what then differed.

    A run that ends before its kill is one more to make up for, and tells that the stage is that fast.
    """
    folder.mkdir(parents=True)
    clean = Tracker(workspace, folder / "clean")
    longest = clean.seconds()
    expected, differing, killed = clean.listed(), [], 0
    draw = random.Random(seed)  # noqa: S311 - where to kill is no secret
    for run in itertools.count(1):
        # In strata, so that few kills too are spread over the run; importing takes its first third.
        after = longest * (0.3 + 0.7 * (killed + draw.random()) / kills)
        tracker = Tracker(workspace, folder / f"killed-{run}")
        if tracker.kill_after(after):
            killed += 1
        else:
            longest = after
        tracker.run()
        found = tracker.listed()
        if found != expected:
            differing.append(f"killed after {after:.2f} s: {found} instead of {expected}")
        shutil.rmtree(tracker.folder)
        if killed == kills:
            return run, differing
    raise AssertionError


def main() -> None:
    """Make a state, kill as often as asked for, and exit with 1 if anything differs."""
    kills = int(sys.argv[1])
    with tempfile.TemporaryDirectory() as scratch:
        workspace, _ = simulated_line(Path(scratch) / "workspace")
        runs, differing = killed_and_recovered(workspace, Path(scratch) / "stores", kills, seed=1)
    print("\n".join(differing))
    print(f"{kills} of {runs} runs were killed before their end; {len(differing)} then differed")
    sys.exit(bool(differing))


if __name__ == "__main__":
    main()
