"""Sections of the study report on patients: table one, missingness, courses, rules, benefit and toxicity."""

from collections.abc import Mapping, Sequence
from typing import Any

import pandas as pd
from markupsafe import Markup

from pipeline.report.drawing import Spec
from pipeline.report.page import count, domain_name, percent, signed
from pipeline.report.study_charts import courses_chart, forest_chart, shares_chart
from pipeline.report.tables import Privacy, Table

ALL = "all"
Part = tuple[dict[str, Spec], dict[str, Table]]


def about(n: int, events: int | None, scale: str, sampling: str = "all patients, no model") -> dict[str, Any]:
    """Return what a figure says of itself."""
    return {"n": n, "events": events, "scale": scale, "sampling": sampling}


def table_one_part(described: Mapping[str, Any], arms: Sequence[str], privacy: Privacy) -> Part:
    """Return table one by arm: medians with quartiles, counts with shares of the known."""
    content = described["table_one"]
    groups = [ALL, *[arm for arm in arms if arm in content["by_arm"]]]
    rows: list[dict[str, Any]] = []
    hidden = _hidden_of_table_one(content["rows"], groups, privacy)
    last = ""
    for row in content["rows"]:
        if row["level"] is not None and row["feature"] != last:
            rows.append({"name": row["description"]} | dict.fromkeys(groups, "") | {"missing": _missing(row)})
        last = row["feature"]
        unit = f", {row['unit']}" if row["unit"] not in {"", "1"} else ""
        name = (
            f"{row['description']}{unit}"
            if row["level"] is None
            else Markup('<span class="level">{}</span>').format(row["level"])
        )
        cells = {
            group: _summary_cell(
                row["cells"][group], privacy, hidden=(row["feature"], row["level"], group) in hidden
            )
            for group in groups
        }
        rows.append({"name": name} | cells | {"missing": _missing(row) if row["level"] is None else ""})
    sizes = {ALL: content["patients"], **content["by_arm"]}
    columns = (
        {"name": "Feature"}
        | {g: f"{g} (n\u00a0=\u00a0{count(sizes[g])})" for g in groups}
        | {"missing": "Missing"}
    )
    caption = f"Patients at risk at {content['landmark']}: median (quartiles), or n and share of the known"
    return {}, {"one": Table.of("table-one", caption, columns, rows)}


def _missing(row: Mapping[str, Any]) -> str:
    # How many values are not known says nothing on a patient.
    return count(row["cells"][ALL]["missing"])


def _hidden_of_table_one(
    rows: Sequence[Mapping[str, Any]], groups: Sequence[str], privacy: Privacy
) -> set[Any]:
    """Return the hidden cells (feature, level, group): arms add up to all, levels to the known values."""
    hidden: set[Any] = set()
    for feature in dict.fromkeys(row["feature"] for row in rows if row["level"] is not None):
        counts = {
            (feature, row["level"], group): int(row["cells"][group]["count"])
            for row in rows
            if row["feature"] == feature
            for group in groups
        }
        hidden |= privacy.hidden(counts, _crossed(counts, 1, 2))
    return hidden


def _crossed(counts: Mapping[tuple[Any, ...], int], level: int, group: int) -> list[dict[Any, int]]:
    """Return the sums of a table: levels of a group add up to its patients, groups to all of them.

    `level` and `group` say where in a cell's name these stand.
    """
    levels, groups = (dict.fromkeys(cell[axis] for cell in counts) for axis in (level, group))
    down = [{cell: 1 for cell in counts if cell[group] == name} for name in groups]
    across = [
        {cell: -1 if cell[group] == ALL else 1 for cell in counts if cell[level] == name} for name in levels
    ]
    return [*down, *across] if ALL in groups else down


def _summary_cell(cell: Mapping[str, Any], privacy: Privacy, *, hidden: bool) -> Any:
    if "count" in cell:
        return privacy.cell(cell["count"], cell["n"], hidden=hidden)
    if "median" not in cell:
        return Markup('<span class="none">none known</span>')
    return Markup('{:.4g} <span class="interval">({:.4g} to {:.4g})</span>').format(
        cell["median"], cell["q25"], cell["q75"]
    )


