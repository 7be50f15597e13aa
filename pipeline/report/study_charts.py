"""The charts of the study report: forests, curves, bars of states, courses over time."""

from collections.abc import Mapping, Sequence
from textwrap import wrap

import altair as alt
import pandas as pd

from models.description.as_measured import Measured
from pipeline.project.estimates import number_text
from pipeline.report.drawing import (
    GREY,
    INK,
    MARK_DOWN,
    PALETTE,
    ROW,
    About,
    Spec,
    about_drawn,
    colours_of,
    data_of,
    line_at,
    rows_of,
    spec_of,
    texts_of,
)
from pipeline.wording import OUT_OF_FOLD

SPREAD = (PALETTE[0], PALETTE[5], PALETTE[2], PALETTE[3], PALETTE[4], PALETTE[1])
TITLE = 30
"""Letters in a line of the title of an axis that shares a phone's width with texts."""
NO_MODEL = "all patients, no model"
LOG_AXES = {
    "log10": ("log", tuple(10.0**power for power in range(-9, 10))),
    "log1p": ("symlog", (0, 1, 3, 10, 30, 100, 300, 1000)),
}
"""The scale of an axis by the logarithm of its feature, and where labels stand; symlog is log1p."""
QUARTILES = ["median", "q25", "q75"]
# Greys for what was not measured, colours for results, the same in every chart.
STATES = {
    "not_planned": "#e3e6ea", "not_done": "#b5bac2", "not_evaluable": "#767d89", "below_lod": PALETTE[4],
    "negative": PALETTE[0], "positive": PALETTE[5], "done": PALETTE[2], "missing": INK,
    "hidden": "#f5f6f8",
}  # fmt: skip


def forest_chart(
    rows: pd.DataFrame,
    title: str,
    scale: str,
    sampling: str = NO_MODEL,
    reference: float | None = 0,
    digits: int = 2,
) -> Spec:
    """Draw values with intervals, a row each, and beside them as text; rows that are marked stand out.

    Parameters
    ----------
    rows : DataFrame
        label, value, low, high, n, events, detail (text on hover), mark (yes or no), in the order wanted.
    title : str
        Of the axis.
    scale, sampling : str
        What the values are, and whose predictions they judge.
    reference : float or None
        Where the vertical line stands, such as 0 for differences and 1 for ratios; None draws none.
    digits : int
        Decimals of the text.
    """
    order = rows["label"].tolist()
    colour = alt.condition("datum.mark == 'yes'", alt.value(PALETTE[5]), alt.value(PALETTE[0]))
    base = alt.Chart().encode(
        y=rows_of("label", order, ROW),
        color=colour,
        tooltip=[
            alt.Tooltip("label:N", title="Row"),
            alt.Tooltip("value:Q", title="Value", format=".4f"),
            alt.Tooltip("low:Q", title="Low", format=".4f"),
            alt.Tooltip("high:Q", title="High", format=".4f"),
            alt.Tooltip("n:Q", title="n", format=","),
            alt.Tooltip("detail:N", title="Of"),
        ],
    )
    x = alt.X("low:Q", title=wrap(title, TITLE), axis=alt.Axis(tickCount=6), scale=alt.Scale(zero=False))
    spans = base.mark_rule(strokeWidth=2, yOffset=MARK_DOWN, y2Offset=MARK_DOWN).encode(x=x, x2="high:Q")
    dots = base.mark_circle(size=70, opacity=1, yOffset=MARK_DOWN).encode(
        x="value:Q", y=texts_of("label", order, _estimates(rows, digits))
    )
    layers = [spans, dots] if reference is None else [line_at(reference), spans, dots]
    chart = alt.layer(*layers).properties(data=data_of(rows)).resolve_axis(y="independent")
    about = about_drawn(rows, scale, sampling)
    return spec_of(chart, f"{title}, with intervals: {len(order)} rows.", ROW * len(order), about)


def _estimates(rows: pd.DataFrame, digits: int) -> list[str]:
    """Return the text of every row: value and interval, with true minus signs."""
    return [
        f"{number_text(value, digits)} ({number_text(low, digits)} to {number_text(high, digits)})".replace(
            "-", "\N{MINUS SIGN}"
        )
        for value, low, high in zip(rows["value"], rows["low"], rows["high"], strict=True)
    ]


