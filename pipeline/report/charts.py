"""From frames to Vega-Lite charts: nothing is computed here, and every chart fills the width it is given.

Row labels stand above their rows, inside the chart, so that long feature names take no width from the data on
a small screen. Data are embedded as CSV text, four digits a number.
"""

from collections.abc import Mapping, Sequence
from typing import Any

import altair as alt
import pandas as pd

Chart = Any
Spec = dict[str, Any]

# Okabe and Ito's palette: told apart with any kind of colour vision.
PALETTE = ("#0072B2", "#E69F00", "#009E73", "#CC79A7", "#56B4E9", "#D55E00")
GREY = "#767676"
INK = "#1f2933"
CONTRIBUTION = "Contribution (calibrated log-odds of pCR)"
ROW = 34
SWARM_ROW = 54
FONT = "system-ui, sans-serif"
CONFIG = {
    "font": FONT,
    "background": "white",
    "axis": {"labelFontSize": 12, "titleFontSize": 12, "titleFontWeight": 600, "titleColor": INK,
             "labelColor": INK, "gridColor": "#e3e6ea", "labelFont": FONT, "titleFont": FONT},
    "legend": {"orient": "top", "labelFontSize": 12, "titleFontSize": 12, "labelColor": INK,
               "titleColor": INK, "symbolOpacity": 1, "columnPadding": 14, "labelLimit": 0, "titleLimit": 0},
    "view": {"stroke": None},
}  # fmt: skip


def _spec(chart: Chart, description: str, height: int, *, canvas: bool = False) -> Spec:
    """Return the chart as plain data, as wide as its container, with its text for those who do not see it."""
    renderer = "canvas" if canvas else "svg"
    sized = chart.properties(
        width="container",
        height=height,
        description=description,
        usermeta={"embedOptions": {"renderer": renderer}},
    )
    spec: Spec = sized.to_dict() | {"config": CONFIG}
    del spec["$schema"]
    return spec


def _data(frame: pd.DataFrame) -> Any:
    """Return a frame as inline CSV, its numbers to four significant digits."""
    parse = {
        str(name): "number" if pd.api.types.is_numeric_dtype(frame[name]) else "string" for name in frame
    }
    text = frame.to_csv(index=False, float_format="%.4g", lineterminator="\n")
    return alt.InlineData(values=text, format=alt.CsvDataFormat(type="csv", parse=parse))


def _rows(field: str, order: Sequence[str], row: int) -> Any:
    """Return a row axis whose labels stand above the rows."""
    axis = alt.Axis(
        title=None, ticks=False, domain=False, labelAlign="left", labelPadding=-4, labelLimit=0,
        labelOffset=-row // 2 + 9, labelFontSize=12, grid=True, tickBand="extent",
    )  # fmt: skip
    return alt.Y(f"{field}:N", sort=list(order), axis=axis, scale=alt.Scale(padding=0))


def _along(field: str, title: str, **axis: Any) -> Any:
    return alt.X(f"{field}:Q", title=title, axis=alt.Axis(tickCount=6, **axis))


def _colours(
    field: str, domain: Sequence[str], colours: Sequence[str], columns: int, title: str | None = None
) -> Any:
    scale = alt.Scale(domain=list(domain), range=list(colours))
    return alt.Color(f"{field}:N", scale=scale, legend=alt.Legend(title=title, columns=columns))


def _zero() -> Chart:
    one = alt.InlineData(values=[{"zero": 0}])
    return alt.Chart(one).mark_rule(color=GREY, strokeWidth=1).encode(x="zero:Q")


def domain_shares_chart(shares: pd.DataFrame, colours: Mapping[str, str]) -> Spec:
    """Draw the share of each domain as a bar, with its range over the repeats.

    Parameters
    ----------
    shares : DataFrame
        domain, features, share, low, high, in the order wanted.
    colours : mapping
        Domain to colour.
    """
    base = alt.Chart(_data(shares)).encode(
        y=alt.Y(
            "domain:N",
            sort=shares["domain"].tolist(),
            title=None,
            axis=alt.Axis(ticks=False, domain=False, labelPadding=7),
        ),
        tooltip=[
            alt.Tooltip("domain:N", title="Domain"),
            alt.Tooltip("features:Q", title="Features"),
            alt.Tooltip("share:Q", title="Share", format=".1%"),
            alt.Tooltip("low:Q", title="Lowest repeat", format=".1%"),
            alt.Tooltip("high:Q", title="Highest repeat", format=".1%"),
        ],
    )
    share = _along("share", "Share of the mean |contribution|", format="%")
    scale = alt.Scale(domain=list(colours), range=list(colours.values()))
    bars = base.mark_bar(height=20).encode(x=share, color=alt.Color("domain:N", scale=scale, legend=None))
    ranges = base.mark_rule(strokeWidth=2, color=INK).encode(x="low:Q", x2="high:Q")
    text = base.mark_text(align="left", dx=7, color=INK, fontSize=12).encode(
        x="high:Q", text=alt.Text("share:Q", format=".0%")
    )
    listed = "; ".join(f"{row.domain} {row.share:.0%}" for row in shares.itertuples())
    description = f"Bars: share of each domain in the mean absolute contribution. {listed}."
    return _spec(alt.layer(bars, ranges, text), description, 36 * len(shares) + 10)


