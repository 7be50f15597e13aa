"""REDCap exports: its own columns, its dictionaries, forms that nobody filled in, instruments that repeat."""

import json
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from features.errors import UserError
from pipeline.sources.mapped import read_study
from tests.pipeline.formats import CONTRACT, study_of

FIELDS = [
    ("record_id", "baseline", "text", ""),
    ("arm", "baseline", "radio", "1, ADAPTIVE | 2, CONTROL"),
    ("features", "baseline", "checkbox", "1, inflammatory | 2, multifocal"),
    ("lb_value", "labs", "text", ""),
]
HEADINGS = [
    "Variable / Field Name", "Form Name", "Field Type", "Choices, Calculations, OR Slider Labels",
]  # fmt: skip
API = ["field_name", "form_name", "field_type", "select_choices_or_calculations"]
EXPORT = """\
record_id,redcap_event_name,redcap_repeat_instrument,redcap_repeat_instance,arm,features___1,baseline_complete,lb_value
0001,base,,,1,1,2,
0001,base,labs,1,,,,10
0002,base,,,2,0,2,
"""


def study() -> dict[str, Any]:
    file = {"path": "r.csv", "dictionary": "d.csv", "id": {"column": "record_id"}}
    single, repeated = ([{"column": "redcap_repeat_instrument", "values": [v]}] for v in ("", "labs"))
    files = {"baseline": file | {"keep": single}, "labs": file | {"keep": repeated, "optional": True}}
    lab = {"testcd": {"constant": "ALT"}, "visit": {"constant": "baseline"}, "value": "lb_value"}
    subjects = {"arm": "arm", "inflammatory": {"from": "features___1", "recode": {"Y": "1", "N": "0"}}}
    tables = {
        "subjects": [{"file": "baseline", "columns": subjects}],
        "labs": [{"file": "labs", "columns": lab}],
    }
    return study_of([], mapping={"patients": "baseline", "files": files, "tables": tables})


def dictionary(headings: list[str] = HEADINGS, separator: str = ",") -> str:
    return pd.DataFrame(FIELDS, columns=headings).to_csv(index=False, sep=separator)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "r.csv").write_text(EXPORT)
    (tmp_path / "d.csv").write_text(dictionary())
    return tmp_path


def arms(folder: Path, path: str = "d.csv") -> list[str]:
    changed = study()
    for file in changed["mapping"]["files"].values():
        file["dictionary"] = path
    return read_study(changed, folder, CONTRACT).tables["subjects"]["arm"].tolist()


@pytest.mark.parametrize(
    "name", ["redcap_data_access_group", "redcap_survey_identifier", "labs_timestamp", "labs_complete"]
)
def test_columns_that_redcap_adds_need_no_dictionary(name: str, folder: Path) -> None:
    lines = EXPORT.splitlines()
    added = [f"{lines[0]},{name}", *(f"{line},1" for line in lines[1:])]
    (folder / "r.csv").write_text("\n".join(added) + "\n")
    assert arms(folder) == ["ADAPTIVE", "CONTROL"]


def test_the_status_of_a_form_that_the_dictionary_does_not_have_is_refused(folder: Path) -> None:
    (folder / "r.csv").write_text(EXPORT.replace("baseline_complete", "other_complete"))
    with pytest.raises(UserError, match=r"d\.csv does not have: other_complete"):
        arms(folder)


@pytest.mark.parametrize("separator", [",", ";", "\t"])
@pytest.mark.parametrize("headings", [HEADINGS, API])
def test_a_dictionary_is_read_with_any_separator_and_from_the_api(
    headings: list[str], separator: str, folder: Path
) -> None:
    (folder / "d.csv").write_text(dictionary(headings, separator))
    assert arms(folder) == ["ADAPTIVE", "CONTROL"]


def test_a_dictionary_from_the_api_may_be_json_or_xml(folder: Path) -> None:
    records = [dict(zip(API, field, strict=True)) for field in FIELDS]
    (folder / "d.json").write_text(json.dumps(records))
    items = "".join(
        "<item>" + "".join(f"<{k}><![CDATA[{v}]]></{k}>" for k, v in r.items()) + "</item>" for r in records
    )
    (folder / "d.xml").write_text(f"<?xml version='1.0'?><records>{items}</records>")
    assert arms(folder, "d.json") == arms(folder, "d.xml") == ["ADAPTIVE", "CONTROL"]


@pytest.mark.parametrize(
    "content",
    [b"", b"PK\x03\x04", b"a,b\n1,2\n", dictionary().replace("CONTROL", "CONTRÔLE").encode("latin-1")],
    ids=["0 bytes", "a workbook", "another table", "latin-1"],
)
def test_a_dictionary_that_cannot_be_read_is_refused_by_its_name(content: bytes, folder: Path) -> None:
    (folder / "d.csv").write_bytes(content)
    with pytest.raises(UserError, match=r"^d\.csv"):
        arms(folder)


def test_a_dictionary_in_the_encoding_of_the_export_is_read(folder: Path) -> None:
    (folder / "d.csv").write_bytes(dictionary().replace("CONTROL", "CONTRÔLE").encode("latin-1"))
    changed = study()
    for file in changed["mapping"]["files"].values():
        file["encoding"] = "latin-1"
    assert read_study(changed, folder, CONTRACT).tables["subjects"]["arm"].tolist() == [
        "ADAPTIVE",
        "CONTRÔLE",
    ]


def test_the_unticked_boxes_of_a_form_that_nobody_filled_in_are_empty_and_counted(folder: Path) -> None:
    (folder / "r.csv").write_text(
        EXPORT.replace("0002,base,,,2,0,2,", "0002,base,,,2,0,2,\n0003,base,,,,0,0,")
    )
    read = read_study(study(), folder, CONTRACT)
    assert read.tables["subjects"]["inflammatory"].fillna("-").tolist() == ["Y", "N", "-"]
    counted = read.repairs[read.repairs["rule"].str.startswith("unfilled_form")]
    assert counted[["column", "rows"]].to_numpy().tolist() == [["features___1", 1]]


def test_fields_of_a_repeating_instrument_in_a_row_that_does_not_repeat_are_counted(folder: Path) -> None:
    (folder / "r.csv").write_text(EXPORT.replace("0002,base,,,2,0,2,", "0002,base,,,2,0,2,12"))
    dropped = read_study(study(), folder, CONTRACT).dropped
    assert ["r.csv", "", "fields of labs are filled in rows that its `keep` does not take", 1, 2] in (
        dropped.to_numpy().tolist()
    )
    (folder / "r.csv").write_text(EXPORT)
    assert read_study(study(), folder, CONTRACT).dropped.empty


def test_a_box_of_a_negative_code_is_that_of_its_choice(folder: Path) -> None:
    for file, old, new in (
        ("r.csv", "features___1", "features____1"),
        ("d.csv", "1, inflammatory", "-1, inflammatory"),
    ):
        (folder / file).write_text((folder / file).read_text().replace(old, new))
    changed = study()
    changed["mapping"]["tables"]["subjects"][0]["columns"]["inflammatory"]["from"] = "features____1"
    assert read_study(changed, folder, CONTRACT).tables["subjects"]["inflammatory"].tolist() == ["Y", "N"]


def test_choices_that_share_a_column_are_refused(folder: Path) -> None:
    text = (folder / "d.csv").read_text().replace("2, multifocal", "-1, multifocal | _1, bilateral")
    (folder / "d.csv").write_text(text)
    with pytest.raises(UserError, match="two choices of features have one column"):
        arms(folder)
