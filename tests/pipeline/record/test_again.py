"""Stages run again in a copy, and two versions of their files compared cell by cell."""

import shlex
import shutil
import sys
from pathlib import Path

import pandas as pd
import pytest

from features.errors import UserError
from pipeline.commands.reproduce import Reproduction, report, reproduce
from pipeline.project.files import write_json, write_table
from pipeline.record.again import lay_out, repeated, stages_to_repeat, versions
from pipeline.record.cells import Cells, compare_documents, compare_files, compare_outputs, compare_tables
from pipeline.registry.contents import CorruptionError, content_digest
from pipeline.registry.origin import read_origin
from pipeline.registry.state import Stage, State

GATES = Path(__file__).parents[3] / "configs/gates.yaml"

COUNT = "from pathlib import Path; Path('{out}').write_text(str(len(Path('{read}').read_text())))"


def stage(read: str, out: str, script: str = COUNT) -> Stage:
    """A stage that writes how long a file is, as dvc.lock has it."""
    command = shlex.join(["python", "-c", script.format(read=read, out=out)])
    return {"cmd": command, "deps": [{"path": read, "md5": ""}], "outs": [{"path": out, "md5": ""}]}


@pytest.fixture
def state(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> State:
    """A checkout with two stages: `size` reads what `cohort` writes."""
    monkeypatch.chdir(tmp_path)
    artifacts = Path("artifacts/toy")
    for name, text in {"raw": "abc", "cohort": "3", "results/size.json": "1"}.items():
        (artifacts / name).parent.mkdir(parents=True, exist_ok=True)
        (artifacts / name).write_text(text)
    stages = {
        "size": stage("artifacts/toy/cohort", "artifacts/toy/results/size.json"),
        "cohort": stage("artifacts/toy/raw", "artifacts/toy/cohort"),
        "raw": stage("raw", "artifacts/toy/raw"),
        "train@c1": stage("artifacts/toy/cohort", "artifacts/toy/fits"),
    }
    for name in ("size", "cohort", "raw"):
        (out,) = stages[name]["outs"]
        out["md5"] = content_digest(Path(out["path"]))
    return State("key", stages, "toy", ("c1",), True, artifacts, read_origin())


def test_stages_come_after_what_they_read_and_fits_only_on_request(state: State) -> None:
    assert stages_to_repeat(state.stages, fits=False) == ["cohort", "size"]
    assert set(stages_to_repeat(state.stages, fits=True)) == {"cohort", "size", "train@c1"}


def test_stages_run_in_a_copy_and_the_checkout_stays_as_it_was(state: State) -> None:
    with repeated(state, sys.executable, fits=False) as again:
        copy = again.root
        for path in ("artifacts/toy/cohort", "artifacts/toy/results/size.json"):
            assert (copy / path).read_text() == Path(path).read_text()
            assert not (copy / path).is_symlink()
        assert (copy / "artifacts/toy/raw").is_symlink()
    assert not copy.exists()


def test_a_stage_that_fails_is_named_and_the_others_are_there(
    state: State, capfd: pytest.CaptureFixture[str]
) -> None:
    state.stages["cohort"]["cmd"] = "python -c 'raise SystemExit(3)'"
    with repeated(state, sys.executable, fits=False) as again:
        assert again.failed == ["cohort", "size"]
        assert compare_outputs(Path("artifacts/toy/cohort"), again.root / "artifacts/toy/cohort").different
    assert "No such file" in capfd.readouterr().err


def test_what_was_altered_after_it_was_computed_is_not_reproduced(state: State) -> None:
    Path("artifacts/toy/cohort").write_text("4")
    with (
        pytest.raises(CorruptionError, match="artifacts/toy/cohort"),
        repeated(state, sys.executable, fits=False),
    ):
        pass


def test_a_stage_cannot_write_through_the_copy_into_the_checkout(state: State, tmp_path: Path) -> None:
    copy = tmp_path / "copy"
    copy.mkdir()
    lay_out(tmp_path, copy, state.artifacts, ["artifacts/toy/results"])
    assert (copy / "artifacts/toy").is_dir()
    assert not (copy / "artifacts/toy").is_symlink()
    assert not (copy / "artifacts/toy/results").exists()


@pytest.mark.parametrize("interpreter", ["/no/such/python", "/bin/false"])
def test_what_is_no_python_with_the_libraries_is_refused(interpreter: str) -> None:
    with pytest.raises(UserError, match=r"must be a Python with numpy.*make reproduce"):
        versions(interpreter)


def test_versions_name_python_and_what_computes() -> None:
    assert versions(sys.executable).startswith("Python 3.")
    assert f"pandas {pd.__version__}" in versions(sys.executable)


def test_cells_are_the_same_close_or_different_by_column() -> None:
    stored = pd.DataFrame({"x": [1.0, 2.0, float("nan"), 0.1], "text": ["a", "b", None, "d"]})
    again = stored.assign(x=[1.0, 2.0 * (1 + 1e-12), float("nan"), 0.2], text=["a", "b", None, "e"])
    assert compare_tables(stored, stored) == Cells(same=8)
    assert compare_tables(stored, again) == Cells(same=5, close=1, different=2, where=("x", "text"))
    assert compare_tables(stored, again.rename(columns={"text": "words"})).where == ("text", "words", "x")
    assert compare_tables(stored, again.iloc[1:]) == Cells(different=8, where=("number of rows",))
    assert compare_tables(stored, stored.assign(x=float("inf"))).different == 4


def test_documents_are_compared_by_the_paths_of_their_leaves(tmp_path: Path) -> None:
    stored = {"auc": {"value": 0.7, "error": "none"}, "n": 3, "rows": [1.0, []]}
    again = {"auc": {"value": 0.7 + 1e-14, "error": "none"}, "n": 4, "rows": [1.0], "new": True}
    write_json(tmp_path / "a.json", stored)
    write_json(tmp_path / "b.json", again)
    found = compare_files(tmp_path / "a.json", tmp_path / "b.json")
    assert found == Cells(same=2, close=1, different=3, where=("n", "rows/1", "new"))
    assert compare_files(tmp_path / "a.json", tmp_path / "a.json") == Cells(same=5)


def test_gzipped_documents_are_compared_leaf_by_leaf(tmp_path: Path) -> None:
    fits = {"coefficients": [0.25, 1.5], "kind": "linear"}
    write_json(tmp_path / "a.json.gz", fits)
    write_json(tmp_path / "b.json.gz", fits | {"coefficients": [0.25 * (1 + 1e-12), 1.6]})
    found = compare_files(tmp_path / "a.json.gz", tmp_path / "b.json.gz")
    assert found == Cells(same=1, close=1, different=1, where=("coefficients/1",))
    assert compare_files(tmp_path / "a.json.gz", tmp_path / "a.json.gz") == Cells(same=3)


def test_the_versions_that_computed_are_not_compared() -> None:
    stored, again = ({"used": {"versions": {"numpy": version}, "key": version}} for version in ("1", "2"))
    assert compare_documents(stored, again) == Cells()


def test_of_folders_a_file_that_only_one_has_is_different(tmp_path: Path) -> None:
    for name in ("stored", "again"):
        write_table(tmp_path / name / "sub" / "t.csv", pd.DataFrame({"a": [1, 2]}))
    (tmp_path / "again/more.txt").write_text("")
    found = compare_outputs(tmp_path / "stored", tmp_path / "again")
    assert found == Cells(same=2, different=1, where=("more.txt: not in both",))


def test_the_report_counts_and_names_what_differs_and_no_value(state: State) -> None:
    cells = {"judge@c1": Cells(7, 1, 2, ("c1.json: auc/value", "c1.json: n")), "size": Cells(same=3)}
    made = Reproduction(state, False, cells, ["rules"], 20, 2, ("Python 3.13", "Python 3.11"))
    text = report(made)
    assert "| all | 13 | 10 | 1 | 2 |" in text
    assert "judge@c1 differs in c1.json: auc/value, c1.json: n." in text
    assert "rules failed" in text
    assert "2 of 20 rows differ" in text
    assert not made.sound
    assert Reproduction(state, True, {"size": Cells(same=3)}, [], 20, 0, ("", "")).sound


@pytest.mark.parametrize(("stored", "sound"), [("1", True), ("7", False)])
def test_what_differs_is_told_in_the_terminal_and_in_the_report(
    stored: str,
    sound: bool,
    state: State,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    size = Path("artifacts/toy/results/size.json")
    size.write_text(stored)
    state.stages["size"]["outs"][0]["md5"] = content_digest(size)
    monkeypatch.setattr("pipeline.commands.reproduce.workspace_state", lambda _: state)
    monkeypatch.setattr("pipeline.commands.reproduce.active_study", lambda: "toy")
    Path("configs").mkdir()
    Path("configs/validation.yaml").write_text("level: 0.95")
    shutil.copy(GATES, "configs")
    with monkeypatch.context() as patch:
        patch.setattr("sys.stderr", sys.__stderr__)
        made = reproduce(Path(sys.executable), Path("reports"), fits=False)
    assert made.sound == sound
    for text in (Path("reports/toy.md").read_text(), capsys.readouterr().out):
        assert ("size differs in size.json" in text) != sound
        assert "nothing was fitted again" in text
