import json
import os
import shutil
import subprocess
import sys
import time
from pathlib import Path

import pytest

from features.errors import PipelineFault
from pipeline.commands.run import _reason
from pipeline.workspace import former_results
from pipeline.workspace.dvc_process import STAGE, STATUS
from pipeline.workspace.lifeline import watch
from pipeline.workspace.run_lock import LOCK, RunLockError, run_lock
from pipeline.workspace.supervisor import Failure

ROOT = Path(__file__).parents[2]
METRICS, LOCKED = Path("artifacts/b/metrics/c2.json"), Path("dvc.lock")


@pytest.fixture(autouse=True)
def checkout(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A checkout with one commit, in which study b has results and the run of it has begun."""
    monkeypatch.chdir(tmp_path)
    commit()
    METRICS.parent.mkdir(parents=True)
    METRICS.write_text("former")
    LOCKED.write_text("former")
    former_results.keep("b", [Path("artifacts/b"), Path("data/b")], [LOCKED, Path("configs/study.yaml")])
    return tmp_path


def commit() -> None:
    subprocess.run(["git", "init", "-q"], check=True)
    who = ["-c", "user.name=test", "-c", "user.email=test@example.org"]
    subprocess.run(["git", *who, "commit", "-q", "--allow-empty", "-m", "state"], check=True)


def test_all_is_back_whatever_the_run_removed_replaced_or_made() -> None:
    METRICS.unlink()
    LOCKED.write_text("of the run")
    for made in (Path("artifacts/b/new/file"), Path("data/b/raw.csv"), Path("configs/study.yaml")):
        made.parent.mkdir(parents=True)
        made.write_text("of the run")
    assert former_results.bring_back().sentence() == "Study b: results are as before the run."
    assert (METRICS.read_text(), LOCKED.read_text()) == ("former", "former")
    assert not any(Path(gone).exists() for gone in ("artifacts/b/new", "data/b", "configs/study.yaml"))
    assert not former_results.is_kept()


def test_bringing_back_that_was_broken_off_goes_on(monkeypatch: pytest.MonkeyPatch) -> None:
    def interrupt(*_: object) -> None:
        raise KeyboardInterrupt

    METRICS.unlink()
    LOCKED.write_text("of the run")
    record = (former_results.FOLDER / "record.json").read_text()
    with monkeypatch.context() as patch:
        patch.setattr(former_results, "_back", interrupt)
        with pytest.raises(KeyboardInterrupt):
            former_results.bring_back()
    assert (former_results.FOLDER / "record.json").read_text() == record
    former_results.bring_back()
    assert LOCKED.read_text() == "former"


def test_a_file_that_changed_in_place_is_named() -> None:
    METRICS.write_text("of somebody who opened the file")
    assert "artifacts/b: metrics/c2.json changed in place" in former_results.bring_back().sentence()


def test_after_a_checkout_of_another_commit_only_what_is_missing_comes_back() -> None:
    METRICS.unlink()
    LOCKED.write_text("of the other commit")
    commit()
    assert "another commit was checked out" in former_results.bring_back().sentence()
    assert (METRICS.read_text(), LOCKED.read_text()) == ("former", "of the other commit")


def test_results_that_were_not_brought_back_are_never_replaced_by_later_ones() -> None:
    with pytest.raises(PipelineFault):
        former_results.keep("b", [], [])


def test_what_cannot_be_brought_back_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object) -> None:
        raise OSError(28, "No space left on device")

    METRICS.unlink()
    monkeypatch.setattr(former_results.shutil, "move", refuse)
    assert "could not be brought back (the disk is full" in former_results.restored()
    assert former_results.is_kept()


def test_git_merges_no_state_line_by_line(checkout: Path) -> None:
    def git(*words: str) -> int:
        who = ["-c", "user.name=test", "-c", "user.email=test@example.org"]
        return subprocess.run(["git", *who, *words], check=False, capture_output=True).returncode

    shutil.copy(ROOT / ".gitattributes", checkout)
    git("checkout", "-q", "-b", "ours")
    for branch, first, last in (("ours", 1, 1), ("theirs", 2, 1), ("ours", 1, 2)):
        git("checkout", "-q", "-B" if branch == "theirs" else "-q", branch)
        for path in (LOCKED, METRICS):
            path.write_text(f"a: {first}\n" + "x: 1\n" * 20 + f"b: {last}\n")
        git("add", "-A")
        git("commit", "-q", "-m", branch)
    assert git("merge", "-q", "theirs") == 1
    assert LOCKED.read_text() == METRICS.read_text() == "a: 1\n" + "x: 1\n" * 20 + "b: 2\n"


def test_the_lock_is_held_while_any_process_of_the_run_lives() -> None:
    with run_lock("b", wait=False) as lock:
        held = json.loads(LOCK.read_text())
        child = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(60)"], pass_fds=[lock])
    assert (held["study"], held["process"]) == ("b", os.getpid())
    with pytest.raises(RunLockError, match="study b, since"), run_lock("c", wait=False):
        pass
    child.kill()
    child.wait()
    with run_lock("c", wait=False):
        assert json.loads(LOCK.read_text())["study"] == "c"


def test_a_lifeline_tells_what_is_said_and_the_end() -> None:
    heard: list[str] = []
    reading, writing = os.pipe()
    watch(reading, said=lambda: heard.append("said"), gone=lambda: heard.append("gone"))
    os.write(writing, b"xx")
    os.close(writing)
    end = time.monotonic() + 10
    while heard[-1:] != ["gone"] and time.monotonic() < end:
        time.sleep(0.01)
    os.close(reading)
    assert heard == ["said", "said", "gone"]


@pytest.mark.parametrize(
    ("failure", "reason"),
    [
        (Failure("", "train@c2", 1), "Stage train@c2 failed; its message is above."),
        (
            Failure("", "train@c2", 137),
            "Stage train@c2 was killed by signal 9, as happens where memory does not suffice.",
        ),
        (Failure("", "train@c2", -15), "Stage train@c2 was killed by signal 15."),
        (Failure("", storage="the disk is full: make room"), "The disk is full: make room."),
        (Failure("output is a symlink"), "DVC: output is a symlink."),
    ],
)
def test_a_failure_is_told_by_its_cause(failure: Failure, reason: str) -> None:
    assert reason in _reason(failure)


def test_stage_and_exit_code_are_read_from_what_dvc_says() -> None:
    text = "failed to reproduce 'train@c2': failed to run: python -m x --a 1, exited with -9"
    stage, status = STAGE.search(text), STATUS.search(text)
    assert stage is not None
    assert status is not None
    assert (stage.group(1), status.group(1)) == ("train@c2", "-9")
