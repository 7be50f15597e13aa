"""The charts of a landmark's SHAP page."""

from collections.abc import Mapping

import altair as alt
import pandas as pd

from features.documents.study_entries import StudyDocument
from pipeline.report.drawing import (
    CONTRIBUTION,
    GREY,
    INK,
    MARK_DOWN,
    PALETTE,
    ROW,
    SWARM_ROW,
    About,
    Spec,
    about_drawn,
    along,
    colours_of,
    data_of,
    line_at,
    rows_of,
    spec_of,
)
from pipeline.report.page import domain_name
from pipeline.wording import LOG_ODDS, OUT_OF_FOLD

SPLIT_ROW = 76


def domain_colours(study: StudyDocument) -> dict[str, str]:
    """Return the colour of each of the study's domains, the same on every page."""
    named = [*study["features"]["domains"], *(study.get("omics") or {})]
    domains = [domain_name(domain) for domain in named]
    return {domain: PALETTE[i % len(PALETTE)] for i, domain in enumerate(domains)}


def domain_shares_chart(shares: pd.DataFrame, colours: Mapping[str, str], about: About) -> Spec:
    """Draw the share of each domain as a bar, with its interval over resamples.

    Parameters
    ----------
    shares : DataFrame
        domain, features, share, low, high, in the order wanted.
    colours : mapping
        Domain to colour.
    """
    base = alt.Chart(data_of(shares)).encode(
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
            alt.Tooltip("low:Q", title="Low", format=".1%"),
            alt.Tooltip("high:Q", title="High", format=".1%"),
        ],
    )
    # A phone has room for the text beside the longest bar.
    room = alt.Scale(domain=[0, 1.3 * float(shares["high"].max())], nice=False)
    share = along("share", "Share of the mean |contribution|", format="%").scale(room)
    scale = alt.Scale(domain=list(colours), range=list(colours.values()))
    bars = base.mark_bar(height=20).encode(x=share, color=alt.Color("domain:N", scale=scale, legend=None))
    ranges = base.mark_rule(strokeWidth=2, color=INK).encode(x="low:Q", x2="high:Q")
    text = (
        base.transform_calculate(told="datum.share < 0.005 ? '< 1%' : format(datum.share, '.0%')")
        .mark_text(align="left", dx=7, color=INK, fontSize=12)
        .encode(x="high:Q", text="told:N")
    )
    listed = "; ".join(f"{row.domain} {row.share:.0%}" for row in shares.itertuples())
    description = f"Bars: share of each domain in the mean absolute contribution. {listed}."
    return spec_of(alt.layer(bars, ranges, text), description, 36 * len(shares) + 10, about)


def ranking_chart(ranking: pd.DataFrame, colours: Mapping[str, str], about: About) -> Spec:
    """Draw features (or groups of them) by mean |contribution| with its interval; details on hover.

    Parameters
    ----------
    ranking : DataFrame
        label, key, domain, mean_abs, low, high, description, more (text), in the order wanted.
    """
    order = ranking["label"].tolist()
    drawn = [d for d in colours if d in set(ranking["domain"])]
    tooltip = [
        alt.Tooltip("label:N", title="Feature"),
        alt.Tooltip("key:N", title="Key"),
        alt.Tooltip("description:N", title="What it is"),
        alt.Tooltip("mean_abs:Q", title="Mean |contribution|", format=".3f"),
        alt.Tooltip("low:Q", title="Low", format=".3f"),
        alt.Tooltip("high:Q", title="High", format=".3f"),
        alt.Tooltip("more:N", title="Stability"),
    ]
    base = alt.Chart(data_of(ranking)).encode(y=rows_of("label", order, ROW), tooltip=tooltip)
    bars = base.mark_bar(height=11, yOffset=MARK_DOWN).encode(
        x=along("mean_abs", "Mean |contribution| (calibrated log-odds)"),
        color=colours_of("domain", drawn, [colours[d] for d in drawn], columns=4),
    )
    ranges = base.mark_rule(strokeWidth=1.5, color=INK, yOffset=MARK_DOWN, y2Offset=MARK_DOWN).encode(
        x="low:Q", x2="high:Q"
    )
    description = f"Bars: mean absolute contribution of {len(order)} rows; largest: {', '.join(order[:3])}."
    return spec_of(alt.layer(bars, ranges), description, ROW * len(order), about)


