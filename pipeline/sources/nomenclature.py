"""Genes, panels and protein changes of contract tables in one form each; what was changed is counted."""

import re
from collections.abc import Mapping
from typing import NamedTuple

import pandas as pd

from pipeline.sources.formats.errors import SourceError
from pipeline.sources.formats.gene_symbols import Symbol, gene_list
from pipeline.sources.formats.hgvs import short_protein_change
from pipeline.sources.mapping.files import Reader

GENE, PANEL, CHANGE = "gene", "panel_genes", "hgvsp"
SEPARATORS = re.compile(r"[;,|/\s]+")
BETWEEN_GENES = ("unknown", ".", "-", "none")
"""What annotators write for a variant that lies in no gene (vcf2maf and GDC: Unknown)."""
LEFT_UNCHANGED = ("unknown", "ambiguous")


class Place(NamedTuple):
    """Where a column comes from: file (and sheet), and column there."""

    label: str
    column: str


def with_current_names(
    frame: pd.DataFrame, places: Mapping[str, Place], reader: Reader
) -> tuple[pd.DataFrame, int]:
    """Return a table with current symbols and short HGVS, and how many rows in no gene were left out.

    `places` says where each of the table's columns comes from.

    Raises
    ------
    SourceError
        If a gene is a date that more than one symbol becomes in a spreadsheet.
    """
    between = 0
    if GENE in frame:
        names = frame[GENE].dropna().unique()
        outside = frame[GENE].isin([name for name in names if name.lower() in BETWEEN_GENES])
        between, frame = int(outside.sum()), frame[~outside]
        frame = frame.assign(**{GENE: _genes(frame, places[GENE], reader)})
    if PANEL in frame:
        frame = frame.assign(**{PANEL: _panels(frame[PANEL], places[PANEL], reader)})
    if CHANGE in frame:
        frame = frame.assign(**{CHANGE: _changes(frame[CHANGE], places[CHANGE], reader)})
    return frame, between


def panels_of(samples: pd.DataFrame | None) -> dict[str, frozenset[str]]:
    """Return the genes that each sample's panel lists; samples without a list are left out."""
    if samples is None or PANEL not in samples or "sample_id" not in samples:
        return {}
    listed = samples.dropna(subset=["sample_id", PANEL])
    return {s: frozenset(g.split(";")) for s, g in zip(listed["sample_id"], listed[PANEL], strict=True)}


def _genes(frame: pd.DataFrame, place: Place, reader: Reader) -> pd.Series:
    genes, cells = gene_list(), frame[GENE]
    symbols = {text: genes.resolve(text) for text in cells.dropna().unique()}
    by_rule: dict[str, list[str]] = {}
    for text, symbol in symbols.items():
        if symbol.rule is not None:
            by_rule.setdefault(symbol.rule, []).append(text)
    _refuse_dates(cells.isin(by_rule.get("ambiguous_date", [])), frame, place)
    for rule in sorted(by_rule):
        _report(rule, int(cells.isin(by_rule[rule]).sum()), place, reader)
    return _renamed(cells, {text: _text(symbol) for text, symbol in symbols.items()})


def _renamed(cells: pd.Series, names: Mapping[str, str]) -> pd.Series:
    if all(name == text for text, name in names.items()):
        return cells
    return cells.map(names).astype("str")


def _panels(cells: pd.Series, place: Place, reader: Reader) -> pd.Series:
    """Return panels as current symbols separated by semicolons, in the order in which they were given."""
    genes = gene_list()
    panels: dict[str, str] = {}
    rules: dict[str, set[str]] = {}
    for text in cells.dropna().unique():
        symbols = [genes.resolve(name) for name in SEPARATORS.split(text) if name]
        rules[text] = {symbol.rule for symbol in symbols if symbol.rule}
        if "ambiguous_date" in rules[text]:
            _refuse_dates(cells == text, cells.to_frame(), place)
        panels[text] = ";".join(dict.fromkeys(_text(symbol) for symbol in symbols))
        if re.search(r"[^;\s]\s*[,|/\s]\s*[^;\s]", text):
            rules[text].add("separator")
    for rule in sorted(set().union(*rules.values())):
        _report(
            rule,
            int(cells.isin([text for text, of_text in rules.items() if rule in of_text]).sum()),
            place,
            reader,
        )
    return _renamed(cells, panels)


def _text(symbol: Symbol) -> str:
    return symbol.text or ""


def _report(rule: str, rows: int, place: Place, reader: Reader) -> None:
    version = gene_list().version
    if rule == "separator":
        reader.note(*place, "panel_separator: genes separated by semicolons", rows)
    elif rule in LEFT_UNCHANGED:
        reader.doubt(*place, f"gene_symbol_{rule}: by HGNC {version}, read as it stands", rows)
    else:
        reader.note(*place, f"gene_symbol: {rule.replace('_', ' ')}, by HGNC {version}", rows)


def _refuse_dates(rows: pd.Series, frame: pd.DataFrame, place: Place) -> None:
    if not rows.any():
        return
    ids = next((frame.loc[rows, c] for c in ("sample_id", "usubjid") if c in frame), pd.Series(dtype="str"))
    named = "; ".join(sorted(ids.dropna().astype("str").unique())[:3])
    raise SourceError(
        f"{place.label}, column {place.column!r}: {int(rows.sum())} rows{f' ({named})' if named else ''} "
        f"hold a date in place of a gene symbol, and several symbols become that date in a spreadsheet "
        f"(1-Mar: MARCHF1 or MTARC1); correct them at the source"
    )


def _changes(cells: pd.Series, place: Place, reader: Reader) -> pd.Series:
    short = {text: short_protein_change(text) for text in cells.dropna().unique()}
    changed = [text for text, change in short.items() if change != text]
    if changed:
        reader.note(*place, "short_hgvs: protein change in short form", int(cells.isin(changed).sum()))
    return _renamed(cells, short)
