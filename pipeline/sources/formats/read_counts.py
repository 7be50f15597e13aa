"""Supporting reads, depth and allele fraction of a sample in a VCF record, as each caller writes them.

docs/variant-callers.md lists the callers' FORMAT fields with their sources.
"""

import re
from collections.abc import Mapping
from math import isnan, nan
from typing import NamedTuple

from pipeline.sources.formats.vcf_header import Field

COUNT_FIELDS = (
    "AD",
    "RD",
    "VD",
    "DP",
    "DP4",
    "AO",
    "RO",
    "FAO",
    "FRO",
    "FDP",
    "AU",
    "CU",
    "GU",
    "TU",
    "TAR",
    "TIR",
)
FRACTION_FIELDS = ("AF", "VAF", "VF", "FA", "FREQ")
"""Fractions by the caller, in the order in which they are looked for; FREQ is a text with a per cent sign."""
FORMAT_FIELDS = (*COUNT_FIELDS, *FRACTION_FIELDS)

PSEUDOCOUNTS = 2.0
"""Reads by which a fraction may differ: Mutect2's AF is that of alt + 1 in depth + 2 reads."""
DEPTH_TOLERANCE = 0.2
"""Part of the fraction by which it may differ besides: DP counts reads that it leaves out."""
ROUNDING = 0.0051
"""Half a unit of the coarsest fractions, with two decimals (0.01)."""

_REF_AND_ALT = re.compile(r"\bref(?:erence)?\b.*\balt(?:ernat\w*)?\b", re.IGNORECASE)
_STRANDS = re.compile(r"\bforward\b.*\breverse\b", re.IGNORECASE)
_ALT_ONLY = re.compile(r"\b(?:alt\w*|variant\S*)\b", re.IGNORECASE)
Cell = Mapping[str, list[float]]
"""The numbers of a sample's fields; NaN where one is missing."""


class Allele(NamedTuple):
    """The alternative allele that is read: its bases, its position among the record's `alternatives`.

    `others` are the further alternatives with bases: a number that is not per allele says nothing of one.
    """

    ref: str
    alt: str
    position: int
    alternatives: int
    others: int = 0


class Reads(NamedTuple):
    """Supporting reads, depth and the caller's own fraction; NaN where unknown."""

    alt: float = nan
    depth: float = nan
    fraction: float = nan

    @property
    def vaf(self) -> float:
        """Allele fraction: of the counts, else the caller's."""
        return self.alt / self.depth if not isnan(self.alt) and self.depth > 0 else self.fraction

    @property
    def known(self) -> bool:
        """Whether the sample has a number for the allele."""
        return not isnan(self.alt) or not isnan(self.fraction)

    @property
    def contradictory(self) -> bool:
        """Whether the caller's fraction is another than that of the counts, by more than callers differ."""
        return not isnan(self.alt) and self.depth > 0 and not _agree(self.alt, self.depth, self.fraction)


def reads_of(cell: Cell, fields: Mapping[str, Field], allele: Allele) -> Reads:
    """Return a sample's reads; `fields` are the FORMAT fields that the header declares.

    Counts come before fractions. The first of these that the cell has: Strelka's tiers (first tier),
    VarDict's VD, AD and DP, Ion Torrent's flow-corrected counts, AO and RO, DP4.
    """
    fraction = _fraction(cell, fields, allele)
    depth = _single(cell, "DP")
    for counts in (
        _strelka(cell, allele), (nan if allele.others else _single(cell, "VD"), depth),
        _allele_depths(cell, fields, allele, depth, fraction),
        _observations(cell, "FAO", "FRO", _single(cell, "FDP"), allele),
        _observations(cell, "AO", "RO", depth, allele), _strands(cell, allele),
    ):  # fmt: skip
        if not isnan(counts[0]):
            return Reads(*counts, fraction)
    return Reads(nan, depth, fraction)


def _agree(alt: float, depth: float, fraction: float) -> bool:
    expected = alt / depth
    allowed = PSEUDOCOUNTS / depth + DEPTH_TOLERANCE * max(expected, fraction)
    rounding = ROUNDING if round(fraction, 2) == fraction else 0.0
    return isnan(fraction) or abs(expected - fraction) <= allowed + rounding


