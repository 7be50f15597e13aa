"""The tumour fraction in plasma of single patients over the visits."""

from collections.abc import Mapping, Sequence

import altair as alt
import numpy as np
import pandas as pd

from pipeline.report.cohort.people import OUTCOME_COLOURS, about_people
from pipeline.report.cohort.response import of_visits
from pipeline.report.drawing import INK, Spec, colours_of, data_of, spec_of
from pipeline.report.points import evenly

NOT_DETECTED = "negative"
LOWER, UPPER = 20, 2
"""The band of samples without ctDNA lies so many times below the smallest fraction that was detected."""


def fractions(
    values: pd.DataFrame, state: str, fraction: Sequence[str], visits: Sequence[str], who: pd.DataFrame
) -> pd.DataFrame:
    """Return a row per patient and sample with a result: patient, outcome, visit, value, detected.

    Parameters
    ----------
    values : DataFrame
        Features, index usubjid.
    state, fraction : str, sequence of str
        Templates of the features with the sample's state, and its largest fraction as log10; of several the
        first that has a value.
    visits : sequence of str
        In order.

    Returns
    -------
    DataFrame
        `value` is in per cent, missing where nothing was detected or an assay gives no largest fraction;
        samples that were not evaluable, not done or below the limit of detection have no row.
    """
    states = of_visits(values, state, visits)
    logged = [of_visits(values, template, visits) for template in fraction]
    parts = []
    for visit in map(str, states):
        value = pd.Series(np.nan, index=values.index)
        for frame in logged:
            value = value.fillna(frame[visit].astype(float)) if visit in frame else value
        percent = 100 * (10.0**value)
        negative = states[visit] == NOT_DETECTED
        known = negative | (states[visit] == "positive")
        rows = who.loc[values.index[known], ["outcome"]].assign(
            visit=visit, value=percent[known].mask(negative[known]), detected=~negative[known]
        )
        parts.append(rows.rename_axis("patient").reset_index())
    return pd.concat(parts, ignore_index=True) if parts else pd.DataFrame(columns=["patient", "value"])


def detected_sentence(rows: pd.DataFrame, visits: Mapping[str, str]) -> str:
    """Return in how many of the samples with a result ctDNA was detected, by visit.

    Parameters
    ----------
    rows : DataFrame
        From `fractions`.
    visits : mapping
        Labels of the visits by name, in order.
    """
    by_visit = {visit: rows.loc[rows["visit"] == visit, "detected"].astype(bool) for visit in visits}
    told = [
        f"{int(found.sum()):,} of {len(found):,} at {visits[visit]}"
        for visit, found in by_visit.items()
        if len(found)
    ]
    return f"Samples in which ctDNA was detected: {'; '.join(told)}."


def fractions_chart(rows: pd.DataFrame, visits: Mapping[str, str], max_lines: int) -> Spec:
    """Draw each patient's fraction over the visits on a log axis, with a band of samples without ctDNA.

    Parameters
    ----------
    rows : DataFrame
        From `fractions`.
    visits : mapping
        Labels of the visits by name, in order.
    """
    rows = rows[rows["value"].notna() | ~rows["detected"].astype(bool)]
    drawn = evenly(rows.drop_duplicates("patient").sort_values("patient"), max_lines)
    shown = rows[rows["patient"].isin(drawn["patient"])].copy()
    lowest = float(rows["value"].min())
    low, high = lowest / LOWER, lowest / UPPER
    # Spread over the band, so that lines do not lie upon each other.
    spread = (shown.groupby("visit").cumcount() * 0.618034) % 1
    shown["value"] = shown["value"].fillna(low * (high / low) ** (0.15 + 0.7 * spread))
    shown = shown.assign(
        visit=shown["visit"].map(visits), detected=np.where(shown["detected"], "detected", "not detected")
    )
    top = float(rows["value"].max())
    ticks = [10.0**power for power in range(-4, 3) if lowest <= 10.0**power <= 1.5 * top]
    scale = alt.Scale(type="log", domain=[low, 1.3 * top], nice=False)
    axis = alt.Axis(values=ticks, format="~g")
    x = alt.X("visit:N", sort=list(visits.values()), title="Visit", axis=alt.Axis(labelAngle=0))
    y = alt.Y("value:Q", title="Largest variant fraction (%)", scale=scale, axis=axis)
    outcomes = [name for name in OUTCOME_COLOURS if (rows["outcome"] == name).any()]
    colour = colours_of("outcome", outcomes, [OUTCOME_COLOURS[name] for name in outcomes], 3)
    base = alt.Chart(data_of(shown)).encode(x=x, y=y, color=colour)
    lines = base.mark_line(strokeWidth=0.8, opacity=0.35).encode(detail="patient:N")
    dots = base.mark_circle(size=16, opacity=0.6).encode(
        tooltip=[
            alt.Tooltip("patient:N", title="Patient"),
            alt.Tooltip("visit:N", title="Visit"),
            alt.Tooltip("detected:N", title="ctDNA"),
            alt.Tooltip("outcome:N", title="Outcome"),
        ]
    )
    edge = alt.InlineData(values=[{"reference": low, "upper": high, "text": "not detected"}])
    band = (
        alt.Chart(edge)
        .mark_rect(color="#e3e6ea")
        .encode(y=alt.Y("reference:Q", scale=scale), y2="upper:Q", x=alt.value(0), x2=alt.value("width"))
    )
    words = (
        alt.Chart(edge)
        .mark_text(align="left", baseline="top", dx=6, dy=3, fontSize=12, color=INK)
        .encode(y=alt.Y("upper:Q", scale=scale), x=alt.value(0), text="text:N")
    )
    about = about_people(drawn, "largest variant fraction in plasma")
    return spec_of(
        alt.layer(band, lines, dots, words),
        f"Fraction in plasma of {len(drawn):,} patients over the visits.",
        340, about, canvas=True,
    )  # fmt: skip
