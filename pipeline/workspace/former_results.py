"""What a study had before a run, kept until the run has ended well, and brought back where it has not.

DVC removes a stage's outputs before it runs the stage, and writes dvc.lock after every stage; outputs that
are only in git (`cache: false`) it cannot bring back, and a bare `dvc checkout` removes other studies' files.
So nothing is brought back by DVC or by git: before anything is changed, the study's folders are linked, file
by file (no space, no time), and the small files that a run writes are copied. Bringing back is moving these
in place again, which needs no space either, and may be broken off and begun again at any point.
"""

import hashlib
import json
import os
import shutil
import subprocess
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from features.errors import PipelineFault
from pipeline.console import storage_problem

FOLDER = Path(".pcr/former")
"""Holds `record.json`, `files/` (what was there before) and `failed/` (what is being replaced)."""


@dataclass(frozen=True)
class BroughtBack:
    """What became of a study's former results.

    Attributes
    ----------
    study : str
        The study of the run that did not end well.
    had_results : bool
        Whether the study had any before the run.
    remarks : list of str
        What is not exactly as it was before the run, a sentence each.
    """

    study: str
    had_results: bool
    remarks: list[str] = field(default_factory=list)

    def sentence(self) -> str:
        """Return what there is now, to be read by whoever started the run."""
        what = (
            "results are as before the run" if self.had_results else "had no results before, and has none now"
        )
        return " ".join([f"Study {self.study}: {what}.", *(f"But {remark}." for remark in self.remarks)])


def keep(study: str, folders: Iterable[Path], files: Iterable[Path]) -> None:
    """Keep a study's folders and files as they are now.

    Parameters
    ----------
    study : str
        Name of the study.
    folders : iterable of Path
        Folders of the study alone. Their files are linked, so whoever changes one must replace it.
    files : iterable of Path
        Small files, which are copied.

    Raises
    ------
    OSError
        If they cannot be kept; nothing was changed.
    PipelineFault
        If those of another run were not brought back yet.
    """
    if is_kept():
        raise PipelineFault(f"{FOLDER} holds the results of a run that has not ended")
    new = FOLDER.with_name("former-new")
    _remove(new)
    _remove(FOLDER)
    (new / "files").mkdir(parents=True)
    kept: dict[str, Any] = {}
    for folder in folders:
        place = folder.resolve() if folder.is_symlink() else folder
        if place.is_dir():
            shutil.copytree(place, new / "files" / folder, symlinks=True, copy_function=_linked)
            kept[str(folder)] = _stamps(new / "files" / folder)
        else:
            kept[str(folder)] = None
    for file in files:
        if file.is_file():
            (new / "files" / file).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(file, new / "files" / file)
    record = {
        "study": study,
        "commit": _commit(),
        "folders": kept,
        "files": {str(file): _digest(file) for file in files},
        "written": {},
    }
    _write_record(new, record)
    new.rename(FOLDER)


def expect(files: Iterable[Path]) -> None:
    """Remember what the run itself wrote into configuration files, to tell a later edit from it."""
    record = _record()
    record["written"] = {str(file): _digest(file) for file in files}
    _write_record(FOLDER, record)


def discard() -> None:
    """Forget the former results: the run has ended well."""
    (FOLDER / "record.json").unlink(missing_ok=True)
    _remove(FOLDER)


def is_kept() -> bool:
    """Tell whether a run has not ended: it is at work, or it was killed."""
    return (FOLDER / "record.json").is_file()