def landmarks_chart(rows: pd.DataFrame, landmarks: Sequence[str]) -> Spec:
    """Draw the AUC of forecasts with intervals along the landmarks; the dashed line is that of chance.

    Parameters
    ----------
    rows : DataFrame
        landmark, forecast, value, low, high, n, events, detail.
    landmarks : sequence of str
        In the order wanted.
    """
    forecasts = list(dict.fromkeys(rows["forecast"]))
    base = alt.Chart(data_of(rows)).encode(
        x=alt.X("landmark:N", sort=list(landmarks), title=None, axis=alt.Axis(labelAngle=0)),
        xOffset=alt.XOffset("forecast:N", sort=forecasts, scale=alt.Scale(paddingOuter=0.9)),
        color=colours_of("forecast", forecasts, SPREAD[: len(forecasts)], columns=2),
        tooltip=[
            alt.Tooltip("forecast:N", title="Forecast"),
            alt.Tooltip("landmark:N", title="Landmark"),
            alt.Tooltip("value:Q", title="AUC", format=".3f"),
            alt.Tooltip("low:Q", title="Low", format=".3f"),
            alt.Tooltip("high:Q", title="High", format=".3f"),
            alt.Tooltip("n:Q", title="n", format=","),
        ],
    )
    y = alt.Y("low:Q", title="AUC", scale=alt.Scale(zero=False), axis=alt.Axis(tickCount=5))
    chance = alt.InlineData(values=[{"reference": 0.5}])
    line = alt.Chart(chance).mark_rule(color=GREY, strokeDash=[4, 3]).encode(y="reference:Q")
    layers = [line, base.mark_rule(strokeWidth=2).encode(y=y, y2="high:Q")]
    layers.append(base.mark_circle(size=60, opacity=1).encode(y="value:Q"))
    about = about_drawn(rows, "AUC", OUT_OF_FOLD)
    return spec_of(alt.layer(*layers), "AUC of the forecasts along the landmarks.", 210, about)


def shares_chart(counts: pd.DataFrame, levels: Mapping[str, str], title: str, scale: str) -> Spec:
    """Draw what share of each row's patients has which level, as bars that fill the width.

    Parameters
    ----------
    counts : DataFrame
        label (of the row), level (its label), share, n (patients of the row); rows in the order wanted. The
        shares of a row add up to 1.
    levels : mapping
        Label to key, in the order wanted.
    """
    order = list(dict.fromkeys(counts["label"]))
    place = {level: i for i, level in enumerate(levels)}
    frame = counts.assign(place=counts["level"].map(place))
    chart = (
        alt.Chart(data_of(frame))
        .mark_bar(height=13, yOffset=MARK_DOWN)
        .encode(
            y=rows_of("label", order, ROW),
            x=alt.X(
                "share:Q",
                title="Share of patients",
                stack="zero",
                axis=alt.Axis(format="%", tickCount=5),
                scale=alt.Scale(domain=[0, 1]),
            ),
            color=colours_of(
                "level", list(levels), [STATES.get(key, GREY) for key in levels.values()], columns=3
            ),
            order=alt.Order("place:Q"),
            tooltip=[
                alt.Tooltip("label:N", title="Patients"),
                alt.Tooltip("level:N", title="State"),
                alt.Tooltip("share:Q", title="Share", format=".1%"),
                alt.Tooltip("n:Q", title="of patients", format=","),
            ],
        )
    )
    return spec_of(chart, title, ROW * len(order), about_drawn(counts, scale, NO_MODEL))


def courses_chart(points: pd.DataFrame, visits: Sequence[str], title: str, name: str, unit: str) -> Spec:
    """Draw medians with quartiles along the visits, a line per group; n and scale are those of the points.

    A logarithm is drawn, told on hover and saved as it was measured, on a log axis.

    Parameters
    ----------
    points : DataFrame
        visit, group, n, median, q25, q75, in `unit`.
    """
    groups, told = list(dict.fromkeys(points["group"])), Measured.by(unit)
    points = points.assign(**{name: told.values(points[name].astype(float)) for name in QUARTILES})
    base = alt.Chart(data_of(points)).encode(
        x=alt.X("visit:N", sort=list(visits), title="Visit", axis=alt.Axis(labelAngle=0)),
        xOffset=alt.XOffset("group:N", sort=groups, scale=alt.Scale(paddingOuter=0.9)),
        color=colours_of("group", groups, SPREAD[: len(groups)], columns=1),
        tooltip=[
            alt.Tooltip("group:N", title="Patients"),
            alt.Tooltip("visit:N", title="Visit"),
            alt.Tooltip("n:Q", title="n"),
            alt.Tooltip("median:Q", title="Median", format=".3g"),
            alt.Tooltip("q25:Q", title="Lower quartile", format=".3g"),
            alt.Tooltip("q75:Q", title="Upper quartile", format=".3g"),
        ],
    )
    y = told.unit.replace("%", "Per cent") if told.unit not in {"", "1"} else name
    scale, axis = alt.Scale(zero=False), alt.Axis(tickCount=5)
    if told.logarithm:
        kind, places = LOG_AXES[told.logarithm]
        low, high = float(points["q25"].min()), float(points["q75"].max())
        within = [place for place in places if 0.99 * low <= place <= 1.01 * high]
        scale = alt.Scale(type=kind, domain=[low, high], nice=False)
        y, axis = f"{y}, log axis", alt.Axis(values=within, format="~g")
    value = alt.Y("q25:Q", title=y, scale=scale, axis=axis)
    spans = base.mark_rule(strokeWidth=2).encode(y=value, y2="q75:Q")
    dots = base.mark_point(size=55, filled=True, opacity=1).encode(
        y="median:Q", shape=alt.Shape("group:N", sort=groups, legend=None)
    )
    what = f"{name} ({told.unit})" if told.unit not in {"", "1"} else name
    return spec_of(alt.layer(spans, dots), title, 260, about_drawn(points, what, NO_MODEL))


