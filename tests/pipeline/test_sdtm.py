"""SDTM: the columns beside a number, and datasets that are empty, cut off or large."""

import json
import time
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyreadstat
import pytest

from features.errors import UserError
from pipeline.sources.audit.xpt import ibm_number, xpt_rows
from pipeline.sources.formats.dataset_json import read_dataset_json
from pipeline.sources.formats.sdtm import read_xpt, write_dataset
from pipeline.sources.formats.source_file import SourceFile
from pipeline.sources.mapped import read_study
from pipeline.sources.mapping.files import Reader
from pipeline.sources.tables import SourceTables
from tests.pipeline.formats import CONTRACT, study_of

DM = {"USUBJID": ["P1", "P2"], "ARMCD": ["A", "B"], "AGE": [50.0, 60.0], "AGEU": ["YEARS", "YEARS"]}
TR = {
    "USUBJID": ["P1", "P1", "P2"],
    "TRLNKID": ["L1", "L2", "L1"],
    "TRSTRESN": [20.0, 3.0, 15.0],
    "TRSTRESC": ["20", "3", "15"],
    "TRSTRESU": ["mm", "mm", "mm"],
    "TRSTAT": ["", "", ""],
}


def read(folder: Path, dm: dict[str, Any] | None = None, **changes: Any) -> SourceTables:
    """Write a demographics and a measurements dataset with changed columns, and read them."""
    for name, frame in (("dm", DM | (dm or {})), ("tr", TR | changes)):
        write_dataset(pd.DataFrame(frame), folder / f"{name}.xpt", "trial")
    files = {n: {"path": f"{n}.xpt", "id": {"column": "USUBJID"}} for n in ("dm", "tr")}
    lesion = {"lesion_id": "TRLNKID", "diameter_mm": "TRSTRESN"}
    tables = {
        "subjects": [{"file": "dm", "columns": {"arm": "ARMCD", "age_years": "AGE"}}],
        "lesions": [{"file": "tr", "columns": lesion}],
    }
    mapping = {"patients": "dm", "files": files, "tables": tables}
    return read_study(study_of([], mapping=mapping), folder, CONTRACT)


def rules(source: SourceTables) -> dict[str, int]:
    names = source.repairs["rule"].str.partition(":")[0]
    return dict(zip(names, source.repairs["rows"], strict=True))


def test_a_diameter_counts_in_the_unit_of_its_own_row(tmp_path: Path) -> None:
    source = read(tmp_path, TRSTRESU=["mm", "cm", ""])
    assert source.tables["lesions"]["diameter_mm"].tolist() == ["20", "30", "15"]
    assert rules(source) == {"unit_converted": 1, "unit_missing": 1}


def test_an_age_in_months_is_one_in_years(tmp_path: Path) -> None:
    source = read(tmp_path, {"AGE": [600.0, 60.0], "AGEU": ["MONTHS", "YEARS"]})
    assert source.tables["subjects"]["age_years"].astype(float).tolist() == [50.0, 60.0]


def test_an_unknown_unit_is_refused_with_those_that_are_known(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"column 'TRSTRESN': 1 rows \(P1\) in the unit kg, which is unknown"):
        read(tmp_path, TRSTRESU=["kg", "mm", "mm"])


@pytest.mark.parametrize(
    ("text", "rule", "value"),
    [("<3", "beyond_limit", "-"), ("TOO SMALL", "result_in_words", "-"), ("3", "number_from_text", "3")],
)
def test_a_result_that_stands_as_text_alone_is_counted(
    text: str, rule: str, value: str, tmp_path: Path
) -> None:
    source = read(tmp_path, TRSTRESN=[20.0, np.nan, 15.0], TRSTRESC=["20", text, "15"])
    assert source.tables["lesions"]["diameter_mm"].fillna("-").tolist() == ["20", value, "15"]
    assert rules(source) == {rule: 1}


def test_a_result_beside_the_status_not_done_is_counted(tmp_path: Path) -> None:
    assert rules(read(tmp_path, TRSTAT=["", "NOT DONE", ""])) == {"done_and_not_done": 1}


