"""What was measured, when and of whom, and the courses of ctDNA and imaging over the visits."""

from collections.abc import Sequence
from typing import Any, TypedDict

import pandas as pd

from models.description.documents import Coverage, Description, MissingShare, StateCount, States
from pipeline.report.alluvial import flows_chart
from pipeline.report.drawing import Spec
from pipeline.report.facts import Facts, beside, listed
from pipeline.report.labels import Labels
from pipeline.report.page import capitalised, domain_name, explained, missing_share, percent
from pipeline.report.study.common import ALL, Part, crossed
from pipeline.report.study_charts import courses_chart, shares_chart
from pipeline.report.tables import Privacy, Table

HIDDEN = "too few to show"
PCR, NO_PCR = "pCR", "no pCR"
"""The outcomes of a course, as stage describe calls them."""


class ShareRow(TypedDict):
    """A part of a stacked bar: the bar's label, the level's, its share of the bar's n patients."""

    label: str
    level: str
    share: float
    n: int


def missing_part(described: Description, facts: Facts, privacy: Privacy, labels: Labels) -> Part:
    """Return what was measured: rows of tables by visit, states of domains by visit and by centre."""
    charts: dict[str, Spec] = {}
    tables = {
        "coverage": _coverage_table(described["coverage"], facts, privacy, labels),
        "missing": _missing_table(described["missing"], labels),
    }
    states = described["states"]
    if states:
        levels = list(dict.fromkeys(level for state in states for level in state["levels"]))
        charts = _state_charts(states, levels, privacy, labels)
        tables["states"] = states_table(states, levels, privacy, labels)
    return charts, tables


def _coverage_table(coverage: Sequence[Coverage], facts: Facts, privacy: Privacy, labels: Labels) -> Table:
    rows = [
        {
            "table": labels.name(row["table"]),
            "visit": labels.name(row["visit"]) if row["visit"] else "no visits",
            "patients": privacy.cell(row["patients"], row["of"]),
        }
        for row in coverage
    ]
    return Table.of(
        "coverage",
        f"{facts.patients.capitalize()} with at least one row in each raw table",
        {"table": "Table", "visit": "Visit", "patients": "Patients"},
        rows,
        text=("visit",),
    )


def _state_charts(
    states: Sequence[States], levels: Sequence[str], privacy: Privacy, labels: Labels
) -> dict[str, Spec]:
    """Return the shares of the states by arm, all in one chart, and by centre, one for each state."""
    scale = "share of the patients at risk"
    by_arm = [
        row
        for state in states
        for row in shares(state["by_arm"], privacy, labels, f"{_state_name(state, labels)}, ")
    ]
    title = "State of each domain and visit by arm, as known at the decision"
    charts = {
        "states": shares_chart(pd.DataFrame(by_arm), _shown_levels(levels, by_arm, labels), title, scale)
    }
    for state in states:
        centres = [
            row
            for row in shares(state["by_centre"], privacy, labels)
            if row["label"] != ALL and not privacy.hides(row["n"])
        ]
        # Where all counts are too small to be shown, there is nothing to see.
        if len({row["label"] for row in centres if row["level"] != HIDDEN}) > 1:
            title = f"State of {_state_name(state, labels)} by centre"
            charts[f"centres-{state['domain']}-{state['visit']}"] = shares_chart(
                pd.DataFrame(centres), _shown_levels(state["levels"], centres, labels), title, scale
            )
    return charts


def state_sentences(described: Description, privacy: Privacy, labels: Labels) -> dict[str, str]:
    """Return the titles of the figures of states: who has a result, of all patients and by centre.

    A share is told where its count is shown. Results are positive where there is such a state, else done.
    """
    told, titles = [], {}
    for state in described["states"]:
        level = labels.name("positive" if "positive" in state["levels"] else "done")
        whole = [row for row in shares(state["by_arm"], privacy, labels) if row["level"] == level]
        told += [
            f"{_state_name(state, labels)} {level} in {percent(row['share'])}"
            for row in whole
            if row["label"] == ALL
        ]
        parts = [row for row in shares(state["by_centre"], privacy, labels) if row["label"] != ALL]
        centres = {
            row["label"]: row["share"]
            for row in parts
            if row["level"] == level and not privacy.hides(row["n"])
        }
        # A centre without a share shown may have any.
        shown = "" if set(centres) == {row["label"] for row in parts} else ", where that is shown"
        if len(centres) > 1:
            low, high = min(centres, key=centres.__getitem__), max(centres, key=centres.__getitem__)
            titles[f"centres-{state['domain']}-{state['visit']}"] = (
                f"{capitalised(level)} in {percent(centres[low])} ({low}) to {percent(centres[high])} "
                f"({high}) of a centre's patients{shown}."
            )
    if told:
        titles["states"] = f"Of all at risk: {'; '.join(told)}."
    return titles


