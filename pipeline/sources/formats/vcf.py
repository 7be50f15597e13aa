"""Variant calls of a VCF, plain or bgzipped: plasma samples, each beside its matched white cells."""

import re
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from math import nan
from pathlib import Path
from typing import Any

import cyvcf2
import numpy as np
import pandas as pd

from pipeline.sources.formats.annotation import (
    ANNOTATIONS,
    AmbiguousAnnotationError,
    Annotation,
    annotated,
    of_allele,
    parse_annotation,
    release_free,
)
from pipeline.sources.formats.errors import SourceError
from pipeline.sources.formats.read_counts import FORMAT_FIELDS, Allele, Reads, reads_of, uncounted_fraction
from pipeline.sources.formats.source_file import Calls
from pipeline.sources.formats.variants import PASSED
from pipeline.sources.formats.vcf_header import Field, declared_fields
from pipeline.sources.formats.vcf_lines import refuse_other_kinds, require_plain_lines

BGZF_START = b"\x1f\x8b\x08\x04"
BGZF_END = bytes.fromhex("1f8b08040000000000ff0600424302001b0003000000000000000000")
"""The empty block at the end of every whole bgzipped file (SAM specification, 4.1.2)."""
BASES = frozenset("ACGTUNRYSWKMBDHV")
OWN_ALLELE = "<CALL>"
"""The alternative allele of exported calls, whose bases the contract does not have."""
SITE = ("CHROM", "POS", "REF", "ALT", "FILTER")
COUNTS = ("ALT_COUNT", "DEPTH", "VAF", "NORMAL_VAF")
_NUMBER = re.compile(r"\+?(?:\d+(?:\.\d*)?|\.\d+)(?:[eE][+-]?\d+)?%?")
_NORMALS = re.compile(r"^##(?:normal_sample=|PEDIGREE=<(?:[^>\n]*,)?Original=)([^,>\n]+)", re.MULTILINE)
"""Header lines that say which sample is the normal one: those of Mutect2, and the pedigree of VCF 4.1."""
MISSING_INTEGERS = (-(2**31), -(2**31) + 1)
"""htslib's marks of a missing number and of the end of a cell's numbers."""


@dataclass
class VcfCalls:
    """What a VCF holds: `calls` (a row each), what was left out (reason -> count), and contradictions.

    `contradictory` counts the calls whose fraction, as the caller gives it, is not that of their counts,
    `split` the records whose alternative alleles became rows of their own.
    """

    calls: pd.DataFrame = field(default_factory=pd.DataFrame)
    left_out: Counter[str] = field(default_factory=Counter)
    contradictory: int = 0
    split: int = 0


@dataclass(frozen=True)
class _File:
    """What holds for all records of a file."""

    label: str
    plasma: dict[str, tuple[int, int | None]]
    fields: dict[tuple[str, str], Field]
    formats: dict[str, Field]
    columns: list[str]
    annotations: dict[str, Annotation]
    panel: frozenset[str]
    passing: bool
    single: bool


def read_vcf(
    path: Path, label: str, wanted: set[str], settings: Calls, panels: dict[str, frozenset[str]] | None = None
) -> VcfCalls:
    """Return the calls of a VCF: one row for each alternative allele and plasma sample that has it.

    Columns: SAMPLE, CHROM, POS, REF, ALT, FILTER, those of `wanted` that name INFO fields (``INFO/GENE``)
    or parts of an annotation (``CSQ/SYMBOL``, ``ANN/HGVS.p``, ``FUNCOTATION/Gencode_34_hugoSymbol``), and
    the counts. `panels` are the genes that each sample's panel lists. Floats are those of the text, to 7
    digits.

    Raises
    ------
    SourceError
        If the file is empty, damaged or has no sample, or a record has an allele without counts and fraction
        of its own, or annotations that do not say which gene or allele is meant.
    """
    content = path.read_bytes()
    _require_whole(path, content, label)
    result = VcfCalls()
    columns = sorted(c for c in wanted if "/" in c)
    require_plain_lines(content, label, columns)
    try:
        rows = list(_rows(path, label, columns, settings, panels or {}, result))
    except SourceError:
        raise
    except Exception as error:  # cyvcf2 raises plain exceptions
        raise SourceError(
            f"{label}: cannot be read as VCF ({error}); check that the file is whole"
        ) from error
    result.calls = pd.DataFrame(rows, columns=["SAMPLE", *SITE, *columns, *COUNTS])
    return result


