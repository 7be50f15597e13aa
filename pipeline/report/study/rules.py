"""The adaptive rules as they ran: branches, what they could not answer, adherence, other readings."""

from collections.abc import Mapping, Sequence

import pandas as pd

from models.description.documents import Branch, Conflict, Description, Status
from pipeline.project.estimates import parse_estimate
from pipeline.report.drawing import Spec
from pipeline.report.page import count
from pipeline.report.study.common import Part, about
from pipeline.report.study_charts import forest_chart
from pipeline.report.tables import Privacy, Table


def rules_part(described: Description, review: Mapping[str, pd.DataFrame], privacy: Privacy) -> Part:
    """Return the branches of the adaptive arm: sizes, pCR, adherence, indeterminate answers, readings."""
    branches = described["branches"]
    if not branches:
        return {}, {}
    return {"branches": _branch_chart(branches, privacy)}, {
        "branches": _branch_table(branches, privacy),
        "status": _status_table(described["status"], described["conflicts"], privacy),
        "adherence": _adherence_table(review["adherence"], privacy),
        "readings": _readings_table(review["readings"], privacy),
    }


def _branch_chart(branches: Sequence[Branch], privacy: Privacy) -> Spec:
    drawn = [
        {
            "label": f"{row['node']}: {row['branch']} (n = {row['n']})",
            **{key: row[key] for key in ("value", "low", "high")},
            "detail": "pCR among patients with a known outcome",
            "mark": "no",
        }
        for row in branches
        if row["n"] and not any(map(privacy.hides, (row["n"], row["events"], row["n"] - row["events"])))
    ]
    known = [row for row in branches if row["node"] == branches[0]["node"]]
    return forest_chart(
        pd.DataFrame(drawn),
        "pCR (share of patients with a known outcome)",
        about(sum(r["n"] for r in known), sum(r["events"] for r in known), "proportion, Wilson interval"),
        None,
    )


def _branch_table(branches: Sequence[Branch], privacy: Privacy) -> Table:
    rows = [
        {
            "branch": f"{row['node']}: {row['branch']}",
            "patients": privacy.cell(row["patients"]),
            "pcr": privacy.proportion(row["events"], row["n"], parse_estimate(row)),
        }
        for row in branches
    ]
    columns = {"branch": "Node: branch", "patients": "Patients", "pcr": "pCR"}
    return Table.of("branch-table", "Protocol branches of the adaptive arm and their pCR", columns, rows)


def _status_table(status: Sequence[Status], conflicts: Sequence[Conflict], privacy: Privacy) -> Table:
    answers = [(row["node"], row["status"].replace("_", " "), row["patients"]) for row in status]
    answers += [
        (row["node"], f"{row['rule']}, also matching {row['conflicts']}", row["patients"])
        for row in conflicts
    ]
    rows = [
        {"node": node, "status": answer, "patients": privacy.cell(patients)}
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
    branches: Sequence[Branch], conflicts: Sequence[Conflict], privacy: Privacy
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
        without = f", without {' and '.join(lacking)}" if lacking else ""
        sentences.append(
            f"At {node}, {patients} assigned by {rule} also match {others}: under the reading in force "
            f"{rule} takes precedence, and they have its regimen in place of that of {others}{without}."
        )
    return sentences


def _adherence_table(adherence: pd.DataFrame, privacy: Privacy) -> Table:
    rows = [
        {
            "node": f"{row['node']}: {row['rule'] or row['kind']}".replace("_", " "),
            "kind": row["kind"].replace("_", " "),
            "regimen": row["regimen"],
            "given": row["regimen_after"],
            "reason": row["reason"],
            "patients": privacy.cell(int(row["patients"])),
        }
        for row in adherence.fillna("").to_dict("records")
    ]
    columns = {
        "node": "Node: rule",
        "kind": "Kind",
        "regimen": "By the rules",
        "given": "Given",
        "reason": "Reason",
        "patients": "Patients",
    }
    return Table.of(
        "adherence-table",
        "Regimen by the rules and regimen given",
        columns,
        rows,
        text=("kind", "regimen", "given", "reason"),
    )


def _readings_table(readings: pd.DataFrame, privacy: Privacy) -> Table:
    rows = [
        {
            "setting": row["setting"],
            "force": row["in_force"],
            "other": row["alternative"],
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
