"""Fractions of a MAF, a second time: agreement is counted, a difference is found with its row."""

import pandas as pd

from pipeline.sources.audit.maf import audit_counts


def calls(vaf: float) -> pd.DataFrame:
    counts = {
        "t_alt_count": ["3", "."],
        "t_ref_count": ["97", "5"],
        "n_depth": ["50", ""],
        "n_alt_count": ["1", ""],
    }
    derived = {
        "ALT_COUNT": [3.0, None],
        "DEPTH": [100.0, None],
        "VAF": [vaf, None],
        "NORMAL_VAF": [0.02, None],
    }
    return pd.DataFrame(counts | derived)


def test_counts_depth_and_fractions_are_those_of_the_second_reader() -> None:
    audits = audit_counts("a.maf", calls(0.03), missing=())
    assert {audit.column: audit.differences for audit in audits} == dict.fromkeys(
        ("ALT_COUNT", "DEPTH", "VAF", "NORMAL_VAF"), 0
    )


def test_a_fraction_that_is_not_that_of_the_counts_is_a_difference() -> None:
    audits = {audit.column: audit.differences for audit in audit_counts("a.maf", calls(0.3), missing=())}
    assert (audits["VAF"], audits["DEPTH"]) == (1, 0)
