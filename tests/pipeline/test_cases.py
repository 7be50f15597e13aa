"""Files with habits that were once misread: each is read right, counted, or refused."""

import os
import shutil
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
        ("20-maf-gene-dates", ("ctdna.maf", "Hugo_Symbol", "1-Mar: MARCHF1 or MTARC1")),
        ("21-hgvsp-two-forms", ("ctdna.maf", "duplicate_key: sample_id, gene, hgvsp in 2 rows")),
    ],
)
def test_what_cannot_be_read_as_meant_is_refused_by_its_place(case: str, words: tuple[str, ...]) -> None:
    with pytest.raises(UserError) as error:
        read(case)
    assert all(word in str(error.value) for word in words)


@pytest.mark.parametrize(
    ("case", "variants"),
    [
        ("02-csq-first-transcript", [("ERBB2", 0.02, "unknown"), ("TP53", 0.02, "unknown")]),
        ("03-maf-hash", [("AKT1", 0.02, "germline")]),
        ("10-maf-normal-ref-count", [("PIK3CA", 0.02, "ch"), ("TP53", 0.02, "germline")]),
        ("11-vcf-format-not-declared", [("TP53", 0.02, "unknown")]),
        ("12-vcf-ad-not-per-allele", [("TP53", 0.0132, "unknown")]),
        ("13-vcf-no-counts-is-no-reads", [("PIK3CA", 0.1, "unknown"), ("TP53", 0.02, "unknown")]),
        ("28-gene-names", [("TP53", 0.02, "tumor")]),
    ],
)
def test_variants_of_other_programs_have_the_gene_fraction_and_origin_that_their_files_tell(
    case: str, variants: list[tuple[str, float, str]]
) -> None:
    calls = read(case).tables["ctdna_variants"][["gene", "vaf", "origin"]]
    assert list(calls.round(4).itertuples(index=False, name=None)) == variants


def test_a_genotype_alone_and_a_gene_that_the_panel_does_not_list_are_refused(tmp_path: Path) -> None:
    no_counts, other_panel = CASES / "13-vcf-no-counts-is-no-reads", CASES / "28-gene-names"
    read(no_counts.name)
    shutil.copytree(no_counts / "files", tmp_path / "files")
    shutil.copy(no_counts / "files-gt/a.vcf", tmp_path / "files/vcf/a.vcf")
    with pytest.raises(UserError, match="an unknown count is not a small one"):
        taken_in(read_yaml(no_counts / "vcf_freebayes_d.yaml"), tmp_path / "files")
    with pytest.raises(UserError, match="gene_not_on_panel"):
        taken_in(read_yaml(other_panel / "g_lower.yaml"), other_panel / "files-comma")


def test_fractions_that_look_like_per_cent_below_one_are_a_warning() -> None:
    problems = read("09-vaf-percent-below-1").problems.set_index("column")
    assert problems.loc["mean_vaf", ["rule", "rows"]].tolist() == [
        "per_cent_like: all fractions are large", 40,
    ]  # fmt: skip


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
