"""Files with habits that were once misread: each is read right, counted, or refused."""

import os
from pathlib import Path

import pandas as pd
import pytest

from features.errors import UserError
from pipeline.intake.pages import reading_lines, write_problems
from pipeline.project.files import read_yaml
from pipeline.sources.ingest import Ingested
from pipeline.sources.reading import MADE_AGAIN
from tests.pipeline.formats import ROOT, taken_in

CASES = ROOT / ".." / "shared" / "cases" / "files"


def read(case: str) -> Ingested:
    """Read a case's files by its study file."""
    if not CASES.is_dir():
        if os.environ.get("CI") == "true":
            pytest.fail(f"{CASES} is missing: the cases are part of the checks")
        pytest.skip("the cases are not here")
    (study,) = (CASES / case).glob("*.yaml")
    return taken_in(read_yaml(study), CASES / case / "files")


def test_a_quotation_mark_in_a_maf_swallows_no_variants() -> None:
    assert read("01-quote-swallows-rows").tables["ctdna_variants"]["gene"].tolist() == [
        "AKT1", "MTOR", "PIK3CA", "TP53",
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("case", "words"),
    [
        ("04-excel-formulas", ("pathology.xlsx", "ki67_pct", "20 formulas without a result", "E2")),
        ("06-excel-merged", ("pathology.xlsx", "'hr'", "merged cells", "B2:B9")),
        ("08-decimal-comma-thousands", ("ctdna_samples.csv", "cfdna_ng_ml", "20 rows", "thousands")),
        ("15-short-rows", ("pathology.csv", "line 4 has 3, the header 6")),
    ],
)
def test_what_cannot_be_read_as_meant_is_refused_by_its_place(case: str, words: tuple[str, ...]) -> None:
    with pytest.raises(UserError) as error:
        read(case)
    assert all(word in str(error.value) for word in words)


def test_cells_shown_as_per_cent_are_per_cent_and_counted() -> None:
    raw = read("07-excel-percent-cells")
    assert raw.tables["pathology"]["ki67_pct"].min() >= 15
    repairs = raw.problems[raw.problems["severity"] == "repair"]
    told = repairs[["column", "rule", "rows"]].to_numpy().tolist()
    assert told == [["ki67_pct", "per_cent: cells shown as per cent", 6]]


def test_the_reading_report_counts_every_cell_and_shows_what_became_of_it(tmp_path: Path) -> None:
    raw = read("07-excel-percent-cells")
    lines = reading_lines(raw.reading)
    files = [line for line in lines if not line.startswith("read: table ")]
    assert len(files) == 5
    assert {" table subjects", " table pathology"} <= {line.split(":")[1] for line in lines[5:]}
    assert (
        "read: pathology.xlsx, sheet Path: 20 rows, 120 cells, 0 empty, 0 coded as missing, 6 repaired"
        in lines[1]
    )
    assert lines[1].endswith("120 cells compared with a second reader, 0 differences")
    page = tmp_path / "problems.html"
    write_problems(page, "a", raw.problems, raw.dropped, raw.reading, raw.examples)
    shown = raw.examples.query("column == 'ki67_pct'")[["cell", "value"]].to_numpy().tolist()
    assert ["15%", "15"] in shown
    assert "Examples: pathology" in page.read_text()
    rules = pd.read_csv(tmp_path / "problems-reading.csv")["by rule"].dropna().unique().tolist()
    assert rules == ["per_cent (6)", MADE_AGAIN]