def _single(cell: Cell, name: str) -> float:
    values = cell.get(name, ())
    return values[0] if len(values) == 1 else nan


def _fraction(cell: Cell, fields: Mapping[str, Field], allele: Allele) -> float:
    for name in FRACTION_FIELDS:
        values = cell.get(name, ())
        field = fields.get(name)
        if field is not None and field.type == "Integer":
            continue  # GRIDSS counts fragments in a field VF
        at = allele.position
        if field is not None and field.number == "R" and len(values) == allele.alternatives + 1:
            at += 1
        elif len(values) != allele.alternatives and (len(values) != 1 or at or allele.others):
            continue
        if not isnan(values[at]):
            percent = field is not None and field.in_percent and name != "FREQ"
            return values[at] / 100 if percent else values[at]
    return nan


def uncounted_fraction(cell: Cell, fields: Mapping[str, Field], allele: Allele) -> str:
    """Return what is wrong with a fraction that has not one number per allele; "" where none is so."""
    for name in FRACTION_FIELDS:
        count, field = len(cell.get(name, ())), fields.get(name)
        wanted = allele.alternatives + (field is not None and field.number == "R")
        if count > 1 and count != wanted:
            return (
                f"{name} has {count} numbers, of {allele.alternatives} alternative allele(s); a comma stands "
                f"between numbers in a VCF, so a fraction is written 0.05 and not 0,05"
            )
    return ""


def _strelka(cell: Cell, allele: Allele) -> tuple[float, float]:
    """Return tier 1 counts: of the bases for substitutions (AU to TU), of TIR and TAR for indels."""
    if "TIR" in cell and "TAR" in cell and not allele.others:
        alt, ref = cell["TIR"][0], cell["TAR"][0]
    elif {"AU", "CU", "GU", "TU"} <= cell.keys() and {allele.ref, allele.alt} <= set("ACGT"):
        alt, ref = cell[f"{allele.alt}U"][0], cell[f"{allele.ref}U"][0]
    else:
        return nan, nan
    return alt, alt + ref


def _allele_depths(
    cell: Cell, fields: Mapping[str, Field], allele: Allele, depth: float, fraction: float
) -> tuple[float, float]:
    """Return the counts of AD, if it is per allele (Number R, or described so) or of the variant alone.

    By strand it says nothing of alleles. Where the header leaves open what it is, it counts if the caller's
    own fraction confirms it.
    """
    values, field = cell.get("AD", []), fields.get("AD")
    each = len(values) == allele.alternatives + 1
    described = field.description if field is not None else ""
    if not values or (_STRANDS.search(described) and (field is None or field.number != "R")):
        return nan, nan
    if each and (field is None or field.number == "R" or _REF_AND_ALT.search(described)):
        total = sum(values) if isnan(depth) else depth
        return values[allele.position + 1], total
    if len(values) == allele.alternatives and (field is None or field.number in ("1", "A", ".")):
        total = _single(cell, "RD") + sum(values) if isnan(depth) else depth
        named = "RD" in cell or (field is not None and bool(_ALT_ONLY.search(described)))
        alt = values[allele.position]
        return (alt, total) if named or _confirmed(alt, total, fraction) else (nan, nan)
    if each:
        alt, total = values[allele.position + 1], sum(values) if isnan(depth) else depth
        return (alt, total) if _confirmed(alt, total, fraction) else (nan, nan)
    return nan, nan


def _confirmed(alt: float, depth: float, fraction: float) -> bool:
    return depth > 0 and not isnan(fraction) and not isnan(alt) and _agree(alt, depth, fraction)


def _observations(cell: Cell, alt: str, ref: str, depth: float, allele: Allele) -> tuple[float, float]:
    """Return the counts of AO and RO (or FAO and FRO): one AO for each alternative allele."""
    values = cell.get(alt, [])
    if len(values) != allele.alternatives:
        return nan, nan
    return values[allele.position], sum(values) + _single(cell, ref) if isnan(depth) else depth


def _strands(cell: Cell, allele: Allele) -> tuple[float, float]:
    """Return the counts of DP4: reads of the reference and of the variant on each strand, of good quality."""
    values = cell.get("DP4", [])
    if len(values) != 4 or allele.alternatives != 1:
        return nan, nan
    return values[2] + values[3], sum(values)