def test_a_dataset_json_without_rows_is_empty_where_it_says_so(tmp_path: Path) -> None:
    path = tmp_path / "dm.json"
    content = {"columns": [{"name": "USUBJID"}], "records": 0}
    path.write_text(json.dumps(content))
    assert list(read_dataset_json(path).columns) == ["USUBJID"]
    path.write_text(json.dumps(content | {"records": 2}))
    with pytest.raises(ValueError, match="truncated"):
        read_dataset_json(path)


@pytest.mark.parametrize("cell", ["NaN", "[1]", '{"a": 1}'])
def test_a_cell_of_a_dataset_json_that_is_no_text_and_no_number_is_refused(cell: str, tmp_path: Path) -> None:
    path = tmp_path / "dm.json"
    path.write_text('{"columns": [{"name": "A"}], "records": 1, "rows": [[' + cell + "]]}")
    with pytest.raises(ValueError, match=r"NaN is no number|lists or objects"):
        read_dataset_json(path)


@pytest.mark.parametrize("text", [r"\ud800", r"a\u0000b", r"\udc00\ud83d"])
def test_characters_that_are_none_are_refused_in_a_dataset_json(text: str, tmp_path: Path) -> None:
    path = tmp_path / "dm.json"
    path.write_text('{"columns": [{"name": "A"}], "records": 2, "rows": [["' + text + '"], ["b"]]}')
    with pytest.raises(ValueError, match="1 of its texts hold NUL or half of a pair"):
        read_dataset_json(path)
    path.write_text('{"columns": [{"name": "A"}], "records": 1, "rows": [["\\ud83d\\ude00"]]}')
    assert read_dataset_json(path)["A"].tolist() == ["\U0001f600"]


def test_a_transport_file_is_checked_in_linear_time(tmp_path: Path) -> None:
    rows = 200_000
    frame = pd.DataFrame({"A": ["HB-001"] * rows, "B": ["x" * 40] * rows})
    pyreadstat.write_xport(frame, tmp_path / "lb.xpt", table_name="LB", file_format_version=5)
    start = time.process_time()
    assert len(read_xpt(tmp_path / "lb.xpt", "utf-8")) == rows
    assert time.process_time() - start < 5


def test_the_byte_reader_gives_texts_numbers_and_missing_values(tmp_path: Path) -> None:
    frame = pd.DataFrame({"T": ["a", "", " b"], "N": [0.1, np.nan, -1234.5]})
    pyreadstat.write_xport(frame, tmp_path / "a.xpt", table_name="A", file_format_version=5)
    rows = list(xpt_rows((tmp_path / "a.xpt").read_bytes(), "utf-8"))
    assert rows == [["T", "N"], ["a", 0.1], ["", None], ["b", -1234.5]]
    assert ibm_number(b"\x41\x10" + b"\0" * 6) == 1.0  # the example of TS-140


@pytest.mark.parametrize("form", [5, 8])
def test_dates_and_times_of_a_transport_file_are_read_alike_by_both_readers(
    form: int, tmp_path: Path
) -> None:
    frame = pd.DataFrame({"ADT": [24140.0, np.nan], "ADTM": [2085696000.0, 2085725700.0], "N": [1.5, 2.0]})
    formats = {"ADT": "DATE9", "ADTM": "DATETIME20"}
    pyreadstat.write_xport(
        frame, tmp_path / "a.xpt", table_name="A", file_format_version=form, variable_format=formats
    )
    reader = Reader(tmp_path)
    cells = reader.read(SourceFile(path="a.xpt"), ["ADT", "ADTM", "N"])
    assert cells is not None
    assert cells.fillna("").to_numpy().tolist() == [
        ["2026-02-03", "2026-02-03", "1.5"], ["", "2026-02-03 08:15:00", "2"],
    ]  # fmt: skip
    assert not any(audit.differences for audit in reader.audits.values())


