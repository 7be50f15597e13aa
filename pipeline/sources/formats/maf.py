"""Read counts of a MAF, a row a call: supporting reads, depth and fractions in plasma and white cells."""

from collections.abc import Collection

import numpy as np
import pandas as pd

from features.contract.cells import as_text, numbers_in
from pipeline.sources.formats.errors import SourceError

COUNTS = ("t_alt_count", "t_ref_count", "t_depth", "n_alt_count", "n_ref_count", "n_depth")
FRACTIONS = ("t_vaf", "tumor_f", "t_af", "VAF")
"""Fractions that laboratories write beside the counts."""
BUILD, STATUS = "NCBI_Build", "Mutation_Status"
BUILDS = {
    "37": "GRCh37", "grch37": "GRCh37", "hg19": "GRCh37", "b37": "GRCh37", "hs37d5": "GRCh37",
    "38": "GRCh38", "grch38": "GRCh38", "hg38": "GRCh38",
}  # fmt: skip
"""Names of builds, in lower case, and what MAF calls them."""
NO_COUNT = ("", ".")
FRACTION_TOLERANCE = 0.2
"""Part of a fraction by which it may differ from the counts, besides two reads and rounding."""


def with_counts(frame: pd.DataFrame, where: str, missing: Collection[str]) -> tuple[pd.DataFrame, int]:
    """Return a MAF with the columns that all variant files give, from its read counts, and contradictions.

    Depth is t_depth, in rows without it t_alt_count + t_ref_count; so are the white cells' (n_). The number
    is that of rows whose own fraction (t_vaf, tumor_f) is not that of the counts.

    Raises
    ------
    SourceError
        If t_alt_count is missing, or neither t_depth nor t_ref_count is there, or a count is no whole
        number, or the white cells have more reads of the variant than reads.
    """
    numbers = {
        c: _whole_numbers(frame[c], c, where, missing) for c in COUNTS if list(frame.columns).count(c) == 1
    }
    if "t_alt_count" not in numbers or not {"t_depth", "t_ref_count"} & set(numbers):
        raise SourceError(f"{where}: needs the columns t_alt_count, and t_depth or t_ref_count")
    alt, depth = _alt_and_depth(numbers, "t", frame.index)
    normal_alt, normal_depth = _alt_and_depth(numbers, "n", frame.index)
    above = int((normal_alt > normal_depth).sum())
    if above:
        raise SourceError(f"{where}: {above} rows have n_alt_count above n_depth; correct the two counts")
    contradictory = _contradictory(frame, alt, depth)
    counted = frame.assign(
        ALT_COUNT=alt, DEPTH=depth, VAF=alt / depth.where(depth > 0),
        NORMAL_VAF=normal_alt / normal_depth.where(normal_depth > 0),
    )  # fmt: skip
    return counted, contradictory


def depth_contradictions(frame: pd.DataFrame, missing: Collection[str]) -> int:
    """Count the rows whose t_depth is less than the two counts together, or more than twice as much.

    Reads of further alleles are part of the depth alone, but not more than those of the two.
    """
    names = ("t_alt_count", "t_ref_count", "t_depth")
    if any(list(frame.columns).count(name) != 1 for name in names):
        return 0
    alt, ref, depth = (numbers_in(frame[name].mask(as_text(frame[name]).isin(missing))) for name in names)
    return int(((alt + ref > depth) | (2 * (alt + ref) < depth)).sum())


def germline_rows(frame: pd.DataFrame) -> int:
    """Count the rows that Mutation_Status calls germline."""
    if list(frame.columns).count(STATUS) != 1:
        return 0
    return int((as_text(frame[STATUS]).str.lower() == "germline").sum())


def builds_of(frame: pd.DataFrame) -> list[str]:
    """Return the builds of the genome that the rows are of (NCBI_Build), by one name each, sorted."""
    if list(frame.columns).count(BUILD) != 1:
        return []
    names = as_text(frame[BUILD]).dropna().unique()
    return sorted({BUILDS.get(name.lower(), name) for name in names})


def _whole_numbers(cells: pd.Series, column: str, where: str, missing: Collection[str]) -> pd.Series:
    numbers = numbers_in(cells)
    if missing:
        numbers = numbers.mask(as_text(cells).isin(missing))
    others = cells[~((numbers >= 0) & (numbers == np.floor(numbers)) & np.isfinite(numbers))]
    wrong = int((~as_text(others).fillna("").isin([*NO_COUNT, *missing])).sum())
    if wrong:
        raise SourceError(
            f"{where}: {wrong} cells of column {column} are no whole numbers from 0; correct them"
        )
    return numbers


def _alt_and_depth(numbers: dict[str, pd.Series], side: str, index: pd.Index) -> tuple[pd.Series, pd.Series]:
    unknown = pd.Series(np.nan, index=index)
    alt, ref, depth = (numbers.get(f"{side}_{name}", unknown) for name in ("alt_count", "ref_count", "depth"))
    return alt, depth.where(depth.notna(), alt + ref)


def _contradictory(frame: pd.DataFrame, alt: pd.Series, depth: pd.Series) -> int:
    """Count the rows whose fraction differs by more than two reads, rounding and `FRACTION_TOLERANCE`."""
    rows = pd.Series(data=False, index=frame.index)
    expected = alt / depth.where(depth > 0)
    for name in (c for c in FRACTIONS if list(frame.columns).count(c) == 1):
        fraction = pd.to_numeric(frame[name], errors="coerce")
        allowed = (
            2 / depth
            + FRACTION_TOLERANCE * np.maximum(expected, fraction)
            + 0.005 * (fraction.round(2) == fraction)
        )
        rows |= (expected - fraction).abs() > allowed
    return int(rows.sum())
