"""A copy of the project in a temporary folder, with its own git and DVC, where whole commands can be run."""

import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import yaml

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
            "logistic": {"penalties": [0.01, 0.1]},
            "lightgbm": {"rounds": [10], "grid": {"num_leaves": [3]}},
        },
        "comparators": {"rule_inputs": {"penalties": [0.1]}},
    },
}


class Workspace:
    """The copied project: run its commands, read and change its files."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        for name in COPIED:
            source = ROOT / name
            if source.is_dir():
                shutil.copytree(source, folder / name, ignore=shutil.ignore_patterns("__pycache__"))
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

    def call(
        self, *command: str, expect: int | None = 0, **environment: str
    ) -> subprocess.CompletedProcess[str]:
        """Run a command in the workspace; fail with its output where the exit code is another."""
        words = [sys.executable, "-m", *command] if command[0] in {"dvc", "pipeline.cli"} else list(command)
        git = {
            f"GIT_{who}_{what}": "test@example.org"
            for who in ("AUTHOR", "COMMITTER")
            for what in ("NAME", "EMAIL")
        }
        path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
        # Other tests of the same process may have named another tracking server.
        inherited = {name: value for name, value in os.environ.items() if not name.startswith("MLFLOW_")}
        own = {"COLUMNS": "200", "PATH": path, "PYTHONPATH": str(self.folder)}
        done = subprocess.run(
            words,
            cwd=self.folder,
            env={**inherited, **git, **own, **environment},
            capture_output=True,
            text=True,
            check=False,
        )
        assert expect is None or done.returncode == expect, f"{command}\n{done.stdout}\n{done.stderr}"
        return done

    def pcr(
        self, *arguments: str, expect: int | None = 0, **environment: str
    ) -> subprocess.CompletedProcess[str]:
        """Run the command line `pcr`."""
        return self.call("pipeline.cli", *arguments, expect=expect, **environment)

    def commit(self) -> None:
        """Commit everything."""
        self.call("git", "add", "-A")
        self.call("git", "commit", "-q", "--allow-empty", "-m", "state")

    def read(self, path: str) -> Any:
        """Return a YAML file."""
        return yaml.safe_load((self.folder / path).read_text(encoding="utf-8"))

    def change(self, path: str, changes: dict[str, Any]) -> None:
        """Merge `changes` into a YAML file."""
        (self.folder / path).write_text(yaml.safe_dump(_merged(self.read(path), changes), sort_keys=False))

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


def _merged(content: dict[str, Any], changes: dict[str, Any]) -> dict[str, Any]:
    merged = dict(content)
    for key, value in changes.items():
        replaces = not isinstance(value, dict) or key == "grid"
        merged[key] = value if replaces else _merged(content.get(key) or {}, value)
    return merged
