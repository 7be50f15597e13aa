"""The adaptive rules as they ran: branches, what they could not answer, adherence, other readings."""

from collections.abc import Mapping, Sequence

import pandas as pd

from models.description.documents import Branch, Conflict, Description, Status
from pipeline.project.estimates import parse_estimate
from pipeline.report.drawing import Spec
from pipeline.report.facts import listed
from pipeline.report.labels import Labels
from pipeline.report.page import count, explained, percent
from pipeline.report.study.common import Part
from pipeline.report.study_charts import forest_chart
from pipeline.report.tables import Privacy, Table

BRANCHES_CAPTION = "Protocol branches of the adaptive arm, patients at risk at the decision, and their pCR"


def rules_part(
    described: Description, review: Mapping[str, pd.DataFrame], privacy: Privacy, labels: Labels
) -> Part:
    """Return the branches of the adaptive arm: sizes, pCR, adherence, indeterminate answers, readings."""
    branches = described["branches"]
    if not branches:
        return {}, {}
    return {"branches": _branch_chart(branches, privacy, labels)}, {
        "branches": _branch_table(branches, privacy, labels),
        "status": _status_table(described["status"], described["conflicts"], privacy, labels),
        "adherence": _adherence_table(review["adherence"], privacy, labels),
        "readings": _readings_table(review["readings"], privacy, labels),
    }


def _branch_chart(branches: Sequence[Branch], privacy: Privacy, labels: Labels) -> Spec:
    drawn = [
        {
            "label": f"{_branch_name(row, labels)} (n = {row['n']})",
            **{key: row[key] for key in ("value", "low", "high", "n", "events")},
            "detail": f"{row['node']}: {row['branch']}",
            "mark": "no",
        }
        for row in _shown(branches, privacy)
    ]
    columns = ["label", "value", "low", "high", "n", "events", "detail", "mark"]
    return forest_chart(
        pd.DataFrame(drawn, columns=columns),
        "pCR (share of patients with a known outcome)",
        "proportion, Wilson interval",
        "patients at risk, no model",
        None,
    )


def branches_sentence(branches: Sequence[Branch], privacy: Privacy) -> str:
    """Return between which shares the pCR of the branches drawn lies, without naming one; empty of one."""
    shares = [row["value"] for row in _shown(branches, privacy)]
    if len(shares) < 2:
        return ""
    return f"pCR in a branch lies between {percent(min(shares))} and {percent(max(shares))}."


def _shown(branches: Sequence[Branch], privacy: Privacy) -> list[Branch]:
    """Return the branches of which no count is too small to be shown."""
    return [
        row
        for row in branches
        if row["n"] and not any(map(privacy.hides, (row["n"], row["events"], row["n"] - row["events"])))
    ]


def _branch_name(row: Branch, labels: Labels) -> str:
    return f"{labels.name(row['node'])}: {labels.name(row['branch'])}"


def _branch_table(branches: Sequence[Branch], privacy: Privacy, labels: Labels) -> Table:
    rows = [
        {
            "branch": explained(_branch_name(row, labels), f"{row['node']}: {row['branch']}"),
            "patients": privacy.cell(row["patients"]),
            "pcr": privacy.proportion(row["events"], row["n"], parse_estimate(row)),
        }
        for row in branches
    ]
    columns = {"branch": "Node: branch", "patients": "Patients", "pcr": "pCR"}
    return Table.of(
        "branch-table",
        "Protocol branches of the adaptive arm, patients at risk at the decision, and their pCR",
        columns,
        rows,
    )


def _status_table(
    status: Sequence[Status], conflicts: Sequence[Conflict], privacy: Privacy, labels: Labels
) -> Table:
    answers = [(row["node"], labels.name(row["status"]), row["patients"]) for row in status]
    answers += [
        (row["node"], f"{row['rule']}, also matching {row['conflicts']}", row["patients"])
        for row in conflicts
    ]
    rows = [
        {"node": labels.name(node), "status": answer, "patients": privacy.cell(patients)}
        for node, answer, patients in answers
    ]
    return Table.of(
        "status-table",
        "Answers of the rules, and patients to whom two rules applied",
        {"node": "Node", "status": "Answer", "patients": "Patients"},
        rows,
        text=("status",),
    )


def overlap_sentences(
    branches: Sequence[Branch], conflicts: Sequence[Conflict], privacy: Privacy, labels: Labels
) -> list[str]:
    """Return, by node and rule, to how many of its patients other rules apply as well."""
    sentences = []
    for node, rule in dict.fromkeys((row["node"], row["rule"]) for row in conflicts):
        rows = [row for row in conflicts if (row["node"], row["rule"]) == (node, rule)]
        others = " or ".join(sorted({name for row in rows for name in row["conflicts"].split("; ")}))
        assigned = [row for row in branches if row["node"] == node and row["branch"].split(">")[-1] == rule]
        told = not any(privacy.hides(row["patients"]) for row in [*rows, *assigned])
        total, of = (sum(row["patients"] for row in part) for part in (rows, assigned))
        patients = f"{count(total)} of the {count(of)} patients" if told else "Some of the patients"
        lacking = sorted({drug for row in rows for drug in row["lacking"]})
        without = f", without {listed(lacking)}" if lacking else ""
        sentences.append(
            f"At {labels.name(node)}, {patients} assigned by {rule} also match {others}: under the reading "
            f"in force {rule} takes precedence, and they have its regimen in place of that of "
            f"{others}{without}."
        )
    return sentences


def _adherence_table(adherence: pd.DataFrame, privacy: Privacy, labels: Labels) -> Table:
    rows = [
        {
            "node": f"{labels.name(row['node'])}: {labels.name(row['rule'] or row['kind'])}",
            "kind": labels.name(row["kind"]),
            "regimen": labels.name(row["regimen"]),
            "given": labels.name(row["regimen_after"]),
            "reason": row["reason"],
            "patients": privacy.cell(int(row["patients"])),
        }
        for row in adherence.fillna("").to_dict("records")
    ]
    columns = {
        "node": "Node: rule",
        "patients": "Patients",
        "regimen": "By the rules",
        "given": "Given",
        "kind": "Kind",
        "reason": "Reason",
    }
    return Table.of(
        "adherence-table",
        "Regimen by the rules and regimen given",
        columns,
        rows,
        text=("kind", "regimen", "given", "reason"),
    )


def _readings_table(readings: pd.DataFrame, privacy: Privacy, labels: Labels) -> Table:
    rows = [
        {
            "setting": explained(labels.name(row["setting"]), row["setting"]),
            "force": explained(labels.name(row["in_force"]), row["in_force"]),
            "other": explained(labels.name(row["alternative"]), row["alternative"]),
            "changed": row["note"]
            if pd.isna(row["changed"])
            else privacy.cell(int(row["changed"]), int(row["patients"])),
        }
        for row in readings.to_dict("records")
    ]
    return Table.of(
        "readings-table",
        "Patients whose answer changes under another reading of the public record",
        {"setting": "Setting", "force": "In force", "other": "Alternative", "changed": "Changed"},
        rows,
        text=("force", "other"),
    )
