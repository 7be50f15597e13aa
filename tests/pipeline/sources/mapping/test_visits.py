"""Days of visits (SDTM SV) for results that have none, and days that lie outside of their visits."""

from pathlib import Path

import pandas as pd

from pipeline.sources.formats.sdtm import write_dataset
from pipeline.sources.formats.source_file import SourceFile
from pipeline.sources.mapping.blocks import Loaded
from pipeline.sources.mapping.files import Reader
from pipeline.sources.mapping.visits import with_visit_dates

SV = pd.DataFrame(
    [
        ["P1", "C1", "2026-01-05", "2026-01-06", "Y"],
        ["P1", "UNSCHEDULED", "2026-02-01", "", "Y"],
        ["P1", "UNSCHEDULED", "2026-03-01", "", "Y"],
        ["P2", "C1", "2026-01-09", "", "N"],
    ],
    columns=["USUBJID", "VISIT", "SVSTDTC", "SVENDTC", "SVOCCUR"],
)


def read(folder: Path, *rows: tuple[str, str, str]) -> tuple[list[str], dict[str, int]]:
    """Return the days of results, and how many were repaired or doubted by which rule."""
    write_dataset(SV.astype("object"), folder / "sv.xpt", "trial")
    cells = (
        pd.DataFrame(rows, columns=["USUBJID", "VISIT", "TRDTC"], dtype="str").replace("", None).astype("str")
    )
    file = SourceFile.model_validate({"path": "tr.xpt", "visits": {"path": "sv.xpt", "dates": ["TRDTC"]}})
    reader = Reader(folder)
    result = with_visit_dates(Loaded("tr", file, cells, cells["USUBJID"]), reader).cells["TRDTC"]
    told = {row[2].partition(":")[0]: row[3] for row in (*reader.repairs, *reader.warnings)}
    return result.fillna("").tolist(), told


def test_a_result_without_a_day_has_the_first_of_its_visit(tmp_path: Path) -> None:
    assert read(tmp_path, ("P1", "C1", ""), ("P1", "C1", "2026-01-06")) == (
        ["2026-01-05", "2026-01-06"],
        {"visit_date": 1},
    )


def test_a_visit_that_a_patient_has_several_times_gives_no_day(tmp_path: Path) -> None:
    assert read(tmp_path, ("P1", "UNSCHEDULED", ""), ("P9", "C1", "")) == (["", ""], {})


def test_a_day_outside_of_its_visit_and_a_result_of_none_are_told(tmp_path: Path) -> None:
    days, told = read(
        tmp_path, ("P1", "C1", "2026-01-07"), ("P2", "C1", "2026-01-09"), ("P1", "C1", "2026-01")
    )
    assert days == ["2026-01-07", "2026-01-09", "2026-01"]
    assert told == {"visit_date_differs": 1, "visit_not_done": 1}
