"""A small graph in the place of the pipeline's: `pcr run`, DVC and git are real, stages take no time.

A stage does what trouble.txt says, which no stage declares: fail, find the disk full, wait to be killed.
Every output holds the study's title, so a change of the title makes every stage run again.
"""

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

from filelock import FileLock

from tests.workspace import CHEAP, Workspace

STAGES = ("raw", "judge@baseline", "judge@c2", "compare", "models", "track")
A, B = "nct07239271", "second"
OTHERS = {".git", ".dvc", ".pcr", "__pycache__", "mlartifacts"}
STAGE_MODULE = """
import errno, json, os, sys, time
from pathlib import Path

from pipeline.console import hide_values_of_faults
from pipeline.project.files import write_json, write_text

hide_values_of_faults()
stage, study, title, *outs = sys.argv[1:]
here = Path("trouble.txt")
trouble = json.loads(here.read_text()).get(stage) if here.is_file() else None
for out in outs[:1]:
    Path(out).parent.mkdir(parents=True, exist_ok=True)
    Path(out + ".half").write_text("half of it")
if trouble == "fail":
    raise ValueError("no")
if trouble == "full":
    raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), "out.csv")
if trouble == "wait":
    Path("waiting").write_text(stage)
    time.sleep(60)
time.sleep(float(os.environ.get("STAGE_SECONDS", "0")))
value = {"value": 0.5, "low": 0.4, "high": 0.6}
measures = {name: value for name in ("auc", "brier")} | {"n": {"value": 9}, "events": {"value": 3}}
contents = {
    "metrics": {"title": title, "chosen": measures, "rules": measures},
    "comparison": {
        "primary": {
            "declared": {
                "landmark": "c2", "arm": None, "metric": "log_loss", "model": "chosen", "against": "rules",
            },
            "result": value,
        },
        **{at: {"chosen-rules": {"delta_log_loss": value}} for at in ("baseline", "c2")},
        "domains": {},
    },
    "learning": {"chosen": "logistic", "passed_over": {}, "single_features": {}, "suspicious": {}},
    "model": {"candidate": "logistic", "study": study, "title": title},
}
for out in outs:
    path = Path(out)
    Path(out + ".half").unlink(missing_ok=True)
    if path.suffix == ".json":
        kind = path.stem if path.stem in contents else "metrics"
        kind = "learning" if path.stem.startswith("learning-") else kind
        write_json(path, contents[kind] | {"made for": [study, title, stage]})
    elif path.suffix == ".parquet":
        import pandas as pd
        cohort = {"usubjid": ["P1"], "arm": ["A"], "siteid": ["S1"], "rand_date": pd.NaT}
        cohort |= {"decision_baseline": pd.NaT, "decision_c2": pd.NaT}
        path.parent.mkdir(parents=True, exist_ok=True)
        pd.DataFrame(cohort).to_parquet(path)
    elif path.suffix:
        write_text(path, "node,branch\\n" if path.stem == "branches" else f"{study}\\n{title}\\n")
    else:
        for name in ("one.csv", "two/three.csv"):
            write_text(path / name, f"{study}\\n{title}\\n{name}\\n")
"""
GRAPH = """
vars:
  - configs/study.yaml
stages:
  raw:
    cmd: >-
      python stage.py raw ${study} "${title}" artifacts/${study}/raw
      artifacts/${study}/cohort/cohort.parquet
    deps: [stage.py, "${source}"]
    params: [{configs/study.yaml: [study, title]}]
    outs: ["artifacts/${study}/raw", "artifacts/${study}/cohort/cohort.parquet"]
  judge:
    matrix: {landmark: "${landmarks}"}
    cmd: >-
      python stage.py judge@${item.landmark} ${study} "${title}"
      artifacts/${study}/metrics/${item.landmark}.json
      artifacts/${study}/results/${item.landmark}.json
      artifacts/${study}/results/learning-${item.landmark}.json
      artifacts/${study}/curves/${item.landmark}.csv
    deps: ["artifacts/${study}/raw"]
    outs:
      - artifacts/${study}/results/${item.landmark}.json
      - artifacts/${study}/results/learning-${item.landmark}.json
    params: [{configs/study.yaml: [title]}]
    metrics: [{"artifacts/${study}/metrics/${item.landmark}.json": {cache: false}}]
    plots: ["artifacts/${study}/curves/${item.landmark}.csv"]
  compare:
    cmd: python stage.py compare ${study} "${title}" artifacts/${study}/metrics/comparison.json
    deps: ["artifacts/${study}/curves"]
    outs: ["artifacts/${study}/metrics/comparison.json"]
  models:
    cmd: >-
      python stage.py models ${study} "${title}" artifacts/${study}/models/baseline/model.json
      artifacts/${study}/models/c2/model.json artifacts/${study}/review/branches.csv
      artifacts/${study}/review/readings.csv
    deps: ["artifacts/${study}/metrics/comparison.json"]
    outs: ["artifacts/${study}/models/baseline", "artifacts/${study}/models/c2", "artifacts/${study}/review"]
  track:
    cmd: python stage.py track ${study} "${title}"
    deps: ["artifacts/${study}/models/c2"]
    always_changed: true
"""


