"""What single patients were given, and for how long: the swimmer plot."""

from collections.abc import Mapping, Sequence

import altair as alt
import pandas as pd

from pipeline.report.cohort.people import OUTCOME_COLOURS, about_people
from pipeline.report.drawing import INK, PALETTE, Chart, Spec, colours_of, data_of, fitting, spec_of
from pipeline.report.labels import Labels
from pipeline.report.points import evenly

ROW = 8
DAYS = 7
SHORTEST = 0.2
COLOURS = (*PALETTE, "#8a5a44", "#4b4e6d", "#a3a500")
LEFT = "left treatment"


def segments(exposure: pd.DataFrame) -> pd.DataFrame:
    """Return the courses of a regimen of each patient, in weeks from the first cycle.

    A course goes to the start of the next one, the last one to the start of its last cycle.

    Parameters
    ----------
    exposure : DataFrame
        usubjid, regimen, start_date, a row for each cycle; those without a date are left out.

    Returns
    -------
    DataFrame
        patient, regimen, start, end, cycles; in order of time.
    """
    rows = exposure.dropna(subset=["start_date", "regimen"]).sort_values(["usubjid", "start_date"])
    first = rows.groupby("usubjid")["start_date"].transform("min")
    rows = rows.assign(week=(rows["start_date"] - first).dt.days / DAYS)
    changed = (rows["regimen"] != rows["regimen"].shift()) | (rows["usubjid"] != rows["usubjid"].shift())
    parts = rows.groupby(changed.cumsum(), sort=False).agg(
        patient=("usubjid", "first"), regimen=("regimen", "first"), start=("week", "first"),
        last=("week", "last"), cycles=("week", "size"),
    )  # fmt: skip
    end = parts.groupby("patient")["start"].shift(-1).fillna(parts["last"])
    return parts.assign(end=end).drop(columns="last").reset_index(drop=True)


def ends(
    exposure: pd.DataFrame, surgery: pd.DataFrame | None, disposition: pd.DataFrame | None, who: pd.DataFrame
) -> pd.DataFrame:
    """Return when patients had surgery (by outcome) or left treatment: patient, week, event."""
    first = exposure.groupby("usubjid")["start_date"].min()
    parts = []
    if surgery is not None and "surgery_date" in surgery:
        done = surgery.dropna(subset=["surgery_date"]).drop_duplicates("usubjid").set_index("usubjid")
        event = "surgery, " + who["outcome"].reindex(done.index)
        parts.append(pd.DataFrame({"date": done["surgery_date"], "event": event}))
    if disposition is not None and "event_date" in disposition:
        left = disposition.dropna(subset=["event_date"]).drop_duplicates("usubjid").set_index("usubjid")
        parts.append(pd.DataFrame({"date": left["event_date"], "event": LEFT}))
    if not parts:
        return pd.DataFrame(columns=["patient", "week", "event"])
    rows = pd.concat(parts).dropna(subset="event")
    week = (rows["date"] - first.reindex(rows.index)).dt.days / DAYS
    return pd.DataFrame(
        {"patient": rows.index, "week": week.to_numpy(), "event": rows["event"].to_numpy()}
    ).dropna()


def swimmer_chart(
    courses: pd.DataFrame, events: pd.DataFrame, who: pd.DataFrame, regimens: Sequence[str], labels: Labels,
    max_rows: int,
) -> Spec:  # fmt: skip
    """Draw a row for each patient: what was given when, surgery, and who left; rows by arm and branch.

    Parameters
    ----------
    courses, events : DataFrame
        From `segments` and `ends`.
    who : DataFrame
        From `people`.
    regimens : sequence of str
        The study's, in the order of their colours.
    max_rows : int
        More patients are sampled evenly, over arms, branches and lengths.
    """
    length = courses.groupby("patient")["end"].max()
    order = who.loc[who.index.isin(length.index)].assign(length=length).rename_axis("patient").reset_index()
    drawn = evenly(order.sort_values(["group", "length", "patient"]), max_rows).reset_index(drop=True)
    drawn["row"] = drawn.index + (drawn["group"] != drawn["group"].shift()).cumsum() * 2
    place = drawn.set_index("patient")["row"]
    bars = courses[courses["patient"].isin(place.index)].assign(row=lambda t: t["patient"].map(place))
    bars = bars.assign(
        regimen=bars["regimen"].map(labels.name),
        group=bars["patient"].map(who["group"]),
        # A single cycle is seen, too.
        end=bars["end"].clip(lower=bars["start"] + SHORTEST),
    )
    given = dict.fromkeys(map(labels.name, regimens)) | dict.fromkeys(bars["regimen"])
    names = [name for name in given if (bars["regimen"] == name).any()]
    height = ROW * (int(drawn["row"].max()) + 2)
    scale = alt.Scale(domain=[0, int(drawn["row"].max()) + 1.5], reverse=True, nice=False)
    y = alt.Y("row:Q", axis=None, scale=scale)
    x = alt.X("start:Q", title="Weeks from the first cycle", axis=alt.Axis(tickCount=6))
    tooltip = [
        alt.Tooltip("patient:N", title="Patient"),
        alt.Tooltip("group:N", title="Arm, branch"),
        alt.Tooltip("regimen:N", title="Regimen"),
        alt.Tooltip("cycles:Q", title="Cycles"),
    ]
    lines = (
        alt.Chart(data_of(bars))
        .mark_rule(strokeWidth=5, strokeCap="round")
        .encode(
            x=x, x2="end:Q", y=y, tooltip=tooltip,
            color=colours_of("regimen", names, [COLOURS[i % len(COLOURS)] for i in range(len(names))], 3),
        )
    )  # fmt: skip
    heads = drawn.drop_duplicates("group")[["group", "row"]].assign(start=0.0)
    words = (
        alt.Chart(data_of(heads))
        .mark_text(align="left", dy=-10, fontSize=12, fontWeight=600, color=INK)
        .encode(x="start:Q", y=y, text="group:N")
    )
    layers = [lines, words]
    shown = events[events["patient"].isin(place.index)].assign(row=lambda t: t["patient"].map(place))
    if len(shown):
        layers.append(_marks(shown, y))
    about = about_people(drawn, "weeks of treatment")
    chart = alt.layer(*layers).resolve_scale(color="independent", shape="independent")
    return spec_of(chart, f"Swimmer: treatment of {len(drawn):,} patients.", height, about, canvas=True)


def _marks(events: pd.DataFrame, y: alt.Y) -> Chart:
    looks: Mapping[str, tuple[str, str]] = {
        f"surgery, {outcome}": (colour, "diamond") for outcome, colour in OUTCOME_COLOURS.items()
    } | {LEFT: (INK, "cross")}
    kinds = [name for name in looks if (events["event"] == name).any()]
    legend = alt.Legend(title=None, columns=fitting(kinds, 3))
    return (
        alt.Chart(data_of(events))
        .mark_point(size=34, filled=True, opacity=1)
        .encode(
            x="week:Q",
            y=y,
            color=alt.Color(
                "event:N", scale=alt.Scale(domain=kinds, range=[looks[k][0] for k in kinds]), legend=legend
            ),
            shape=alt.Shape(
                "event:N", scale=alt.Scale(domain=kinds, range=[looks[k][1] for k in kinds]), legend=legend
            ),
            tooltip=[
                alt.Tooltip("patient:N", title="Patient"),
                alt.Tooltip("event:N", title="Event"),
                alt.Tooltip("week:Q", title="Week", format=".1f"),
            ],
        )
    )
