"""Calibration in one figure: the curve, the measures, and below them whom which risks were predicted of."""

from collections.abc import Sequence

import altair as alt
import pandas as pd

from pipeline.report.drawing import GREY, INK, PALETTE, About, Chart, Spec, data_of, spec_of

# The densities of the predicted risks lie below the curve: pCR upwards and no pCR downwards of this line.
MIDDLE, HEIGHT, LOWEST = -0.17, 0.13, -0.32
OUTCOMES = {"pCR": (1, PALETTE[0]), "no pCR": (-1, PALETTE[5])}


def calibration_chart(
    curve: pd.DataFrame, densities: pd.DataFrame | None, notes: Sequence[str], title: str, about: About
) -> Spec:
    """Draw observed along predicted probability with a band, the diagonal, and the predictions by outcome.

    Parameters
    ----------
    curve : DataFrame
        model, predicted, observed, low, high; empty for a model of few distinct predictions.
    densities : DataFrame or None
        outcome (pCR, no pCR), predicted, density.
    notes : sequence of str
        Written into the upper left corner, such as the slope.
    """
    x_axis, y_axis = alt.Axis(format="%", tickCount=5), alt.Axis(format="%", values=[0, 0.25, 0.5, 0.75, 1])
    x = alt.X(
        "predicted:Q", title="Predicted probability of pCR", scale=alt.Scale(domain=[0, 1]), axis=x_axis
    )
    scale = alt.Scale(domain=[LOWEST if densities is not None else 0, 1], nice=False)
    line = alt.InlineData(values=[{"a": 0, "b": 0}, {"a": 1, "b": 1}])
    diagonal = (
        alt.Chart(line).mark_line(color=GREY, strokeDash=[4, 3], strokeWidth=1).encode(x="a:Q", y="b:Q")
    )
    base = alt.Chart(data_of(curve)).encode(x=x)
    y = alt.Y("observed:Q", title="Observed (loess)", scale=scale, axis=y_axis)
    band = base.mark_area(opacity=0.2, color=INK).encode(
        y=alt.Y("low:Q", title="Observed (loess)", scale=scale, axis=y_axis), y2="high:Q"
    )
    middle = base.mark_line(strokeWidth=2.5, color=INK).encode(
        y=y,
        tooltip=[
            alt.Tooltip("predicted:Q", title="Predicted", format=".1%"),
            alt.Tooltip("observed:Q", title="Observed", format=".1%"),
        ],
    )
    layers = [diagonal, band, middle, _notes(notes)]
    if densities is not None:
        layers.append(_mirrored(densities, x))
    return spec_of(alt.layer(*layers), title, 340, about)


def _notes(notes: Sequence[str]) -> Chart:
    frame = pd.DataFrame(
        {"note": list(notes), "left": 0.02, "top": [0.97 - 0.07 * i for i in range(len(notes))]}
    )
    return (
        alt.Chart(data_of(frame))
        .mark_text(align="left", baseline="top", fontSize=12, color=INK)
        .encode(x="left:Q", y="top:Q", text="note:N")
    )


def _mirrored(densities: pd.DataFrame, x: Chart) -> Chart:
    """Return the predictions of patients with pCR upwards and of the others downwards, as areas."""
    side = densities["outcome"].map({name: sign for name, (sign, _) in OUTCOMES.items()})
    reach = side * HEIGHT * densities["density"] / densities["density"].max()
    frame = densities.assign(base=MIDDLE, reach=MIDDLE + reach)
    colours = alt.Scale(domain=list(OUTCOMES), range=[colour for _, colour in OUTCOMES.values()])
    legend = alt.Legend(title="Predictions of patients with", columns=2)
    return (
        alt.Chart(data_of(frame))
        .mark_area(opacity=0.7)
        .encode(
            x=x,
            y=alt.Y("base:Q"),
            y2="reach:Q",
            color=alt.Color("outcome:N", scale=colours, legend=legend),
            tooltip=[
                alt.Tooltip("outcome:N", title="Patients with"),
                alt.Tooltip("predicted:Q", title="Predicted", format=".0%"),
                alt.Tooltip("density:Q", title="Density", format=".2f"),
            ],
        )
    )
