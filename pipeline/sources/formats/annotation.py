"""The gene and protein change of a VCF record, from the annotation of VEP, SnpEff or Funcotator.

Each writes one block a transcript; only SnpEff sorts them, the most severe first.
"""

import csv
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cache, lru_cache
from urllib.parse import unquote

from pipeline.sources.formats.gene_symbols import GENES, gene_list
from pipeline.sources.formats.hgvs import short_protein_change

ANNOTATIONS = ("CSQ", "ANN", "FUNCOTATION")
GENE = ("SYMBOL", "Gene_Name", "Gencode_hugoSymbol")
CONSEQUENCE = ("Consequence", "Annotation", "Gencode_variantClassification")
CODING_CHANGE = {
    "HGVSp": "HGVSc", "HGVS.p": "HGVS.c", "Gencode_proteinChange": "Gencode_cDnaChange",
}  # fmt: skip
"""What names a variant that changes no protein: the change of the coding sequence."""
PREFERRED_TRANSCRIPTS = (("MANE_SELECT", ""), ("CANONICAL", "YES"))
"""Columns of VEP, and the text that marks the transcript by which a gene's variants are named ("": any)."""
NEIGHBOURING = "upstream_gene_variant"
"""The first of the consequences that lie outside the gene."""
_RELEASE = re.compile(r"^Gencode_\d+_")
_FUNCOTATION = re.compile(r"\[([^\]]*)\]")
_FUNCOTATOR_CODE = re.compile(r"_(%[0-9A-Fa-f]{2})_")
Block = dict[str, str]


class AmbiguousAnnotationError(ValueError):
    """The blocks of a record do not say which gene or change is meant; the message says what is missing."""


@dataclass(frozen=True)
class Annotation:
    """An annotation field: its name (CSQ), and the columns of its blocks."""

    name: str
    columns: tuple[str, ...]

    def role(self, names: Sequence[str]) -> str | None:
        """Return the column that has one of the names."""
        return next((name for name in names if name in self.columns), None)

    def blocks(self, text: str) -> list[Block]:
        """Return the blocks of a record, one a transcript."""
        if "FUNCOTATION" in self.name:
            parts = [b for entry in _FUNCOTATION.findall(text) for b in entry.split("#")]
            return [self._block(part, funcotator=True) for part in parts]
        return [self._block(part) for part in text.split(",")]

    def _block(self, text: str, *, funcotator: bool = False) -> Block:
        cells = text.split("|")
        if funcotator:
            cells = [unquote(_FUNCOTATOR_CODE.sub(r"\1", cell)) for cell in cells]
        return dict(zip(self.columns, (cell.strip() for cell in cells), strict=False))


def parse_annotation(name: str, description: str) -> Annotation:
    """Return the annotation that an INFO field's Description declares; without columns if it names none."""
    listed = re.search(r"(?:Format|fields are):\s*(.*)|'(.*\|.*)'", description)
    text = (listed[1] or listed[2]) if listed else ""
    columns = (_RELEASE.sub("Gencode_", column.strip(" '\"")) for column in text.split("|") if text)
    return Annotation(name, tuple(columns))


def of_allele(
    annotation: Annotation, text: str, ref: str, alternatives: Sequence[str], position: int
) -> list[Block]:
    """Return the blocks of one of a record's alternative alleles.

    VEP and SnpEff name it in the column Allele: as ALT, or without the first base where all alleles begin
    with it and one is an insertion or deletion (ensembl-vep, Parser/VCF), or by its number (ALLELE_NUM).
    Funcotator has a part in brackets for each, in their order.

    Raises
    ------
    AmbiguousAnnotationError
        If there are several alternatives, and the blocks do not say which is theirs.
    """
    if "FUNCOTATION" in annotation.name and len(alternatives) > 1:
        entries = _FUNCOTATION.findall(text)
        if len(entries) != len(alternatives):
            raise AmbiguousAnnotationError("another number of parts than it has alternative alleles")
        text = f"[{entries[position]}]"
    blocks = annotation.blocks(text)
    if len(alternatives) == 1 or "FUNCOTATION" in annotation.name:
        return blocks
    if all(block.get("ALLELE_NUM") for block in blocks):
        chosen = [block for block in blocks if block["ALLELE_NUM"] == str(position + 1)]
    else:
        stated = {block.get("Allele", "") for block in blocks}
        names = next((n for n in _allele_names(ref, alternatives) if stated <= set(n)), None)
        chosen = [] if names is None else [b for b in blocks if b["Allele"] == names[position]]
    if not chosen:
        raise AmbiguousAnnotationError("no block that names the alternative allele")
    return chosen


