"""What `pcr run` says, and does not touch, before it runs anything; and from where it can be started."""

import errno
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import get_args, get_type_hints

import pytest

from pipeline.commands import ctdna_reference, intake, registry, run
from pipeline.workspace.root import user_path
from tests.toy import A, B, ToyProject, copy_of
from tests.workspace import content

# Stands for a disk on which nothing can be written any more, in the processes of one command.
BROKEN_DISK = """
import builtins, errno, io, os
here, number = os.environ["BROKEN_FOLDER"], int(os.environ["BROKEN_ERRNO"])
real_open, real_os_open = io.open, os.open
def refuse(path):
    text = os.path.abspath(os.fsdecode(path)) if isinstance(path, (str, bytes, os.PathLike)) else ""
    if text.startswith(here):
        raise OSError(number, os.strerror(number), text)
def opened(file, mode="r", *rest, **named):
    if set(mode) & set("wax+"):
        refuse(file)
    return real_open(file, mode, *rest, **named)
def os_opened(path, flags, *rest, **named):
    if flags & (os.O_WRONLY | os.O_RDWR | os.O_CREAT):
        refuse(path)
    return real_os_open(path, flags, *rest, **named)
io.open = builtins.open = opened
os.open = os_opened
"""


@pytest.fixture(scope="module")
def project(finished_toy: ToyProject, tmp_path_factory: pytest.TempPathFactory) -> ToyProject:
    return copy_of(finished_toy, tmp_path_factory.mktemp("refusals") / "project")


@pytest.fixture
def unchanged(project: ToyProject) -> Iterator[ToyProject]:
    before = project.snapshot()
    yield project
    project.wait_for_end()
    assert project.snapshot() == before


def broken_disk(folder: Path, scratch: Path, number: int) -> dict[str, str]:
    """Return the environment of processes that cannot write into a folder; each reads it as it starts."""
    (scratch / "sitecustomize.py").write_text(BROKEN_DISK)
    path = os.pathsep.join([str(scratch), str(folder.parent)])
    broken = {"BROKEN_FOLDER": str(folder), "BROKEN_ERRNO": str(number)}
    return {"PYTHONPATH": path, "PCR_WARM_SOCKET": "none", **broken}


def told(text: str) -> str:
    return " ".join(text.split())


def test_an_edit_of_the_study_file_is_used(project: ToyProject) -> None:
    project.title(A, "an edited title")
    project.pcr("run")
    assert project.read("configs/study.yaml")["title"] == "an edited title"
    assert "an edited title" in (project.folder / f"artifacts/{A}/raw/one.csv").read_text()


def test_an_edit_of_the_active_copy_is_shown_and_not_lost(unchanged: ToyProject) -> None:
    active = unchanged.folder / "configs/study.yaml"
    text = active.read_text().replace("log_loss", "brier")
    with content(active, text):
        for study in (A, B):
            done = unchanged.pcr_here("run", "--study", study, expect=1)
            assert "-primary.metric: log_loss +primary.metric: brier" in told(done.stderr)
            assert f"To drop it: cp configs/studies/{A}.yaml configs/study.yaml" in told(done.stderr)
            assert active.read_text() == text


LOCK_CONFLICT = "a: 1\n<<<<<<< HEAD\nb: 1\n=======\nb: 2\n>>>>>>> x\n"
REMEDY = "to take the committed one: git checkout HEAD -- dvc.lock"


@pytest.mark.parametrize(
    ("file", "text", "message"),
    [
        ("dvc.lock", LOCK_CONFLICT, "dvc.lock, line 2: an unresolved merge conflict"),
        ("dvc.lock", LOCK_CONFLICT, REMEDY),
        ("dvc.lock", "stages: {", "dvc.lock, line 2: not valid YAML"),
        ("dvc.lock", "", f"dvc.lock is not a file of DVC's any more; {REMEDY}"),
        ("dvc.yaml", "<<<<<<< HEAD\nvars: []\n=======\n", "dvc.yaml, line 1: an unresolved merge conflict"),
        ("configs/study.yaml", "<<<<<<< HEAD\na: b\n=======\n", "configs/study.yaml, line 1: an unresolved"),
    ],
)
def test_a_file_with_a_conflict_is_named_with_what_to_do(
    unchanged: ToyProject, file: str, text: str, message: str
) -> None:
    with content(unchanged.folder / file, text):
        done = unchanged.pcr_here("run", expect=1)
    assert message in told(done.stderr)
    assert "Traceback" not in done.stderr


def test_a_checkout_that_cannot_be_written_is_one_message(unchanged: ToyProject, tmp_path: Path) -> None:
    done = unchanged.pcr("run", expect=1, **broken_disk(unchanged.folder, tmp_path, errno.EROFS))
    assert done.stderr.startswith("Error: permission denied")
    assert str(unchanged.folder) in done.stderr.replace("\n", "")
    assert "Traceback" not in done.stderr


@pytest.mark.parametrize("part", ["artifacts", "dvc.lock", ".dvc/cache"])
def test_a_full_disk_is_one_message_and_nothing_is_lost(
    unchanged: ToyProject, tmp_path: Path, part: str
) -> None:
    study = unchanged.folder / f"configs/studies/{B}.yaml"
    broken = broken_disk(unchanged.folder / part, tmp_path, errno.ENOSPC)
    broken["PYTHONPATH"] = os.pathsep.join([str(tmp_path), str(unchanged.folder)])
    with content(study, study.read_text().replace("first title", f"full {part}")):
        done = unchanged.pcr("run", "--study", B, expect=1, **broken)
    assert "he disk is full" in done.stderr
    assert f"Study {B}: results are as before the run." in told(done.stderr)
    assert "Traceback" not in done.stdout + done.stderr


def test_a_run_needs_no_activated_environment_and_starts_in_any_folder(project: ToyProject) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "pipeline.cli", "run", "--study", B],
        cwd=project.folder / "docs",
        env={"PATH": "/usr/bin:/bin", "PYTHONPATH": str(project.folder), "HOME": os.environ["HOME"]},
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert "] track ... " in done.stdout
    assert not (project.folder / "docs" / "artifacts").exists()


def test_a_relative_path_is_relative_to_where_the_user_stands(project: ToyProject) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "pipeline.cli", "dictionary", "--out", "page.html"],
        cwd=project.folder / "docs",
        env={**os.environ, "PYTHONPATH": str(project.folder)},
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert (project.folder / "docs" / "page.html").is_file()


def test_every_path_of_the_command_line_is_parsed_so() -> None:
    parsers = {}
    for module in (run, registry, intake, ctdna_reference):
        for command in module.app.registered_commands:
            for name, hint in get_type_hints(command.callback, include_extras=True).items():
                if get_args(hint) and Path in {*get_args(get_args(hint)[0]), *get_args(hint)[:1]}:
                    parsers[command.callback, name] = get_args(hint)[1].parser
    assert len(parsers) > 10
    assert set(parsers.values()) == {user_path}


def test_a_settings_file_of_a_later_stage_is_checked_before_the_first_one(unchanged: ToyProject) -> None:
    path = unchanged.folder / "configs/serving.yaml"
    before = path.read_text(encoding="utf-8")
    path.write_text(before.replace("unit_tolerance", "unit_tolerence"), encoding="utf-8")
    done = unchanged.pcr("run", "--study", B, expect=1)
    path.write_text(before, encoding="utf-8")
    assert "configs/serving.yaml: key unit_tolerence is unknown, did you mean unit_tolerance" in done.stderr
