"""A figure of a page as files: SVG, PNG at 300 dpi, and as CSV what it draws."""

import csv
import io
from collections.abc import Mapping

import altair as alt
import vl_convert

from pipeline.report.drawing import Spec
from pipeline.report.study.figures import WIDTH

DPI = 300
NOT_DATA = ({"reference"}, {"a", "b"})
"""Columns of reference lines, which are drawn beside the data."""
Row = Mapping[str, object]


def png(spec: Spec, dpi: int = DPI) -> bytes:
    """Return a chart as PNG, as wide as its SVG."""
    version = ".".join(alt.SCHEMA_VERSION.removeprefix("v").split(".")[:2])
    return bytes(vl_convert.vegalite_to_png({**spec, "width": WIDTH}, version, ppi=dpi))


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
