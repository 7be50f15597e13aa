"""Dataset-JSON in its three forms, read alike by both readers, or refused with what is wrong."""

import json
from pathlib import Path
from typing import Any

import pytest

from pipeline.sources.audit.readers import dataset_json_cells, dataset_lines_cells
from pipeline.sources.formats.dataset_json import read_dataset_json
from pipeline.sources.formats.errors import SourceError
from pipeline.sources.formats.source_file import SourceFile
from pipeline.sources.mapping.files import Reader

COLUMNS = [{"OID": "1", "name": "USUBJID"}, {"OID": "2", "name": "AGE"}]
ROWS: list[list[Any]] = [["0012", 50], ["0013", None]]
VERSION_1_1 = {"records": 2, "columns": COLUMNS, "rows": ROWS}
VERSION_1_0 = {
    "clinicalData": {"itemGroupData": {"IG.DM": {"records": 2, "items": COLUMNS, "itemData": ROWS}}}
}
LINES = [{"records": 2, "columns": COLUMNS}, *ROWS]


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("dm.json", json.dumps(VERSION_1_1)),
        ("dm.json", json.dumps(VERSION_1_0)),
        ("dm.ndjson", "\n".join(map(json.dumps, LINES)) + "\n"),
    ],
)
def test_every_form_gives_the_same_cells_by_both_readers(name: str, content: str, tmp_path: Path) -> None:
    path = tmp_path / name
    path.write_text(content)
    assert read_dataset_json(path).fillna("").to_numpy().tolist() == [["0012", 50], ["0013", ""]]
    second = dataset_lines_cells if name.endswith(".ndjson") else dataset_json_cells
    cells = second(path, SourceFile(path=name), ["AGE", "USUBJID"])
    assert cells.to_numpy().tolist() == [["50", "0012"], ["", "0013"]]


@pytest.mark.parametrize(
    ("content", "told"),
    [
        ('{"records": 0, "records": 1, "columns": []}', "it says records twice"),
        ("[1]", "it is no JSON object"),
        ('{"records": 1, "columns": [{"name": "A"}], "rows": [["x", "y"]]}', "1 of them not of 1 cells"),
        (json.dumps({"clinicalData": {"itemGroupData": {"A": {}, "B": {}}}}), "it has 2 datasets"),
        ('{"records": 1, "columns": [{"name": 1}]}', "a column has no name"),
    ],
)
def test_what_is_no_dataset_is_refused(content: str, told: str, tmp_path: Path) -> None:
    (tmp_path / "dm.json").write_text(content)
    with pytest.raises(ValueError, match=told):
        read_dataset_json(tmp_path / "dm.json")


@pytest.mark.parametrize(
    "content", ["[" * 100_000, '{"records": 1, "columns": [{"name": "A"}], "rows": [[1e999]]}']
)
def test_nothing_that_json_can_hold_is_a_fault_of_the_reader(content: str, tmp_path: Path) -> None:
    (tmp_path / "dm.json").write_text(content)
    with pytest.raises(SourceError, match=r"dm\.json"):
        Reader(tmp_path).read(SourceFile(path="dm.json"), ["A"])
