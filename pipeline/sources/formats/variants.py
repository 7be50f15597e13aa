"""Variant calls: VCF (plain or bgzipped, plasma beside matched white cells) and MAF, one row a call.

The columns that both give, beside those of the file: ALT_COUNT, DEPTH, VAF, NORMAL_VAF, CALLED_ORIGIN.
"""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import cyvcf2
import numpy as np
import pandas as pd

from pipeline.sources.errors import SourceError
from pipeline.sources.formats.source_file import Calls, Origin

BGZF_START = b"\x1f\x8b\x08\x04"
BGZF_END = bytes.fromhex("1f8b08040000000000ff0600424302001b0003000000000000000000")
"""The empty block at the end of every whole bgzipped file (SAM specification, 4.1.2)."""
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
    fewest, lowest, tier = settings.min_alt_count, settings.min_vaf, settings.tier_column
    wanted = []
    if genotyped:
        absent = calls["VAF"].isna() | ((calls["VAF"] == 0) & ~(calls["ALT_COUNT"] > 0))
        wanted.append(("no reads of the variant in the sample", ~absent))
    if fewest > 0:
        wanted.append((f"fewer than {fewest} reads", ~(calls["ALT_COUNT"] < fewest)))
    if lowest > 0:
        wanted.append((f"allele fraction below {lowest:g}", ~(calls["VAF"] < lowest)))
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


def with_counts(frame: pd.DataFrame, where: str) -> pd.DataFrame:
    """Return a MAF with the columns that all variant files give, from its read counts.

    Raises
    ------
    SourceError
        If t_alt_count is missing, or neither t_depth nor t_ref_count is there.
    """
    numbers = {
        name: pd.to_numeric(frame[name], errors="coerce")
        for name in ("t_alt_count", "t_ref_count", "t_depth", "n_alt_count", "n_depth")
        if name in frame
    }
    if "t_alt_count" not in numbers or not {"t_depth", "t_ref_count"} & set(numbers):
        raise SourceError(f"{where}: needs the columns t_alt_count, and t_depth or t_ref_count")
    alt = numbers["t_alt_count"].astype("float64")
    depth = numbers["t_depth"] if "t_depth" in numbers else alt + numbers["t_ref_count"]
    normal = pd.Series(np.nan, index=frame.index)
    if {"n_alt_count", "n_depth"} <= set(numbers):
        normal = numbers["n_alt_count"] / numbers["n_depth"].where(numbers["n_depth"] > 0)
    return frame.assign(ALT_COUNT=alt, DEPTH=depth, VAF=alt / depth.where(depth > 0), NORMAL_VAF=normal)


def read_vcf(path: Path, label: str, wanted: set[str], settings: Calls) -> pd.DataFrame:
    """Return the calls of a VCF: one row for each variant and plasma sample.

    Columns: SAMPLE, CHROM, POS, REF, ALT, FILTER, those of `wanted` that name INFO fields (``INFO/GENE``) or
    parts of VEP's annotation (``CSQ/SYMBOL``), and the counts. Floats are those of the text, to 7 digits.

    Raises
    ------
    SourceError
        If the file is empty, damaged, has no sample, or a record has several alternative alleles.
    """
    _require_whole(path, label)
    try:
        rows = list(_rows(path, label, wanted, settings))
    except SourceError:
        raise
    except Exception as error:  # cyvcf2 raises plain exceptions
        raise SourceError(
            f"{label}: cannot be read as VCF ({error}); check that the file is whole"
        ) from error
    columns = ["SAMPLE", "CHROM", "POS", "REF", "ALT", "FILTER", *sorted(c for c in wanted if "/" in c)]
    return pd.DataFrame(rows, columns=[*columns, "ALT_COUNT", "DEPTH", "VAF", "NORMAL_VAF"])


def _require_whole(path: Path, label: str) -> None:
    """Refuse empty and cut-off files: htslib only warns of them, and returns the records before."""
    content = path.read_bytes()
    if not content:
        raise SourceError(f"{label}: the file is empty (0 bytes); copy it again")
    blocked = content[:4] == BGZF_START
    if (blocked and not content.endswith(BGZF_END)) or (path.suffix == ".vcf" and content[-1:] != b"\n"):
        raise SourceError(f"{label}: the file is cut off at its end; copy it again")
    if path.suffix == ".gz" and not blocked:
        raise SourceError(f"{label}: it is not bgzipped (bgzip writes .vcf.gz); compress it with bgzip")


