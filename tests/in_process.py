"""A whole run of a study in one process, without DVC and MLflow: seconds instead of a minute."""

import argparse
import contextlib
import importlib
import os
import shutil
import subprocess
import sys
import traceback
from collections.abc import Collection, Mapping, Sequence
from io import StringIO
from pathlib import Path
from typing import Any
from unittest import mock

import yaml

from features.documents.study import with_defaults
from pipeline.console import TRACEBACK, tell
from pipeline.intake.preflight import checked
from pipeline.project.stage import Run
from tests import warm
from tests.workspace import ROOT, SMALL, merged

# In the order of what they need; `items` of a stage are filled from the study file.
BEFORE = ("raw", "cohort", "rules", "review", "features")
FITTED = ("train", "resample")
TOGETHER = ("package", "comparators")
AFTER = ("size", "domains", "refit", "sensitivity", "compare", "explain", "describe", "efficacy", "reports")
OF_THE_PRIMARY = ("refit", "sensitivity")
CHECKED = "checked"
"""What a run prints once its input is found in order: whatever is refused later was computed before."""


def write_study(
    folder: Path, study: dict[str, Any], files: Path, settings: dict[str, Any] | None = None
) -> None:
    """Make a folder in which a study can be run: configurations, study file, and its raw files."""
    shutil.copytree(ROOT / "configs", folder / "configs")
    shutil.copy(ROOT / "requirements.lock", folder)
    for path in ("configs/validation.yaml", "configs/models.yaml", "configs/comparators.yaml"):
        content = merged(yaml.safe_load((folder / path).read_text()), SMALL[path])
        content = merged(content, (settings or {}).get(path, {}))
        (folder / path).write_text(yaml.safe_dump(content, sort_keys=False))
    written = folder / "configs/studies" / f"{study['study']}.yaml"
    written.write_text(yaml.safe_dump(study, sort_keys=False))
    # The active copy has every key, as `pcr run` makes it.
    (folder / "configs/study.yaml").write_text(yaml.safe_dump(with_defaults(study), sort_keys=False))
    shutil.copytree(files, folder / "data" / study["study"])


def run_again(
    folder: Path, workspace: Path, given: Mapping[str, Sequence[str]]
) -> subprocess.CompletedProcess[str]:
    """Run the active study of a workspace in an empty folder, by one worker.

    Stages in `given` are not run: the files and folders that they write are those of the workspace.
    """
    for path in ("configs", "docs", *(path for paths in given.values() for path in paths)):
        if (workspace / path).is_dir():
            shutil.copytree(workspace / path, folder / path)
        else:
            (folder / path).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(workspace / path, folder / path)
    shutil.copy(workspace / "requirements.lock", folder)
    return run_study(folder, *given)


def told_here(folder: Path) -> tuple[int, str, str]:
    """Run the study of a folder in this process, by one worker; return exit code and what was printed."""
    printed, told = StringIO(), StringIO()
    with (
        mock.patch.dict(os.environ, {"PCR_WORKERS": "1"}),
        contextlib.redirect_stdout(printed),
        contextlib.redirect_stderr(told),
    ):
        code = run_here(folder)
    return code, printed.getvalue(), told.getvalue()


def run_study(folder: Path, *given: str) -> subprocess.CompletedProcess[str]:
    """Run the study of a folder in a process of its own; the exit code is that of `pcr run`."""
    return warm.run(["tests.in_process", str(folder), *given], ROOT, {**os.environ, "PCR_WORKERS": "1"})


def stages(study: dict[str, Any]) -> list[tuple[str, dict[str, str]]]:
    """Return module and items of every stage of a study with files, in order."""
    landmarks = study["landmarks"]
    found: list[tuple[str, dict[str, str]]] = [(name, {}) for name in BEFORE]
    found += [(name, {"landmark": landmark}) for landmark in landmarks for name in FITTED]
    found += [(name, {}) for name in TOGETHER]
    found += [("judge", {"landmark": landmark}) for landmark in landmarks]
    found += [
        ("strategy", {"landmark": landmarks[0], "strategy": strategy}) for strategy in study["strategies"]
    ]
    found += [(name, {}) for name in ("truth", "truth_check") if study["simulations"]]
    primary = {"landmark": study["primary"]["landmark"]}
    return found + [(name, primary if name in OF_THE_PRIMARY else {}) for name in AFTER]


def run_here(folder: Path, given: Collection[str] = ()) -> int:
    """Check and run the study of a folder in this process; return the exit code that `pcr run` would have.

    Stages in `given` are not run: their files are there.
    """
    with contextlib.chdir(folder):
        study = yaml.safe_load(Path("configs/study.yaml").read_text())
        name = "check"
        try:
            checked(study["study"], None)
            print(CHECKED, flush=True)
            for name, items in stages(study):
                if name in given:
                    continue
                module = importlib.import_module(f"pipeline.stages.{name}")
                module.main(Run(module.STAGE, items))
        except Exception as error:  # noqa: BLE001 - told as `pcr` tells it
            if os.environ.get(TRACEBACK):
                traceback.print_exc()
            code = tell(error)
            print(f"stage {name} failed", file=sys.stderr)
            return code
    return 0


def main() -> None:
    """Check and run; end with the exit code of `pcr run`."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=Path)
    parser.add_argument("given", nargs="*", help="stages whose files are there")
    chosen = parser.parse_args()
    sys.exit(run_here(chosen.folder, chosen.given))


if __name__ == "__main__":
    main()
