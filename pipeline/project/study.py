"""Studies and their data: which study is active, and where its raw files are."""

import filecmp
import shutil
import subprocess
import sys
from pathlib import Path

from features.errors import UserError
from pipeline.project.files import read_yaml, replacing, write_text

ACTIVE = Path("configs/study.yaml")
STUDIES = Path("configs/studies")
DATA = Path("data")
LOCK = Path("dvc.lock")
# Locks of the studies that are not active, so that switching back need not rebuild theirs stage by stage.
PARKED = Path(".dvc/tmp/pcr")


class StudyError(UserError):
    """A study that cannot be activated."""


def study_file(name: str) -> Path:
    """Return the file of a study.

    Raises
    ------
    StudyError
        If there is none; the message lists those there are.
    """
    path = STUDIES / f"{name}.yaml"
    if not path.is_file():
        known = ", ".join(sorted(p.stem for p in STUDIES.glob("*.yaml")))
        raise StudyError(f"unknown study {name!r}: {STUDIES} has {known}; choose one, or write {path}")
    return path


def active_study() -> str:
    """Return the name of the active study."""
    return str(read_yaml(ACTIVE)["study"])


def activate(name: str) -> bool:
    """Make a study the active one, and tell whether it was not before.

    configs/study.yaml becomes a copy of the study's file. The former study's dvc.lock is set aside, and the
    new one's put in place where there is one; else the run cache brings back what was computed for it. An
    active study stays as it is, edits included.

    Raises
    ------
    StudyError
        If the study is unknown, or the active copy was edited and would be lost.
    """
    wanted = study_file(name)
    current = active_study()
    if current == name:
        return False
    original = STUDIES / f"{current}.yaml"
    if not original.is_file() or not filecmp.cmp(ACTIVE, original, shallow=False):
        raise StudyError(
            f"{ACTIVE} differs from {original}: copy your changes there (or take them back), then run again"
        )
    write_text(ACTIVE, wanted.read_text(encoding="utf-8"))
    PARKED.mkdir(parents=True, exist_ok=True)
    if LOCK.is_file():
        LOCK.replace(PARKED / f"{current}.lock")
    parked = PARKED / f"{name}.lock"
    if parked.is_file():
        parked.replace(LOCK)
    return True


def take_in(name: str, source: Path, files: list[str]) -> None:
    """Copy a study's raw files to data/<study> and put them under DVC; nothing is written into `source`.

    Does nothing where the same files are there already. Only the files that the study names are copied.

    Raises
    ------
    StudyError
        If DVC refuses the folder.
    """
    target = DATA / name
    if all((target / f).is_file() and filecmp.cmp(source / f, target / f, shallow=False) for f in files):
        return
    with replacing(target) as new:
        for file in files:
            (new / file).parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(source / file, new / file)
    added = subprocess.run(  # noqa: S603 - our own interpreter
        [sys.executable, "-m", "dvc", "add", "--quiet", str(target)],
        capture_output=True,
        text=True,
        check=False,
    )
    if added.returncode != 0:
        raise StudyError(f"dvc add {target} failed: {added.stderr.strip()}")
