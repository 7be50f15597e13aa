"""`-S` of DVC changes one line of a configuration file: layout and comments are those that DVC writes."""

import re
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from dvc.utils.hydra import apply_overrides

from pipeline.project.files import read_yaml
from pipeline.workspace.study import _complete
from tests.dvc_layout import with_kept_comments

CONFIGS = Path(__file__).parents[1] / "configs"
PLAIN = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")


def settings(content: Any, key: str = "") -> Iterator[tuple[str, int | float | str]]:
    """Give every number or text that stands under keys alone, with the key that DVC knows it by."""
    if isinstance(content, dict):
        for name, value in content.items():
            if isinstance(name, str) and PLAIN.fullmatch(name):
                yield from settings(value, f"{key}.{name}" if key else name)
    elif isinstance(content, int | float | str) and not isinstance(content, bool):
        yield key, content


# What a standard's files become is no parameter of an experiment: rows of codes, to be read across.
SETTABLE = sorted(
    path
    for path in CONFIGS.rglob("*.yaml")
    if path.parent.name != "mappings" and any(True for _ in settings(read_yaml(path)))
)


def test_every_file_whose_keys_are_parameters_of_a_stage_is_among_them() -> None:
    names = {path.relative_to(CONFIGS).as_posix() for path in SETTABLE}
    stages = read_yaml(CONFIGS.parent / "dvc.yaml")["stages"].values()
    files = {file for stage in stages for entry in stage.get("params", []) for file in entry}
    assert {file.removeprefix("configs/") for file in files} <= names


@pytest.mark.parametrize("path", SETTABLE, ids=lambda path: path.relative_to(CONFIGS).as_posix())
def test_one_parameter_set_by_dvc_changes_one_line(path: Path, tmp_path: Path) -> None:
    edited = tmp_path / path.name
    shutil.copy(path, edited)
    key, value = next(settings(read_yaml(path)))
    apply_overrides(edited, [f"{key}=changed" if isinstance(value, str) else f"{key}={value + 1}"])
    before, after = (file.read_text(encoding="utf-8").splitlines() for file in (path, edited))
    assert len(before) == len(after), f"python -m tests.dvc_layout configs/{path.relative_to(CONFIGS)}"
    changed = [(then, now) for then, now in zip(before, after, strict=True) if then != now]
    assert len(changed) == 1, changed
    assert read_yaml(edited) != read_yaml(path)


def test_a_file_in_that_layout_stays_as_it_is_and_another_keeps_all_its_comments(tmp_path: Path) -> None:
    text = "# Of a.\na:\n    - 1\n\n# Of b,\n# and more.\nb: {c: 0.10}\nd:\n  # Of e.\n  e: null\n"
    path = tmp_path / "made-up.yaml"
    path.write_text(with_kept_comments(text))
    written = path.read_text()
    assert written == "# Of a.\n# b: Of b, and more.\na:\n- 1\nb: {c: 0.10}\nd:\n  # Of e.\n  e:\n"
    assert with_kept_comments(written) == written


def test_the_active_copy_of_a_study_that_leaves_out_keys_is_in_that_layout_too(tmp_path: Path) -> None:
    study = tmp_path / "short.yaml"
    study.write_text("study: short\narms:\n- A\nschedule:\n  baseline:\n    cycles: 0\n")
    edited = tmp_path / "study.yaml"
    edited.write_bytes(_complete(study))
    before = edited.read_text().splitlines()
    assert "mapping:" in before
    apply_overrides(edited, ["schedule.baseline.cycles=1"])
    changed = [now for then, now in zip(before, edited.read_text().splitlines(), strict=True) if then != now]
    assert changed == ["    cycles: 1"]
