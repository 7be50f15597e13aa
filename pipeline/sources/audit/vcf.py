"""A VCF read a second time: as plain text, line by line, without htslib and the code of the first reader.

It shares with the first reader what the configuration says (symbols, severities, names of the white cells)
and the short form of protein changes, and nothing else.
"""

import gzip
import re
from collections.abc import Collection, Iterator, Mapping
from decimal import Decimal
from pathlib import Path

import pandas as pd

from features.contract.cells import as_text
from pipeline.sources.audit.annotation import Declared, Record, annotated, comparable
from pipeline.sources.audit.compare import Audit, compare
from pipeline.sources.formats.errors import SourceError
from pipeline.sources.formats.source_file import Calls

Numbers = dict[str, list[Decimal | None]]
Counts = tuple[Decimal | None, Decimal | None, Decimal | None]
"""Reads of the variant, depth, and the caller's fraction."""
KEYS = {
    "AD", "RD", "VD", "DP", "DP4", "AO", "RO", "FAO", "FRO", "FDP", "AU", "CU", "GU", "TU", "TAR", "TIR",
    "AF", "VAF", "VF", "FA", "FREQ",
}  # fmt: skip
"""The FORMAT fields that say something of reads."""
SITE = ("SAMPLE", "CHROM", "POS", "REF", "ALT")
UNKNOWN: Counts = (None, None, None)


def audit_calls(
    path: Path, label: str, calls: pd.DataFrame, settings: Calls, panels: Mapping[str, frozenset[str]]
) -> list[Audit]:
    """Compare the calls that were read of a VCF, column by column, with those of this reader.

    Raises
    ------
    SourceError
        If this reader cannot read the file, or sees another number of calls.
    """
    names = [str(name) for name in calls.columns]
    try:
        first = calls.apply(lambda column: as_text(column).fillna("").astype("str").map(comparable))
        second = vcf_cells(path, names, settings, panels)
    except (ValueError, LookupError, ArithmeticError, OSError, EOFError) as error:
        raise SourceError(
            f"{label}: a second reader cannot read it ({type(error).__name__}: {error}); check that it "
            f"is whole"
        ) from error
    return list(compare(label, first, second.map(str.strip), names))


def vcf_cells(
    path: Path, columns: Collection[str], calls: Calls, panels: Mapping[str, frozenset[str]]
) -> pd.DataFrame:
    """Return the columns of every call as text, in the order of the file; fractions in 32 bits, missing "".

    Raises
    ------
    ValueError
        If a line is not that of a VCF, or a call has no counts and fraction or no one gene.
    """
    declared: dict[str, Declared] = {}
    names: list[str] = []
    rows: list[list[str]] = []
    for line in _lines(path):
        if line.startswith("##"):
            _declare(line, declared)
        elif line.startswith("#CHROM"):
            names = line.split("\t")[9:]
        else:
            for record in _records(line, names):
                rows += _rows(record, names, sorted(columns), calls, panels, declared)
    return pd.DataFrame(rows, columns=sorted(columns), dtype="object")


def _lines(path: Path) -> Iterator[str]:
    content = path.read_bytes()
    text = (gzip.decompress(content) if content[:2] == b"\x1f\x8b" else content).decode(
        "utf-8", errors="replace"
    )
    return (line.removesuffix("\r") for line in text.split("\n") if line)


def _declare(line: str, declared: dict[str, Declared]) -> None:
    kind, _, rest = line[2:].partition("=<")
    if kind not in ("INFO", "FORMAT"):
        return
    keys = {
        key: (re.search(rf"(?:^|,){key}=([^,>]*)", rest) or ["", default])[1]
        for key, default in (("ID", ""), ("Number", "."), ("Type", "String"))
    }
    described = re.search(r'Description="((?:[^"\\]|\\.)*)"', rest)
    field = Declared(keys["Number"], keys["Type"], described[1] if described else "")
    declared.setdefault(f"{kind}/{keys['ID']}", field)