def _require_whole(path: Path, content: bytes, label: str) -> None:
    """Refuse empty and cut-off files: htslib only warns of them, and returns the records before."""
    if not content:
        raise SourceError(f"{label}: the file is empty (0 bytes); copy it again")
    if path.suffix == ".vcf":
        refuse_other_kinds(content, label)
    blocked = content[:4] == BGZF_START
    if (blocked and not content.endswith(BGZF_END)) or (path.suffix == ".vcf" and content[-1:] != b"\n"):
        raise SourceError(f"{label}: the file is cut off at its end; copy it again")
    if path.suffix == ".gz" and not blocked:
        raise SourceError(f"{label}: it is not bgzipped (bgzip writes .vcf.gz); compress it with bgzip")


def _rows(
    path: Path,
    label: str,
    columns: list[str],
    settings: Calls,
    panels: dict[str, frozenset[str]],
    result: VcfCalls,
) -> Iterator[list[Any]]:
    reader = cyvcf2.VCF(str(path), strict_gt=True)
    fields = declared_fields(reader.raw_header)
    formats = {name: f for (kind, name), f in fields.items() if kind == "FORMAT"}
    for name in (n for n in FORMAT_FIELDS if n not in formats):
        reader.add_format_to_header(
            {"ID": name, "Number": ".", "Type": "String", "Description": "not declared"}
        )
    annotations = _annotations(columns, fields, label)
    plasma = _plasma_columns(list(reader.samples), settings.normal, label)
    _require_no_normal(plasma, reader.raw_header, label)
    panel = frozenset[str]().union(*(panels.get(sample, frozenset()) for sample in plasma))
    file = _File(
        label, plasma, fields, formats, columns, annotations, panel, settings.passing,
        single=len(reader.samples) == 1,
    )  # fmt: skip
    for variant in reader:
        if not variant.CHROM:  # an empty line
            continue
        yield from _calls(variant, file, result)


def _annotations(
    columns: list[str], fields: dict[tuple[str, str], Field], label: str
) -> dict[str, Annotation]:
    """Return the annotations that the columns name, by the field's name."""
    found, absent = {}, []
    for column in columns:
        kind, _, part = column.partition("/")
        if kind not in ("INFO", *ANNOTATIONS):
            raise SourceError(
                f"{label}: column {column} is unknown; must begin with INFO/, {'/, '.join(ANNOTATIONS)}/"
            )
        name = part if kind == "INFO" else kind
        field_ = fields.get(("INFO", name))
        annotation = parse_annotation(name, field_.description if field_ else "")
        if field_ is None or (kind != "INFO" and release_free(part) not in annotation.columns):
            absent.append(column)
        if kind != "INFO":
            found[kind] = annotation
    if absent:
        raise SourceError(f"{label}: its header declares no {', '.join(absent)}; correct the study file")
    return found


def _plasma_columns(samples: list[str], normal: str, label: str) -> dict[str, tuple[int, int | None]]:
    """Return, for every plasma sample, its column and that of its white cells (None where there is none)."""
    if not samples:
        raise SourceError(f"{label}: no sample column; a VCF of calls has one for each sample")
    columns = {sample: i for i, sample in enumerate(samples)}
    if any(sample != sample.strip() for sample in samples):
        raise SourceError(
            f"{label}: spaces around the name of a sample in its header, by which white cells are not those "
            "of their plasma; correct the header"
        )
    normals = {sample: normal.replace("{sample}", sample) for sample in samples}
    white_cells = {normals[s] for s in samples if normals[s] in columns and normals[s] != s}
    pairs = {s: (i, columns.get(normals[s])) for s, i in columns.items() if s not in white_cells}
    prefix, _, suffix = normal.partition("{sample}")
    orphans = [s for s in pairs if s.startswith(prefix) and s.endswith(suffix)]
    if orphans:
        raise SourceError(
            f"{label}: {len(orphans)} white-cell columns without a plasma sample; check `normal` in `calls`"
        )
    return pairs


