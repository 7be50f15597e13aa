"""What the study file asks of an assay beside its columns: repeatable features only, gene sets, ranks."""

import csv
import io
from collections.abc import Collection
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import pandas as pd

from pipeline.sources.formats.errors import SourceError
from pipeline.sources.formats.packed import unpacked
from pipeline.sources.mapping.assay import Assay, GeneSets, Repeatability
from pipeline.sources.omics.repeatability import agreement
from pipeline.sources.omics.within_sample import least_ranks, scores_of_ranks, shares_below

MAX_NAMED = 3
Counts = list[tuple[str, int]]


@dataclass(frozen=True)
class Columns:
    """An assay's features by name, numbers (n, features), and what was left out, counted by reason."""

    names: list[str]
    numbers: np.ndarray
    left_out: Counts = field(default_factory=list)


def derived(columns: Columns, assay: Assay, folder: Path) -> Columns:
    """Return the columns that become features: repeatable ones, gene sets, within-sample ranks.

    Everything here is of one sample alone, or was measured elsewhere: nothing is learned from the patients.

    Raises
    ------
    SourceError
        If a file does not exist or is not what it should be, or nothing is left.
    """
    if assay.repeatability is not None:
        columns = _repeatable(columns, assay.repeatability, folder)
    scored = None if assay.gene_sets is None else _scored(columns, assay.gene_sets, folder)
    if assay.transform == "ranks":
        columns = Columns(columns.names, shares_below(columns.numbers), columns.left_out)
    if scored is None:
        return columns
    left_out = [*columns.left_out, *scored.left_out]
    if assay.gene_sets is not None and not assay.gene_sets.beside_features:
        return Columns(scored.names, scored.numbers, left_out)
    if shared := sorted(set(scored.names) & set(columns.names)):
        raise SourceError(f"gene set {shared[0]} has the name of a feature; rename it in the GMT file")
    return Columns([*columns.names, *scored.names], np.hstack([columns.numbers, scored.numbers]), left_out)


def read_gene_sets(path: Path, label: str, features: Collection[str] = ()) -> dict[str, list[str]]:
    """Return the gene sets of a GMT file (also gzipped) by name: name, description, genes, separated by tabs.

    A gene that stands twice in a set is one of its genes.

    Raises
    ------
    SourceError
        If the file does not exist, is empty or no UTF-8, a line has no gene, two sets have one name, or all
        descriptions are `features`: genes that stand in their place.
    """
    lines = [line.rstrip("\r") for line in _text(path, label).split("\n")]
    sets: dict[str, list[str]] = {}
    descriptions = set()
    for number, line in enumerate(lines, start=1):
        if not line.strip():
            continue
        name, *rest = (cell.strip() for cell in line.split("\t"))
        genes = list(dict.fromkeys(gene for gene in rest[1:] if gene))
        if not name or not genes:
            raise SourceError(
                f"{label}, line {number}: not a gene set; must be name, description, genes, with tabs between"
            )
        if name in sets:
            raise SourceError(
                f"{label}, line {number}: there is another set {name}; give each a name of its own"
            )
        sets[name] = genes
        descriptions.add(rest[0])
    if not sets:
        raise SourceError(f"{label}: has no gene set; write one on each line: name, description, genes")
    if descriptions <= set(features):
        raise SourceError(
            f"{label}: there are genes where the descriptions should be, so that a gene of each set would be "
            f"lost; must be name, description, genes, with tabs between"
        )
    return sets


def _scored(columns: Columns, spec: GeneSets, folder: Path) -> Columns:
    sets = read_gene_sets(folder / spec.path, spec.path, columns.names)
    index = pd.Index(columns.names)
    places = {name: index.get_indexer(pd.Index(genes)) for name, genes in sorted(sets.items())}
    measured = {name: found[found >= 0] for name, found in places.items()}
    kept = {name: found for name, found in measured.items() if len(found) >= spec.min_genes}
    if not kept:
        raise SourceError(
            f"{spec.path}: no set has {spec.min_genes} genes that the assay has; check the names of genes, "
            f"or `min_genes`"
        )
    ranks = least_ranks(columns.numbers)
    scores = [scores_of_ranks(ranks, found, spec.min_genes) for found in kept.values()]
    reason = f"gene set with fewer than {spec.min_genes} genes in the assay"
    lacking = len({gene for genes in sets.values() for gene in genes} - set(columns.names))
    left_out = [(reason, len(measured) - len(kept)), ("gene of a gene set that the assay lacks", lacking)]
    return Columns(list(kept), np.column_stack(scores), left_out)


