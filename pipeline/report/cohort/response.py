"""Response of single patients: best change of the sum of diameters, and its course over the visits."""

from collections.abc import Mapping, Sequence

import altair as alt
import pandas as pd

from pipeline.report.cohort.people import OUTCOME_COLOURS, UNKNOWN, about_people
from pipeline.report.drawing import GREY, INK, PALETTE, Chart, Spec, colours_of, data_of, spec_of
from pipeline.report.facts import beside
from pipeline.report.labels import Labels
from pipeline.report.page import percent
from pipeline.report.points import evenly

BEST_FIRST = ("CR", "PR", "SD", "PD")
COLOURS = {"CR": PALETTE[0], "PR": PALETTE[4], "SD": PALETTE[1], "PD": PALETTE[5], "NE": GREY}
PARTIAL, PROGRESSION = -0.3, 0.2
"""Of the sum of diameters in RECIST 1.1."""
TICKS = (-1, -0.8, -0.6, -0.4, -0.2, 0, 0.2, 0.4, 0.6, 0.8, 1, 1.5, 2)
LINE = 15
GAP = 0.03
CHANGE = "Change of the sum of diameters"


def of_visits(values: pd.DataFrame, template: str, visits: Sequence[str]) -> pd.DataFrame:
    """Return the features of a template, one column by visit, of the visits that have one."""
    named = {template.format(visit=visit): visit for visit in visits}
    return values[[name for name in named if name in values]].rename(columns=named)


def best_changes(changes: pd.DataFrame, responses: pd.DataFrame, who: pd.DataFrame) -> pd.DataFrame:
    """Return the best change and the best response of every patient who has a change, the worst first by arm.

    Parameters
    ----------
    changes, responses : DataFrame
        Columns are visits, index usubjid: change of the sum as a ratio, and category by RECIST.
    who : DataFrame
        From `people`.

    Returns
    -------
    DataFrame
        patient, arm, outcome, change, response (NE if no category is known), place (arms side by side).
    """
    best = changes.astype(float).min(axis=1).dropna()
    ranks = responses.apply(lambda column: column.map({name: i for i, name in enumerate(BEST_FIRST)}))
    rank = ranks.astype(float).min(axis=1).reindex(best.index)
    response = rank.map(dict(enumerate(BEST_FIRST))).fillna("NE")
    rows = who.loc[best.index, ["arm", "outcome"]].assign(change=best, response=response)
    rows = rows.rename_axis("patient").reset_index()
    rows = rows.sort_values(["arm", "change", "patient"], ascending=[True, False, True], ignore_index=True)
    arm = rows["arm"].ne(rows["arm"].shift()).cumsum() - 1
    return rows.assign(place=rows.index + arm * max(1, round(GAP * len(rows))))


def waterfall_of_changes(rows: pd.DataFrame, labels: Labels) -> Spec:
    """Draw the best change of each patient as a line from 0, coloured by response; pCR below."""
    keys = [key for key in COLOURS if (rows["response"] == key).any()]
    shown = rows.assign(response=rows["response"].map(labels.name))
    top = max(0.35, float(rows["change"].max()) + 0.12)
    scale = alt.Scale(domain=[-1.2, top], nice=False)
    width = max(1.0, min(14.0, 620 / len(rows)))
    x = alt.X("place:Q", axis=None, scale=alt.Scale(nice=False, zero=False))
    y = alt.Y("change:Q", title=CHANGE, scale=scale, axis=alt.Axis(format="%", values=list(TICKS)))
    base = alt.Chart(data_of(shown)).encode(x=x)
    bars = base.mark_rule(strokeWidth=width).encode(
        y=y,
        y2=alt.datum(0),
        color=colours_of("response", list(map(labels.name, keys)), [COLOURS[key] for key in keys], 2),
        tooltip=[
            alt.Tooltip("patient:N", title="Patient"),
            alt.Tooltip("change:Q", title="Best change", format="+.0%"),
            alt.Tooltip("response:N", title="Best response"),
            alt.Tooltip("outcome:N", title="Outcome"),
        ],
    )
    had = (
        base.transform_filter("datum.outcome == 'pCR'")
        .mark_rule(strokeWidth=width, color=INK)
        .encode(y=alt.datum(-1.07), y2=alt.datum(-1.14))
    )
    layers = [_level(PARTIAL), _level(PROGRESSION), bars, had, *_arm_names(rows)]
    about = about_people(rows, "best change of the sum of diameters")
    return spec_of(
        alt.layer(*layers), f"Waterfall: best change of {len(rows):,} patients.", 320, about, canvas=True
    )


