"""Calls that are written as VCF are read again as they were, each sample from a file of its own."""

from pathlib import Path

import pandas as pd
import pytest

from pipeline.sources.audit.vcf import vcf_cells
from pipeline.sources.formats.source_file import Calls, SourceFile
from pipeline.sources.formats.vcf_writer import write_vcfs

CALLS = {
    "SAMPLE": ["S1", "S1", "S2"], "ALT_COUNT": [3.0, 5.0, None], "DEPTH": [300.0, 100.0, None],
    "VAF": [0.01, 0.05, 0.2], "NORMAL_VAF": [0.001, None, None], "INFO/GENE": ["TP53", "PIK3CA", "TP53"],
}  # fmt: skip


@pytest.mark.parametrize("ending", ["vcf", "vcf.gz"])
def test_each_sample_has_a_file_and_its_calls_come_back(tmp_path: Path, ending: str) -> None:
    spec = SourceFile(path=f"*.{ending}", calls=Calls())
    write_vcfs(tmp_path / f"*.{ending}", pd.DataFrame(CALLS), spec)
    assert sorted(path.name for path in tmp_path.iterdir()) == [f"S1.{ending}", f"S2.{ending}"]
    wanted = ["SAMPLE", "ALT_COUNT", "DEPTH", "VAF", "INFO/GENE"]
    first = vcf_cells(tmp_path / f"S1.{ending}", wanted, Calls(), {})
    assert first["SAMPLE"].tolist() == ["S1", "S1"]
    assert first[["ALT_COUNT", "DEPTH"]].astype(float).to_numpy().tolist() == [[3, 300], [5, 100]]
    assert first["VAF"].astype(float).tolist() == pytest.approx([0.01, 0.05], rel=1e-6)
    second = vcf_cells(tmp_path / f"S2.{ending}", wanted, Calls(), {})
    assert (second["ALT_COUNT"].tolist(), second["INFO/GENE"].tolist()) == ([""], ["TP53"])