def test_a_long_name_of_version_8_names_its_column(tmp_path: Path) -> None:
    frame = pd.DataFrame({"A_LONG_NAME_OF_A_VARIABLE": ["x", ""], "N": [1.0, np.nan]})
    pyreadstat.write_xport(frame, tmp_path / "a.xpt", table_name="A", file_format_version=8)
    cells = Reader(tmp_path).read(SourceFile(path="a.xpt"), ["A_LONG_NAME_OF_A_VARIABLE", "N"])
    assert cells is not None
    assert cells.fillna("").to_numpy().tolist() == [["x", "1"], ["", ""]]


def xpt_cells(folder: Path, frame: pd.DataFrame, *changes: tuple[bytes, bytes]) -> list[list[Any]]:
    """Write a transport file, change its bytes, and return its cells as both readers have them."""
    path = folder / "a.xpt"
    pyreadstat.write_xport(frame, path, table_name="A", file_format_version=5)
    content = path.read_bytes()
    for old, new in changes:
        assert content.count(old) == 1
        content = content.replace(old, new)
    path.write_bytes(content)
    reader = Reader(folder)
    cells = reader.read(SourceFile(path="a.xpt"), list(frame.columns))
    assert cells is not None
    assert not any(audit.differences for audit in reader.audits.values())
    found: list[list[Any]] = cells.fillna("")[list(frame.columns)].to_numpy().tolist()
    return found


def test_texts_of_a_transport_file_may_be_padded_with_nul_and_hold_none_before_their_end(
    tmp_path: Path,
) -> None:
    frame = pd.DataFrame({"T": ["abcdef", "x", "yy"], "N": [1.0, 2.0, 3.0]})
    padded = xpt_cells(tmp_path, frame, (b"x     ", b"x" + b"\0" * 5), (b"yy    ", b"yy\0\0  "))
    assert padded == [["abcdef", "1"], ["x", "2"], ["yy", "3"]]
    for within in (b"ab\0def", b"\0bcdef", b"abc\0 f"):
        with pytest.raises(UserError, match="1 texts of T go on after a NUL"):
            xpt_cells(tmp_path, frame, (b"abcdef", within))


NUMBERS = {1e22: "1" + "0" * 22, -0.0: "0", 2026010112345678.0: "2026010112345678", 1e-7: "1e-07", 0.1: "0.1"}


def test_large_whole_and_small_numbers_are_read_alike_by_both_readers(tmp_path: Path) -> None:
    assert xpt_cells(tmp_path, pd.DataFrame({"N": list(NUMBERS)})) == [[text] for text in NUMBERS.values()]
    content = {"columns": [{"name": "N"}], "records": len(NUMBERS), "rows": [[n] for n in NUMBERS]}
    (tmp_path / "a.json").write_text(json.dumps(content))
    reader = Reader(tmp_path)
    cells = reader.read(SourceFile(path="a.json"), ["N"])
    assert cells is not None
    assert cells["N"].tolist() == list(NUMBERS.values())
    assert [audit.differences for audit in reader.audits.values()] == [0]


def test_a_number_that_two_columns_take_is_converted_once(tmp_path: Path) -> None:
    write_dataset(pd.DataFrame(DM), tmp_path / "dm.xpt", "trial")
    write_dataset(pd.DataFrame(TR | {"TRSTRESU": ["cm", "cm", "cm"]}), tmp_path / "tr.xpt", "trial")
    files = {n: {"path": f"{n}.xpt", "id": {"column": "USUBJID"}} for n in ("dm", "tr")}
    lesion = {"lesion_id": "TRLNKID", "diameter_mm": "TRSTRESN"}
    blocks = [{"file": "tr", "columns": lesion}, {"file": "tr", "columns": lesion}]
    tables = {"subjects": [{"file": "dm", "columns": {"arm": "ARMCD"}}], "lesions": blocks}
    study = study_of([], mapping={"patients": "dm", "files": files, "tables": tables})
    assert read_study(study, tmp_path, CONTRACT).tables["lesions"]["diameter_mm"].tolist() == [
        "200", "30", "150", "200", "30", "150",
    ]  # fmt: skip
