"""From a file's rows to a contract table: filters, pivots, levels, look-ups and codes."""

from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from pipeline.sources.formats.errors import SourceError
from pipeline.sources.formats.source_file import SourceFile
from pipeline.sources.mapping.blocks import Dropped, Loaded, build_table, load, wide
from pipeline.sources.mapping.examples import Examples
from pipeline.sources.mapping.files import Reader
from pipeline.sources.mapping.study_file import Block
from tests.pipeline.formats import CONTRACT

CELLS = {
    "ID": ["P1", "P1", "P2"],
    "VISIT": ["1", "2", "1"],
    "TEST": ["CA", "CA", "HB"],
    "RESULT": ["5", "6", "7"],
}


def loaded(cells: dict[str, list[str]], dropped: Dropped | None = None, **settings: Any) -> Loaded:
    """Return the rows of labs.csv, which has the columns of `cells`."""
    spec = SourceFile.model_validate({"path": "labs.csv", "id": {"column": "ID"}} | settings)
    frame = pd.DataFrame(cells).astype("str")
    return load("labs", spec, frame, Reader(Path()), [] if dropped is None else dropped)


def table(name: str, files: dict[str, Loaded], **block: Any) -> pd.DataFrame:
    made = Block.model_validate({"file": "labs", **block})
    frame = build_table([made], CONTRACT[name], files, Reader(Path()), [], Examples())
    assert frame is not None
    return frame


def test_a_filter_keeps_its_rows_and_counts_the_others() -> None:
    dropped: Dropped = []
    kept = loaded(CELLS, dropped, keep=[{"column": "TEST", "values": ["CA"]}])
    assert kept.cells["RESULT"].tolist() == ["5", "6"]
    assert dropped == [("labs", "", "TEST not CA", 1, 2)]
    with pytest.raises(
        SourceError, match=r"labs\.csv: no row is left \(kept: TEST: XX; left out: TEST not XX: 3"
    ):
        loaded(CELLS, keep=[{"column": "TEST", "values": ["XX"]}])


def test_ids_lose_their_prefix_and_get_their_zeros() -> None:
    ids = loaded({"ID": ["BR-7", "BR-12"]}, id={"column": "ID", "strip_prefix": "BR-", "pad": 3}).ids
    assert ids is not None
    assert ids.tolist() == ["007", "012"]


def test_a_pivot_makes_one_row_a_group_and_refuses_two_results_of_one_test() -> None:
    pivot = {"by": ["ID", "VISIT"], "name": "TEST", "value": "RESULT"}
    rows = wide(loaded(CELLS, pivot=pivot), {"ID", "CA", "HB"}, Reader(Path())).cells
    assert rows["CA"].isna().tolist() == [False, False, True]
    assert rows["HB"].tolist()[2] == "7"
    twice = {name: [*cells, cells[0]] for name, cells in CELLS.items()}
    with pytest.raises(SourceError, match=r"1 rows \(P1\) stand twice in column 'TEST' for one ID, VISIT"):
        wide(loaded(twice, pivot=pivot), {"CA", "HB"}, Reader(Path()))


def test_a_repeated_column_gives_a_row_for_each_level_and_empty_ones_are_dropped() -> None:
    wide_cells = {"ID": ["P1", "P2"], "EARLY": ["2026-01-02", "2026-01-05"], "LATE": ["2026-03-02", ""]}
    spec = loaded({name: [cell or "nan" for cell in cells] for name, cells in wide_cells.items()})
    spec.cells["LATE"] = spec.cells["LATE"].mask(spec.cells["LATE"] == "nan")
    dates = {"assessment_date": {"from": {"c2": "EARLY", "c4": "LATE"}}}
    found = table("response", {"labs": spec}, repeat="visit", columns=dates, drop_empty=["assessment_date"])
    assert found[["usubjid", "visit"]].to_numpy().tolist() == [["P1", "c2"], ["P2", "c2"], ["P1", "c4"]]


def test_a_value_is_looked_up_by_patient_and_several_for_one_are_refused() -> None:
    surgery = loaded({"ID": ["P1", "P2"], "DAY": ["2026-05-01", "2026-05-02"]})
    columns = {"grade": {"from": "GRADE", "file": "other"}}
    other = loaded({"ID": ["P2", "P1"], "GRADE": ["3", "2"]})
    found = table("pathology", {"labs": surgery, "other": other}, columns=columns)
    assert found["grade"].tolist() == ["2", "3"]
    several = loaded({"ID": ["P1", "P1"], "GRADE": ["3", "2"]})
    with pytest.raises(SourceError, match=r"1 patients have several rows \(P1\)"):
        table("pathology", {"labs": surgery, "other": several}, columns=columns)


def test_a_code_that_recode_does_not_list_is_refused_with_ids_and_without_its_text() -> None:
    rows = loaded({"ID": ["P1", "P2"], "S": ["f", "secret"]})
    columns = {"arm": {"from": "S", "recode": {"A": ["f"]}}}
    with pytest.raises(SourceError, match=r"1 rows \(P2\) hold a value that `recode` does not list") as told:
        table("subjects", {"labs": rows}, columns=columns)
    assert "secret" not in str(told.value)
    columns["arm"]["otherwise"] = "B"
    assert table("subjects", {"labs": rows}, columns=columns)["arm"].tolist() == ["A", "B"]