def bring_back() -> BroughtBack:
    """Put everything in place as it was before the run, and forget it.

    A file that somebody has edited since the run wrote it stays, and where another commit was checked out,
    only missing results are brought back: both are remarked.

    Raises
    ------
    OSError
        If a file cannot be moved; the next call goes on from there.
    """
    record = _record()
    remarks = []
    had_results = False
    same_commit = record["commit"] == _commit()
    for name, stamps in record["folders"].items():
        place, kept = Path(name), FOLDER / "files" / name
        place = place.resolve() if place.is_symlink() else place
        had_results |= Path(name).parts[0] == "artifacts" and bool(set(stamps or ()) - {"refused.csv"})
        altered = sorted(file for file, stamp in _stamps(kept).items() if stamps.get(file) != stamp)
        if altered:
            remarks.append(f"{name}: {', '.join(altered[:3])} changed in place during the run")
        if same_commit:
            _exchange(place, kept, existed=stamps is not None)
        elif kept.is_dir():
            _fill(place, kept)
    if same_commit:
        remarks += [
            remark for name, digest in record["files"].items() if (remark := _back(name, digest, record))
        ]
    else:
        remarks.append(
            "another commit was checked out since the run began: results that are missing were brought back, "
            "dvc.lock and configs/ are as checked out"
        )
    discard()
    return BroughtBack(record["study"], had_results, remarks)


def restored() -> str:
    """Bring everything back, and return what there is now as a sentence; so, too, if that did not succeed."""
    try:
        return bring_back().sentence()
    except OSError as error:
        return (
            f"Former results could not be brought back ({storage_problem(error) or error}): they are in "
            f"{FOLDER / 'files'}, and the next pcr run begins with bringing them back."
        )


def _back(name: str, digest: str | None, record: Mapping[str, Any]) -> str | None:
    """Put one file back, unless it was edited since; then say so."""
    place, kept = Path(name), FOLDER / "files" / name
    present = _digest(place)
    if present == digest:
        return None
    if present not in {None, record["written"].get(name, present)}:
        return f"{name} was edited during the run and stays as it is"
    _exchange(place, kept, existed=digest is not None)
    return None


def _exchange(place: Path, kept: Path, *, existed: bool) -> None:
    """Move what was kept to its place, and away what is there; done before, it does nothing."""
    if existed and not kept.exists():
        return
    aside = FOLDER / "failed" / place.name
    _remove(aside)
    if place.exists() or place.is_symlink():
        aside.parent.mkdir(exist_ok=True)
        shutil.move(place, aside)
    if existed:
        place.parent.mkdir(parents=True, exist_ok=True)
        shutil.move(kept, place)
    _remove(aside)


def _fill(place: Path, kept: Path) -> None:
    """Link every kept file to its place where that is empty."""
    for name in _stamps(kept):
        if not (place / name).exists():
            (place / name).parent.mkdir(parents=True, exist_ok=True)
            _linked(str(kept / name), str(place / name))


def _linked(source: str, target: str) -> str:
    """Link a file (or copy it, where the file system has no links or another disk begins); for copytree."""
    try:
        os.link(source, target, follow_symlinks=False)
    except OSError:
        shutil.copy2(source, target, follow_symlinks=False)
    return target


def _stamps(folder: Path) -> dict[str, list[int]]:
    """Return size and time of change of every file below a folder, by its path there."""
    stamps = {}
    for path in sorted(folder.rglob("*")):
        if path.is_symlink() or path.is_file():
            status = path.lstat()
            stamps[path.relative_to(folder).as_posix()] = [status.st_size, status.st_mtime_ns]
    return stamps


def _digest(file: Path) -> str | None:
    return hashlib.sha256(file.read_bytes()).hexdigest() if file.is_file() else None


def _commit() -> str:
    """Return the commit that is checked out; nothing where there is none, or no git."""
    try:
        done = subprocess.run(
            ["git", "rev-parse", "--quiet", "--verify", "HEAD"],  # noqa: S607 - git, as the user has it
            capture_output=True,
            text=True,
            check=False,
        )
    except FileNotFoundError:
        return ""
    return done.stdout.strip()


def _record() -> dict[str, Any]:
    content: dict[str, Any] = json.loads((FOLDER / "record.json").read_text(encoding="utf-8"))
    return content


def _write_record(folder: Path, record: Mapping[str, Any]) -> None:
    new = folder / "record-new.json"
    new.write_text(json.dumps(record, indent=1), encoding="utf-8")
    new.replace(folder / "record.json")


def _remove(path: Path) -> None:
    """Remove a file or a folder, if it is there."""
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path)
    else:
        path.unlink(missing_ok=True)
