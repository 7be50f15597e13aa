"""A run that does not end well leaves everything as it was; what was finished is not computed again."""

import os
import re
import signal
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.toy import STAGES, A, B, ToyProject, copy_of, kill

AS_BEFORE = f"Study {B}: results are as before the run."


@pytest.fixture(scope="module")
def first(finished_toy: ToyProject, tmp_path_factory: pytest.TempPathFactory) -> ToyProject:
    """Two studies with results, A active."""
    return copy_of(finished_toy, tmp_path_factory.mktemp("runs") / "project")


@pytest.fixture
def project(first: ToyProject, request: pytest.FixtureRequest) -> Iterator[ToyProject]:
    """The project with an edit of B that makes each stage run; a test must leave it as it was, and idle."""
    first.title(B, request.node.name)
    before = first.snapshot()
    yield first
    first.wait_for_end()
    assert first.snapshot() == before
    first.trouble()


@pytest.fixture
def copied(first: ToyProject, tmp_path: Path) -> ToyProject:
    """A copy of the project, in which runs may succeed."""
    copied = copy_of(first, tmp_path / "copy")
    copied.title(B, "second title")
    return copied


def told(text: str) -> str:
    return " ".join(text.split())


@pytest.mark.parametrize("stage", STAGES)
def test_a_stage_that_fails_leaves_both_studies_as_they_were(project: ToyProject, stage: str) -> None:
    project.trouble(**{stage: "fail"})
    done = project.pcr("run", "--study", B, expect=70)
    assert f"Stage {stage} failed; its message is above. {AS_BEFORE}" in told(done.stderr)
    assert "Traceback" not in done.stderr


def test_a_killed_run_ends_its_processes_and_brings_former_results_back(project: ToyProject) -> None:
    project.trouble(compare="wait")
    process = project.start("run", "--study", B)
    project.wait_for_stage()
    printed = kill(process)
    project.wait_for_end()
    assert f"The run was killed. {AS_BEFORE}" in told(printed)


@pytest.mark.parametrize("seconds", [0.5, 2.5, 4, 5.5])
def test_a_run_killed_at_any_moment_leaves_both_studies_as_they_were(
    project: ToyProject, seconds: float
) -> None:
    process = project.start("run", "--study", B, STAGE_SECONDS="0.3")
    project.trouble(track="wait")
    time.sleep(seconds)
    kill(process)
    project.wait_for_end()
    project.trouble()
    # What was killed before DVC began is brought back by the next run, also one of the other study.
    project.pcr("run")


def test_where_the_supervisor_is_killed_too_the_next_run_brings_former_results_back(
    copied: ToyProject,
) -> None:
    before = copied.snapshot()
    copied.trouble(compare="wait")
    process = copied.start("run", "--study", B)
    copied.wait_for_stage()
    supervisor = next(pid for pid, command in copied.processes().items() if "workspace.supervisor" in command)
    os.kill(supervisor, signal.SIGKILL)
    kill(process)
    copied.wait_for_end()
    assert copied.snapshot() != before
    done = copied.pcr("run")
    assert f"The last run was killed. {AS_BEFORE}" in told(done.stderr)
    assert copied.snapshot() == before


@pytest.mark.parametrize(("pressed", "sent"), [(1, signal.SIGINT), (4, signal.SIGINT), (1, signal.SIGTERM)])
def test_ctrl_c_ends_in_one_message(project: ToyProject, pressed: int, sent: signal.Signals) -> None:
    project.trouble(**{"judge@c2": "wait"})
    process = project.start("run", "--study", B)
    project.wait_for_stage()
    for _ in range(pressed):
        os.killpg(process.pid, sent)
        time.sleep(0.1)
    printed = process.communicate(timeout=30)[0]
    assert process.returncode == 128 + sent
    assert f"Stopped. Ended by {sent.name}. {AS_BEFORE}" in told(printed)
    for noise in ("Traceback", "KeyboardInterrupt", "ERROR"):
        assert noise not in printed


