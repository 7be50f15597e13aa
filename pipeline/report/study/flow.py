"""The cohort from its entry to the outcome: the flow diagram, and the rows of its table."""

from collections.abc import Mapping, Sequence
from typing import TypedDict

import altair as alt
import pandas as pd

from features.documents.flow import Flow
from features.documents.study_entries import StudyDocument
from pipeline.report.drawing import INK, PALETTE, Spec, about_drawn, data_of, spec_of
from pipeline.report.facts import Facts
from pipeline.report.labels import Labels
from pipeline.report.page import capitalised, part
from pipeline.report.study_charts import NO_MODEL

STEP = 62
ALL = "All"
MAX_COLUMNS = 3


class FlowRow(TypedDict):
    """A step of the cohort: patients of all arms and by arm, and why others are not in it."""

    label: str
    all: int
    by_arm: Mapping[str, int]
    detail: Mapping[str, int]


def flow_rows(study: StudyDocument, flow: Flow, facts: Facts, labels: Labels) -> list[FlowRow]:
    """Return the cohort from its entry to the last landmark: label, all, by_arm, detail."""

    def row(label: str, n: int, by_arm: Mapping[str, int], detail: Mapping[str, int]) -> FlowRow:
        return {"label": label, "all": n, "by_arm": by_arm, "detail": detail}

    landmarks = [
        row(f"At risk, {labels.name(name)}", at["at_risk"], at["by_arm"], at["not_at_risk"])
        for name, at in ((name, flow["landmarks"][name]) for name in study["landmarks"])
    ]
    eligible = row(f"Eligible for {facts.trial}", flow["eligible"], flow["eligible_by_arm"], {})
    return [
        row(capitalised(facts.patients), flow["randomised"], flow["by_arm"], {}),
        *([eligible] if facts.trial else []),
        *landmarks,
        row("pCR", flow["pcr"], flow["pcr_by_arm"], {}),
    ]


def flow_sentence(rows: Sequence[FlowRow]) -> str:
    """Return how many patients are at risk at the last landmark, and how many had pCR."""
    first, last, pcr = rows[0], rows[-2], rows[-1]
    return f"{last['label']}: {last['all']:,} of {first['all']:,} patients; {pcr['all']:,} had pCR."


def flow_chart(rows: Sequence[FlowRow], arms: Sequence[str], facts: Facts, labels: Labels) -> Spec:
    """Draw a column of boxes for each arm, one below the other; one of all patients for none or many arms.

    Who is not eligible stays in the cohort: that row is in the table and not in the chain of boxes.
    """
    chain = [row for row in rows if row["label"] != f"Eligible for {facts.trial}"]
    keys: list[str | None] = [*arms] if 0 < len(arms) <= MAX_COLUMNS else [None]
    columns = [ALL if arm is None else labels.name(arm) for arm in keys]
    boxes = pd.DataFrame(
        [
            {
                "step": row["label"], "arm": column, "n": n,
                "text": f"{n:,} ({part(n / max(whole, 1))})" if place else f"{n:,}",
                "place": place, "foot": place + 0.62,
            }
            for column, key in zip(columns, keys, strict=True)
            for whole in [_count(chain[0], key)]
            for place, row in enumerate(chain)
            for n in [_count(row, key)]
        ]
    )  # fmt: skip
    height = STEP * len(chain)
    y = alt.Y("place:Q", axis=None, scale=alt.Scale(domain=[0, len(chain)], reverse=True, nice=False))
    x = alt.X(
        "arm:N",
        title=None,
        sort=columns,
        axis=alt.Axis(orient="top", labelAngle=0, domain=False, ticks=False),
    )
    base = alt.Chart(data_of(boxes)).encode(x=x)
    steps = base.mark_text(fontSize=12, fontWeight=600, color=INK, dy=13).encode(y=y, text="step:N")
    counts = base.mark_text(fontSize=12, color=INK, dy=28).encode(y=y, text="text:N")
    frames = base.mark_bar(width={"band": 0.94}, color="#e8f1f8", stroke=PALETTE[0]).encode(y=y, y2="foot:Q")
    links = (
        base.transform_filter(f"datum.place < {len(chain) - 1}")
        .transform_calculate(next_place="datum.place + 1")
        .mark_rule(color=INK)
        .encode(y=alt.Y("foot:Q", axis=None), y2="next_place:Q")
    )
    told = "; ".join(f"{row['label']} {row['all']:,}" for row in chain)
    description = f"Flow of patients: {told}."
    about = about_drawn(boxes, "patients", NO_MODEL)
    return spec_of(alt.layer(links, frames, steps, counts), description, height, about)


def _count(row: FlowRow, arm: str | None) -> int:
    return int(row["all"] if arm is None else row["by_arm"].get(arm, 0))