def ranking_chart(ranking: pd.DataFrame, colours: Mapping[str, str]) -> Spec:
    """Draw features by mean |contribution|, largest first; details on hover.

    Parameters
    ----------
    ranking : DataFrame
        label, feature, domain, mean_abs, share, description, known_at, missing (share), in the order wanted.
    """
    order = ranking["label"].tolist()
    drawn = [d for d in colours if d in set(ranking["domain"])]
    chart = (
        alt.Chart(_data(ranking))
        .mark_bar(height=11, yOffset=8)
        .encode(
            y=_rows("label", order, ROW),
            x=_along("mean_abs", "Mean |contribution| (calibrated log-odds)"),
            color=_colours("domain", drawn, [colours[d] for d in drawn], columns=4),
            tooltip=[
                alt.Tooltip("feature:N", title="Feature"),
                alt.Tooltip("description:N", title="What it is"),
                alt.Tooltip("domain:N", title="Domain"),
                alt.Tooltip("known_at:N", title="Known at"),
                alt.Tooltip("mean_abs:Q", title="Mean |contribution|", format=".3f"),
                alt.Tooltip("share:Q", title="Share of all features", format=".1%"),
                alt.Tooltip("missing:Q", title="Missing", format=".1%"),
            ],
        )
    )
    largest = ", ".join(ranking["feature"].head(3))
    description = f"Bars: mean absolute contribution of {len(order)} features; largest: {largest}."
    return _spec(chart, description, ROW * len(order))


def beeswarm_chart(points: pd.DataFrame) -> Spec:
    """Draw one point per patient and feature; colour is the rank of a numeric value.

    Parameters
    ----------
    points : DataFrame
        From `points.swarm_points`, features in the order wanted.
    """
    order = list(dict.fromkeys(points["feature"]))
    # The offset's domain leaves the upper part of each row to its label.
    place = alt.YOffset("offset:Q", scale=alt.Scale(domain=[-2.4, 1.1]))
    encoded = {
        "y": _rows("feature", order, SWARM_ROW),
        "yOffset": place,
        "x": _along("contribution", CONTRIBUTION),
        "tooltip": [
            alt.Tooltip("feature:N", title="Feature"),
            alt.Tooltip("value:N", title="Value"),
            alt.Tooltip("contribution:Q", title="Contribution", format="+.3f"),
        ],
    }
    legend = alt.Legend(
        title="Value of a numeric feature, by rank", values=[0, 1], gradientLength=160, gradientThickness=9,
        labelExpr="datum.value == 0 ? 'low' : 'high'",
    )  # fmt: skip
    colour = alt.Color(
        "rank:Q",
        scale=alt.Scale(scheme={"name": "viridis", "extent": [0, 0.88]}, domain=[0, 1]),
        legend=legend,
    )
    base = alt.Chart().encode(**encoded)
    numeric = (
        base.transform_filter("datum.kind == 'numeric'")
        .mark_circle(size=11, opacity=0.75)
        .encode(color=colour)
    )
    levels = base.transform_filter("datum.kind == 'categorical'").mark_circle(
        size=9, opacity=0.6, color="#8a8f98"
    )
    missing = base.transform_filter("datum.kind == 'missing'").mark_point(
        size=12, opacity=0.7, color=GREY, strokeWidth=0.8, filled=False
    )
    chart = alt.layer(_zero(), levels, missing, numeric).properties(data=_data(points))
    description = f"Beeswarm: contribution of {len(order)} features for single patients, one row per feature."
    return _spec(chart, description, SWARM_ROW * len(order), canvas=True)


def levels_chart(levels: pd.DataFrame) -> Spec:
    """Draw the contribution at each level of categorical features: 5-95 %, quartiles and median.

    Parameters
    ----------
    levels : DataFrame
        label, n, low, q25, median, q75, high, in the order wanted.
    """
    order = levels["label"].tolist()
    base = alt.Chart().encode(
        y=_rows("label", order, ROW),
        tooltip=[
            alt.Tooltip("label:N", title="Level"),
            alt.Tooltip("median:Q", title="Median contribution", format="+.3f"),
            alt.Tooltip("low:Q", title="5th centile", format="+.3f"),
            alt.Tooltip("high:Q", title="95th centile", format="+.3f"),
        ],
    )
    span = base.mark_rule(color=GREY, strokeWidth=1.5, yOffset=7, y2Offset=7).encode(
        x=_along("low", CONTRIBUTION), x2="high:Q"
    )
    box = base.mark_bar(height=7, yOffset=7, color=PALETTE[4]).encode(x="q25:Q", x2="q75:Q")
    middle = base.mark_tick(thickness=3, height=13, yOffset=7, color=INK).encode(x="median:Q")
    chart = alt.layer(_zero(), span, box, middle).properties(data=_data(levels))
    description = f"Contribution at {len(order)} levels of categorical features: 5-95 %, quartiles, median."
    return _spec(chart, description, ROW * len(order))


