"""A figure of a page as files: SVG, PNG at 300 dpi, and as CSV what it draws."""

import csv
import io
from collections.abc import Mapping
from typing import Any

import vl_convert
from lxml import etree

from pipeline.report.drawing import Spec

DPI = 300
NOT_DATA = ({"reference"}, {"a", "b"})
"""Columns of reference lines, which are drawn beside the data."""
SVG = "{http://www.w3.org/2000/svg}"
UNMOVED = "translate(0,0)"
Row = Mapping[str, object]
Element = Any
"""lxml has no types."""


def png(drawn: str, dpi: int = DPI) -> bytes:
    """Return a chart as PNG, from what `svg` drew of it."""
    return bytes(vl_convert.svg_to_png(with_few_layers(drawn), ppi=dpi))


def with_few_layers(drawn: str) -> str:
    """Return an SVG that looks the same and has fewer layers.

    What is clipped, or has an opacity, is painted on a sheet as large as the figure, which is then laid upon
    it. Vega clips each line of a chart by itself and gives each an opacity: 300 lines were 600 sheets. A path
    that is only stroked or only filled has its opacity there; lines that share a clip are clipped together.
    """
    root = etree.fromstring(drawn.encode(), etree.XMLParser(huge_tree=True, resolve_entities=False))
    for path in root.iter(f"{SVG}path"):
        painted = [name for name in ("stroke", "fill") if path.get(name, "none") != "none"]
        if len(painted) == 1 and "opacity" in path.attrib and f"{painted[0]}-opacity" not in path.attrib:
            path.set(f"{painted[0]}-opacity", path.attrib.pop("opacity"))
    shapes = {f"url(#{clip.get('id')})": _inside(clip) for clip in root.iter(f"{SVG}clipPath")}
    for group in root.iter(f"{SVG}g"):
        if "pathgroup" in group.get("class", ""):
            _clip_together(group, shapes)
    return str(etree.tostring(root, encoding="unicode"))


def _clip_together(group: Element, shapes: Mapping[str, str]) -> None:
    """Clip a group of lines as a whole where each is clipped by the same shape, in the same place."""
    inner = [part for part in group.iterdescendants(f"{SVG}g") if "clip-path" in part.attrib]
    alike = len({shapes[part.get("clip-path")] for part in inner}) == 1
    moved = [part for part in group.iterdescendants(f"{SVG}g") if part.get("transform", UNMOVED) != UNMOVED]
    if alike and not moved and "clip-path" not in group.attrib:
        group.set("clip-path", inner[0].get("clip-path"))
        for part in inner:
            del part.attrib["clip-path"]


def _inside(element: Element) -> str:
    return "".join(etree.tostring(part, encoding="unicode") for part in element)


def data_csv(spec: Spec) -> str:
    """Return what a chart draws as the page's own button saves it.

    Its tables stand one below the other, with the number of its `part` where there are several, and in every
    row n, events, scale and sampling of the figure.
    """
    tables = [table for data in spec.get("datasets", {}).values() if (table := _rows(data))]
    about = {f"figure_{name}": value for name, value in spec["usermeta"].get("about", {}).items()}
    names = dict.fromkeys(name for table in tables for name in table[0])
    columns = [*(["part"] if len(tables) > 1 else []), *names, *about]
    text = io.StringIO()
    writer = csv.DictWriter(text, columns, restval="", lineterminator="\n", extrasaction="ignore")
    writer.writeheader()
    for part, table in enumerate(tables, start=1):
        writer.writerows({"part": part} | {k: _cell(v) for k, v in row.items()} | about for row in table)
    return text.getvalue()


def _rows(data: object) -> list[Row]:
    rows: list[Row] = []
    if isinstance(data, str):
        rows = list(csv.DictReader(io.StringIO(data)))
    elif isinstance(data, list):
        rows = data
    return [] if not rows or any(names <= set(rows[0]) for names in NOT_DATA) else rows


def _cell(value: object) -> object:
    return f"{value:.6g}" if isinstance(value, float) else value
