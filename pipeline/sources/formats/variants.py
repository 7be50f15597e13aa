"""Variant calls of VCF and MAF files, one row a call: which are used, and where they come from.

The columns that both give, beside those of the file: ALT_COUNT, DEPTH, VAF, NORMAL_VAF, CALLED_ORIGIN.
"""

from pathlib import Path

import numpy as np
import pandas as pd

from pipeline.sources.formats.errors import SourceError
from pipeline.sources.formats.source_file import Calls, Origin

PASSED = ("PASS", ".", "")


def called_origin(vaf: pd.Series, normal: pd.Series, settings: Origin) -> pd.Series:
    """Return germline, ch, tumor or unknown for each call (see `Origin`)."""
    blood = (normal >= settings.blood_from) & (vaf <= settings.blood_ratio * normal)
    names = np.select(
        [normal.isna(), normal >= settings.germline_from, blood], ["unknown", "germline", "ch"], "tumor"
    )
    return pd.Series(names, index=vaf.index, dtype="str")


def filtered(
    calls: pd.DataFrame, settings: Calls, *, genotyped: bool
) -> tuple[pd.DataFrame, list[tuple[str, int, int]]]:
    """Return the calls that are used, and (reason, rows left out, rows left) of every filter that did.

    Where files are `genotyped` (VCF), every sample has a cell for every variant, also for those it lacks.
    """
    min_reads, min_vaf, tier = settings.min_alt_count, settings.min_vaf, settings.tier_column
    wanted = []
    if genotyped:
        absent = (calls["ALT_COUNT"] == 0) | (calls["ALT_COUNT"].isna() & (calls["VAF"] == 0))
        wanted.append(("no reads of the variant in the sample", ~absent))
    if min_reads > 0:
        wanted.append((f"fewer than {min_reads} reads", ~(calls["ALT_COUNT"] < min_reads)))
    if min_vaf > 0:
        wanted.append((f"allele fraction below {min_vaf:g}", ~(calls["VAF"] < min_vaf)))
    if settings.passing and "FILTER" in calls:
        wanted.append(("FILTER not PASS", calls["FILTER"].fillna("").isin(PASSED)))
    if tier is not None:
        wanted.append((f"{tier} not {' or '.join(settings.tiers)}", calls[tier].isin(settings.tiers)))
    counts = []
    for reason, mask in wanted:
        kept = mask.reindex(calls.index)
        if not kept.all():
            calls = calls[kept]
            counts.append((reason, int((~kept).sum()), len(calls)))
    return calls, counts


def read_panel(path: Path, label: str) -> str:
    """Return the genes of a panel's BED file (fourth column), sorted, separated by semicolons.

    Raises
    ------
    SourceError
        If the file is not there, or a region has no gene.
    """
    if not path.is_file():
        raise SourceError(f"{label}: there is no such file; the panel's regions must come with the data")
    lines = [line.split("\t") for line in path.read_text(encoding="utf-8").splitlines() if line.strip()]
    regions = [line for line in lines if not line[0].startswith(("#", "track", "browser"))]
    short = sum(len(region) < 4 or not region[3].strip() for region in regions)
    if short or not regions:
        raise SourceError(f"{label}: {short} of {len(regions)} regions have no gene in the fourth column")
    return ";".join(sorted({region[3].strip() for region in regions}))
