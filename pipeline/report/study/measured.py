"""What was measured, when and of whom, and the courses of ctDNA and imaging over the visits."""

from collections.abc import Sequence
from typing import Any

import pandas as pd
from markupsafe import Markup

from models.description.documents import Coverage, Description, MissingShare, StateCount, States
from pipeline.report.drawing import Spec
from pipeline.report.facts import Facts
from pipeline.report.page import domain_name, percent
from pipeline.report.study.common import ALL, Part, about, crossed
from pipeline.report.study_charts import courses_chart, shares_chart
from pipeline.report.tables import Privacy, Table

# A result that is not there at the decision is not done, as far as the landmark knows.
NOT_DONE = "not_done"
NOT_IN_TIME = "not done, or reported too late"


def missing_part(described: Description, facts: Facts, privacy: Privacy, *, late: bool) -> Part:
    """Return what was measured: rows of tables by visit, states of domains by visit and by centre.

    `late` tells whether results were reported after a decision: no landmark then tells them from not done.
    """
    charts: dict[str, Spec] = {}
    tables = {
        "coverage": _coverage_table(described["coverage"], facts, privacy),
        "missing": _missing_table(described["missing"]),
    }
    states = described["states"]
    if states:
        levels = list(dict.fromkeys(level for state in states for level in state["levels"]))
        charts = _state_charts(states, levels, privacy)
        tables["states"] = states_table(states, levels, privacy, late=late)
    return charts, tables


def _coverage_table(coverage: Sequence[Coverage], facts: Facts, privacy: Privacy) -> Table:
    rows = [
        {
            "table": row["table"].replace("_", " "),
            "visit": row["visit"] or "no visits",
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


def _state_charts(states: Sequence[States], levels: Sequence[str], privacy: Privacy) -> dict[str, Spec]:
    """Return the shares of the states by arm, all in one chart, and by centre, one for each state."""
    total = max(row["of"] for state in states for row in state["by_arm"])
    said = about(total, None, "share of the patients at risk")
    by_arm = [
        {"label": f"{domain_name(state['domain'])} at {state['visit']}, {row['group']}", **_share(row)}
        for state in states
        for row in state["by_arm"]
        if not privacy.hides(row["n"])
    ]
    title = "State of each domain and visit by arm, as known at the decision"
    charts = {"states": shares_chart(pd.DataFrame(by_arm), levels, title, said)}
    for state in states:
        centres = [
            {"label": row["group"], **_share(row)}
            for row in state["by_centre"]
            if row["group"] != ALL and not privacy.hides(row["of"]) and not privacy.hides(row["n"])
        ]
        if len({row["label"] for row in centres}) > 1:
            title = f"State of {domain_name(state['domain'])} at {state['visit']} by centre"
            charts[f"centres-{state['domain']}-{state['visit']}"] = shares_chart(
                pd.DataFrame(centres), state["levels"], title, said
            )
    return charts


def _missing_table(missing: Sequence[MissingShare]) -> Table:
    rows = [
        {
            "name": Markup('<span title="{}" tabindex="0" class="described">{}</span>').format(
                row["description"], row["name"]
            ),
            "domain": domain_name(row["domain"]),
            "known": row["known_at"],
            "landmark": row["landmark"],
            "share": percent(row["share"]),
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


def _share(row: StateCount) -> dict[str, Any]:
    """Return level and share of a count, in whole percent: a hidden count does not follow from the others."""
    return {"level": row["level"], "share": round(row["n"] / max(row["of"], 1), 2)}


def states_table(
    states: Sequence[States], levels: Sequence[str], privacy: Privacy, *, late: bool = False
) -> Table:
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
            {"name": f"{domain_name(state['domain'])}, {state['visit']}, {group}"}
            | {level: cells.get(level, "") for level in levels}
            for group, cells in groups.items()
        ]
    columns = {"name": "Domain, visit, patients"} | {
        level: NOT_IN_TIME if late and level == NOT_DONE else level.replace("_", " ") for level in levels
    }
    return Table.of("states-table", "States of measurement among the patients at risk", columns, rows)


def courses_part(described: Description, visits: Sequence[str]) -> Part:
    """Return the courses of ctDNA and imaging over the visits, by arm and outcome."""
    charts = {}
    for number, family in enumerate(described["over_time"], start=1):
        known = [p for p in family["points"] if "median" in p]
        points = pd.DataFrame(
            [
                {
                    "visit": p["visit"],
                    "group": f"{p['arm']}, {p['outcome']}",
                    **{k: p[k] for k in ("n", "median", "q25", "q75")},
                }
                for p in known
            ]
        )
        seen = [visit for visit in visits if visit in set(points["visit"])]
        unit = f" ({family['unit']})" if family["unit"] not in {"", "1"} else ""
        n = sum(p["of"] for p in family["points"] if p["visit"] == seen[0])
        charts[f"course-{number}"] = courses_chart(
            points,
            seen,
            f"{family['name']} over the visits: medians and quartiles by arm and outcome",
            family["unit"] if unit else family["name"],
            about(n, None, f"{family['name']}{unit}"),
        )
    return charts, {}
