"""The reading report has a row for every file: cells read, empty, repaired, left out and compared."""

from pathlib import Path

from pipeline.sources.audit.compare import Audit
from pipeline.sources.mapping.files import ColumnReading, Reader
from pipeline.sources.reading import READING_COLUMNS, reading_report


def test_a_files_columns_are_summed_and_what_became_of_its_rows_is_named_by_rule() -> None:
    reader = Reader(Path())
    for column, empty in (("x", 2), ("y", 0)):
        reader.readings["a.csv", column] = ColumnReading("a.csv", column, 10, empty, 1)
    reader.readings["b.csv", "z"] = ColumnReading("b.csv", "z", 3, 0, 0)
    reader.note("a.csv", "x", "per_cent: the sign is read", 4)
    reader.note("a.csv", "y", "per_cent: the sign is read", 1)
    reader.audits["b.csv", "z"] = Audit("b.csv", "z", 3, 1)
    reader.audits["table labs", "value"] = Audit("table labs", "value", 4, 0)
    report = reading_report(reader, [("labs", "labs", "QC not pass", 6, 4)], {"labs": "a.csv"})
    assert report.columns.tolist() == READING_COLUMNS
    assert report.to_numpy().tolist() == [
        ["a.csv", 2, 10, 20, 2, 2, 5, 6, 0, 0, "per_cent (5); QC not pass (6)"],
        ["b.csv", 1, 3, 3, 0, 0, 0, 0, 3, 1, ""],
        ["table labs", 1, 4, 4, 0, 0, 0, 0, 4, 0, "made a second time from the cells of its files"],
    ]