def missing_part(described: Mapping[str, Any], privacy: Privacy) -> Part:
    """Return what was measured: rows of tables by visit, states of domains by visit and by centre."""
    charts: dict[str, Spec] = {}
    rows = [
        {
            "table": row["table"].replace("_", " "),
            "visit": row["visit"] or "no visits",
            "patients": privacy.cell(row["patients"], row["of"]),
        }
        for row in described["coverage"]
    ]
    tables = {
        "coverage": Table.of(
            "coverage",
            "Randomised patients with at least one row in each raw table",
            {"table": "Table", "visit": "Visit", "patients": "Patients"},
            rows,
            text=("visit",),
        )
    }
    states = described["states"]
    if states:
        levels = list(dict.fromkeys(level for state in states for level in state["levels"]))
        by_arm = [
            {
                "label": f"{domain_name(state['domain'])} at {state['visit']}, {row['group']}",
                **_share(row),
            }
            for state in states
            for row in state["by_arm"]
            if not privacy.hides(row["n"])
        ]
        total = max(row["of"] for state in states for row in state["by_arm"])
        charts["states"] = shares_chart(
            pd.DataFrame(by_arm),
            levels,
            "State of each domain and visit, by arm, as known at the decision",
            about(total, None, "share of the patients at risk"),
        )
        tables["states"] = states_table(states, levels, privacy)
        for state in states:
            centres = [
                {"label": row["group"], **_share(row)}
                for row in state["by_centre"]
                if row["group"] != ALL and not privacy.hides(row["of"]) and not privacy.hides(row["n"])
            ]
            if len({row["label"] for row in centres}) > 1:
                charts[f"centres-{state['domain']}-{state['visit']}"] = shares_chart(
                    pd.DataFrame(centres),
                    state["levels"],
                    f"State of {domain_name(state['domain'])} at {state['visit']} by centre",
                    about(total, None, "share of the patients at risk"),
                )
    features = [
        {
            "name": Markup('<span title="{}" tabindex="0" class="described">{}</span>').format(
                row["description"], row["name"]
            ),
            "domain": domain_name(row["domain"]),
            "known": row["known_at"],
            "landmark": row["landmark"],
            "share": percent(row["share"]),
        }
        for row in _latest(described["missing"])
    ]
    tables["missing"] = Table.of(
        "missing-features",
        "Features with missing values, at the last landmark that has them",
        {
            "name": "Feature",
            "domain": "Domain",
            "known": "Known at",
            "landmark": "Landmark",
            "share": "Missing",
        },
        features,
        text=("domain", "known", "landmark"),
    )
    return charts, tables


def _latest(rows: Sequence[Mapping[str, Any]]) -> list[Mapping[str, Any]]:
    return list({row["name"]: row for row in rows}.values())


def _share(row: Mapping[str, Any]) -> dict[str, Any]:
    """Return level and share of a count, in whole percent: a hidden count does not follow from the others."""
    return {"level": row["level"], "share": round(row["n"] / max(row["of"], 1), 2)}


def states_table(states: Sequence[Mapping[str, Any]], levels: Sequence[str], privacy: Privacy) -> Table:
    """Return the counts of every state by domain, visit and arm: the states are kept apart."""
    rows = []
    for state in states:
        counts = {(row["group"], row["level"]): int(row["n"]) for row in state["by_arm"]}
        hidden = privacy.hidden(counts, _crossed(counts, 1, 0))
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
    columns = {"name": "Domain, visit, patients"} | {level: level.replace("_", " ") for level in levels}
    return Table.of("states-table", "States of measurement among the patients at risk", columns, rows)


def courses_part(described: Mapping[str, Any], visits: Sequence[str]) -> Part:
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


def rules_part(described: Mapping[str, Any], review: Mapping[str, pd.DataFrame], privacy: Privacy) -> Part:
    """Return the branches of the adaptive arm: sizes, pCR, adherence, indeterminate answers, readings."""
    branches = described["branches"]
    if not branches:
        return {}, {}
    rows = [
        {
            "branch": f"{row['node']}: {row['branch']}",
            "patients": privacy.cell(row["patients"]),
            "pcr": privacy.proportion(row),
        }
        for row in branches
    ]
    drawn = [
        {
            "label": f"{row['node']}: {row['branch']} (n = {row['n']})",
            "value": row["value"],
            "low": row["low"],
            "high": row["high"],
            "detail": "pCR among patients with a known outcome",
            "mark": "no",
        }
        for row in branches
        if row["n"]
        and not privacy.hides(row["n"])
        and not privacy.hides(row["events"])
        and not privacy.hides(row["n"] - row["events"])
    ]
    known = [row for row in branches if row["node"] == branches[0]["node"]]
    charts = {
        "branches": forest_chart(
            pd.DataFrame(drawn),
            "pCR (share of patients with a known outcome)",
            about(sum(r["n"] for r in known), sum(r["events"] for r in known), "proportion, Wilson interval"),
            None,
        )
    }
    adherence = review["adherence"].fillna("")
    kept = [
        {
            "node": f"{row['node']}: {row['rule'] or row['kind']}".replace("_", " "),
            "kind": row["kind"].replace("_", " "),
            "regimen": row["regimen"],
            "given": row["regimen_after"],
            "reason": row["reason"],
            "patients": privacy.cell(int(row["patients"])),
        }
        for row in adherence.to_dict("records")
    ]
    readings = [
        {
            "setting": row["setting"],
            "force": row["in_force"],
            "other": row["alternative"],
            "changed": row["note"]
            if pd.isna(row["changed"])
            else privacy.cell(int(row["changed"]), int(row["patients"])),
        }
        for row in review["readings"].to_dict("records")
    ]
    status = [
        {
            "node": row["node"],
            "status": row["status"].replace("_", " "),
            "patients": privacy.cell(row["patients"]),
        }
        for row in described["status"]
    ] + [
        {
            "node": row["node"],
            "status": f"conflict with {row['conflicts']}",
            "patients": privacy.cell(row["patients"]),
        }
        for row in described["conflicts"]
    ]
    tables = {
        "branches": Table.of(
            "branch-table",
            "Protocol branches of the adaptive arm, and pCR in them",
            {"branch": "Node: branch", "patients": "Patients", "pcr": "pCR"},
            rows,
        ),
        "status": Table.of(
            "status-table",
            "What the rules could answer, and where two rules applied",
            {"node": "Node", "status": "Answer", "patients": "Patients"},
            status,
            text=("status",),
        ),
        "adherence": Table.of(
            "adherence-table",
            "Regimen of the rules and regimen given",
            {
                "node": "Node: rule",
                "kind": "Kind",
                "regimen": "By the rules",
                "given": "Given",
                "reason": "Reason",
                "patients": "Patients",
            },
            kept,
            text=("kind", "regimen", "given", "reason"),
        ),
        "readings": Table.of(
            "readings-table",
            "Patients whose answer changes under each other reading of the public record",
            {"setting": "Setting", "force": "In force", "other": "Alternative", "changed": "Changed"},
            readings,
            text=("force", "other"),
        ),
    }
    return charts, tables


