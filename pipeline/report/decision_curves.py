"""Decision curves: net benefit along the threshold, each strategy named on its line."""

from collections.abc import Mapping
from functools import partial
from typing import NamedTuple

import altair as alt
import pandas as pd

from pipeline.report.drawing import GREY, INK, PALETTE, About, Spec, data_of, spec_of

# Colour and dash of a strategy: the same in every decision curve, whichever others are drawn.
STRATEGIES = {
    "model": (PALETTE[0], [1, 0]), "rules": (PALETTE[5], [4, 2]),
    "rules' inputs": (PALETTE[1], [6, 2]), "rules' allocation": (PALETTE[2], [1, 1]),
    "treat all": (GREY, [1, 0]), "treat none": (INK, [2, 2]),
}  # fmt: skip
HEIGHT = 280
# Of names, as shares of the narrowest chart, one of three side by side: a letter, a line of text, from a name
# to its own line, and the distance to other lines that does.
LETTER, TALL, ABOVE, LINE = 0.043, 0.075, 0.04, 0.08
ROUNDS = 4
"""How often each name is placed anew, beside those of the others; the first time beside those before it."""


class Place(NamedTuple):
    """Where the middle of a name stands: threshold, net benefit; `room`: how far its line is from others."""

    at: float
    height: float
    room: float


def benefit_chart(curve: pd.DataFrame, title: str, about: About) -> Spec:
    """Draw net benefit along the threshold probability, a line per strategy.

    Parameters
    ----------
    curve : DataFrame
        strategy, threshold, value, low, high.
    """
    strategies = list(dict.fromkeys(curve["strategy"]))
    looks = [STRATEGIES.get(name, (GREY, [1, 0])) for name in strategies]
    base = alt.Chart(data_of(curve)).encode(
        x=alt.X(
            "threshold:Q",
            title="Threshold probability",
            scale=alt.Scale(zero=False),
            axis=alt.Axis(format="%", tickCount=4),
        ),
        color=alt.Color(
            "strategy:N",
            scale=alt.Scale(domain=strategies, range=[colour for colour, _ in looks]),
            legend=None,
        ),
    )
    # Treating all falls far below zero beyond the prevalence: the scale ends a little below zero.
    top = float(curve["value"].max())
    bottom = -0.25 * top
    scale = alt.Scale(domain=[bottom, 1.1 * top])
    band = (
        base.transform_filter("datum.strategy == 'model'")
        .mark_area(opacity=0.18, clip=True)
        .encode(y=alt.Y("low:Q", title="Net benefit", scale=scale), y2="high:Q")
    )
    lines = base.mark_line(strokeWidth=2, clip=True).encode(
        y=alt.Y("value:Q", title="Net benefit", scale=scale),
        strokeDash=alt.StrokeDash(
            "strategy:N",
            scale=alt.Scale(domain=strategies, range=[dash for _, dash in looks]),
            legend=None,
        ),
        tooltip=[
            alt.Tooltip("strategy:N", title="Strategy"),
            alt.Tooltip("threshold:Q", title="Threshold", format=".1%"),
            alt.Tooltip("value:Q", title="Net benefit", format=".3f"),
        ],
    )
    named = alt.Chart(data_of(line_labels(curve, bottom, 1.1 * top))).encode(
        x="at:Q", y=alt.Y("height:Q", scale=scale), text="strategy:N"
    )
    halo = named.mark_text(fontSize=12, stroke="white", strokeWidth=4, strokeJoin="round")
    text = named.mark_text(fontSize=12, fontWeight=600).encode(color="strategy:N")
    return spec_of(alt.layer(band, lines, halo, text), title, HEIGHT, about)


def line_labels(curve: pd.DataFrame, bottom: float, top: float) -> pd.DataFrame:
    """Return where the name of each strategy stands: above or below its line, apart from other names.

    Where names do not touch, a name stands where its line is far from the others.

    Parameters
    ----------
    curve : DataFrame
        strategy, threshold, value: at the same thresholds for every strategy.
    bottom, top : float
        What the chart shows; where a line is outside, it has no name.

    Returns
    -------
    DataFrame
        strategy, at (threshold), height; a strategy that is nowhere inside is left out.
    """
    wide = curve.pivot_table(index="threshold", columns="strategy", values="value")
    across, tall = float(wide.index.max() - wide.index.min()) or 1.0, top - bottom
    names = list(dict.fromkeys(curve["strategy"]))
    free = {name: places for name in names if (places := _places(wide, str(name), bottom, top))}
    chosen: dict[str, Place] = {}
    for _ in range(ROUNDS):
        for name, places in free.items():
            others = {other: place for other, place in chosen.items() if other != name}
            chosen[name] = max(places, key=partial(_fit, name, others, across, tall))
    rows = [(name, place.at, place.height) for name, place in chosen.items()]
    return pd.DataFrame(rows, columns=["strategy", "at", "height"])


def _places(wide: pd.DataFrame, name: str, bottom: float, top: float) -> list[Place]:
    """Return where a name may stand: along its line, wholly inside the chart; those above the line first."""
    first, last = float(wide.index.min()), float(wide.index.max())
    margin = min(0.5, _width(name) / 2) * (last - first)
    rows = wide[(wide.index >= first + margin) & (wide.index <= last - margin)]
    shown = rows if len(rows) else wide
    tall, places = top - bottom, []
    for side in (1, -1):
        for at, values in zip(shown.index.tolist(), shown.to_dict("records"), strict=True):
            row = {str(other): float(value) for other, value in values.items()}
            value = row[name]
            height = value + side * ABOVE * tall
            inside = bottom + TALL / 2 * tall < height < top - TALL / 2 * tall
            if inside and bottom < value < top:
                places.append(Place(at, height, _room(row, name, tall)))
    return places


def _room(row: Mapping[str, float], name: str, tall: float) -> float:
    """Return how far a line is from the nearest other one, 1 where that does."""
    others = [abs(value - row[name]) for other, value in row.items() if other != name]
    return min(others, default=tall) / tall / LINE


def _fit(
    name: str, others: Mapping[str, Place], across: float, tall: float, place: Place
) -> tuple[float, float]:
    """Return how well a name stands at a place beside other names: not to touch them comes first."""
    apart = [_apart(name, place, other, at, across, tall) for other, at in others.items()]
    return min([1.0, *apart]), min([place.room, *apart])


def _width(name: str) -> float:
    return LETTER * len(name)


def _apart(name: str, place: Place, other: str, at: Place, across: float, tall: float) -> float:
    """Return how far two names are apart, 1 where they just do not touch."""
    width = (_width(name) + _width(other)) / 2
    return max(abs(place.at - at.at) / across / width, abs(place.height - at.height) / tall / TALL)
