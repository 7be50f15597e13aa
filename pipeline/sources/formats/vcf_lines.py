"""The lines of a VCF as text: what htslib passes over with a warning, or without one, is refused by its line.

htslib takes an undeclared or damaged number for missing, the first of two fields of a name, and a second
header within the file for the end of the records.
"""

import re
from collections.abc import Collection, Mapping
from functools import cache

from pipeline.sources.formats.errors import SourceError
from pipeline.sources.formats.packed import unpacked
from pipeline.sources.formats.read_counts import FORMAT_FIELDS
from pipeline.sources.formats.vcf_header import Field, declared_fields

INTEGER = rb"(?:\.|[0-9]+)"
NUMBER = rb"(?:\.|[+-]?(?:[0-9]+(?:\.[0-9]*)?|\.[0-9]+)(?:[eE][+-]?[0-9]+)?%?|[+-]?(?i:nan|inf))"
OTHER_KINDS = {
    b"\xef\xbb\xbf": "it begins with a byte order mark; save it as UTF-8 without one",
    b"\xff\xfe": "it is in UTF-16; save it as UTF-8",
    b"\xfe\xff": "it is in UTF-16; save it as UTF-8",
    b"BCF": "it is a BCF; convert it by bcftools view --output-type z",
    b"\x1f\x8b": "it is compressed; name it .vcf.gz",
}
"""First bytes of what is sometimes given as a VCF in plain text."""
FIXED_COLUMNS = 9
MAX_FIELDS = 200
"""Of FORMAT: callers write at most some forty; the pattern of a cell is nested as deep as it has fields."""


def refuse_other_kinds(content: bytes, label: str) -> None:
    """Refuse what is no VCF in plain text.

    Raises
    ------
    SourceError
        With what it is.
    """
    told = next((text for start, text in OTHER_KINDS.items() if content.startswith(start)), None)
    if told is not None:
        raise SourceError(f"{label}: {told}")


def require_plain_lines(content: bytes, label: str, columns: Collection[str]) -> None:
    """Refuse records that htslib would read otherwise than they stand.

    `content` may be compressed; `columns` are those that are used, of which INFO/NAME is looked at.

    Raises
    ------
    SourceError
        With the first such line.
    """
    text = unpacked(content, label) if content.startswith(b"\x1f\x8b") else content
    lines = text.split(b"\n")
    top = next((i for i, line in enumerate(lines) if line.startswith(b"#CHROM")), None)
    if top is None:
        return  # htslib refuses it
    header = b"\n".join(lines[: top + 1]).decode("utf-8", errors="replace")
    fields = declared_fields(header)
    info = _info_patterns(columns, fields)
    formats = {name: field.type for (kind, name), field in fields.items() if kind == "FORMAT"}
    counts = tuple((name, formats.get(name, "String")) for name in FORMAT_FIELDS)
    width = lines[top].count(b"\t") + 1
    if width < FIXED_COLUMNS - 1:
        raise SourceError(f"{label}, line {top + 1}: the header has {width} columns; separate them by tabs")
    for at, raw in enumerate(lines[top + 1 :], start=top + 2):
        line = raw.removesuffix(b"\r")
        if not line:
            continue
        cells = line.split(b"\t")
        told = _fault(cells, width, info, counts)
        if told is not None:
            raise SourceError(f"{label}, line {at}: {told}; correct it at the source")


def _info_patterns(
    columns: Collection[str], fields: Mapping[tuple[str, str], Field]
) -> dict[str, tuple[re.Pattern[bytes], re.Pattern[bytes] | None]]:
    """Return, for each INFO field that is used, what finds it and what a number in it looks like."""
    patterns = {}
    for column in sorted(columns):
        kind, _, part = column.partition("/")
        name = part if kind == "INFO" else kind
        field = fields.get(("INFO", name))
        form = None if field is None else {"Integer": INTEGER, "Float": NUMBER}.get(field.type)
        patterns[name] = (
            re.compile(rb"(?:^|;)" + re.escape(name.encode()) + rb"=([^;]*)"),
            None if form is None else re.compile(form + rb"(?:," + form + rb")*"),
        )
    return patterns


def _fault(
    cells: list[bytes],
    width: int,
    info: Mapping[str, tuple[re.Pattern[bytes], re.Pattern[bytes] | None]],
    counts: tuple[tuple[str, str], ...],
) -> str | None:
    """Return what is wrong with a record; None if nothing is."""
    if cells[0].startswith(b"#"):
        return "a second header, as where files were joined (bcftools concat joins them)"
    if len(cells) != width:
        return f"{len(cells)} columns, the header has {width}"
    if not cells[1].isdigit():
        return "a place (POS) that is no number"
    return _fault_of_info(cells[7], info) or _fault_of_samples(cells[8:], counts)


def _fault_of_info(
    text: bytes, info: Mapping[str, tuple[re.Pattern[bytes], re.Pattern[bytes] | None]]
) -> str | None:
    for name, (finder, form) in info.items():
        texts = finder.findall(text)
        if len(texts) > 1:
            return f"INFO field {name} stands twice"
        if texts and form is not None and not form.fullmatch(texts[0]):
            return f"a text that is no number in INFO field {name}"
    return None


def _fault_of_samples(cells: list[bytes], counts: tuple[tuple[str, str], ...]) -> str | None:
    """Return what is wrong with the samples' cells, below FORMAT, which stands first."""
    if len(cells) > 1:
        if cells[0].count(b":") >= MAX_FIELDS:
            return f"a FORMAT of more than {MAX_FIELDS} fields"
        pattern = _samples(cells[0], counts)
        if not all(pattern.fullmatch(cell) for cell in cells[1:]):
            return "a sample with more fields than FORMAT, or a text that is no number in a count or fraction"
    return None


@cache
def _samples(form: bytes, counts: tuple[tuple[str, str], ...]) -> re.Pattern[bytes]:
    """Return what a sample's cell looks like; fields at its end may be left out."""
    types = {name.encode(): kind for name, kind in counts}
    pattern = b""
    for key in reversed(form.split(b":")):
        kind = types.get(key)
        number = INTEGER if kind == "Integer" else NUMBER
        one = rb"[^:]*" if kind is None else number + rb"(?:," + number + rb")*"
        pattern = one + (rb"(?::" + pattern + rb")?" if pattern else b"")
    return re.compile(pattern)