def _records(line: str, names: list[str]) -> Iterator[Record]:
    cells = line.split("\t")
    if len(cells) != 9 + len(names):
        raise ValueError(f"a record has {len(cells)} columns, not {9 + len(names)}")
    alternatives = cells[4].split(",")
    read = [
        i
        for i, alt in enumerate(alternatives)
        if alt == "<CALL>" or re.fullmatch("[ACGTUNRYSWKMBDHV]+", alt.upper())
    ]
    keys = cells[8].split(":")
    samples = {
        name: dict(zip(keys, cell.split(":"), strict=False))
        for name, cell in zip(names, cells[9:], strict=True)
    }
    for at in read:
        yield Record(cells, samples, alternatives, at, len(read) == 1)


def _rows(
    record: Record, names: list[str], columns: list[str], calls: Calls,
    panels: Mapping[str, frozenset[str]], declared: Mapping[str, Declared],
) -> Iterator[list[str]]:  # fmt: skip
    normal_of = {name: calls.normal.replace("{sample}", name) for name in names}
    normals = {normal for name, normal in normal_of.items() if normal in names and normal != name}
    plasma = [name for name in names if name not in normals]
    listed: set[str] = set().union(*(panels.get(name, ()) for name in plasma))
    info = dict(part.partition("=")[::2] for part in record.cells[7].split(";"))
    strands = info.get("DP4", "") if len(names) == 1 else ""
    counts = {name: _counts(record, record.samples[name], declared, strands) for name in names}
    if all(counts[name][0] is None and counts[name][2] is None for name in plasma):
        stated = [record.samples[name].get("GT") for name in plasma]
        passed = not calls.passing or record.cells[6] in ("PASS", ".")
        if passed and any(gt is None or str(record.at + 1) in re.split(r"[/|]", gt) for gt in stated):
            raise ValueError("a record has neither counts nor a fraction")
    for name in plasma:
        alt, depth, fraction = counts[name]
        if alt is None and fraction is None:
            continue
        white_cells = counts.get(normal_of[name], UNKNOWN) if normal_of[name] != name else UNKNOWN
        alleles = [record.cells[3], record.alternatives[record.at]]
        site = dict(zip(SITE, [name, *record.cells[:2], *alleles], strict=True))
        own = site | {
            "FILTER": "PASS" if record.cells[6] == "." else record.cells[6],
            "ALT_COUNT": _shown(alt),
            "DEPTH": _shown(depth),
            "VAF": _shown(_vaf(*counts[name])),
            "NORMAL_VAF": _shown(_vaf(*white_cells)),
        }
        yield [own[c] if c in own else annotated(c, columns, info, declared, listed, record) for c in columns]


def _vaf(alt: Decimal | None, depth: Decimal | None, fraction: Decimal | None) -> Decimal | None:
    return alt / depth if alt is not None and depth else fraction


def _shown(number: Decimal | None) -> str:
    if number is None:
        return ""
    return str(int(number)) if number == int(number) else comparable(str(float(number)))


def _parsed(text: str, key: str) -> list[Decimal | None]:
    numbers: list[Decimal | None] = []
    for part in text.split(","):
        percent, digits = part.endswith("%"), part.removesuffix("%")
        if digits in ("", ".") or (key == "FREQ" and not percent):
            numbers.append(None)
        else:
            numbers.append(Decimal(digits) / (100 if percent else 1))
    return numbers


def _counts(record: Record, cell: dict[str, str], declared: Mapping[str, Declared], strands: str) -> Counts:
    """Go down the list of docs/variant-callers.md; the first rule that gives a count holds."""
    numbers = {key: _parsed(text, key) for key, text in cell.items() if key in KEYS}
    if strands and not {"AD", "AO", "DP4"} & set(record.cells[8].split(":")):
        numbers["DP4"] = _parsed(strands, "DP4")
    fraction = _fraction(record, numbers, declared)
    depth = numbers["DP"][0] if len(numbers.get("DP", ())) == 1 else None
    for alt, of in (
        _strelka(record, numbers), (_only(numbers, "VD") if record.alone else None, depth),
        _depths(record, numbers, declared, depth, fraction),
        _observed(record, numbers, "FAO", "FRO", _only(numbers, "FDP")),
        _observed(record, numbers, "AO", "RO", depth), _by_strand(record, numbers),
    ):  # fmt: skip
        if alt is not None:
            return alt, of, fraction
    return None, depth, fraction