def _allele_names(ref: str, alternatives: Sequence[str]) -> Iterator[list[str]]:
    """Yield the ways in which annotations name alternative alleles, each without two of one name."""
    plain = [alt for alt in alternatives if alt != "*"]
    trimmed = [alt if alt == "*" else alt[1:] or "-" for alt in alternatives]
    begins_alike = len({allele[:1] for allele in (ref, *plain)}) == 1
    of_one_length = len({len(allele) for allele in (ref, *plain)}) == 1
    if begins_alike and not of_one_length and len(set(trimmed)) == len(trimmed):
        yield trimmed
    yield list(alternatives)


def annotated(
    annotation: Annotation, blocks: list[Block], columns: Sequence[str], panel: frozenset[str]
) -> list[str]:
    """Return these columns of the block that says what a record is; the coding change if no protein changes.

    Of the blocks of genes on the panel (all, if none is, or none is known) those that VEP picked count, then
    the most severe consequence, then the transcript that is MANE Select or canonical. Variants beside a gene
    are not its.

    Raises
    ------
    AmbiguousAnnotationError
        If more than one gene, or more than one text in `columns`, is left.
    """
    blocks = _candidates(annotation, blocks, panel)
    gene = annotation.role(GENE)
    if gene is not None and len({_symbol(block.get(gene, "")) for block in blocks}) > 1:
        raise AmbiguousAnnotationError("several genes and picks none of them")
    for column, mark in PREFERRED_TRANSCRIPTS:
        marked = [b for b in blocks if b.get(column) and mark in ("", b[column])]
        blocks = marked or blocks
    if annotation.name == "ANN" and annotation.role(("Gene_Name",)):
        blocks = blocks[:1]  # SnpEff sorts equal effects by canonical transcript
    texts = {tuple(_named(block, column) for column in columns) for block in blocks}
    if len(texts) > 1:
        raise AmbiguousAnnotationError(
            "several transcripts of one gene with different changes, and picks none of them"
        )
    return list(texts.pop())


def release_free(column: str) -> str:
    """Return the name of a column without Funcotator's release of Gencode (Gencode_34_hugoSymbol)."""
    return _RELEASE.sub("Gencode_", column)


def _candidates(annotation: Annotation, blocks: list[Block], panel: frozenset[str]) -> list[Block]:
    gene, consequence = annotation.role(GENE), annotation.role(CONSEQUENCE)
    picked = [block for block in blocks if block.get("PICK") == "1"]

    def on_panel(block: Block) -> bool:
        return (
            _symbol(block.get(gene or "", "")) in panel
            and _rank(block, consequence) < severity()[NEIGHBOURING]
        )

    listed = [b for b in picked if on_panel(b)] or [b for b in blocks if on_panel(b)]
    pool = listed or picked or blocks
    most_severe = min(_rank(block, consequence) for block in pool)
    return [block for block in pool if _rank(block, consequence) == most_severe]


def _rank(block: Block, consequence: str | None) -> int:
    if consequence is None:
        return 0
    ranks = severity()
    return min(ranks.get(term, len(ranks)) for term in block.get(consequence, "").split("&"))


def _named(block: Block, column: str) -> str:
    text = block.get(column) or block.get(CODING_CHANGE.get(column, ""), "")
    return short_protein_change(text) if column in CODING_CHANGE else unquote(text)


@lru_cache(maxsize=4096)
def _symbol(text: str) -> str:
    return gene_list().resolve(text).text or text


@cache
def severity() -> Mapping[str, int]:
    """Return the consequences' ranks, 1 the most severe (configs/genes/consequences.csv)."""
    with (GENES / "consequences.csv").open(encoding="utf-8", newline="") as file:
        return {row["term"]: int(row["rank"]) for row in csv.DictReader(file)}