def _group_colour(points: pd.DataFrame, title: str) -> Any:
    groups = sorted(set(points["group"]) - {""})
    if not groups:
        return alt.value(PALETTE[0])
    # Blue and vermilion first: furthest apart, also in print.
    colours = (PALETTE[0], PALETTE[5], PALETTE[2], PALETTE[3], PALETTE[4], PALETTE[1])
    return _colours("group", groups, [colours[i % len(colours)] for i in range(len(groups))], 2, title)


def scatter_chart(points: pd.DataFrame, line: pd.DataFrame, *, x: str, group: str) -> Spec:
    """Draw the contribution of a numeric feature along its value, with the median in bins as a line.

    Parameters
    ----------
    points : DataFrame
        x, contribution, group.
    line : DataFrame
        x, median.
    x, group : str
        Title of the value's axis (with its unit) and of the colours.
    """
    along = alt.X("x:Q", title=x, scale=alt.Scale(zero=False), axis=alt.Axis(tickCount=6))
    dots = (
        alt.Chart(_data(points))
        .mark_circle(size=13, opacity=0.45)
        .encode(
            x=along,
            y=alt.Y("contribution:Q", title="Contribution (log-odds)"),
            color=_group_colour(points, group),
            tooltip=[
                alt.Tooltip("x:Q", title=x),
                alt.Tooltip("contribution:Q", title="Contribution", format="+.3f"),
                alt.Tooltip("group:N", title=group),
            ],
        )
    )
    medians = (
        alt.Chart(_data(line))
        .mark_line(color="black", strokeWidth=2.5, point={"color": "black", "size": 22})
        .encode(x=along, y="median:Q")
    )
    description = f"Contribution to the log-odds of pCR along {x}: {len(points)} patients, binned medians."
    return _spec(alt.layer(dots, medians), description, 260, canvas=True)


def strip_chart(points: pd.DataFrame, levels: Sequence[str], *, x: str, group: str) -> Spec:
    """Draw the contribution of a categorical feature as a strip per level, with the median as a tick.

    Parameters
    ----------
    points : DataFrame
        x (the level), contribution, group, offset (from -1 to 1).
    levels : sequence of str
        Levels in the order wanted.
    """
    rows = _rows("x", levels, SWARM_ROW)
    across = _along("contribution", "Contribution (log-odds)")
    base = alt.Chart().encode(y=rows)
    dots = base.mark_circle(size=11, opacity=0.5).encode(
        x=across,
        yOffset=alt.YOffset("offset:Q", scale=alt.Scale(domain=[-2.4, 1.1])),
        color=_group_colour(points, group),
        tooltip=[
            alt.Tooltip("x:N", title=x),
            alt.Tooltip("contribution:Q", title="Contribution", format="+.3f"),
            alt.Tooltip("group:N", title=group),
        ],
    )
    medians = base.mark_tick(thickness=3, height=30, yOffset=9, color="black").encode(
        x=alt.X("contribution:Q", aggregate="median")
    )
    chart = alt.layer(_zero(), dots, medians).properties(data=_data(points))
    description = f"Contribution to the log-odds of pCR by level of {x}: {len(points)} patients and medians."
    return _spec(chart, description, SWARM_ROW * len(levels), canvas=True)


def differences_chart(differences: pd.DataFrame, title: str) -> Spec:
    """Draw paired differences with intervals; the primary one stands out.

    Parameters
    ----------
    differences : DataFrame
        label, value, low, high, primary (yes or no), in the order wanted.
    """
    order = differences["label"].tolist()
    colour = alt.condition("datum.primary == 'yes'", alt.value(PALETTE[5]), alt.value(PALETTE[0]))
    base = alt.Chart().encode(
        y=_rows("label", order, ROW),
        color=colour,
        tooltip=[
            alt.Tooltip("label:N", title="Comparison"),
            alt.Tooltip("value:Q", title="Difference", format="+.4f"),
            alt.Tooltip("low:Q", title="Low", format="+.4f"),
            alt.Tooltip("high:Q", title="High", format="+.4f"),
        ],
    )
    spans = base.mark_rule(strokeWidth=2, yOffset=7, y2Offset=7).encode(x=_along("low", title), x2="high:Q")
    dots = base.mark_circle(size=70, opacity=1, yOffset=7).encode(x="value:Q")
    chart = alt.layer(_zero(), spans, dots).properties(data=_data(differences))
    description = f"{title}, with intervals: {len(order)} comparisons by landmark and arm."
    return _spec(chart, description, ROW * len(order))
