"""Adverse events by arm and by branch, and pCR by severe event."""

from collections.abc import Sequence
from typing import Any

import pandas as pd
from markupsafe import Markup

from models.description.documents import (
    Description,
    EventInArm,
    EventInBranch,
    OpenDrug,
    ResponseByEvent,
    Toxicity,
)
from pipeline.project.estimates import Estimate, parse_estimate
from pipeline.report.drawing import Spec
from pipeline.report.facts import Facts
from pipeline.report.labels import Labels
from pipeline.report.page import count, decimal, with_interval
from pipeline.report.study.common import Part
from pipeline.report.study_charts import forest_chart
from pipeline.report.tables import Privacy, Table


def toxicity_part(described: Description, facts: Facts, privacy: Privacy, labels: Labels) -> Part:
    """Return adverse events by arm and by branch, and pCR by severe event; empty without records."""
    found = described["toxicity"]
    if found is None:
        return {}, {}
    tables = {
        "arms": _arms_table(found, privacy, labels),
        "response": _response_table(found, privacy, labels),
    }
    if found["by_branch"]:
        tables["branches"] = _branches_table(found["by_branch"], privacy, labels)
    if found["drugs"]:
        tables["drugs"] = _drugs_table(found["drugs"], privacy, labels)
    return _differences_chart(found, facts, privacy, labels), tables


def compared_events(by_arm: Sequence[EventInArm], privacy: Privacy) -> dict[str, EventInArm]:
    """Return, per event, the row that holds the difference from the reference arm.

    Not where the count of an arm is hidden: the difference and the other arm's count would tell it.
    """
    hidden = {
        row["event"]
        for row in by_arm
        if any(map(privacy.hides, (row["n"], row["events"], row["n"] - row["events"])))
    }
    return {row["event"]: row for row in reversed(by_arm) if row["difference"] and row["event"] not in hidden}


def _arms_table(found: Toxicity, privacy: Privacy, labels: Labels) -> Table:
    arms = list(dict.fromkeys(row["arm"] for row in found["by_arm"]))
    rows: dict[str, dict[str, Any]] = {}
    for row in found["by_arm"]:
        rows.setdefault(row["event"], {"event": row["event"]})[row["arm"]] = privacy.proportion(
            row["events"], row["n"], parse_estimate(row)
        )
    compared = compared_events(found["by_arm"], privacy)
    for event, shown in rows.items():
        difference = compared[event]["difference"] if event in compared else None
        shown["difference"] = "" if difference is None else points(parse_estimate(difference))
    return Table.of(
        "toxicity-arms",
        f"Adverse events by arm, {count(found['treated'])} treated patients",
        {
            "event": "Patients with",
            **{arm: labels.name(arm) for arm in arms},
            "difference": "Difference, points",
        },
        list(rows.values()),
    )


def points(difference: Estimate) -> Markup:
    """Return a risk difference with its interval, in percentage points."""
    limits = difference.interval
    return with_interval(difference.point, limits, lambda share: decimal(share, 1, signed=True, scale=100))


def _differences_chart(found: Toxicity, facts: Facts, privacy: Privacy, labels: Labels) -> dict[str, Spec]:
    compared = list(compared_events(found["by_arm"], privacy).values())[::-1]
    if not compared:
        return {}
    patients = dict.fromkeys(dict.fromkeys(row["event"] for row in found["by_arm"]), 0)
    for row in found["by_arm"]:
        patients[row["event"]] += row["n"]
    drawn = [
        {
            "label": row["event"],
            "n": patients[row["event"]],
            **{key: 100 * row["difference"][key] for key in ("value", "low", "high")},
            "detail": _minus(row["arm"], found, labels),
            "mark": "no",
        }
        for row in compared
    ]
    arms = {row["arm"]: None for row in found["by_arm"]}
    other = next(arm for arm in arms if arm != found["reference"])
    scale = f"risk difference, {_minus(other, found, labels)}"
    sampling = "as randomised, no model" if facts.randomised else "by arm, not randomised, no model"
    chart = forest_chart(pd.DataFrame(drawn), "Difference (percentage points)", scale, sampling, digits=1)
    return {"toxicity-differences": chart}


def _minus(arm: str, found: Toxicity, labels: Labels) -> str:
    return f"{labels.name(arm)} minus {labels.name(found['reference'])}"


def _branches_table(by_branch: Sequence[EventInBranch], privacy: Privacy, labels: Labels) -> Table:
    rows: dict[str, dict[str, Any]] = {}
    for row in by_branch:
        cell = privacy.cell(row["events"], row["n"])
        rows.setdefault(row["event"], {"event": row["event"]})[row["branch"]] = cell
    branches = {row["branch"]: row["n"] for row in by_branch}
    return Table.of(
        "toxicity-branches",
        "Adverse events by protocol branch, descriptive",
        {"event": "Patients with"}
        | {
            branch: labels.name(branch) + ("" if privacy.hides(n) else f" (n\u00a0=\u00a0{n:,})")
            for branch, n in branches.items()
        },
        list(rows.values()),
    )


def _drugs_table(drugs: Sequence[OpenDrug], privacy: Privacy, labels: Labels) -> Table:
    rows = [
        {"regimen": labels.name(row["regimen"]), "drug": row["drug"], "cycles": row["cycles"],
         "patients": privacy.cell(row["patients"])}
        for row in drugs
    ]  # fmt: skip
    return Table.of(
        "toxicity-drugs",
        "Which drug was given where the regimen leaves it open, and how many cycles",
        {"regimen": "Regimen", "drug": "Drug", "cycles": "Cycles", "patients": "Patients"},
        rows,
        text=("drug",),
    )


def _response_table(found: Toxicity, privacy: Privacy, labels: Labels) -> Table:
    columns = {
        "arm": "Arm",
        "n": "n",
        "pcr_without": "pCR, without",
        "pcr_with": "pCR, with",
        "no_pcr_without": "No pCR, without",
        "no_pcr_with": "No pCR, with",
    }
    return Table.of(
        "toxicity-response",
        f"pCR and {found['by_arm'][0]['event'].lower()}: patients with a known outcome",
        columns,
        [_response_row(row, privacy, labels) for row in found["response"]],
    )


def _response_row(row: ResponseByEvent, privacy: Privacy, labels: Labels) -> dict[str, Any]:
    """Return the four cells of an arm, which add up to its n."""
    counts = {
        "pcr_without": row["pcr_without"],
        "pcr_with": row["pcr_with"],
        "no_pcr_without": row["no_pcr_without"],
        "no_pcr_with": row["no_pcr_with"],
    }
    hidden = privacy.hidden(counts, [dict.fromkeys(counts, 1)])
    cells = {name: privacy.cell(n, row["n"], hidden=name in hidden) for name, n in counts.items()}
    return {"arm": labels.name(row["arm"]), "n": count(row["n"])} | cells
