"""What a stage may see: the files and parameters that it declares, and nothing else."""

import sys
from pathlib import Path

import pytest
import yaml

from features.errors import PipelineFault
from pipeline.project import paths
from pipeline.project.stage import Run, Stage

STAGE = Stage(
    reads=(paths.FEATURES_FOLDER, paths.SOURCE),
    writes=(paths.STORED_MODEL,),
    params={paths.VALIDATION: ("seed", "folds")},
    items=("landmark",),
)


@pytest.fixture
def root(tmp_path: Path) -> Path:
    (tmp_path / "configs").mkdir()
    files = {
        paths.STUDY: {"study": "demo", "source": "data/demo", "rules": "none"},
        paths.VALIDATION: {"seed": 1, "level": 0.95},
        paths.RUNTIME: {"backend": {"name": "loky", "address": None}},
    }
    for name, content in files.items():
        (tmp_path / name).write_text(yaml.safe_dump(content))
    return tmp_path


def test_a_declared_folder_stands_for_the_files_in_it(root: Path) -> None:
    run = Run(STAGE, {"landmark": "c2"}, root)
    assert run.path(paths.FEATURES) == root / "artifacts/demo/features/c2.parquet"
    assert run.path(paths.FEATURES, landmark="c1") == root / "artifacts/demo/features/c1.parquet"
    assert run.path(paths.SOURCE) == root / "data/demo"


def test_an_undeclared_file_is_a_fault_of_the_stage(root: Path) -> None:
    run = Run(STAGE, {"landmark": "c2"}, root)
    with pytest.raises(PipelineFault, match="does not declare"):
        run.path(paths.COHORT)
    with pytest.raises(PipelineFault, match="does not declare"):
        run.path(paths.STORED_MODEL, landmark="c1")


def test_a_stage_sees_only_the_keys_that_it_declares(root: Path) -> None:
    assert Run(STAGE, {"landmark": "c2"}, root).params(paths.VALIDATION) == {"seed": 1}


def test_the_command_line_names_the_landmark(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    seen: list[str] = []
    monkeypatch.chdir(root)
    monkeypatch.setattr(sys, "argv", ["stage", "c1"])
    STAGE.run(lambda run: seen.append(run.landmark))
    assert seen == ["c1"]


def test_a_fault_in_a_stage_ends_with_its_exit_code(
    root: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(root)
    monkeypatch.setattr(sys, "argv", ["stage", "c1"])
    monkeypatch.setattr(sys, "excepthook", sys.excepthook)
    with pytest.raises(SystemExit) as ended:
        STAGE.run(lambda run: run.table(paths.COHORT))
    assert ended.value.code == 70
    assert "Failed. PipelineFault at" in capsys.readouterr().err
