"""Random VCF and MAF files in every caller's dialect, and single faults in them; both readers must agree.

``python -m tests.pipeline.variant_campaign 2000`` makes so many valid files and as many with a fault, seeds
from 0 or from ``--first``.
"""

import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from random import Random
from typing import NamedTuple

import pandas as pd

from features.errors import UserError
from pipeline.sources.formats.source_file import SourceFile
from pipeline.sources.mapping.files import Reader
from tests.pipeline.reader_campaign import seeds_of_a_part

MAX_SECONDS = 10.0
BASES = "ACGT"
CSQ = "Allele|Consequence|SYMBOL|PICK|CANONICAL|HGVSc|HGVSp"
ANN = "Allele | Annotation | Annotation_Impact | Gene_Name | HGVS.c | HGVS.p"
PER_ALLELE = "Allelic depths for the ref and alt alleles in the order listed"
FORMATS = {
    "GT": ("1", "String", "Genotype"), "DP": ("1", "Integer", "Read depth"),
    "AD": ("R", "Integer", PER_ALLELE),
    "AF": ("A", "Float", "Allele fractions"), "VAF": ("A", "Float", "Variant allele fractions"),
    "AO": ("A", "Integer", "Alternate allele observation count"),
    "RO": ("1", "Integer", "Reference allele observation count"),
    "FAO": ("A", "Integer", "Flow"), "FRO": ("1", "Integer", "Flow"), "FDP": ("1", "Integer", "Flow"),
    "VD": ("1", "Integer", "Variant Depth"), "DP4": ("4", "Integer", "Strand counts"),
    "VF": ("1", "Float", "Variant Frequency"), "FREQ": ("1", "String", "Variant allele frequency"),
    "RD": ("1", "Integer", "Depth of reference-supporting bases (reads1)"),
    **{f"{base}U": ("2", "Integer", f"{base} alleles in tiers 1,2") for base in BASES},
    "TAR": ("2", "Integer", "Tiers 1,2"), "TIR": ("2", "Integer", "Tiers 1,2"),
}  # fmt: skip


class Reads(NamedTuple):
    """What a sample has of a variant."""

    ref: int
    alt: int


def depth(reads: Reads, extra: list[int]) -> int:
    return reads.ref + reads.alt + sum(extra)


def fraction(count: int, reads: Reads, extra: list[int]) -> str:
    return f"{count / depth(reads, extra):.4g}"


def per_allele(reads: Reads, extra: list[int]) -> str:
    """Return the counts of REF, of the alternatives before the real one, and of it."""
    return ",".join(map(str, [reads.ref, *extra, reads.alt]))


Cells = dict[str, str]
Dialect = Callable[[Random, Reads, str, str, list[int]], Cells]


def mutect2(rng: Random, reads: Reads, ref: str, alt: str, extra: list[int]) -> Cells:
    del ref, alt
    total = depth(reads, extra)
    fractions = ",".join(f"{(count + 1) / (total + 2):.3f}" for count in [*extra, reads.alt])
    return {"AD": per_allele(reads, extra), "AF": fractions, "DP": str(total)}


def deepvariant(rng: Random, reads: Reads, ref: str, alt: str, extra: list[int]) -> Cells:
    del ref, alt
    fractions = ",".join(fraction(count, reads, extra) for count in [*extra, reads.alt])
    return {"DP": str(depth(reads, extra)), "AD": per_allele(reads, extra), "VAF": fractions}


def freebayes(rng: Random, reads: Reads, ref: str, alt: str, extra: list[int]) -> Cells:
    del ref, alt
    counts = ",".join(map(str, [*extra, reads.alt]))
    cells = {"DP": str(depth(reads, extra)), "RO": str(reads.ref), "AO": counts}
    return cells | ({"AD": per_allele(reads, extra)} if rng.random() < 0.5 else {})