class ToyProject(Workspace):
    """A checkout with two simulated studies, A and B, and the small graph."""

    def __init__(self, folder: Path) -> None:
        super().__init__(folder)
        (folder / "dvc.yaml").write_text(GRAPH)
        (folder / "stage.py").write_text(STAGE_MODULE)
        self.title(B, "first title")
        with (folder / ".gitignore").open("a") as ignored:
            ignored.write("/trouble.txt\n/waiting\n")
        self.commit()

    def title(self, study: str, title: str) -> None:
        """Write a study's file with another title."""
        self.write_study(study, title=title)

    def write_study(self, study: str, **changes: Any) -> None:
        """Write a study's file: that of A, and what differs."""
        content = self.read(f"configs/studies/{A}.yaml")
        changed = content | {"study": study, **changes}
        (self.folder / f"configs/studies/{study}.yaml").write_text(json.dumps(changed, indent=1))

    def trouble(self, **of_stages: str) -> None:
        """Say what stages run into from now on, by stage name."""
        (self.folder / "waiting").unlink(missing_ok=True)
        (self.folder / "trouble.txt").write_text(json.dumps(of_stages))

    def snapshot(self) -> dict[str, str]:
        """Return the content of every file, in hexadecimal, that is not DVC's, git's or the run's own."""
        files = {}
        for top, folders, names in os.walk(self.folder):
            folders[:] = [name for name in folders if name not in OTHERS]
            for name in names:
                path = Path(top) / name
                if name not in {"trouble.txt", "waiting", "mlflow.db"}:
                    files[path.relative_to(self.folder).as_posix()] = path.read_bytes().hex()
        return files

    def start(self, *arguments: str, **environment: str) -> "subprocess.Popen[str]":
        """Start `pcr` in a process group of its own, as a shell does."""
        if signal.getsignal(signal.SIGINT) == signal.SIG_IGN:
            # Tests that run in the background of a shell would hand their deafness to Ctrl-C on.
            signal.signal(signal.SIGINT, signal.default_int_handler)
        path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
        own = {"COLUMNS": "300", "PATH": path, "PYTHONPATH": str(self.folder), **CHEAP, **environment}
        return subprocess.Popen(
            [sys.executable, "-m", "pipeline.cli", *arguments],
            cwd=self.folder,
            env={**os.environ, **own},
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            start_new_session=True,
        )

    def wait_for_stage(self, seconds: float = 60) -> None:
        """Wait until a stage with the trouble `wait` is at work."""
        end = time.monotonic() + seconds
        while not (self.folder / "waiting").exists():
            assert time.monotonic() < end, "no stage came to wait"
            time.sleep(0.05)

    def processes(self) -> dict[int, str]:
        """Return the commands of all processes that work in this checkout, by number."""
        commands = {}
        for entry in Path("/proc").glob("[0-9]*"):
            try:
                here = (entry / "cwd").readlink() == self.folder
                command = (entry / "cmdline").read_text().replace("\0", " ").strip()
            except OSError:
                continue
            if here and command:
                commands[int(entry.name)] = command
        return commands

    def wait_for_end(self, seconds: float = 30) -> None:
        """Wait until no process works in this checkout."""
        end = time.monotonic() + seconds
        while left := self.processes():
            assert time.monotonic() < end, left
            time.sleep(0.05)


def kill(process: "subprocess.Popen[str]") -> str:
    """Kill a process as `kill -9` does, only it; return what it had printed."""
    process.send_signal(signal.SIGKILL)
    return process.communicate()[0]


def made(folder: Path) -> ToyProject:
    """Return a project in `folder`, in which both studies have results, all committed, and A is active."""
    folder.mkdir()
    project = ToyProject(folder)
    project.pcr("run", "--study", B)
    project.pcr("run")
    project.commit()
    return project


def made_once(folder: Path) -> ToyProject:
    """Return such a project in `folder`, which the first of several processes to ask makes."""
    folder.mkdir(exist_ok=True)
    project, done = folder / "project", folder / "done"
    with FileLock(folder / ".lock"):
        if not done.exists():
            made(project)
            done.touch()
    return ToyProject.at(project)


def copy_of(project: ToyProject, folder: Path) -> ToyProject:
    """Return a copy of a project, for tests that break something."""
    shutil.copytree(project.folder, folder, symlinks=True)
    copied: ToyProject = ToyProject.at(folder)
    return copied
