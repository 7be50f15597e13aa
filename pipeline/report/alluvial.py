"""The flows of patients through stages, as ribbons between stacked levels."""

from collections.abc import Mapping, Sequence
from itertools import accumulate

import altair as alt
import pandas as pd

from models.description.documents import Flow, Flows
from pipeline.report.drawing import GREY, INK, About, Spec, data_of, spec_of
from pipeline.report.labels import Labels
from pipeline.report.study_charts import NO_MODEL, STATES
from pipeline.report.tables import Privacy

STEPS = 12
NODE = 0.03
GAP = 0.03
"""Between two levels, as a share of all patients."""


def flows_chart(content: Flows, labels: Labels, privacy: Privacy) -> Spec | None:
    """Draw ribbons as thick as their patients; None where a level, or all ribbons, have too few.

    Ribbons of few patients, and those that would tell them, are left out.
    """
    stages, total = content["stages"], content["patients"]
    levels = _levels(content)
    if any(privacy.hides(n) for sizes in levels.values() for n in sizes.values()):
        return None
    places = {stage: _stacked(sizes, total) for stage, sizes in levels.items()}
    nodes = [
        {
            "stage": labels.name(stage), "level": labels.name(level), "patients": levels[stage][level],
            "x": x, "right": x + NODE, "y": y, "top": y + levels[stage][level], "label_x": x + 1.6 * NODE,
            "text": f"{labels.name(level)} {levels[stage][level]:,}", "middle": y + levels[stage][level] / 2,
        }
        for x, stage in enumerate(stages)
        for level, y in places[stage].items()
    ]  # fmt: skip
    ribbons = [
        point
        for x, stage in enumerate(stages[:-1])
        for point in _ribbons(stage, stages[x + 1], x, content["flows"], places, labels, privacy)
    ]
    if not ribbons:
        return None
    keys = {labels.name(level): level for sizes in levels.values() for level in sizes}
    colour = alt.Scale(domain=list(keys), range=[STATES.get(key, GREY) for key in keys.values()])
    x_scale = alt.Scale(domain=[-0.05, len(stages) - 0.45], nice=False)
    axis = alt.Axis(
        title=None, values=list(range(len(stages))), grid=False, ticks=False, domain=False, labelAlign="left",
        labelExpr=f"{[labels.name(stage) for stage in stages]}[datum.value]",
    )  # fmt: skip
    y = alt.Y("y:Q", axis=None)
    base = alt.Chart(data_of(pd.DataFrame(nodes)))
    areas = (
        alt.Chart(data_of(pd.DataFrame(ribbons)))
        .mark_area(opacity=0.45)
        .encode(
            x=alt.X("x:Q", scale=x_scale, axis=axis),
            y=y,
            y2="top:Q",
            detail="flow:N",
            color=alt.Color("level:N", scale=colour, legend=None),
            tooltip=[alt.Tooltip("flow:N", title="From, to"), alt.Tooltip("patients:Q", title="Patients")],
        )
    )
    boxes = base.mark_rect().encode(
        x=alt.X("x:Q", scale=x_scale, axis=axis), x2="right:Q", y=y, y2="top:Q",
        color=alt.Color("level:N", scale=colour, legend=None),
    )  # fmt: skip
    text = base.mark_text(align="left", fontSize=12, color=INK).encode(
        x="label_x:Q", y="middle:Q", text="text:N"
    )
    about: About = {"n": total, "events": content["events"], "scale": "patients", "sampling": NO_MODEL}
    description = f"Patients from {' over '.join(map(labels.name, stages))}, {total:,} in all."
    return spec_of(alt.layer(areas, boxes, text), description, 380, about)


def flows_sentence(content: Flows, labels: Labels, privacy: Privacy) -> str:
    """Return where patients who were positive at first went next; empty where a count is too small."""
    first, after = content["stages"][:2]
    onward = {
        flow["target"]: flow["patients"]
        for flow in content["flows"]
        if (flow["stage"], flow["source"]) == (first, "positive")
    }
    if not onward or any(map(privacy.hides, onward.values())):
        return ""
    told = [f"{labels.name(target)} {n:,}" for target, n in sorted(onward.items())]
    return f"Of patients positive at {labels.name(first)}, at {labels.name(after)}: {', '.join(told)}."


def _levels(content: Flows) -> dict[str, dict[str, int]]:
    """Return the patients of every level by stage, the largest first."""
    stages = content["stages"]
    sizes: dict[str, dict[str, int]] = {stage: {} for stage in stages}
    for flow in content["flows"]:
        after = stages[stages.index(flow["stage"]) + 1]
        sizes[flow["stage"]].setdefault(flow["source"], 0)
        sizes[flow["stage"]][flow["source"]] += flow["patients"]
        if after == stages[-1]:
            sizes[after].setdefault(flow["target"], 0)
            sizes[after][flow["target"]] += flow["patients"]
    return {stage: dict(sorted(each.items())) for stage, each in sizes.items()}


def _stacked(sizes: Mapping[str, int], total: int) -> dict[str, float]:
    """Return where each level begins."""
    starts = [0.0, *accumulate(n + GAP * total for n in sizes.values())]
    return dict(zip(sizes, starts, strict=False))


def _ribbons(
    stage: str, after: str, x: int, flows: Sequence[Flow], places: Mapping[str, Mapping[str, float]],
    labels: Labels, privacy: Privacy,
) -> list[dict[str, object]]:  # fmt: skip
    """Return the points of the ribbons between two stages that are shown."""
    here = [flow for flow in flows if flow["stage"] == stage]
    counts = {(flow["source"], flow["target"]): flow["patients"] for flow in here}
    ends = [
        {cell: 1 for cell in counts if cell[side] == level}
        for side in (0, 1)
        for level in {c[side] for c in counts}
    ]
    hidden = privacy.hidden(counts, ends)
    out, into = dict(places[stage]), dict(places[after])
    points: list[dict[str, object]] = []
    for (source, target), n in sorted(counts.items()):
        left, right = out[source], into[target]
        out[source] += n
        into[target] += n
        if (source, target) in hidden:
            continue
        name = f"{labels.name(stage)} {labels.name(source)} to {labels.name(after)} {labels.name(target)}"
        for step in range(STEPS + 1):
            t = step / STEPS
            y = left + (right - left) * t * t * (3 - 2 * t)
            points.append(
                {"flow": name, "level": labels.name(source), "patients": n, "x": x + NODE + t * (1 - NODE),
                 "y": y, "top": y + n}
            )  # fmt: skip
    return points