def shrunk_sentence(rows: pd.DataFrame) -> str:
    """Return in how many patients the sum shrank by as much as a partial response takes.

    Parameters
    ----------
    rows : DataFrame
        From `best_changes`.
    """
    n = int((rows["change"] <= PARTIAL).sum())
    shrunk = f"At best the sum was smaller by {percent(-PARTIAL)} or more"
    return f"{shrunk} in {n:,} of {len(rows):,} patients drawn."


def median_sentence(rows: pd.DataFrame, visits: Mapping[str, str]) -> str:
    """Return on which side the median change with pCR lies at the last visit; empty of one outcome.

    Parameters
    ----------
    rows : DataFrame
        From `courses`.
    visits : mapping
        Labels of the visits by name, in order.
    """
    last = list(visits)[-1]
    medians = rows[rows["visit"] == last].groupby("outcome")["value"].median()
    if not {"pCR", "no pCR"} <= set(medians.index):
        return ""
    side = beside(float(medians["pCR"]), float(medians["no pCR"]))
    return f"At {visits[last]}, the median change with pCR is {side}."


def _arm_names(rows: pd.DataFrame) -> list[Chart]:
    """Return the arms with their patients, a line each, the last one ending where its patients do."""
    arms = rows.groupby("arm", sort=False)["place"].agg(["min", "max", "size"]).reset_index()
    last = len(arms) - 1
    charts = []
    for i, arm in enumerate(arms.to_dict("records")):
        at_edge = 0 < i == last
        text = f"{arm['arm']}, n = {arm['size']:,}"
        one = pd.DataFrame({"at": [arm["max"] if at_edge else arm["min"]], "text": [text]})
        charts.append(
            alt.Chart(data_of(one))
            .mark_text(
                align="right" if at_edge else "left", baseline="top", fontSize=12, fontWeight=600, color=INK
            )
            .encode(x="at:Q", y=alt.value(2 + LINE * i), text="text:N")
        )
    return charts


def _level(at: float) -> Chart:
    one = alt.InlineData(values=[{"reference": at}])
    return alt.Chart(one).mark_rule(color=GREY, strokeDash=[4, 3]).encode(y="reference:Q")


def courses(by_visit: pd.DataFrame, who: pd.DataFrame) -> pd.DataFrame:
    """Return patient, outcome, visit and value, a row per patient and visit that has a value."""
    parts = []
    for visit in map(str, by_visit):
        value = by_visit[visit].astype(float).rename("value").dropna()
        parts.append(who[["outcome"]].join(value, how="inner").assign(visit=visit))
    return pd.concat(parts).rename_axis("patient").reset_index()


def spider_chart(rows: pd.DataFrame, visits: Mapping[str, str], max_lines: int) -> Spec:
    """Draw the change of each patient over the visits, and the medians by outcome of all patients.

    Parameters
    ----------
    rows : DataFrame
        From `courses`, the first visit included, at which the change is 0.
    visits : mapping
        Labels of the visits by name, in order.
    max_lines : int
        More patients are sampled evenly.
    """
    rows = rows.assign(visit=rows["visit"].map(visits))
    drawn = evenly(rows.drop_duplicates("patient").sort_values("patient"), max_lines)
    order = list(visits.values())
    told = rows[rows["outcome"] != UNKNOWN]
    medians = told.groupby(["outcome", "visit"])["value"].median().reset_index()
    x = alt.X("visit:N", sort=order, title="Visit", axis=alt.Axis(labelAngle=0))
    y = alt.Y("value:Q", title=CHANGE, axis=alt.Axis(format="%", tickCount=6))
    outcomes = [name for name in OUTCOME_COLOURS if (rows["outcome"] == name).any()]
    colour = colours_of("outcome", outcomes, [OUTCOME_COLOURS[name] for name in outcomes], 3)
    lines = (
        alt.Chart(data_of(rows[rows["patient"].isin(drawn["patient"])]))
        .mark_line(strokeWidth=0.8, opacity=0.35)
        .encode(x=x, y=y, detail="patient:N", color=colour)
    )
    middle = (
        alt.Chart(data_of(medians))
        .mark_line(strokeWidth=4, point={"size": 60, "filled": True})
        .encode(x=x, y=y, color=colour)
    )
    about = about_people(drawn, "change of the sum of diameters")
    return spec_of(
        alt.layer(_level(PARTIAL), lines, middle),
        f"Spider: change of {len(drawn):,} patients over the visits.",
        320, about, canvas=True,
    )  # fmt: skip