def toxicity_part(described: Mapping[str, Any], privacy: Privacy) -> Part:
    """Return adverse events by arm and by branch, and pCR by severe event; empty without records."""
    found = described["toxicity"]
    if found is None:
        return {}, {}
    arms = list(dict.fromkeys(row["arm"] for row in found["by_arm"]))
    events = list(dict.fromkeys(row["event"] for row in found["by_arm"]))
    cells = {(row["event"], row["arm"]): row for row in found["by_arm"]}
    rows = []
    drawn = []
    for event in events:
        row: dict[str, Any] = {"event": event} | {arm: privacy.proportion(cells[event, arm]) for arm in arms}
        compared = next((cells[event, arm] for arm in arms if cells[event, arm]["difference"]), None)
        row["difference"] = ""
        if compared:
            d = compared["difference"]
            row["difference"] = Markup('{} <span class="interval">({} to {})</span>').format(
                *(signed(100 * d[k]) for k in ("value", "low", "high"))
            )
            drawn.append(
                {
                    "label": event,
                    **{k: 100 * d[k] for k in ("value", "low", "high")},
                    "detail": f"{compared['arm']} minus {found['reference']}",
                    "mark": "no",
                }
            )
        rows.append(row)
    columns = {"event": "Patients with"} | {arm: arm for arm in arms} | {"difference": "Difference, points"}
    tables = {
        "arms": Table.of(
            "toxicity-arms",
            f"Adverse events by arm, {count(found['treated'])} treated patients",
            columns,
            rows,
        )
    }
    charts = {}
    if drawn:
        compared_arm = next(arm for arm in arms if arm != found["reference"])
        severe = [cells[events[0], arm] for arm in arms]
        charts["toxicity-differences"] = forest_chart(
            pd.DataFrame(drawn),
            "Difference (percentage points)",
            {
                "n": sum(r["n"] for r in severe),
                "events": sum(r["events"] for r in severe),
                "scale": f"risk difference, {compared_arm} minus {found['reference']}; events: severe",
                "sampling": "as randomised, no model",
            },
        )
    if found["by_branch"]:
        branches = list(dict.fromkeys(row["branch"] for row in found["by_branch"]))
        by = {(row["event"], row["branch"]): row for row in found["by_branch"]}
        tables["branches"] = Table.of(
            "toxicity-branches",
            "By protocol branch: descriptive, branches are not comparable",
            {"event": "Patients with"} | {b: b for b in branches},
            [
                {"event": event}
                | {b: privacy.cell(by[event, b]["events"], by[event, b]["n"]) for b in branches}
                for event in events
            ],
        )
    tables["response"] = Table.of(
        "toxicity-response",
        f"pCR and {events[0].lower()}: patients with a known outcome",
        {
            "arm": "Arm",
            "n": "n",
            "pcr_without": "pCR, without",
            "pcr_with": "pCR, with",
            "no_pcr_without": "No pCR, without",
            "no_pcr_with": "No pCR, with",
        },
        [_response_row(row, privacy) for row in found["response"]],
    )
    return charts, tables


def _response_row(row: Mapping[str, Any], privacy: Privacy) -> dict[str, Any]:
    """Return the four cells of an arm, which add up to its n."""
    names = ("pcr_without", "pcr_with", "no_pcr_without", "no_pcr_with")
    hidden = privacy.hidden({name: int(row[name]) for name in names}, [dict.fromkeys(names, 1)])
    cells = {name: privacy.cell(row[name], row["n"], hidden=name in hidden) for name in names}
    return {"arm": row["arm"], "n": count(row["n"])} | cells