def _only(numbers: Numbers, key: str) -> Decimal | None:
    return numbers[key][0] if len(numbers.get(key, ())) == 1 else None


def _added(values: list[Decimal | None]) -> Decimal | None:
    present = [value for value in values if value is not None]
    return sum(present, Decimal(0)) if values and len(present) == len(values) else None


def _fraction(record: Record, numbers: Numbers, declared: Mapping[str, Declared]) -> Decimal | None:
    alternatives = len(record.alternatives)
    for key in ("AF", "VAF", "VF", "FA", "FREQ"):
        field, values = declared.get(f"FORMAT/{key}"), numbers.get(key, [])
        if field is not None and field.type == "Integer":
            continue
        if field is not None and field.number == "R" and len(values) == alternatives + 1:
            values = values[1:]
        if len(values) == alternatives:
            value = values[record.at]
        elif len(values) == 1 and record.at == 0 and record.alone:
            value = values[0]
        else:
            continue
        if value is not None:
            stated = "" if field is None or key == "FREQ" else field.description.lower()
            return value / 100 if "%" in stated or "percent" in stated else value
    return None


def _strelka(record: Record, numbers: Numbers) -> tuple[Decimal | None, Decimal | None]:
    ref, alt = record.cells[3].upper(), record.alternatives[record.at].upper()
    if "TIR" in numbers and "TAR" in numbers and record.alone:
        pair = [numbers["TIR"][0], numbers["TAR"][0]]
    elif all(f"{base}U" in numbers for base in "ACGT") and len(ref) == len(alt) == 1 and f"{alt}U" in numbers:
        pair = [numbers[f"{alt}U"][0], numbers.get(f"{ref}U", [None])[0]]
    else:
        return None, None
    return pair[0], _added(pair)


def _depths(
    record: Record, numbers: Numbers, declared: Mapping[str, Declared], depth: Decimal | None,
    fraction: Decimal | None,
) -> tuple[Decimal | None, Decimal | None]:  # fmt: skip
    values, field, n = numbers.get("AD", []), declared.get("FORMAT/AD"), len(record.alternatives)
    number, text = (field.number, field.description.lower()) if field else ("R", "")
    if field is not None and number != "R" and re.search(r"\bforward\b.*\breverse\b", text):
        return None, None
    if len(values) == n + 1:
        alt, of = values[record.at + 1], depth if depth is not None else _added(values)
        sure = number == "R" or re.search(r"\bref(erence)?\b.*\balt(ernat\w*)?\b", text)
    elif len(values) == n and (field is None or number in "1A."):
        alt = values[record.at]
        of = depth if depth is not None else _added([_only(numbers, "RD"), *values])
        sure = "RD" in numbers or re.search(r"\b(alt\w*|variant\S*)\b", text)
    else:
        return None, None
    return (alt, of) if sure or _fits(alt, of, fraction) else (None, None)


def _fits(alt: Decimal | None, depth: Decimal | None, fraction: Decimal | None) -> bool:
    if alt is None or not depth or fraction is None:
        return False
    expected = alt / depth
    rounding = Decimal("0.0051") if fraction == round(fraction, 2) else 0
    return abs(expected - fraction) <= 2 / depth + max(expected, fraction) / 5 + rounding


def _observed(
    record: Record, numbers: Numbers, alt: str, ref: str, depth: Decimal | None
) -> tuple[Decimal | None, Decimal | None]:
    values = numbers.get(alt, [])
    if len(values) != len(record.alternatives):
        return None, None
    return values[record.at], depth if depth is not None else _added([*values, _only(numbers, ref)])


def _by_strand(record: Record, numbers: Numbers) -> tuple[Decimal | None, Decimal | None]:
    values = numbers.get("DP4", [])
    if len(values) != 4 or len(record.alternatives) != 1:
        return None, None
    return _added(values[2:]), _added(values)