def _rows(path: Path, label: str, wanted: set[str], settings: Calls) -> Iterator[list[Any]]:
    reader = cyvcf2.VCF(str(path), strict_gt=True)
    plasma = _plasma_columns(list(reader.samples), settings.normal, label)
    csq = _csq_fields(reader) if any(c.startswith("CSQ/") for c in wanted) else []
    absent = [c for c in sorted(wanted) if c.startswith("INFO/") and not _declared(reader, c[5:])]
    absent += [c for c in sorted(wanted) if c.startswith("CSQ/") and c[4:] not in csq]
    if absent:
        raise SourceError(f"{label}: its header declares no {', '.join(absent)}; correct the study file")
    for variant in reader:
        yield from _calls(variant, plasma, wanted, csq, label)


def _plasma_columns(samples: list[str], normal: str, label: str) -> dict[str, tuple[int, int | None]]:
    """Return, for every plasma sample, its column and that of its white cells (None where there is none)."""
    if not samples:
        raise SourceError(f"{label}: no sample column; a VCF of calls has one for each sample")
    normals = {normal.replace("{sample}", s): s for s in samples}
    pairs = {
        s: (
            i,
            samples.index(normal.replace("{sample}", s))
            if normal.replace("{sample}", s) in samples
            else None,
        )
        for i, s in enumerate(samples)
        if s not in normals or normals[s] not in samples
    }
    prefix, _, suffix = normal.partition("{sample}")
    orphans = [s for s in pairs if s.startswith(prefix) and s.endswith(suffix)]
    if orphans:
        raise SourceError(
            f"{label}: {len(orphans)} white-cell columns without a plasma sample; check `normal` in `calls`"
        )
    return pairs


def _declared(reader: Any, name: str) -> bool:
    try:
        reader.get_header_type(name)
    except KeyError:
        return False
    return True


def _csq_fields(reader: Any) -> list[str]:
    description = str(reader.get_header_type("CSQ")["Description"]) if _declared(reader, "CSQ") else ""
    return description.partition("Format: ")[2].strip('" ').split("|")


def _calls(
    variant: Any, plasma: dict[str, tuple[int, int | None]], wanted: set[str], csq: list[str], label: str
) -> Iterator[list[Any]]:
    if len(variant.ALT) != 1:
        raise SourceError(
            f"{label}: the record at {variant.CHROM}:{variant.POS} has {len(variant.ALT)} alternative "
            f"alleles; split such records (bcftools norm -m -)"
        )
    info = [_annotation(variant, name, csq) for name in sorted(c for c in wanted if "/" in c)]
    reads, depths = variant.format("AD"), variant.format("DP")
    fractions = variant.format("AF")
    place = [variant.CHROM, variant.POS, variant.REF, variant.ALT[0], variant.FILTER or "PASS"]
    for sample, (column, normal) in plasma.items():
        alt, depth, vaf = _counts(reads, depths, fractions, column)
        normal_vaf = np.nan if normal is None else _counts(reads, depths, fractions, normal)[2]
        yield [sample, *place, *info, alt, depth, vaf, normal_vaf]


def _counts(reads: Any, depths: Any, fractions: Any, column: int) -> tuple[float, float, float]:
    """Return supporting reads, depth and allele fraction of a sample; counts before AF, NaN where missing."""
    alt = depth = vaf = np.nan
    if reads is not None and reads.shape[1] == 2 and reads[column].min() >= 0:
        alt, depth = float(reads[column][1]), float(reads[column].sum())
    if depths is not None and depths[column][0] >= 0:
        depth = float(depths[column][0])
    if not np.isnan(alt) and depth > 0:
        vaf = alt / depth
    elif fractions is not None and not np.isnan(fractions[column][0]):
        vaf = float(str(fractions[column][0]))  # 32 bits: the shortest text that gives them
    return alt, depth, vaf


def _annotation(variant: Any, name: str, csq: list[str]) -> str | None:
    kind, _, field = name.partition("/")
    if kind == "INFO":
        value = variant.INFO.get(field)
        return None if value is None else str(value)
    first = str(variant.INFO.get("CSQ", "")).split(",")[0].split("|")
    found = dict(zip(csq, first, strict=False)).get(field, "")
    return found.rpartition(":")[2] or None


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