def beeswarm_chart(points: pd.DataFrame, about: About) -> Spec:
    """Draw one point per patient and feature; colour is the rank of a numeric value.

    Parameters
    ----------
    points : DataFrame
        From `points.swarm_points`, features in the order wanted, by their label.
    """
    order = list(dict.fromkeys(points["feature"]))
    # The offset's domain leaves the upper part of each row to its label.
    place = alt.YOffset("offset:Q", scale=alt.Scale(domain=[-2.4, 1.1]))
    encoded = {
        "y": rows_of("feature", order, SWARM_ROW),
        "yOffset": place,
        "x": along("contribution", CONTRIBUTION),
        "tooltip": [
            alt.Tooltip("feature:N", title="Feature"),
            alt.Tooltip("value:N", title="Value"),
            alt.Tooltip("contribution:Q", title="Contribution", format="+.3f"),
        ],
    }
    legend = alt.Legend(
        title="Value of a numeric feature, by rank",
        values=[0, 1],
        gradientLength=160,
        gradientThickness=9,
        labelExpr="datum.value == 0 ? 'low' : 'high'",
    )
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
    # A layer without points would have no extent, and the browser warns of it.
    kinds = {"categorical": levels, "missing": missing, "numeric": numeric}
    drawn = [layer for kind, layer in kinds.items() if (points["kind"] == kind).any()]
    chart = alt.layer(line_at(0), *drawn).properties(data=data_of(points))
    description = f"Beeswarm: contribution of {len(order)} features for single patients, one row per feature."
    return spec_of(chart, description, SWARM_ROW * len(order), about, canvas=True)


def split_chart(parts: pd.DataFrame, colours: Mapping[str, str]) -> Spec:
    """Draw mean |contribution| of each domain in parts of the patients, with intervals.

    Parameters
    ----------
    parts : DataFrame
        label and key (of the part), n (its patients), domain, mean_abs, low, high, in the order wanted.
    """
    order = list(dict.fromkeys(parts["label"]))
    drawn = [d for d in colours if d in set(parts["domain"])]
    # The upper part of each row is left to its label.
    offset = alt.YOffset("place:Q", scale=alt.Scale(domain=[-0.6 * len(drawn) - 0.5, len(drawn)]))
    base = alt.Chart(data_of(parts.assign(place=parts["domain"].map(drawn.index)))).encode(
        y=rows_of("label", order, SPLIT_ROW),
        yOffset=offset,
        color=colours_of("domain", drawn, [colours[d] for d in drawn], columns=4),
        tooltip=[
            alt.Tooltip("label:N", title="Patients"),
            alt.Tooltip("domain:N", title="Domain"),
            alt.Tooltip("mean_abs:Q", title="Mean |contribution|", format=".3f"),
            alt.Tooltip("low:Q", title="Low", format=".3f"),
            alt.Tooltip("high:Q", title="High", format=".3f"),
        ],
    )
    spans = base.mark_rule(strokeWidth=2).encode(
        x=along("low", "Mean |summed contribution| (calibrated log-odds)"), x2="high:Q"
    )
    dots = base.mark_circle(size=50, opacity=1).encode(x="mean_abs:Q")
    description = f"Mean absolute contribution of each domain in {len(order)} parts of the patients."
    return spec_of(
        alt.layer(spans, dots), description, SPLIT_ROW * len(order), about_drawn(parts, LOG_ODDS, OUT_OF_FOLD)
    )