def test_what_a_stopped_run_had_finished_is_not_computed_again(copied: ToyProject) -> None:
    copied.trouble(compare="fail")
    copied.pcr("run", "--study", B, expect=70)
    copied.trouble()
    done = copied.pcr("run", "--study", B)
    computed = re.findall(r"^\[\d+/\d+\] (.*) \.\.\. \d+ s$", done.stdout, re.MULTILINE)
    assert computed == ["compare", "models", "track"]


def test_a_study_that_had_no_results_has_none_after_a_failure(copied: ToyProject) -> None:
    copied.title("third", "a third one")
    before = copied.snapshot()
    copied.trouble(compare="fail")
    done = copied.pcr("run", "--study", "third", expect=70)
    assert "Study third: had no results before, and has none now." in told(done.stderr)
    assert copied.snapshot() == before


def test_a_file_edited_while_a_run_was_at_work_stays_and_is_named(copied: ToyProject) -> None:
    copied.trouble(compare="wait")
    process = copied.start("run", "--study", B)
    copied.wait_for_stage()
    copied.change("configs/validation.yaml", {"bootstrap": 51})
    process.send_signal(signal.SIGINT)
    printed = process.communicate(timeout=30)[0]
    assert "But configs/validation.yaml was edited during the run and stays as it is." in told(printed)
    assert copied.read("configs/validation.yaml")["bootstrap"] == 51


def test_dvc_typed_by_hand_works_after_a_stopped_run_and_keeps_the_other_study(copied: ToyProject) -> None:
    copied.title(A, "another title")
    copied.pcr("run")
    copied.trouble(compare="fail")
    copied.pcr("run", "--study", B, expect=70)
    copied.trouble()
    assert "Running stage 'track'" in copied.call("dvc", "repro").stdout
    copied.pcr("run", "--study", B)
    kept = {name: text for name, text in copied.snapshot().items() if name.startswith(f"artifacts/{A}")}
    copied.call("dvc", "checkout")
    assert kept.items() <= copied.snapshot().items()


def test_a_second_run_is_refused_with_who_runs_what_since_when(project: ToyProject) -> None:
    project.trouble(raw="wait")
    process = project.start("run", "--study", B)
    project.wait_for_stage()
    done = project.pcr("run", expect=1)
    assert f"another run is at work in this checkout: study {B}, since 2" in told(done.stderr)
    assert f"(process {process.pid})" in told(done.stderr)
    process.send_signal(signal.SIGINT)
    process.communicate(timeout=30)


def test_two_runs_started_together_give_one_result_each(copied: ToyProject) -> None:
    copied.title(A, "another title")
    both = [copied.start("run", "--wait", "--study", study, STAGE_SECONDS="0.2") for study in (A, B)]
    printed = [process.communicate(timeout=120)[0] for process in both]
    assert [process.returncode for process in both] == [0, 0], printed
    assert sum("Waiting for another run" in text for text in printed) == 1
    for study, title in ((A, "another title"), (B, "second title")):
        for path in (copied.folder / "artifacts" / study).rglob("*.csv"):
            if path.parent.name != "review":
                assert path.read_text().startswith(f"{study}\n{title}\n"), path


def test_the_lock_of_a_killed_run_and_what_dvc_left_are_recognised(copied: ToyProject) -> None:
    copied.trouble(raw="wait")
    process = copied.start("run", "--study", B)
    copied.wait_for_stage()
    kill(process)
    copied.wait_for_end()
    listed = copied.folder / ".dvc/tmp/rwlock"
    for left in ('{"write": {"/x": {"pid": 4194303, "cmd": "dvc repro"}}}', '{"write": {"/x'):
        listed.write_text(left)
        done = copied.pcr("run")
        assert "RWLock" not in done.stderr


def test_a_dvc_command_at_work_is_not_run_over(project: ToyProject) -> None:
    listed = project.folder / ".dvc/tmp/rwlock"
    listed.write_text(f'{{"write": {{"/x": {{"pid": {os.getpid()}, "cmd": "dvc repro"}}}}}}')
    done = project.pcr("run", "--study", B, expect=1)
    assert f"DVC is at work in this checkout (process {os.getpid()}: dvc repro)" in told(done.stderr)
    listed.unlink()
