"""Tables made a second time: what goes wrong behind the cells, in codes, units or pivots, is a difference."""

from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from pipeline.sources.formats.errors import SourceError
from pipeline.sources.formats.sdtm import write_dataset
from pipeline.sources.mapped import read_study
from pipeline.sources.mapping import beside, blocks, files
from pipeline.sources.mapping.study_file import SourceMapping
from pipeline.sources.second_tables import ID, SecondTables
from pipeline.sources.tables import SourceTables
from tests.pipeline.formats import CONTRACT, study_of

DM = {"USUBJID": ["P1", "P2", "P3"], "ARMCD": ["A", "B", "A"], "AGE": [50.0, 720.0, 61.0]}
UNITS = ["YEARS", "MONTHS", "YEARS"]
SC = [("P1", "CTCAT", "cT2"), ("P1", "STAGE", "II"), ("P3", "CTCAT", "cT1"), ("P9", "CTCAT", "cT4")]
EXPORT = "record_id,arm,consent\n0001,1,2026-01-05\n0002,2,\n"
DICTIONARY = "field_name,form_name,field_type,select_choices_or_calculations\n" + "\n".join(
    ["record_id,f,text,", 'arm,f,radio,"1, ADAPTIVE | 2, CONTROL"', "consent,f,text,", ""]
)


def sdtm(folder: Path) -> SourceTables:
    """Read demographics with ages in two units, and characteristics that are pivoted."""
    write_dataset(pd.DataFrame(DM | {"AGEU": UNITS}), folder / "dm.xpt", "trial")
    write_dataset(
        pd.DataFrame(SC, columns=["USUBJID", "SCTESTCD", "SCSTRESC"], dtype=object),
        folder / "sc.xpt",
        "trial",
    )
    by_id = {"id": {"column": "USUBJID"}}
    pivot = {"by": ["USUBJID"], "name": "SCTESTCD", "value": "SCSTRESC"}
    entries = {"dm": {"path": "dm.xpt", **by_id}, "sc": {"path": "sc.xpt", "pivot": pivot, **by_id}}
    columns: dict[str, Any] = {"arm": "ARMCD", "age_years": "AGE", "ct": {"file": "sc", "from": "CTCAT"}}
    return read(folder, "dm", entries, columns)


def redcap(folder: Path) -> SourceTables:
    (folder / "r.csv").write_text(EXPORT)
    (folder / "d.csv").write_text(DICTIONARY)
    entry = {"path": "r.csv", "dictionary": "d.csv", "id": {"column": "record_id"}}
    return read(folder, "r", {"r": entry}, {"arm": "arm", "consent_date": "consent"})


def read(folder: Path, patients: str, entries: dict[str, Any], columns: dict[str, Any]) -> SourceTables:
    tables = {"subjects": [{"file": patients, "columns": columns}]}
    mapping = {"patients": patients, "files": entries, "tables": tables}
    return read_study(study_of([], mapping=mapping), folder, CONTRACT)


def test_both_ways_agree_on_units_pivots_and_codes(tmp_path: Path) -> None:
    subjects = sdtm(tmp_path).tables["subjects"]
    assert subjects["age_years"].tolist() == ["50", "60", "61"]
    assert subjects["ct"].fillna("").tolist() == ["cT2", "", "cT1"]
    assert redcap(tmp_path).tables["subjects"]["arm"].tolist() == ["ADAPTIVE", "CONTROL"]


def test_a_code_that_becomes_another_label_is_found(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    right = files.decoded

    def wrong(*arguments: Any) -> Any:
        frame, doubts = right(*arguments)
        return frame.assign(arm=frame["arm"].iloc[::-1].to_numpy()), doubts

    monkeypatch.setattr(files, "decoded", wrong)
    with pytest.raises(SourceError, match="table subjects, column 'arm': 2 of 2 cells"):
        redcap(tmp_path)


def test_a_number_left_in_another_unit_is_found(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(beside._Numbers, "converted", lambda self, cells, *_: cells[self.column])
    with pytest.raises(SourceError, match=r"table subjects, column 'age_years': 1 of 3 cells \(rows 2\)"):
        sdtm(tmp_path)


def test_a_result_that_a_pivot_gives_to_another_patient_is_found(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    right = blocks.pivoted

    def wrong(*arguments: Any) -> pd.DataFrame:
        frame = right(*arguments)
        return frame.assign(CTCAT=frame["CTCAT"].iloc[::-1].to_numpy())

    monkeypatch.setattr(blocks, "pivoted", wrong)
    with pytest.raises(SourceError, match="table subjects, column 'ct'"):
        sdtm(tmp_path)


def test_an_id_that_was_changed_is_found(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    right = blocks._ids
    monkeypatch.setattr(
        blocks, "_ids", lambda *a: None if (ids := right(*a)) is None else ids.replace("P2", "P4")
    )
    with pytest.raises(SourceError, match="table subjects, column 'usubjid'"):
        sdtm(tmp_path)


def test_rows_are_those_of_the_patients_with_their_ids(tmp_path: Path) -> None:
    entry = {"path": "a.csv", "id": {"column": "id", "strip_prefix": "X", "pad": 3}}
    entries = {"a": entry | {"keep": [{"column": "n", "values": ["1"]}]}, "b": entry | {"missing": ["9"]}}
    mapping = SourceMapping.model_validate({"patients": "a", "files": entries, "tables": {}})
    cells = [{"id": "X7", "n": "1"}, {"id": "X8", "n": "2"}, {"id": "7", "n": "9"}]
    tables = SecondTables(
        mapping, CONTRACT, {}, lambda _: cells, {}, frozenset(), lambda _: pd.DataFrame(), lambda _: False
    )
    assert [row[ID] for row in tables.rows("a")] == ["007"]
    assert [(row[ID], row["n"]) for row in tables.rows("b")] == [("007", "1"), ("007", "")]
