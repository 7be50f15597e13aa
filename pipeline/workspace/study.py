"""Studies and their data: which study is active, and where its raw files are."""

import filecmp
import hashlib
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import yaml

from features.documents.study import with_defaults
from features.errors import UserError
from pipeline.project.files import read_yaml, replacing, write_text

ACTIVE = Path("configs/study.yaml")
STUDIES = Path("configs/studies")
DATA = Path("data")
ARTIFACTS = Path("artifacts")
LOCK = Path("dvc.lock")
PARKED = Path(".pcr/dvc-locks")
"""Locks of the studies that are not active, so that switching back need not rebuild theirs stage by stage."""
COPIED = Path(".pcr/active-study.sha256")
"""Digest of configs/study.yaml as `activate` wrote it: tells an edit of the copy from one of the file."""
MAX_LINES = 30
"""Shown of the difference between the copy and the file."""


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
    """Make a study the active one, as its file in configs/studies is now; tell whether it was not before.

    configs/study.yaml, which DVC reads, becomes a copy of the study's file, with defaults of the keys that it
    leaves out. The former study's dvc.lock is set aside, and the new one's put in place where there is one;
    else the run cache brings back what was computed for it.

    Raises
    ------
    StudyError
        If the study is unknown, or the copy itself was edited and the edit would be lost.
    """
    wanted = _complete(study_file(name))
    current = active_study()
    require_unedited_copy()
    if ACTIVE.read_bytes() != wanted:
        write_text(ACTIVE, wanted.decode())
    write_text(COPIED, _digest(wanted))
    if current == name:
        return False
    if LOCK.is_file():
        PARKED.mkdir(parents=True, exist_ok=True)
        LOCK.replace(parked_lock(current))
    _release(ARTIFACTS / current)
    if parked_lock(name).is_file():
        parked_lock(name).replace(LOCK)
    return True


def _complete(path: Path) -> bytes:
    """Return a study file as it stands, and behind it the keys that it leaves out: DVC needs every one."""
    content = path.read_bytes()
    document = read_yaml(path)
    missing = {key: value for key, value in with_defaults(document).items() if key not in document}
    if not missing:
        return content
    text = yaml.dump(missing, Dumper=_AsDvc, sort_keys=False)
    head = f"# Keys that {path} leaves out stand at the end, with their defaults.\n"
    return head.encode() + content.rstrip() + f"\n{text}".encode()


class _AsDvc(yaml.SafeDumper):
    """Writes YAML in DVC's layout, so that `-S` of `dvc exp run` changes one line: null is nothing."""


_AsDvc.add_representer(type(None), lambda dumper, _: dumper.represent_scalar("tag:yaml.org,2002:null", ""))


def _release(folder: Path) -> None:
    """Let DVC's claim on a study's results end; no content changes.

    `dvc checkout` removes whatever DVC once put in place that dvc.lock no longer names, if it has the times
    that DVC remembers: all results of the studies that are not active.
    """
    for path in folder.rglob("*"):
        if path.is_file() and not path.is_symlink():
            os.utime(path)


def parked_lock(name: str) -> Path:
    """Return where a study's dvc.lock is while another study is active."""
    return PARKED / f"{name}.lock"


def require_unedited_copy() -> None:
    """Make sure that configs/study.yaml may be replaced by a study's file.

    It may if it says the same as the active study's file, or is as `activate` or the last commit made it of
    that file: then only the file was edited, and the edit is to be used.

    Raises
    ------
    StudyError
        If the copy itself was edited; the message shows the difference.
    """
    copy = ACTIVE.read_bytes()
    original = STUDIES / f"{active_study()}.yaml"
    if COPIED.is_file() and COPIED.read_text(encoding="utf-8") == _digest(copy):
        return
    if _committed(ACTIVE) == copy == _committed(original):
        return
    if not original.is_file():
        raise StudyError(
            f"{ACTIVE} is of a study without a file: to keep it, cp {ACTIVE} {original}; run again"
        )
    lines = _difference(with_defaults(read_yaml(original)), with_defaults(read_yaml(ACTIVE)))
    if not lines:
        return
    more = [f"... and {len(lines) - MAX_LINES} more lines"] if len(lines) > MAX_LINES else []
    raise StudyError(
        "\n".join(
            [
                f"{ACTIVE} was edited, but {original} is the file that counts. They differ:",
                *lines[:MAX_LINES],
                *more,
                f"To keep the edit: cp {ACTIVE} {original}",
                f"To drop it:       cp {original} {ACTIVE}",
                "Then run again.",
            ]
        )
    )


def _difference(file: Any, copy: Any) -> list[str]:
    """Return the settings that differ, a line each: with - as in the file, with + as in the copy."""
    before, after = dict(_settings(file)), dict(_settings(copy))
    return [
        f"{sign}{key}: {values[key]}"
        for key in sorted(before.keys() | after.keys())
        if before.get(key) != after.get(key)
        for sign, values in (("-", before), ("+", after))
        if key in values
    ]


def _settings(content: Any, key: str = "") -> Iterator[tuple[str, str]]:
    """Give every single setting by its full key, such as primary.landmark."""
    if isinstance(content, dict) and content:
        for name, value in content.items():
            yield from _settings(value, f"{key}.{name}" if key else str(name))
    elif isinstance(content, list) and any(isinstance(value, dict | list) for value in content):
        for number, value in enumerate(content, start=1):
            yield from _settings(value, f"{key}[{number}]")
    else:
        yield key, str(content)


def _digest(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


def _committed(path: Path) -> bytes | None:
    """Return a file's content in the commit that is checked out, or None if it has none."""
    try:
        shown = subprocess.run(  # noqa: S603 - git, as the user has it
            ["git", "show", f"HEAD:./{path.as_posix()}"],  # noqa: S607
            capture_output=True,
            check=False,
        )
    except FileNotFoundError:
        return None
    return shown.stdout if shown.returncode == 0 else None


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
