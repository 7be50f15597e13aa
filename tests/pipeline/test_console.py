"""What people see of an error: a refusal whole, a fault of the pipeline without the values in its message."""

import subprocess
import sys

import pytest

from features.errors import UserError
from pipeline.console import FAULT, reported_errors, tell
from pipeline.report.page import measure
from tests.pipeline.formats import ROOT

SECRET = "zq-marker"  # noqa: S105 - stands for a patient's value


def test_a_refusal_is_told_whole_and_a_fault_without_its_message(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as refused, reported_errors():
        raise UserError("arms.csv: no column arm; add it")
    assert refused.value.code == 1
    assert "Error: arms.csv: no column arm; add it" in capsys.readouterr().err
    with pytest.raises(SystemExit) as failed, reported_errors():
        measure({"value": SECRET})
    told = " ".join(capsys.readouterr().err.split())
    assert failed.value.code == FAULT
    assert "Error at pipeline/report/page.py:" in told
    assert SECRET not in told
    monkeypatch.setenv("PCR_TRACEBACK", "1")
    with pytest.raises(AttributeError), reported_errors():
        measure({"value": SECRET})


def test_a_stage_tells_an_error_that_nothing_catches_without_its_message() -> None:
    script = (
        "import sys; sys.argv = ['stage']\n"
        "from pipeline.project.files import stage_paths\n"
        f"stage_paths('a stage')\nfloat({SECRET!r})\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", script], cwd=ROOT, capture_output=True, text=True, check=False
    )
    assert done.returncode == FAULT
    assert "Failed. ValueError at" in done.stderr
    assert SECRET not in done.stderr
    assert "Traceback" not in done.stderr


@pytest.mark.parametrize(
    ("error", "told"),
    [
        (
            FileNotFoundError("artifacts/t/cohort.parquet"),
            "artifacts/t/cohort.parquet does not exist; `pcr run` makes it",
        ),
        (FileNotFoundError(2, "No such file or directory", "a b.csv"), "a b.csv does not exist"),
        (FileNotFoundError("no model here: name one"), "no model here: name one"),
    ],
)
def test_a_file_that_is_not_there_is_told_with_what_makes_it(
    error: FileNotFoundError, told: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert tell(error) == 1
    assert " ".join(capsys.readouterr().err.split()) == f"Error: {told}"


def test_ctrl_c_before_a_run_has_begun_is_one_line(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as stopped, reported_errors():
        raise KeyboardInterrupt
    assert (stopped.value.code, capsys.readouterr().err) == (130, "Stopped by Ctrl-C.\n")