def instability_chart(points: pd.DataFrame, about: About) -> Spec:
    """Draw predictions of bootstrap models against those of the model.

    Parameters
    ----------
    points : DataFrame
        original, prediction.
    """
    axis = alt.Axis(format="%", tickCount=5)
    scale = alt.Scale(domain=[0, 1])
    line = alt.InlineData(values=[{"a": 0, "b": 0}, {"a": 1, "b": 1}])
    diagonal = alt.Chart(line).mark_line(color=INK, strokeWidth=1.5).encode(x="a:Q", y="b:Q")
    dots = (
        alt.Chart(data_of(points))
        .mark_circle(size=9, opacity=0.35, color=PALETTE[0])
        .encode(
            x=alt.X("original:Q", title="Prediction of the model", scale=scale, axis=axis),
            y=alt.Y("prediction:Q", title="Predictions of the bootstrap models", scale=scale, axis=axis),
        )
    )
    description = (
        f"Prediction instability: {len(points)} predictions of bootstrap models against the model's."
    )
    return spec_of(alt.layer(dots, diagonal), description, 320, about, canvas=True)


def bootstrap_chart(
    curve: pd.DataFrame, title: str, x: str, y: str, about: About, *, diagonal: bool = False
) -> Spec:
    """Draw the curves of the bootstrap models, and over them the model's, also corrected for optimism.

    Parameters
    ----------
    curve : DataFrame
        line (apparent, corrected, sample), sample, at, value.
    title, x, y : str
        Description, and titles of the axes.
    diagonal : bool
        Whether to draw where both axes are equal.
    """
    # Decision curves of a sample may fall far below 0; what lies there says no more than that.
    shown = curve.loc[curve["line"] != "sample", "value"]
    room = 0.3 * float(shown.max() - shown.min())
    scale = alt.Scale(domain=[float(shown.min()) - room, float(shown.max()) + room])
    axis = alt.Axis(tickCount=5)
    if diagonal:
        # A smoothed frequency may leave what a frequency can be.
        scale, axis = alt.Scale(domain=[0, 1]), alt.Axis(tickCount=5, format="%")
    base = alt.Chart(data_of(curve)).encode(
        x=alt.X("at:Q", title=x, scale=alt.Scale(zero=False), axis=alt.Axis(format="%", tickCount=5)),
        y=alt.Y("value:Q", title=y, scale=scale, axis=axis),
    )
    samples = (
        base.transform_filter("datum.line == 'sample'")
        .mark_line(strokeWidth=0.6, opacity=0.35, color=GREY, clip=True)
        .encode(detail="sample:N")
    )
    lines = (
        base.transform_filter("datum.line != 'sample'")
        .mark_line(strokeWidth=2.5, clip=True)
        .encode(
            color=colours_of("line", ["apparent", "corrected"], [PALETTE[0], PALETTE[5]], columns=2),
            tooltip=[
                alt.Tooltip("line:N", title="Curve"),
                alt.Tooltip("at:Q", title="At", format=".1%"),
                alt.Tooltip("value:Q", title="Value", format=".3f"),
            ],
        )
    )
    ideal = (
        base.transform_filter("datum.line == 'apparent'")
        .mark_line(color=INK, strokeDash=[4, 3], strokeWidth=1, clip=True)
        .encode(y=alt.Y("at:Q", title=y, scale=scale))
    )
    layers = [samples, ideal, lines] if diagonal else [samples, lines]
    return spec_of(alt.layer(*layers), title, 280, about, canvas=True)