def _repeatable(columns: Columns, spec: Repeatability, folder: Path) -> Columns:
    """Return the columns whose ICC reaches the minimum; the others are counted."""
    icc = read_icc(folder / spec.path, spec)
    known = np.array([icc.get(name, np.nan) for name in columns.names])
    kept = known >= spec.minimum
    if not kept.any():
        raise SourceError(
            f"{spec.path}: no feature of the assay has an ICC of at least {spec.minimum:g}; check the names"
        )
    left_out: Counts = [
        ("feature without an ICC", int(np.isnan(known).sum())),
        (f"feature with an ICC below {spec.minimum:g}", int((known < spec.minimum).sum())),
    ]
    names = [name for name, there in zip(columns.names, kept, strict=True) if there]
    return Columns(names, columns.numbers[:, kept], [*columns.left_out, *left_out])


def read_icc(path: Path, spec: Repeatability) -> dict[str, float]:
    """Return the ICC of every feature of a file: as it says, or ICC(2,1) of its repeated measurements.

    Raises
    ------
    SourceError
        If the file does not exist, lacks a column, has a cell that is no number, a feature twice, an ICC
        above 1, or not the same sessions of every subject.
    """
    rows = [row for row in csv.reader(io.StringIO(_text(path, spec.path))) if row]
    header = [name.strip() for name in rows[0]] if rows else []
    if any(len(row) != len(header) for row in rows[1:]):
        raise SourceError(f"{spec.path}: a row has more or fewer cells than the header")
    frame = pd.DataFrame(rows[1:], columns=header, dtype="str")
    if missing := [name for name in spec.columns if name not in header]:
        raise SourceError(f"{spec.path}: has no column {missing[0]!r}")
    if len(set(header)) < len(header):
        raise SourceError(f"{spec.path}: two columns have one name")
    if spec.icc is None:
        return _measured_icc(frame, spec)
    names = frame[spec.feature].str.strip()
    if len(twice := names[names.duplicated()]):
        raise SourceError(f"{spec.path}: {len(twice)} features stand twice ({', '.join(twice[:MAX_NAMED])})")
    values = _numbers(frame[spec.icc], spec)
    if above := int((values > 1).sum()):
        raise SourceError(f"{spec.path}, column {spec.icc!r}: {above} values are above 1, which no ICC is")
    return dict(zip(names, values.tolist(), strict=True))


def _measured_icc(frame: pd.DataFrame, spec: Repeatability) -> dict[str, float]:
    frame = frame.sort_values(keys := [str(spec.subject), str(spec.session)], ignore_index=True)
    subjects, sessions = (frame[key].nunique() for key in keys)
    if frame.duplicated(keys).any() or len(frame) != subjects * sessions or sessions < 2 or subjects < 2:
        raise SourceError(
            f"{spec.path}: must have one row for each of at least 2 subjects in each of at least 2 sessions; "
            f"has {len(frame)} rows of {subjects} subjects and {sessions} sessions"
        )
    names = [str(name) for name in frame.columns if name not in keys]
    values = np.column_stack([_numbers(frame[name], spec) for name in names])
    icc = agreement(values.reshape(subjects, sessions, len(names)))
    return dict(zip(names, icc.tolist(), strict=True))


def _numbers(cells: pd.Series, spec: Repeatability) -> np.ndarray:
    text = cells.str.strip()
    numbers = pd.to_numeric(text.where(~text.isin(["", "NA", "NaN"])), errors="coerce")
    if wrong := int((numbers.isna() & ~text.isin(["", "NA", "NaN"])).sum() + np.isinf(numbers).sum()):
        raise SourceError(f"{spec.path}, column {cells.name!r}: {wrong} cells are no number")
    return numbers.to_numpy(dtype=float)


def _text(path: Path, label: str) -> str:
    if not path.is_file():
        raise SourceError(f"{label}: there is no such file; copy it there")
    content = path.read_bytes()
    try:
        return (unpacked(content, label) if path.suffix == ".gz" else content).decode("utf-8-sig")
    except UnicodeDecodeError:
        raise SourceError(f"{label}: is not UTF-8 text; save it as such") from None