def _require_no_normal(plasma: Iterable[str], header: str, label: str) -> None:
    """Refuse a plasma sample that the header calls the normal one."""
    declared = {name.strip() for name in _NORMALS.findall(header)}
    swapped = sorted(declared & set(plasma))
    if swapped:
        raise SourceError(
            f"{label}: its header says that sample {swapped[0]} is the normal one, and it is read as plasma; "
            f"check `normal` in `calls` and the order of the columns"
        )


def _calls(variant: Any, file: _File, result: VcfCalls) -> Iterator[list[Any]]:
    site = f"{file.label}: the record at {variant.CHROM}:{variant.POS}"
    alternatives = variant.ALT
    real = [i for i, alt in enumerate(alternatives) if alt == OWN_ALLELE or BASES.issuperset(alt.upper())]
    if not real:
        result.left_out["no allele with bases: reference, *, <NON_REF> or symbolic"] += 1
        return
    if len(alternatives) > len(real):
        reason = "alleles *, <NON_REF> or symbolic beside one that is read"
        result.left_out[reason] += len(alternatives) - len(real)
    result.split += len(real) > 1
    numbers = _numbers(variant, site, single=file.single)
    for i in real:
        allele = Allele(
            variant.REF.upper(), alternatives[i].upper(), i, len(alternatives), others=len(real) - 1
        )
        yield from _calls_of_allele(variant, allele, numbers, file, site, result)


def _calls_of_allele(
    variant: Any,
    allele: Allele,
    numbers: dict[str, list[list[float]]],
    file: _File,
    site: str,
    result: VcfCalls,
) -> Iterator[list[Any]]:
    """Yield a row for each plasma sample that has a number for the allele."""
    passed = not file.passing or variant.FILTER in (None, *PASSED)
    reads = {s: reads_of(_cell(numbers, i), file.formats, allele) for s, (i, _) in file.plasma.items()}
    called = [sample for sample, of_sample in reads.items() if of_sample.known]
    _count_uncalled(variant, file, reads, numbers, allele, result, required=passed, site=site)
    if not called:
        return
    info = _info(variant, allele, file, site)
    alt = variant.ALT[allele.position]
    place = [variant.CHROM, variant.POS, variant.REF, alt, variant.FILTER or "PASS"]
    for sample in called:
        normal = file.plasma[sample][1]
        white_cells = Reads() if normal is None else reads_of(_cell(numbers, normal), file.formats, allele)
        of_sample = reads[sample]
        result.contradictory += of_sample.contradictory + white_cells.contradictory
        yield [sample, *place, *info, of_sample.alt, of_sample.depth, of_sample.vaf, white_cells.vaf]


def _count_uncalled(
    variant: Any,
    file: _File,
    reads: dict[str, Reads],
    numbers: dict[str, list[list[float]]],
    allele: Allele,
    result: VcfCalls,
    *,
    required: bool,
    site: str,
) -> None:
    """Count the samples without the variant; refuse one that has it, but without a number."""
    blank = [sample for sample, of_sample in reads.items() if not of_sample.known]
    if not blank:
        return
    genotypes = variant.genotypes if "GT" in variant.FORMAT else None
    for sample in blank:
        alleles = None if genotypes is None else genotypes[file.plasma[sample][0]][:-1]
        stated = alleles is not None and allele.position + 1 in alleles
        silent = alleles is None and len(blank) == len(reads)  # some sample must have what the record calls
        if required and (stated or silent):
            if fault := uncounted_fraction(_cell(numbers, file.plasma[sample][0]), file.formats, allele):
                raise SourceError(f"{site}: {fault}")
            raise SourceError(
                f"{site} gives no reads and no fraction of the variant that can be read (FORMAT "
                f"{':'.join(variant.FORMAT)}; wanted: AD, AO or DP4, or AF, VAF, VF or FREQ); an unknown "
                f"count is not a small one: call the variant with its counts, or leave the record out"
            )
        result.left_out["not called in the sample"] += 1


