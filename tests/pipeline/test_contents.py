"""Workspace and DVC's cache against dvc.lock: what is corrupt is named, and repaired from what is sound."""

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from features.errors import UserError
from pipeline.registry.contents import (
    Cache,
    CorruptionError,
    content_digest,
    contradictions,
    read_cache,
    repair_workspace,
    require_computed,
)


@pytest.fixture
def stages(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Any:
    """A file and a folder that DVC knows, in the current folder."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "models/sub").mkdir(parents=True)
    for name in ("metrics.json", "models/a.txt", "models/sub/b.txt"):
        (tmp_path / name).write_text(name)
    for words in (["init", "--no-scm", "--quiet"], ["add", "--quiet", "metrics.json", "models"]):
        subprocess.run([sys.executable, "-m", "dvc", *words], check=True)
    outs = [{"path": path, "md5": content_digest(Path(path))} for path in ("metrics.json", "models")]
    return {"train": {"outs": outs}}


def test_digests_are_those_of_dvc(stages: Any) -> None:
    kept = Path("models.dvc").read_text()
    assert stages["train"]["outs"][1]["md5"] in kept
    assert list(read_cache().corrupt(stages)) == []


def test_a_changed_output_is_refused_and_comes_back_from_the_cache(stages: Any) -> None:
    Path("models/a.txt").chmod(0o644)
    Path("models/a.txt").write_text("other")
    with pytest.raises(CorruptionError, match="corrupt: models: not the content in"):
        require_computed(stages)
    assert "repaired: models" in repair_workspace(stages, read_cache())[0]
    assert Path("models/a.txt").read_text() == "models/a.txt"
    assert Path(".pcr/altered/models/a.txt").read_text() == "other"
    require_computed(stages)


def test_a_corrupt_cache_is_named_and_repaired_from_the_workspace_or_emptied(stages: Any) -> None:
    cache = Cache(read_cache().folder.parents[1])
    files = {path: cache.place(content_digest(Path(path))) for path in ("models/a.txt", "metrics.json")}
    for place in files.values():
        place.chmod(0o644)
        place.write_text("altered")
    assert [path for path, _ in cache.corrupt(stages)] == ["metrics.json", "models/a.txt"]
    Path("metrics.json").unlink()
    told = cache.repair(stages)
    assert "metrics.json in DVC's cache is taken out" in told[0]
    assert "repaired: models/a.txt" in told[1]
    assert not files["metrics.json"].exists()
    assert files["models/a.txt"].read_text() == "models/a.txt"


def test_a_figure_of_another_model_is_told() -> None:
    stages = json.loads(
        '{"train": {"outs": [{"path": "m", "md5": "1"}]}, "judge": {"deps": [{"path": "m", "md5": "2"}]}}'
    )
    assert list(contradictions(stages)) == ["judge was computed from another m"]


def test_the_cache_is_where_dvc_says_and_a_folder_without_dvc_is_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(UserError, match=r"no checkout with DVC: there is no \.dvc in it"):
        read_cache()
    (tmp_path / ".dvc/tmp").mkdir(parents=True)
    (tmp_path / ".dvc/config").write_text("[core]\nno_scm = true\n[cache]\ndir = ../../elsewhere\n")
    dvc = [sys.executable, "-m", "dvc", "cache", "dir"]
    told = subprocess.run(dvc, check=True, capture_output=True, text=True).stdout.strip()
    assert read_cache().folder == Path(told) / "files/md5"
    (tmp_path / ".dvc/config").write_text("[cache]\nunheard = of\n")
    with pytest.raises(UserError, match=r"the configuration of DVC cannot be read: .*unheard"):
        read_cache()