def torrent(rng: Random, reads: Reads, ref: str, alt: str, extra: list[int]) -> Cells:
    raw = freebayes(rng, Reads(reads.ref + 7, reads.alt + 3), ref, alt, extra)
    flow = ",".join(map(str, [*extra, reads.alt]))
    raw.pop("AD", None)
    return raw | {"FDP": str(depth(reads, extra)), "FRO": str(reads.ref), "FAO": flow}


def vardict(rng: Random, reads: Reads, ref: str, alt: str, extra: list[int]) -> Cells:
    cells = {"DP": str(depth(reads, extra)), "VD": str(reads.alt), "AD": per_allele(reads, extra)}
    return cells | ({"AF": fraction(reads.alt, reads, extra)} if not extra else {})


def varscan(rng: Random, reads: Reads, ref: str, alt: str, extra: list[int]) -> Cells:
    del ref, alt, extra
    depth = {"DP": str(reads.ref + reads.alt)} if rng.random() < 0.5 else {}
    percent = f"{100 * reads.alt / (reads.ref + reads.alt):.2f}%"
    return depth | {"RD": str(reads.ref), "AD": str(reads.alt), "FREQ": percent}


def bcftools(rng: Random, reads: Reads, ref: str, alt: str, extra: list[int]) -> Cells:
    if extra or rng.random() < 0.5:
        return {"DP": str(depth(reads, extra)), "AD": per_allele(reads, extra)}
    parts = [reads.ref // 2, reads.ref - reads.ref // 2, reads.alt // 3, reads.alt - reads.alt // 3]
    return {"DP": str(reads.ref + reads.alt + 11), "DP4": ",".join(map(str, parts))}


def strelka(rng: Random, reads: Reads, ref: str, alt: str, extra: list[int]) -> Cells:
    depth = {"DP": str(reads.ref + reads.alt + 2)}
    if len(ref) == len(alt) == 1:
        counts = dict.fromkeys(BASES, 0) | {ref.upper(): reads.ref, alt.upper(): reads.alt}
        return depth | {f"{base}U": f"{n},{n + 3}" for base, n in counts.items()}
    return depth | {"TAR": f"{reads.ref},{reads.ref + 9}", "TIR": f"{reads.alt},{reads.alt + 2}"}


def pisces(rng: Random, reads: Reads, ref: str, alt: str, extra: list[int]) -> Cells:
    cells = {"DP": str(reads.ref + reads.alt), "AD": per_allele(reads, extra)}
    return cells | {"VF": fraction(reads.alt, reads, extra)}


def consensus(rng: Random, reads: Reads, ref: str, alt: str, extra: list[int]) -> Cells:
    return {"AD": per_allele(reads, extra)}


DIALECTS: list[Dialect] = [
    mutect2, deepvariant, freebayes, torrent, vardict, varscan, bcftools, strelka, pisces, consensus,
]  # fmt: skip


def annotation(rng: Random, kind: str, allele: str) -> str:
    """Return blocks of an allele: one is in TP53 or PIK3CA, the others beside it, in any order."""
    gene, place = rng.choice(["TP53", "PIK3CA", "p53"]), rng.randrange(1, 900)
    change = rng.choice(
        [f"p.Arg{place}His", f"p.(Arg{place}His)", f"ENSP1:p.Arg{place}Ter", f"p.Gly{place}%3D", ""]
    )
    picked = rng.choice(["1", ""])
    within = [allele, "missense_variant&splice_region_variant", gene, picked, "", "c.1G>A", change]
    beside = [allele, "downstream_gene_variant", rng.choice(["WRAP53", "TP53-AS1", ""]), "", "", "c.2G>A", ""]
    if kind == "ANN":
        within, beside = ([*b[:2], "MODERATE", b[2], *b[5:]] for b in (within, beside))
    blocks = ["|".join(block) for block in ([within] + [beside] * rng.randrange(3))]
    rng.shuffle(blocks)
    return ",".join(blocks)


def annotation_names(ref: str, alternatives: list[str]) -> list[str]:
    """Return how VEP names alternative alleles: by their bases, or without a first one that all share."""
    bases = [ref, *(alt for alt in alternatives if alt != "*")]
    if len({b[0] for b in bases}) > 1 or len({len(b) for b in bases}) == 1:
        return alternatives
    return [alt if alt == "*" else alt[1:] or "-" for alt in alternatives]


OTHERS = {"C": "A", "g": "t", "CA": "CAA"}
"""A further alternative allele of each reference."""


def alleles(rng: Random, dialect: Dialect) -> tuple[str, list[str]]:
    """Return a reference, and its alternatives: one, or a deleted or another one before it."""
    ref, alt = rng.choice([("C", "T"), ("g", "a"), ("CA", "C"), ("C", "CTT")])
    if rng.random() < 0.7 or dialect in (strelka, pisces, varscan):  # they write one allele a record
        return ref, [alt]
    several = dialect is not vardict and rng.random() < 0.6
    return ref, [OTHERS[ref] if several else "*", alt]


Truth = dict[tuple[str, str], tuple[int, float]]
"""Position and allele of a call -> reads of the variant, and its fraction."""


def make_vcf(rng: Random) -> tuple[str, Truth]:
    """Return a VCF, and the reads of the variant and its fraction in each call of the plasma sample."""
    dialect, white_cells = rng.choice(DIALECTS), rng.random() < 0.6
    kind = rng.choice(["CSQ", "ANN"])
    records, truth, keys = [], Truth(), set[str]()
    for position in sorted(rng.sample(range(1, 100_000), rng.randrange(1, 9))):
        ref, alternatives = alleles(rng, dialect)
        extra = [0 if other == "*" else rng.choice([2, 30]) for other in alternatives[:-1]]
        reads = Reads(rng.randrange(200, 5000), rng.choice([0, 1, 3, 20, 300]))
        normal = Reads(rng.randrange(200, 900), rng.choice([0, 4, 400]))
        state = rng.getstate()
        cells = [dialect(rng, reads, ref, alternatives[-1], extra)]
        rng.setstate(state)
        cells += [dialect(rng, normal, ref, alternatives[-1], extra)] * white_cells
        shared = [key for key in cells[0] if all(key in of for of in cells)]
        gt = rng.random() < 0.7 and dialect is not strelka
        form = (["GT"] if gt else []) + shared
        keys |= set(form)
        columns = [":".join((["0/1"] if gt else []) + [of[key] for key in shared]) for of in cells]
        passed = rng.choice(["PASS", "PASS", ".", "weak"])
        blocks = [annotation(rng, kind, name) for name in annotation_names(ref, alternatives)]
        info = f"{kind}={','.join(blocks)};SCORE={rng.random():.{rng.randrange(1, 9)}f}"
        alts = ",".join(alternatives)
        head = ["chr17", str(position), ".", ref, alts, rng.choice([".", "50"]), passed, info]
        records.append("\t".join([*head, ":".join(form), *columns]))
        for alt, count in zip(alternatives, [*extra, reads.alt], strict=True):
            if passed != "weak" and count and alt != "*":
                truth[str(position), alt] = (count, count / depth(reads, extra))
    return "\n".join([*header(rng, keys, kind, white_cells, dialect), *records]) + "\n", truth


def header(rng: Random, keys: set[str], kind: str, white_cells: bool, dialect: Dialect) -> list[str]:
    """Return a header that declares some of the fields, as the dialect writes them."""
    fields = dict(FORMATS)
    if dialect is varscan:
        fields["AD"] = ("1", "Integer", "Depth of variant-supporting bases (reads2)")
    if dialect is pisces:
        fields["AD"] = (".", "Integer", "Allele Depth")
    if dialect is mutect2 and rng.random() < 0.3:
        fields["AD"] = (".", "Integer", PER_ALLELE)
    declared = [k for k in sorted(keys) if rng.random() < 0.8 or (dialect is varscan and k == "AD")]
    described = f"VEP. Format: {CSQ}" if kind == "CSQ" else f"Functional annotations: '{ANN}' "
    lines = [
        f'##FORMAT=<ID={k},Number={fields[k][0]},Type={fields[k][1]},Description="{fields[k][2]}">'
        for k in declared
    ]
    lines += [f'##INFO=<ID={kind},Number=.,Type=String,Description="{described}">']
    lines += ['##INFO=<ID=SCORE,Number=1,Type=Float,Description="score">', "##contig=<ID=chr17>"]
    rng.shuffle(lines)
    columns = [
        "#CHROM",
        "POS",
        "ID",
        "REF",
        "ALT",
        "QUAL",
        "FILTER",
        "INFO",
        "FORMAT",
        "S1",
        *(["S1-WBC"] * white_cells),
    ]
    return ["##fileformat=VCFv4.2", *lines, "\t".join(columns)]


def make_maf(rng: Random) -> tuple[str, Truth]:
    """Return a MAF, and the reads of the variant and its fraction in each call."""
    columns = [
        "Hugo_Symbol",
        "Tumor_Sample_Barcode",
        "HGVSp_Short",
        "POS",
        "t_alt_count",
        "t_depth",
        "t_ref_count",
    ]
    columns += ["n_alt_count", "n_ref_count", "n_depth", "FILTER", "Note"]
    rng.shuffle(columns)
    truth, rows = Truth(), []
    for position in range(rng.randrange(1, 12)):
        reads, normal = (
            Reads(rng.randrange(1, 5000), rng.randrange(1, 900)),
            Reads(rng.randrange(1, 500), rng.choice([0, 7])),
        )
        passed = rng.choice(["PASS", "", ".", "weak"])
        depth = rng.choice(["", str(reads.ref + reads.alt)])
        cells = {
            "Hugo_Symbol": rng.choice(["TP53", "tp53", "MLL2"]), "Tumor_Sample_Barcode": "S1",
            "HGVSp_Short": rng.choice([f"p.R{position}H", f"p.Arg{position}His"]), "POS": str(position),
            "t_alt_count": str(reads.alt), "t_ref_count": str(reads.ref), "t_depth": depth,
            "n_alt_count": str(normal.alt), "n_ref_count": str(normal.ref),
            "n_depth": rng.choice(["", ".", str(normal.ref + normal.alt)]), "FILTER": passed,
            "Note": rng.choice(["", "panel #2", 'a "quoted', "5' end", "#", "na\u00efve", "a,b;c"]),
        }  # fmt: skip
        rows.append("\t".join(cells[column] for column in columns))
        if passed != "weak":
            truth[str(position), ""] = (reads.alt, reads.alt / (reads.ref + reads.alt))
    comments = ["#version 2.4", '#center "x']
    return "\n".join([*comments[: rng.randrange(3)], "\t".join(columns), *rows]) + "\n", truth


def with_fault(rng: Random, text: str) -> bytes:
    """Return a file with one byte, cell or line changed."""
    lines = text.split("\n")
    kind = rng.randrange(4)
    at = rng.randrange(len(lines) - 1)
    if kind == 0:
        content = bytearray(text.encode())
        place = rng.randrange(len(content))
        content[place : place + rng.randrange(2)] = bytes([rng.randrange(256)] * rng.randrange(2))
        return bytes(content)
    if kind == 1:
        cells = lines[at].split("\t")
        cells[rng.randrange(len(cells))] = rng.choice(
            [
                "",
                ".",
                "-1",
                "1e3",
                "0.5",
                "50%",
                "NaN",
                "1,2",
                "1:2:3",
                "TP53",
                "<DEL>",
                "9999999999",
                "\u0660",
                '"',
                "1_0",
            ]
        )
        lines[at] = "\t".join(cells)
    elif kind == 2:
        del lines[at]
    else:
        lines.insert(
            at,
            rng.choice(
                [lines[at], "", "##FORMAT=<ID=AD,Number=2,Type=String>", lines[at][: len(lines[at]) // 2]]
            ),
        )
    return "\n".join(lines).encode()


COLUMNS = {
    ".vcf": ["SAMPLE", "POS", "ALT", "INFO/SCORE", "ALT_COUNT", "DEPTH", "VAF", "NORMAL_VAF"],
    ".maf": [
        "Tumor_Sample_Barcode",
        "POS",
        "Hugo_Symbol",
        "HGVSp_Short",
        "ALT_COUNT",
        "DEPTH",
        "VAF",
        "NORMAL_VAF",
    ],
}


def read(content: bytes, suffix: str, folder: Path) -> pd.DataFrame:
    """Read a file by both readers; a difference between them is an error."""
    (folder / f"a{suffix}").write_bytes(content)
    columns = list(COLUMNS[suffix])
    for kind, parts in (("CSQ", ["SYMBOL", "HGVSp"]), ("ANN", ["Gene_Name", "HGVS.p"])):
        if f"INFO=<ID={kind},".encode() in content:
            columns += [f"{kind}/{part}" for part in parts]
    cells = Reader(folder).read(SourceFile.model_validate({"path": f"a{suffix}", "calls": {}}), columns)
    assert cells is not None
    return cells


def outcome(content: bytes, suffix: str, folder: Path) -> str:
    """Return read, refused, or refused because the two readers differ."""
    start = time.perf_counter()
    try:
        read(content, suffix, folder)
        told = "read"
    except UserError as error:
        told = "refused: readers differ" if "two readers" in str(error) else "refused"
    assert time.perf_counter() - start < MAX_SECONDS, "too slow"
    return told


def valid_file(seed: int, folder: Path) -> None:
    """Make a valid file, and require that both readers agree and see what was written."""
    rng = Random(seed)  # noqa: S311 - test data
    suffix = rng.choice([".vcf", ".vcf", ".maf"])
    text, truth = make_vcf(rng) if suffix == ".vcf" else make_maf(rng)
    cells = read(text.encode(), suffix, folder)
    names = cells["ALT"] if "ALT" in cells else [""] * len(cells)
    keys = zip(cells["POS"], names, strict=True)
    counts = zip(cells["ALT_COUNT"].astype(int), cells["VAF"].astype(float), strict=True)
    seen = dict(zip(keys, counts, strict=True))
    assert seen.keys() == truth.keys(), seed
    for place, (alt, vaf) in truth.items():
        assert seen[place][0] == alt, (seed, place)
        assert abs(seen[place][1] - vaf) < 1e-9, (seed, place)


def faulty_file(seed: int, folder: Path) -> str:
    """Make a file with a fault, and return what became of it."""
    rng = Random(seed)  # noqa: S311 - test data
    suffix = rng.choice([".vcf", ".vcf", ".maf"])
    text, _ = make_vcf(rng) if suffix == ".vcf" else make_maf(rng)
    return outcome(with_fault(rng, text), suffix, folder)


def campaign(seeds: range) -> int:
    """Read a valid and a faulty file for each seed; print what became of them, and return the faults."""
    outcomes: Counter[str] = Counter()
    faults = []
    with tempfile.TemporaryDirectory() as folder:
        for kind, make in (("valid", valid_file), ("with a fault", faulty_file)):
            for seed in seeds:
                try:
                    outcomes[f"{kind}: {make(seed, Path(folder)) or 'read as written'}"] += 1
                except Exception as error:  # noqa: BLE001 - whatever it is, it is to be told with its seed
                    outcomes[f"{kind}: fault"] += 1
                    faults.append(f"{kind}, seed {seed}: {type(error).__name__}: {error}"[:400])
    for told, number in sorted(outcomes.items()):
        print(told, number, sep="\t")
    print(*faults[:40], sep="\n")
    return len(faults)


if __name__ == "__main__":
    sys.exit(campaign(seeds_of_a_part()) > 0)