def dependence_chart(kind: str, about: About) -> Spec:
    """Return the chart of one feature's contribution, without data: the page fills `points` and `curve` in.

    points: x, told (x as a reader reads it), y (contribution), colour, jitter; curve: x, fit, low, high.
    `kind` is numeric or categorical.
    """
    numeric = kind == "numeric"
    x = (
        alt.X("x:Q", title="", scale=alt.Scale(zero=False), axis=alt.Axis(tickCount=6))
        if numeric
        else alt.X("x:N", title="", sort=None, axis=alt.Axis(labelAngle=-25, labelLimit=110))
    )
    y = alt.Y("y:Q", title="Contribution (log-odds)")
    points = alt.Chart(alt.NamedData("points")).encode(
        x=x,
        y=y,
        color=alt.Color("colour:N", scale=alt.Scale(range=list(PALETTE)), legend=alt.Legend(columns=3)),
        tooltip=[
            alt.Tooltip("told:N", title="Value"),
            alt.Tooltip("y:Q", title="Contribution", format="+.3f"),
            alt.Tooltip("colour:N", title="Coloured by"),
        ],
    )
    marked = points.mark_circle(size=14, opacity=0.5)
    if not numeric:
        marked = marked.encode(xOffset=alt.XOffset("jitter:Q", scale=alt.Scale(domain=[-1.6, 1.6])))
    curve = alt.Chart(alt.NamedData("curve")).encode(x=x)
    if numeric:
        over = [
            curve.mark_area(opacity=0.3, color=INK).encode(y="low:Q", y2="high:Q"),
            curve.mark_line(color="black", strokeWidth=2.5).encode(y=alt.Y("fit:Q")),
        ]
    else:
        over = [
            curve.mark_rule(color="black", strokeWidth=3).encode(y="low:Q", y2="high:Q"),
            curve.mark_tick(color="black", thickness=3, width=26).encode(y=alt.Y("fit:Q")),
        ]
    zero = alt.Chart(alt.InlineData(values=[{"reference": 0}])).mark_rule(color=GREY).encode(y="reference:Q")
    description = "Contribution of one feature along its values, single patients and mean with its band."
    return spec_of(alt.layer(zero, marked, *over), description, 300, about, canvas=True)


def waterfall_chart(about: About) -> Spec:
    """Return the chart from base value to prediction, without data: the page fills `steps` in.

    steps: label, key, from, to, text, kind (base, up, down or prediction), in the order wanted.
    """
    scale = alt.Scale(
        domain=["base", "up", "down", "prediction"], range=["#8a8f98", PALETTE[0], PALETTE[5], INK]
    )
    base = alt.Chart(alt.NamedData("steps")).encode(
        y=rows_of("label", None, ROW),
        tooltip=[
            alt.Tooltip("label:N", title="Feature"),
            alt.Tooltip("key:N", title="Key"),
            alt.Tooltip("description:N", title="What it is"),
            alt.Tooltip("text:N", title="Contribution"),
        ],
    )
    bars = base.mark_bar(height=12, yOffset=MARK_DOWN, minBandSize=2).encode(
        x=along("from", "Log-odds of pCR"), x2="to:Q", color=alt.Color("kind:N", scale=scale, legend=None)
    )
    right = base.mark_text(align="left", dx=6, dy=MARK_DOWN, fontSize=12, color=INK).encode(
        x="right:Q", text="text:N"
    )
    description = (
        "Waterfall from the base value to the prediction of one patient, largest contributions first."
    )
    return spec_of(alt.layer(bars, right), description, ROW * 15, about)


def trajectory_chart(landmarks: list[str], about: About) -> Spec:
    """Return the chart of one patient at every landmark, without data: the page fills `trajectory` in.

    trajectory: landmark, p.
    """
    base = alt.Chart(alt.NamedData("trajectory")).encode(
        x=alt.X("landmark:N", sort=landmarks, title="Landmark", axis=alt.Axis(labelAngle=0)),
        y=alt.Y("p:Q", title="Probability of pCR", scale=alt.Scale(domain=[0, 1]), axis=alt.Axis(format="%")),
        tooltip=[
            alt.Tooltip("landmark:N", title="Landmark"),
            alt.Tooltip("p:Q", title="Probability", format=".3f"),
        ],
    )
    chart = base.mark_line(color=PALETTE[0], point={"size": 70, "color": PALETTE[0]}, strokeWidth=2)
    return spec_of(chart, "Calibrated probability of pCR of one patient at every landmark.", 180, about)
