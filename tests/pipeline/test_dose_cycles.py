"""Doses, one row a drug, are placed in the cycles that the file names, or that an anchor drug begins."""

from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from pipeline.sources.formats.errors import SourceError
from pipeline.sources.formats.source_file import SourceFile
from pipeline.sources.mapping.cycles import in_cycles
from pipeline.sources.mapping.files import Reader


def placed(rows: list[tuple[str, str, str | None, str | None]], **cycles: Any) -> list[tuple[str, str, str]]:
    """Return drug, cycle and first day of what the rows (drug, start, end, visit) of one patient become."""
    cells = pd.DataFrame(rows, columns=["DRUG", "START_", "END_", "VISIT"], dtype="str")
    plan = {"drug": "DRUG", "start": "START_", "end": "END_"} | cycles
    file = SourceFile.model_validate({"path": "ex.csv", "id": {"column": "ID"}, "cycles": plan})
    made = in_cycles(cells, pd.Series(["P1"] * len(cells)), file, Reader(Path()))
    return list(made[["DRUG", "CYCLE", "START"]].itertuples(index=False, name=None))


def test_a_dose_is_of_the_cycle_that_its_visit_names() -> None:
    rows = [
        ("TRAS", "2025-01-01", None, "CYCLE 1 DAY 1"),
        ("CARBO", "2025-01-02", None, "CYCLE 1 DAY 2"),
        ("TRAS", "2025-01-22", None, "CYCLE 2 DAY 1"),
    ]
    assert placed(rows, cycle="VISIT") == [
        ("TRAS", "1", "2025-01-01"), ("CARBO", "1", "2025-01-02"), ("TRAS", "2", "2025-01-22"),
    ]  # fmt: skip


def test_tablets_are_in_every_cycle_that_they_reach_into() -> None:
    rows = [
        ("TRAS", "2025-01-01", None, "CYCLE 1"),
        ("TRAS", "2025-01-22", None, "CYCLE 2"),
        ("PYRO", "2025-01-02", "2025-02-10", None),
    ]
    tablets = [row for row in placed(rows, cycle="VISIT") if row[0] == "PYRO"]
    assert tablets == [("PYRO", "1", "2025-01-02"), ("PYRO", "2", "2025-01-22")]


def test_without_a_number_a_cycle_begins_with_an_anchor_dose_far_enough_from_the_last() -> None:
    rows = [
        ("Tras", "2025-01-01", None, None), ("Tras", "2025-01-08", None, None),
        ("Tras", "2025-01-22", None, None), ("Doce", "2025-01-23", None, None),
    ]  # fmt: skip
    assert placed(rows, anchors=["TRAS"]) == [
        ("Tras", "1", "2025-01-01"), ("Tras", "1", "2025-01-08"),
        ("Tras", "2", "2025-01-22"), ("Doce", "2", "2025-01-23"),
    ]  # fmt: skip


def test_a_patient_whose_doses_make_no_cycle_is_an_error_of_the_study_file() -> None:
    with pytest.raises(SourceError, match=r"1 patients .* have doses and no cycle"):
        placed([("Doce", "2025-01-23", None, None)], anchors=["TRAS"])


def test_a_day_that_is_not_whole_is_refused() -> None:
    with pytest.raises(SourceError, match="hold no whole day"):
        placed([("Tras", "2025-01", None, None)], anchors=["TRAS"])
