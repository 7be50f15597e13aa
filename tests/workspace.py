"""A copy of the project in a temporary folder, with its own git and DVC, where whole commands can be run."""

import contextlib
import os
import shutil
import sqlite3
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

import yaml
from filelock import FileLock

from tests import warm

ROOT = Path(__file__).parents[1]
COPIED = (
    "configs",
    "features",
    "models",
    "pipeline",
    "dvc.yaml",
    ".dvcignore",
    "docs/attainable.json",
    ".gitignore",
    "requirements.lock",
)
# Small enough for a test: a few hundred patients, two landmarks and one point per grid.
SMALL: dict[str, dict[str, Any]] = {
    "configs/study.yaml": {"landmarks": ["baseline", "c2"]},
    "configs/studies/nct07239271.yaml": {"landmarks": ["baseline", "c2"]},
    "configs/studies/ispy2.yaml": {"landmarks": ["t0", "t1"]},
    "configs/validation.yaml": {
        "folds": 3,
        "repeats": 2,
        "inner_folds": 3,
        "bootstrap": 50,
        "loess_bootstrap": 10,
        "population": 400,
        "imputations": 2,
        "resampling": {"bootstrap": 2},
    },
    "configs/models.yaml": {
        "candidates": {
            "core": {"penalties_per_patient": [0.02]},
            "logistic": {"penalties_per_patient": [0.2, 0.02]},
            "lightgbm": {"rounds": [10], "grid": {"num_leaves": [3]}},
        },
    },
    "configs/comparators.yaml": {"rule_inputs": {"penalties_per_patient": [0.02]}},
}


# A workspace compiles what it runs once, not in each of its processes; and has one worker, because
# the tests themselves use every core (the first line has two).
CHEAP = {"PYTHONDONTWRITEBYTECODE": "", "PCR_WORKERS": "1"}


