"""A few of the campaign's files (tests/pipeline/variant_campaign.py); thousands are made by hand."""

from pathlib import Path
from random import Random

import pytest

from pipeline.sources.formats import vcf
from pipeline.sources.formats.errors import SourceError
from pipeline.sources.formats.read_counts import Reads
from tests.pipeline.variant_campaign import faulty_file, make_vcf, read, valid_file


def test_valid_files_of_every_caller_are_read_as_they_were_written(tmp_path: Path) -> None:
    for seed in range(100_000, 100_040):
        valid_file(seed, tmp_path)


def test_a_single_fault_is_refused_or_both_readers_agree(tmp_path: Path) -> None:
    outcomes = [faulty_file(seed, tmp_path) for seed in range(100_000, 100_060)]
    assert {"read", "refused"} <= set(outcomes)


def test_a_first_reader_that_errs_is_contradicted_by_the_second(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(vcf, "reads_of", lambda *_: Reads(1.0, 302.0))
    text, truth = make_vcf(Random(6))  # noqa: S311 - test data
    assert truth
    with pytest.raises(SourceError, match="two readers read differently"):
        read(text.encode(), ".vcf", tmp_path)
