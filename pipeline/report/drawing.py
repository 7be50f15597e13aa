"""What all charts have in common: from frames to Vega-Lite, as wide as the page; nothing is computed here.

Row labels stand above their rows, inside the chart, so that long feature names take no width from the data on
a small screen. Data are embedded as CSV text, four digits a number.
"""

import json
from collections.abc import Sequence
from typing import Any, NotRequired, TypedDict

import altair as alt
import pandas as pd

from pipeline.wording import LOG_ODDS

Chart = Any
"""Altair has no types."""


class About(TypedDict):
    """What a figure says of itself: patients, events if there are any, scale, whose predictions are drawn.

    Of a figure whose rows are of different patients, n and events go from the smallest to the largest row.
    """

    n: int | str
    events: int | str | None
    scale: str
    sampling: str


class UserMeta(TypedDict):
    """What the page's script reads of a chart; `filled`: the script gives it its data."""

    embedOptions: dict[str, str]
    about: About
    filled: NotRequired[bool]


class Spec(TypedDict):
    """A Vega-Lite chart as plain data; of its keys, those that the pages read or write."""

    height: int
    description: str
    usermeta: UserMeta
    datasets: NotRequired[dict[str, object]]


# Okabe and Ito's palette: told apart with any kind of colour vision.
PALETTE = ("#0072B2", "#E69F00", "#009E73", "#CC79A7", "#56B4E9", "#D55E00")
GREY = "#767676"
INK = "#1f2933"
CONTRIBUTION = f"Contribution ({LOG_ODDS})"
ROW = 36
# Of a row: how far its label stands above its middle, and its marks and text below it.
LABEL_UP, MARK_DOWN = 10, 7
# Pixels of a letter, of a legend's symbol with its distances, and of the narrowest chart.
LETTER, SYMBOL, NARROW = 6.4, 34, 340
SWARM_ROW = 54
FONT = "system-ui, sans-serif"
CONFIG = {
    "font": FONT,
    "background": "white",
    "axis": {"labelFontSize": 12, "titleFontSize": 12, "titleFontWeight": 600, "titleColor": INK,
             "labelColor": INK, "gridColor": "#e3e6ea", "labelFont": FONT, "titleFont": FONT},
    "axisQuantitative": {"labelOverlap": True, "labelSeparation": 7},
    # A number that close to the end of its axis stands beside its tick: on a phone the chart ends there.
    "axisXQuantitative": {"labelFlush": 18},
    "legend": {"orient": "top", "labelFontSize": 12, "titleFontSize": 12, "labelColor": INK,
               "titleColor": INK, "symbolOpacity": 1, "columnPadding": 14, "labelLimit": 0, "titleLimit": 0,
               "layout": {"top": {"direction": "vertical", "margin": 4}}},
    "view": {"stroke": None},
}  # fmt: skip


def about_drawn(rows: pd.DataFrame, scale: str, sampling: str) -> About:
    """Return what a figure says of itself, from the columns n and events of the rows that it draws.

    A row without n, such as a pooled one, counts no patients of its own; without events there is no outcome.
    """
    n, events = (_spanned(rows[name]) if name in rows else None for name in ("n", "events"))
    return {"n": 0 if n is None else n, "events": events, "scale": in_sentence(scale), "sampling": sampling}


def in_sentence(words: str) -> str:
    """Return words as they stand inside a sentence: no capital first, unless it is a name's (AUC, Ki-67)."""
    first = words.partition(" ")[0]
    name = not first[1:2].islower() or any(letter.isdigit() for letter in first)
    return words if name else words[:1].lower() + words[1:]


def _spanned(counts: pd.Series) -> int | str | None:
    """Return the only count there is, or from the smallest to the largest; None without any."""
    known = counts.dropna().astype(int).tolist()
    if not known:
        return None
    low, high = min(known), max(known)
    return low if low == high else f"{low:,} to {high:,}"


def spec_of(
    chart: Chart,
    description: str,
    height: int,
    about: About | None = None,
    *,
    canvas: bool = False,
) -> Spec:
    """Return the chart as plain data, as wide as its container, with its text for those who do not see it.

    `about` (n, events, scale, sampling) goes into every row of the figure's CSV.
    """
    renderer = "canvas" if canvas else "svg"
    sized = chart.properties(
        width="container",
        height=height,
        description=description,
        usermeta={"embedOptions": {"renderer": renderer}, "about": dict(about or {})},
    ).to_dict()
    del sized["$schema"]
    spec: Spec = sized | {"config": CONFIG}
    return spec


def data_of(frame: pd.DataFrame) -> Any:
    """Return a frame as inline CSV, its numbers to four significant digits."""
    parse = {
        str(name): "number" if pd.api.types.is_numeric_dtype(frame[name]) else "string" for name in frame
    }
    counts = {name: "Int64" for name in ("n", "events") if name in frame}
    text = frame.astype(counts).to_csv(index=False, float_format="%.4g", lineterminator="\n")
    return alt.InlineData(values=text, format=alt.CsvDataFormat(type="csv", parse=parse))


def rows_of(field: str, order: Sequence[str] | None, row: int) -> Any:
    """Return a row axis whose labels stand above the rows, in `order`, or as the data stand."""
    axis = alt.Axis(
        title=None, ticks=False, domain=False, labelAlign="left", labelPadding=-4, labelLimit=0,
        labelOffset=-row // 2 + ROW // 2 - LABEL_UP, labelFontSize=12, grid=True, tickBand="extent",
    )  # fmt: skip
    return alt.Y(
        f"{field}:N", sort=None if order is None else list(order), axis=axis, scale=alt.Scale(padding=0)
    )


def texts_of(field: str, order: Sequence[str], texts: Sequence[str]) -> Any:
    """Return the row axis of `rows_of` once more, at the right: a text for each row, beside its mark."""
    named = json.dumps(dict(zip(order, texts, strict=True)), ensure_ascii=False)
    axis = alt.Axis(
        title=None, ticks=False, domain=False, orient="right", labelLimit=0, labelOffset=MARK_DOWN,
        labelFontSize=11, grid=False, labelExpr=f"{named}[datum.value]",
    )  # fmt: skip
    return alt.Y(f"{field}:N", sort=list(order), axis=axis, scale=alt.Scale(padding=0))


def along(field: str, title: str, **axis: Any) -> Any:
    """Return a horizontal axis of numbers."""
    return alt.X(f"{field}:Q", title=title, axis=alt.Axis(tickCount=6, **axis))


def colours_of(
    field: str, domain: Sequence[str], colours: Sequence[str], columns: int, title: str | None = None
) -> Any:
    """Return colours by the levels of a field, with a legend above the chart that a phone has room for."""
    columns = fitting(domain, columns)
    scale = alt.Scale(domain=list(domain), range=list(colours))
    return alt.Color(f"{field}:N", scale=scale, legend=alt.Legend(title=title, columns=columns))


def fitting(names: Sequence[str], columns: int) -> int:
    """Return in how many columns, `columns` at most, a legend of these names is as wide as a phone."""
    widest = max((len(name) for name in names), default=1) * LETTER + SYMBOL
    return max(1, min(columns, int(NARROW // widest)))


def line_at(x: float) -> Chart:
    """Return a vertical line, such as at no difference."""
    one = alt.InlineData(values=[{"reference": x}])
    return alt.Chart(one).mark_rule(color=GREY, strokeWidth=1).encode(x="reference:Q")