def course_sentences(described: Description, visits: Sequence[str], labels: Labels) -> dict[str, str]:
    """Return the titles of the courses: on which side the median with pCR lies, at the last visit."""
    titles = {}
    for number, family in enumerate(described["over_time"], start=1):
        points = [point for point in family["points"] if "median" in point]
        medians = {(p["visit"], p["arm"], p["outcome"]): p["median"] for p in points}
        both = {
            (visit, arm): beside(median, medians[visit, arm, NO_PCR])
            for (visit, arm, outcome), median in medians.items()
            if outcome == PCR and (visit, arm, NO_PCR) in medians
        }
        last = next((visit for visit in reversed(visits) if any(each == visit for each, _ in both)), None)
        if last is None:
            continue
        arms: dict[str, list[str]] = {}
        apart = len({point["arm"] for point in family["points"]}) > 1
        for (visit, arm), side in both.items():
            if visit == last:
                arms.setdefault(side, []).append(labels.name(arm))
        told = [f"{side}{f' in {listed(names)}' if apart else ''}" for side, names in arms.items()]
        titles[f"course-{number}"] = (
            f"{family['name']}: at {labels.name(last)}, the median with pCR is {'; '.join(told)}."
        )
    return titles


def _state_name(state: States, labels: Labels) -> str:
    return f"{domain_name(state['domain'])} {labels.name(state['visit'])}"


def _shown_levels(levels: Sequence[str], rows: Sequence[ShareRow], labels: Labels) -> dict[str, str]:
    """Return the keys of the levels that are drawn by their labels."""
    drawn = {row["level"] for row in rows}
    named = {labels.name(level): level for level in (*levels, "missing")} | {HIDDEN: "hidden"}
    return {label: key for label, key in named.items() if label in drawn}


def shares(
    counts: Sequence[StateCount], privacy: Privacy, labels: Labels, before: str = ""
) -> list[ShareRow]:
    """Return the parts of every group's bar, which add up to 1: counts that are hidden are one part of it.

    Hidden are small counts, and others that would tell them (`Privacy.hidden`).
    """
    cells = {(row["group"], row["level"]): int(row["n"]) for row in counts}
    hidden = privacy.hidden(cells, crossed(cells, 1, 0))
    rows: list[ShareRow] = []
    for group, n in {row["group"]: int(row["of"]) for row in counts if row["of"]}.items():
        label = f"{before}{labels.name(group)}"
        shown = {cell[1]: count for cell, count in cells.items() if cell[0] == group and cell not in hidden}
        rows += [
            {"label": label, "level": labels.name(level), "share": part / n, "n": n}
            for level, part in shown.items()
            if part
        ]
        if rest := n - sum(shown.values()):
            rows.append({"label": label, "level": HIDDEN, "share": rest / n, "n": n})
    return rows


def _missing_table(missing: Sequence[MissingShare], labels: Labels) -> Table:
    rows = [
        {
            "name": explained(labels.feature(row["name"]), f"{row['description']} ({row['name']})"),
            "domain": domain_name(row["domain"]),
            "known": labels.name(row["known_at"]),
            "landmark": labels.name(row["landmark"]),
            "share": missing_share(row["share"]),
        }
        for row in _latest(missing)
    ]
    columns = {
        "name": "Feature",
        "domain": "Domain",
        "known": "Known at",
        "landmark": "Landmark",
        "share": "Missing",
    }
    return Table.of(
        "missing-features",
        "Features with missing values, at the last landmark that has them",
        columns,
        rows,
        text=("domain", "known", "landmark"),
    )


def _latest(rows: Sequence[MissingShare]) -> list[MissingShare]:
    return list({row["name"]: row for row in rows}.values())


def states_table(states: Sequence[States], levels: Sequence[str], privacy: Privacy, labels: Labels) -> Table:
    """Return the counts of every state by domain, visit and arm: the states are kept apart."""
    rows = []
    for state in states:
        counts = {(row["group"], row["level"]): int(row["n"]) for row in state["by_arm"]}
        hidden = privacy.hidden(counts, crossed(counts, 1, 0))
        groups: dict[str, dict[str, Any]] = {}
        for row in state["by_arm"]:
            groups.setdefault(row["group"], {})[row["level"]] = privacy.cell(
                row["n"], row["of"], hidden=(row["group"], row["level"]) in hidden
            )
        rows += [
            {"name": f"{_state_name(state, labels)}, {labels.name(group)}"}
            | {level: cells.get(level, "") for level in levels}
            for group, cells in groups.items()
        ]
    columns = {"name": "Domain, visit, patients"} | {level: labels.name(level) for level in levels}
    return Table.of("states-table", "States of measurement among the patients at risk", columns, rows)


def courses_part(described: Description, visits: Sequence[str], labels: Labels, privacy: Privacy) -> Part:
    """Return the courses of ctDNA and imaging over the visits, by arm and outcome."""
    charts = {}
    for number, family in enumerate(described["over_time"], start=1):
        points = pd.DataFrame(
            [
                {
                    "visit": labels.name(p["visit"]),
                    "group": f"{labels.name(p['arm'])}, {p['outcome']}",
                    **{k: p[k] for k in ("n", "median", "q25", "q75")},
                }
                for p in family["points"]
                if "median" in p
            ]
        )
        seen = [name for visit in visits if (name := labels.name(visit)) in set(points["visit"])]
        charts[f"course-{number}"] = courses_chart(
            points,
            seen,
            f"{family['name']} over the visits: medians and quartiles by arm and outcome",
            family["name"],
            family["unit"],
        )
    content = described["flows"]
    drawn = None if content is None else flows_chart(content, labels, privacy)
    return charts | ({} if drawn is None else {"ctdna-flows": drawn}), {}
