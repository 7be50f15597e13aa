"""INFO fields and annotations of a VCF, read a second time: of one alternative allele of a record.

It shares the configuration (symbols, severities) and the short form of protein changes with the first reader,
and nothing else.
"""

import re
import struct
from collections.abc import Collection, Iterator, Mapping
from typing import NamedTuple
from urllib.parse import unquote

from pipeline.sources.formats.annotation import severity
from pipeline.sources.formats.gene_symbols import gene_list
from pipeline.sources.formats.hgvs import short_protein_change

_FRACTION = re.compile(r"[+-]?(?:\d+\.\d*|\.\d+|\d+(?=[eE]))(?:[eE][+-]?\d+)?")


class Declared(NamedTuple):
    """Number, Type and Description of a field."""

    number: str
    type: str
    description: str


class Record(NamedTuple):
    """A record's columns, and one of the alleles that are read of it; `alone` if it is the only one."""

    cells: list[str]
    samples: dict[str, dict[str, str]]
    alternatives: list[str]
    at: int
    alone: bool


def comparable(text: str) -> str:
    """Return numbers as they are compared, in 32 bits, as htslib keeps them."""
    return ",".join(_in_32_bits(part) if _FRACTION.fullmatch(part) else part for part in text.split(","))


def _in_32_bits(text: str) -> str:
    (number,) = struct.unpack("f", struct.pack("f", float(text)))
    return f"{number:.9g}"


def annotated(
    column: str,
    columns: list[str],
    info: Mapping[str, str],
    declared: Mapping[str, Declared],
    listed: set[str],
    record: Record,
) -> str:
    """Return a column of INFO or of an annotation; of the blocks the first in an order of what they say."""
    kind, _, part = column.partition("/")
    if kind == "INFO":
        return _info(part, info, declared, record)
    if not info.get(kind):
        return ""
    wanted = [c.partition("/")[2] for c in columns if c.startswith(f"{kind}/")]
    names = _block_names(declared[f"INFO/{kind}"].description)
    text = info[kind]
    several = len(record.alternatives) > 1
    if several and kind == "FUNCOTATION":
        text = re.findall(r"\[[^\]]*\]", text)[record.at]
    blocks = [dict(zip(names, cells, strict=False)) for cells in _blocks(kind, text)]
    if several and kind != "FUNCOTATION":
        blocks = [block for block in blocks if _is_of(block, blocks, record)]

    def order(block: dict[str, str]) -> tuple[bool, bool, int]:
        gene = gene_list().resolve(_of(block, "SYMBOL", "Gene_Name", "hugoSymbol")).text
        rank = _severity(block)
        return (
            not (gene in listed and rank < severity()["upstream_gene_variant"]),
            block.get("PICK") != "1",
            rank,
        )

    first = min(map(order, blocks))
    best = [block for block in blocks if order(block) == first]
    genes = {gene_list().resolve(_of(b, "SYMBOL", "Gene_Name", "hugoSymbol")).text for b in best}
    best = [b for b in best if b.get("MANE_SELECT")] or best
    best = [b for b in best if b.get("CANONICAL") == "YES"] or best
    best = best[:1] if "Gene_Name" in names and kind == "ANN" else best
    texts = {tuple(_change(block, name) for name in wanted) for block in best}
    if len(genes) > 1 or len(texts) > 1:
        raise ValueError(f"{kind} leaves open which gene or change is meant")
    return dict(zip(wanted, texts.pop(), strict=True))[part]


def _is_of(block: Mapping[str, str], blocks: Collection[Mapping[str, str]], record: Record) -> bool:
    """Tell whether a block is of the record's allele: by its number, else by its bases."""
    if all(other.get("ALLELE_NUM") for other in blocks):
        return int(block["ALLELE_NUM"]) == record.at + 1
    bases = [record.cells[3], *(alt for alt in record.alternatives if alt != "*")]
    alt = record.alternatives[record.at]
    short = len({b[0] for b in bases}) == 1 and any(len(b) != len(bases[0]) for b in bases)
    trimmed = {"*" if other == "*" else other[1:] or "-" for other in record.alternatives}
    if short and len(trimmed) == len(record.alternatives) and all(b.get("Allele") in trimmed for b in blocks):
        return block["Allele"] == (alt[1:] or "-")
    return block.get("Allele") == alt


def _info(name: str, info: Mapping[str, str], declared: Mapping[str, Declared], record: Record) -> str:
    if name not in info:
        return ""
    number, kind, _ = declared[f"INFO/{name}"]
    if kind == "Flag":
        return "True"
    text = info[name]
    parts = text.split(",")
    if len(record.alternatives) > 1 and number in ("A", "R") and len(parts) > 1:
        text = parts[record.at + 1] if number == "R" else parts[record.at]
    return "" if text == "." and kind != "String" else comparable(text)


def _block_names(description: str) -> list[str]:
    text = re.split(r"Format:|fields are:|: '", description)[-1]
    return [re.sub(r"^Gencode_\d+_", "Gencode_", name.strip(" '\"")) for name in text.split("|")]


def _blocks(kind: str, text: str) -> Iterator[list[str]]:
    if kind == "FUNCOTATION":
        for part in re.findall(r"\[([^\]]*)\]", text):
            for block in part.split("#"):
                yield [
                    unquote(re.sub("_(%[0-9A-Fa-f]{2})_", r"\1", cell)).strip() for cell in block.split("|")
                ]
    else:
        yield from ([cell.strip() for cell in block.split("|")] for block in text.split(","))


def _of(block: Mapping[str, str], *endings: str) -> str:
    return next((text for name, text in block.items() if name.removeprefix("Gencode_") in endings), "")


def _severity(block: Mapping[str, str]) -> int:
    names = [n for n in block if n in ("Consequence", "Annotation", "Gencode_variantClassification")]
    if not names:
        return 0
    return min(severity().get(term, len(severity())) for term in block[names[0]].split("&"))


def _change(block: Mapping[str, str], column: str) -> str:
    name = re.sub(r"^Gencode_\d+_", "Gencode_", column)
    coding = {"HGVSp": "HGVSc", "HGVS.p": "HGVS.c", "Gencode_proteinChange": "Gencode_cDnaChange"}.get(name)
    if coding is None:
        return unquote(block.get(name, ""))
    return short_protein_change(block.get(name) or block.get(coding, ""))