def _numbers(variant: Any, site: str, *, single: bool) -> dict[str, list[list[float]]]:
    """Return the numbers of all count and fraction fields that the record has: field -> sample -> numbers.

    bcftools gives a file's strand counts (DP4) in INFO; of a `single` sample they are the sample's.
    """
    present = set(variant.FORMAT)
    numbers = {name: _values(variant.format(name), name, site) for name in FORMAT_FIELDS if name in present}
    strands = variant.INFO.get("DP4")
    if single and strands is not None and not {"AD", "AO", "DP4"} & present:
        numbers["DP4"] = [
            [float(v) for v in (strands if isinstance(strands, tuple) else str(strands).split(","))]
        ]
    return numbers


def _values(cells: np.ndarray, name: str, site: str) -> list[list[float]]:
    if cells.dtype.kind in "US":
        return [[_number(text, name, site) for text in str(cell).split(",")] for cell in cells]
    if cells.dtype.kind == "i":
        rows = [[v for v in row if v != MISSING_INTEGERS[1]] for row in cells.tolist()]
        numbers = [[nan if v == MISSING_INTEGERS[0] else float(v) for v in row] for row in rows]
    else:  # 32 bits: the shortest text that gives them
        numbers = [[float(str(value)) for value in row] for row in cells]
    if any(number < 0 for row in numbers for number in row):
        raise SourceError(f"{site} has a negative number in {name}; correct it at the source")
    return numbers


def _number(text: str, name: str, site: str) -> float:
    """Return the number of a text; FREQ is in per cent, and unknown without the sign."""
    text = text.strip()
    if text in ("", "."):
        return nan
    percent = text.endswith("%")
    if not _NUMBER.fullmatch(text):
        raise SourceError(f"{site} has a text that is no number in {name}; correct it at the source")
    if name == "FREQ" and not percent:
        return nan
    return float(text[:-1]) / 100 if percent else float(text)


def _cell(numbers: dict[str, list[list[float]]], column: int) -> dict[str, list[float]]:
    return {name: rows[column] for name, rows in numbers.items()}


def _info(variant: Any, allele: Allele, file: _File, site: str) -> list[str | None]:
    """Return the texts of the columns that name INFO fields or parts of an annotation, of the allele."""
    texts: dict[str, str | None] = {}
    for name, annotation in file.annotations.items():
        parts = [c for c in file.columns if c.startswith(f"{name}/")]
        text = variant.INFO.get(name)
        if text is None:
            texts |= dict.fromkeys(parts)
            continue
        wanted = [release_free(part.partition("/")[2]) for part in parts]
        try:
            blocks = of_allele(annotation, str(text), variant.REF, variant.ALT, allele.position)
            texts |= dict(zip(parts, annotated(annotation, blocks, wanted, file.panel), strict=True))
        except AmbiguousAnnotationError as error:
            raise SourceError(
                f"{site} is annotated with {error}; annotate with VEP's --pick or --flag_pick, or give "
                f"the panel's genes"
            ) from None
    return [
        texts[c] or None
        if c in texts
        else _info_text(_of_allele(variant.INFO.get(c[5:]), c[5:], file, allele))
        for c in file.columns
    ]


def _of_allele(value: Any, name: str, file: _File, allele: Allele) -> Any:
    """Return what an INFO field says of the allele: its part where there is one for each (Number A or R)."""
    number = file.fields["INFO", name].number
    if allele.alternatives == 1 or number not in ("A", "R") or value in (None, "."):
        return value
    parts = value.split(",") if isinstance(value, str) else value if isinstance(value, tuple) else (value,)
    at = allele.position + (number == "R")
    if len(parts) != allele.alternatives + (number == "R"):
        raise SourceError(
            f"{file.label}: INFO field {name} must have a part for each allele (Number {number}), and a "
            f"record has {len(parts)} for {allele.alternatives} alternatives; correct it at the source"
        )
    return parts[at]


def _info_text(value: Any) -> str | None:
    """Return an INFO field as it stands in the file."""
    if value is None or isinstance(value, str):
        return value
    if isinstance(value, tuple):
        return ",".join("." if v is None else str(_info_text(v)) for v in value)
    return str(np.float32(value)) if isinstance(value, float) else str(value)
