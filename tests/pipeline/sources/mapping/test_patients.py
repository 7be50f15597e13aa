"""Patients across files: rows of others are counted, and ids in another case are told or joined."""

import re
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from pipeline.sources.formats.errors import SourceError
from pipeline.sources.formats.source_file import SourceFile
from pipeline.sources.mapping.blocks import Dropped, Loaded
from pipeline.sources.mapping.files import Reader
from pipeline.sources.mapping.patients import doubt_alike, of_patients, patients_of


def loaded(*ids: str, **settings: Any) -> Loaded:
    spec = SourceFile.model_validate({"path": "a.csv", "id": {"column": "ID"} | settings})
    return Loaded("labs", spec, pd.DataFrame({"ID": ids}), pd.Series(ids, dtype="str"))


def test_patients_are_those_of_all_their_files_once_in_order() -> None:
    together = patients_of([loaded("P2", "P1"), loaded("P1", "P3")])
    assert together.ids is not None
    assert together.ids.tolist() == ["P2", "P1", "P3"]


def test_two_patients_who_differ_in_case_only_are_refused() -> None:
    with pytest.raises(SourceError, match=r"2 ids \(p1; P1|2 ids \(P1; p1"):
        patients_of([loaded("P1", "P2", "p1")])


def test_rows_of_others_are_left_out_and_counted() -> None:
    dropped: Dropped = []
    kept = of_patients(loaded("P1", "X9", "P1"), patients_of([loaded("P1")]), Reader(Path()), dropped)
    assert kept.cells["ID"].tolist() == ["P1", "P1"]
    assert dropped == [("labs", "", "patient not in labs", 1, 2)]


def test_a_file_whose_ids_do_not_join_is_refused() -> None:
    with pytest.raises(SourceError, match="none of its 1 rows is of a patient"):
        of_patients(loaded("X9"), patients_of([loaded("P1")]), Reader(Path()), [])


def test_ids_that_a_spreadsheet_made_decimals_of_are_told_with_the_pattern_that_joins_them() -> None:
    with pytest.raises(SourceError, match=r"such as 7 and 7\.0; with the pattern '.*' they join") as refused:
        of_patients(loaded("7", "8"), patients_of([loaded("7.0", "8.0")]), Reader(Path()), [])
    pattern = str(refused.value).split("'")[1]
    assert [match[1] for written in ("7.0", "7") if (match := re.fullmatch(pattern, written))] == ["7", "7"]
    for apart in ("A7",), ():
        with pytest.raises(SourceError) as other:
            of_patients(loaded(*apart), patients_of([loaded("7.0")]), Reader(Path()), [])
        assert "pattern '" not in str(other.value)


def test_ids_in_another_case_are_told_and_joined_only_where_the_study_file_says_so() -> None:
    patients, reader = patients_of([loaded("P1", "P2")]), Reader(Path())
    strict = of_patients(loaded("p1", "P2"), patients, reader, [])
    assert (strict.cells["ID"].tolist(), reader.warnings[0][2].partition(":")[0]) == (["P2"], "case_differs")
    joined = of_patients(loaded("p1", "P2", ignore_case=True), patients, reader, [])
    assert joined.ids is not None
    assert joined.ids.tolist() == ["P1", "P2"]
    assert [(rule.partition(":")[0], rows) for _, _, rule, rows, _ in reader.repairs] == [("case_ignored", 1)]


@pytest.mark.parametrize(
    ("ids", "told"),
    [(("007", "1"), [("zeros_differ", 1, "007")]), (("7", "1"), []), (("A07", "1"), []), (("008", "1"), [])],
)
def test_ids_that_lost_their_zeros_are_told_and_not_joined(
    ids: tuple[str, ...], told: list[tuple[str, int, str]]
) -> None:
    reader = Reader(Path())
    of_patients(loaded(*ids), patients_of([loaded("7", "1", "A7")]), reader, [])
    assert [(rule.partition(":")[0], rows, who) for _, _, rule, rows, who in reader.warnings] == told


def test_two_patients_whose_ids_differ_in_leading_zeros_only_are_told_and_stay_two() -> None:
    reader = Reader(Path())
    patients = patients_of([loaded("7", "007", "7", "8", "A7", "A07")])
    doubt_alike(patients, reader)
    assert patients.ids is not None
    assert len(patients.ids) == 5
    assert [(rule.partition(":")[0], rows, who) for _, _, rule, rows, who in reader.warnings] == [
        ("zeros_alike", 2, "007; 7")
    ]
