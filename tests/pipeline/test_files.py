from pathlib import Path

import pandas as pd
import pytest

from models.procedure.backends import workers
from pipeline.project.files import read_json, read_yaml, replacing, write_json, write_table, write_tables


def test_an_interrupted_write_leaves_the_former_file_and_nothing_else(tmp_path: Path) -> None:
    target = tmp_path / "metrics.json"
    write_json(target, {"auc": 0.7})
    with pytest.raises(RuntimeError), replacing(target) as new:
        new.write_text("{half")
        raise RuntimeError
    assert read_json(target) == {"auc": 0.7}
    assert list(tmp_path.iterdir()) == [target]


def test_an_interrupted_folder_leaves_the_former_folder(tmp_path: Path) -> None:
    write_tables(tmp_path / "raw", {"subjects": pd.DataFrame({"usubjid": ["1"]})})
    with pytest.raises(RuntimeError), replacing(tmp_path / "raw") as new:
        new.mkdir()
        raise RuntimeError
    assert [p.name for p in (tmp_path / "raw").iterdir()] == ["subjects.parquet"]


def test_a_folder_is_replaced_as_a_whole(tmp_path: Path) -> None:
    frame = pd.DataFrame({"usubjid": ["1"]})
    write_tables(tmp_path / "raw", {"subjects": frame, "labs": frame})
    write_tables(tmp_path / "raw", {"subjects": frame})
    assert [p.name for p in (tmp_path / "raw").iterdir()] == ["subjects.parquet"]


@pytest.mark.parametrize("name", ["a.json", "a.json.gz", "a.parquet", "a.csv"])
def test_equal_content_gives_equal_bytes(tmp_path: Path, name: str) -> None:
    written = []
    for folder in ("one", "two"):
        path = tmp_path / folder / name
        if "json" in name:
            write_json(path, {"x": [0.1, 1 / 3]})
        else:
            write_table(path, pd.DataFrame({"x": [0.1, 1 / 3], "id": ["a", "b"]}))
        written.append(path.read_bytes())
    assert written[0] == written[1]


def test_json_refuses_what_is_not_a_number(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="not JSON compliant"):
        write_json(tmp_path / "a.json", {"auc": float("nan")})
    assert not (tmp_path / "a.json").exists()


def test_a_broken_yaml_file_is_named_with_its_line(tmp_path: Path) -> None:
    path = tmp_path / "study.yaml"
    path.write_text("study: a\nlandmarks: [\n")
    with pytest.raises(ValueError, match=r"study\.yaml, line 3: not valid YAML"):
        read_yaml(path)


@pytest.mark.parametrize("asked", ["0", "-1", "two"])
def test_a_number_of_workers_that_makes_no_sense_is_refused(
    asked: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PCR_WORKERS", asked)
    with pytest.raises(ValueError, match="PCR_WORKERS"):
        workers()