class Workspace:
    """The copied project: run its commands, read and change its files."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        for name in COPIED:
            source = ROOT / name
            if source.is_dir():
                # With what is compiled already, which counts where a file's time is the same.
                shutil.copytree(source, folder / name)
            else:
                (folder / name).parent.mkdir(parents=True, exist_ok=True)
                shutil.copy(source, folder / name)
        for command in (
            ["git", "init", "-q"],
            ["dvc", "init", "-q"],
            ["dvc", "config", "core.analytics", "false"],
        ):
            self.call(*command)
        shutil.copytree(ROOT / ".dvc/plots", folder / ".dvc/plots")
        for path, changes in SMALL.items():
            self.change(path, changes)
        self.commit()

    @classmethod
    def at(cls, folder: Path) -> Self:
        """Return a workspace that was made before."""
        workspace = cls.__new__(cls)
        workspace.folder = folder
        return workspace

    def call(
        self, *command: str, expect: int | None = 0, **environment: str
    ) -> subprocess.CompletedProcess[str]:
        """Run a command in the workspace; fail with its output where the exit code is another."""
        git = {
            f"GIT_{who}_{what}": "test@example.org"
            for who in ("AUTHOR", "COMMITTER")
            for what in ("NAME", "EMAIL")
        }
        path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
        # Other tests of the same process may have named another tracking server.
        inherited = {name: value for name, value in os.environ.items() if not name.startswith("MLFLOW_")}
        own = {"COLUMNS": "200", "PATH": path, "PYTHONPATH": str(self.folder)} | CHEAP
        everything = {**inherited, **git, **own, **environment}
        if command[0] in {"dvc", "pipeline.cli"}:
            done = warm.run(command, self.folder, everything)
        else:
            done = subprocess.run(
                command, cwd=self.folder, env=everything, capture_output=True, text=True, check=False
            )
        assert expect is None or done.returncode == expect, f"{command}\n{done.stdout}\n{done.stderr}"
        return done

    def pcr(
        self, *arguments: str, expect: int | None = 0, **environment: str
    ) -> subprocess.CompletedProcess[str]:
        """Run the command line `pcr`."""
        return self.call("pipeline.cli", *arguments, expect=expect, **environment)

    def pcr_here(self, *arguments: str, expect: int = 0) -> Any:
        """Run the command line `pcr` in this process, which has imported what it needs: seconds a command.

        For commands that start no process of their own. The result has `stdout` and `stderr`.
        """
        from typer.testing import CliRunner  # noqa: PLC0415 - most workspaces are not asked in this way

        from pipeline.cli import app  # noqa: PLC0415

        own = {"COLUMNS": "200", "DVC_ROOT": None, "MLFLOW_TRACKING_URI": None}
        with contextlib.chdir(self.folder):
            done = CliRunner().invoke(app, arguments, env=own)
        ended = done.exception is None or isinstance(done.exception, SystemExit)
        assert ended and done.exit_code == expect, f"{arguments}\n{done.output}\n{done.exception!r}"
        return done

    def commit(self) -> None:
        """Commit everything."""
        self.call("git", "add", "-A")
        self.call("git", "commit", "-q", "--allow-empty", "-m", "state")

    def read(self, path: str) -> Any:
        """Return a YAML file."""
        return yaml.safe_load((self.folder / path).read_text(encoding="utf-8"))

    def change(self, path: str, changes: dict[str, Any]) -> None:
        """Merge `changes` into a YAML file."""
        (self.folder / path).write_text(yaml.safe_dump(merged(self.read(path), changes), sort_keys=False))

    def state(self) -> dict[str, bytes]:
        """Return the bytes of everything a refused run must leave as it was."""
        kept = [
            self.folder / "dvc.lock",
            self.folder / "configs/study.yaml",
            *self.folder.glob("artifacts/**/*"),
        ]
        kept += list(self.folder.glob("data/**/*"))
        return {
            p.relative_to(self.folder).as_posix(): p.read_bytes()
            for p in kept
            if p.is_file() and p.name != "refused.csv"
        }


@dataclass(frozen=True)
class FirstLine:
    """The simulated trial, run once for all tests: where, what was printed, and an untouched copy of it."""

    workspace: Workspace
    printed: str
    kept: Path


def first_line(folder: Path) -> FirstLine:
    """Return the line in `folder`, which the first of several processes to ask makes."""
    folder.mkdir(exist_ok=True)
    made, printed, kept = folder / "line", folder / "printed.txt", folder / "kept"
    with FileLock(folder / ".lock"):
        if not printed.exists():
            told = simulated_line(made)[1]
            shutil.copytree(made, kept, symlinks=True)
            printed.write_text(told, encoding="utf-8")
    return FirstLine(Workspace.at(made), printed.read_text(encoding="utf-8"), kept)


def simulated_line(folder: Path) -> tuple[Workspace, str]:
    """Run the simulated trial with 400 patients in a new workspace; return it, and what the run printed."""
    folder.mkdir()
    workspace = Workspace(folder)
    workspace.change("configs/simulation.yaml", {"cohort": {"n": 400}})
    workspace.commit()
    printed = workspace.pcr("run", PCR_WORKERS="2").stdout
    workspace.commit()
    return workspace, printed


def contents(root: Path, place: Path) -> dict[str, bytes]:
    """Return the bytes of a file, or of every file of a folder, by their paths from `root`."""
    files = place.rglob("*") if place.is_dir() else [place]
    return {
        path.relative_to(root).as_posix(): path.read_bytes()
        for path in sorted(files)
        if path.is_file() and path.name != ".gitignore"
    }


@contextlib.contextmanager
def content(path: Path, text: str) -> Iterator[None]:
    """Give a file another content until the block ends, however it ends."""
    original = path.read_bytes()
    path.write_text(text, encoding="utf-8")
    try:
        yield
    finally:
        path.write_bytes(original)


def tracked(workspace: Workspace) -> dict[str, list[str]]:
    """Return the keys of all live runs and the digests of all versions in MLflow's database, sorted."""
    with sqlite3.connect(workspace.folder / "mlflow.db") as database:
        runs = database.execute(
            "select t.value from tags t join runs r using (run_uuid) "
            "where t.key = 'pcr.key' and r.lifecycle_stage = 'active'"
        ).fetchall()
        versions = database.execute(
            "select value from model_version_tags where key = 'pcr.model_digest'"
        ).fetchall()
    database.close()
    return {"runs": sorted(r[0] for r in runs), "versions": sorted(v[0] for v in versions)}


def merged(content: dict[str, Any], changes: dict[str, Any]) -> dict[str, Any]:
    """Return a document with `changes` merged into it; a grid is replaced."""
    result = dict(content)
    for key, value in changes.items():
        replaces = not isinstance(value, dict) or key == "grid"
        result[key] = value if replaces else merged(content.get(key) or {}, value)
    return result
