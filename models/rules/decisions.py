"""What a decision table answers for every patient and node, its branches, and whether it was followed.

Rows of patients whom the table does not treat, and of nodes that only look ahead, are *virtual*: no decision
of the protocol. A branch is the protocol branch under the readings in force, not a treatment recommendation.
"""

from collections.abc import Mapping, Sequence
from typing import Final

import numpy as np
import pandas as pd

from features.documents.branch import BRANCH, INDETERMINATE, THEN
from models.rules.document import DecidedSource
from models.rules.inputs import inputs_from_tables, regimen_given
from models.rules.table import EITHER, INPUT, Node, RuleTable, decide
from models.rules.view import Tables

ALL: Final = "ALL"
DECISION_COLUMNS = ["regimen", "rule", "status", "missing_inputs", "conflicts", "regimen_given"]
TEXT_COLUMNS = ["flags", "possible", "missing_reasons", "regimen_after", "change_reason"]
FURTHER_COLUMNS = ["branch", "virtual", "at_risk", *TEXT_COLUMNS, "start_cycle"]
ADHERENCE_COLUMNS = ["node", "kind", "rule", "regimen", "regimen_after", "reason"]


def decisions(tables: Tables, cohort: pd.DataFrame, rules: RuleTable) -> pd.DataFrame:
    """Decide every patient at every node, on what was known on the day of the node's decision.

    Parameters
    ----------
    tables, cohort, rules
        As in `inputs_from_tables`; the cohort may have ``at_risk_<landmark>``.

    Returns
    -------
    DataFrame
        One row per patient and node, sorted by usubjid and node (in order of time).

        - usubjid, node, arm, and the inputs as used;
        - `DECISION_COLUMNS`: the answer, and the regimen given in the cycles after c2;
        - `branch`: the rules of this node and those before it (``R1>R5``), or ``indeterminate``; missing
          where the table says that indeterminate is no branch;
        - `virtual`: no decision of the protocol (another arm, or a node that looks ahead);
        - `at_risk`: still on treatment at the decision;
        - `flags`, `possible`, `missing_reasons`;
        - `regimen_after`, `change_reason`: what was given after the decision, and the reason recorded;
        - `start_cycle`: the first cycle in which the answer is carried out.

        What was given after the decision and the regimen given were not known at the decision at c2: they are
        never features. A table without nodes gives one virtual row per patient, in the branch `ALL`.

    Raises
    ------
    RuleError
        As `inputs_from_tables` and `decide`.
    """
    if not rules.nodes:
        return _without_decisions(cohort)
    return decide_nodes(inputs_from_tables(tables, cohort, rules), tables, cohort, rules)


def decide_nodes(
    inputs: pd.DataFrame, tables: Tables, cohort: pd.DataFrame, rules: RuleTable
) -> pd.DataFrame:
    """Decide on given inputs (what `inputs_from_tables` returned); otherwise as `decisions`."""
    patients = cohort.set_index("usubjid").sort_index()
    decided: dict[str, pd.DataFrame] = {}
    for order, (name, node) in enumerate(rules.nodes.items()):
        frame = inputs.loc[inputs["node"] == name].set_index("usubjid")
        frame = frame.assign(**_from_earlier_nodes(decided, rules, frame.index))
        frame = frame.join(decide(frame, rules, name))
        frame["branch"] = _branch(frame["rule"], node, decided, rules)
        frame["virtual"] = (not node.decides) | (frame["arm"] != rules.arm)
        frame["at_risk"] = patients.get(f"at_risk_{name}", True)
        earlier = _starts_earlier(frame, node, decided)
        decided[name] = frame.join(_followed(tables, frame, node, earlier)).assign(order=order)
    bound = pd.concat(decided.values()).reset_index().sort_values(["usubjid", "order"], ignore_index=True)
    if "regimen_given" not in bound:
        bound["regimen_given"] = pd.Series(index=bound.index, dtype="str")
    used = [c for c in inputs.columns if c in rules.inputs and c != "regimen_given"]
    return bound[["usubjid", "node", "arm", *used, *DECISION_COLUMNS, *FURTHER_COLUMNS]]


def _starts_earlier(frame: pd.DataFrame, node: Node, decided: Mapping[str, pd.DataFrame]) -> pd.Series:
    """Tell whose answer was certain at an earlier node and starts there, under the readings; bool."""
    start = node.earlier_start
    if start is None:
        return pd.Series(data=False, index=frame.index)
    before = decided[start.node]["rule"].reindex(frame.index)
    return frame["rule"].isin(start.rules) & (frame["rule"] == before)


def _followed(tables: Tables, frame: pd.DataFrame, node: Node, earlier: pd.Series) -> pd.DataFrame:
    """Return the first cycle of each answer, and what was given in its cycles; index as `frame`."""
    usual = node.entry.carried_out
    followed = regimen_given(tables, frame.index, usual)
    start = pd.Series(usual[0] if usual else pd.NA, index=frame.index, dtype="Int64")
    if node.earlier_start is not None and earlier.any():
        cycles = node.earlier_start.carried_out
        followed = followed.mask(earlier, regimen_given(tables, frame.index, cycles))
        start = start.mask(earlier, cycles[0])
    given = followed.rename(columns={"value": "regimen_after"})[["regimen_after", "change_reason"]]
    return given.assign(start_cycle=start)


def _without_decisions(cohort: pd.DataFrame) -> pd.DataFrame:
    """Return a virtual row without an answer for every patient."""
    rows = cohort[["usubjid", "arm"]].sort_values("usubjid", ignore_index=True)
    nothing = pd.Series(index=rows.index, dtype="str")
    names = ["node", *DECISION_COLUMNS, *TEXT_COLUMNS]
    rows = rows.assign(**dict.fromkeys(names, nothing), branch=ALL, virtual=True, at_risk=True)
    rows["start_cycle"] = pd.Series(index=rows.index, dtype="Int64")
    return rows[["usubjid", "node", "arm", *DECISION_COLUMNS, *FURTHER_COLUMNS]]


def _from_earlier_nodes(
    decided: dict[str, pd.DataFrame], rules: RuleTable, patients: pd.Index
) -> dict[str, pd.Series]:
    """Return the inputs that earlier nodes decide; not known before that node."""
    known = {}
    for name, spec in rules.inputs.items():
        if isinstance(spec.source, DecidedSource):
            earlier = decided.get(spec.source.node, pd.DataFrame(index=patients))
            known[name] = earlier.get(spec.source.answer, pd.Series(index=patients, dtype="str"))
    return known


def _branch(rule: pd.Series, node: Node, decided: dict[str, pd.DataFrame], rules: RuleTable) -> pd.Series:
    """Return the branch: the node's rule after the branch of the node that it follows."""
    branch = rule.replace(dict(node.entry.branch_names))
    branch = branch.fillna(INDETERMINATE) if rules.indeterminate_is_branch else branch
    before = node.entry.follows
    return branch if before is None else decided[before]["branch"] + THEN + branch


def branches(decided: pd.DataFrame, landmark: str) -> pd.Series:
    """Return the branch that each patient is known to be in at a landmark: index usubjid (sorted), str.

    ``ALL`` at a landmark that is not a node of the table: nothing is decided there.

    Parameters
    ----------
    decided : DataFrame
        What `decisions` returned.
    """
    patients = pd.Index(sorted(decided["usubjid"].unique()), name="usubjid", dtype="str")
    at = decided.loc[decided["node"] == landmark].set_index("usubjid")["branch"]
    if at.empty:
        return pd.Series(ALL, index=patients, name="branch", dtype="str")
    return at.reindex(patients)


def known_inputs(decided: pd.DataFrame, rules: RuleTable, landmarks: Sequence[str]) -> pd.DataFrame:
    """Return the inputs of the rules as known at the last of `landmarks`, one categorical column each.

    Parameters
    ----------
    decided : DataFrame
        What `decisions` returned.
    landmarks : sequence of str
        The landmarks up to the one asked for. An input of one node is named after it (``response_c2``); of
        others the latest reading counts. What the rules decided themselves is no input here.

    Returns
    -------
    DataFrame
        Index usubjid (sorted). "Not known" is a level of its own; where the table gives indeterminate
        patients no branch, it is missing instead. No columns where no node comes up to the landmark.
    """
    patients = pd.Index(sorted(decided["usubjid"].unique()), name="usubjid", dtype="str")
    columns: dict[str, pd.Series] = {}
    for name in (node for node in rules.nodes if node in landmarks):
        rows = decided.loc[decided["node"] == name].set_index("usubjid").reindex(patients)
        for column in rules.nodes[name].inputs:
            spec = rules.inputs[column]
            if isinstance(spec.source, DecidedSource):
                continue
            values = rows[column].fillna(spec.unknown)
            if not rules.indeterminate_is_branch:
                values = values.mask(values == spec.unknown)
            columns[spec.column(name)] = values
    return pd.DataFrame(columns, index=patients)


def rule_rows(decided: pd.DataFrame, rules: RuleTable, landmarks: Sequence[str]) -> pd.DataFrame:
    """Return usubjid, `BRANCH`, and the inputs (prefix `INPUT`) as known at the last of `landmarks`.

    Parameters
    ----------
    decided : DataFrame
        What `decisions` returned.
    """
    branch = branches(decided, landmarks[-1]).rename(BRANCH)
    inputs = known_inputs(decided, rules, landmarks).add_prefix(INPUT)
    return pd.concat([branch, inputs], axis=1).reset_index()


def input_levels(rules: RuleTable, column: str) -> list[str]:
    """Return the levels of a column of `known_inputs`, the word for "not known" last."""
    names = [name for name in rules.inputs if column == name or column.startswith(f"{name}_")]
    spec = rules.inputs[max(names, key=len)]
    return [*spec.levels, spec.unknown]


def adherence_kinds(decided: pd.DataFrame) -> pd.Series:
    """Return the `kind` of every decision, as `adherence` has it; index as `decided`."""
    assigned, after = decided["regimen"].fillna(""), decided["regimen_after"].fillna("")
    agrees = [given in set(regimen.split(EITHER)) for regimen, given in zip(assigned, after, strict=True)]
    kinds = np.select(
        [
            ~decided["at_risk"],
            decided["regimen"].isna(),
            decided["regimen_after"].isna(),
            np.array(agrees, bool),
        ],
        ["not_at_risk", INDETERMINATE, "not_given", "as_assigned"],
        "deviation",
    )
    return pd.Series(kinds, index=decided.index, dtype="str")


def adherence(decided: pd.DataFrame) -> pd.DataFrame:
    """Count whether the decisions of the protocol were followed.

    `kind` of a decision: ``not_at_risk`` (had left before it), ``indeterminate`` (no single regimen follows),
    ``not_given`` (no later cycle is recorded), ``as_assigned``, ``deviation``.

    Parameters
    ----------
    decided : DataFrame
        What `decisions` returned; virtual rows are left out.

    Returns
    -------
    DataFrame
        `ADHERENCE_COLUMNS` and `patients` (how many), sorted; `reason` is given for deviations, as recorded
        with the cycles or ``not recorded``. Cells that do not apply are empty text.
    """
    rows = decided.loc[~decided["virtual"]] if "virtual" in decided else decided
    kind = adherence_kinds(rows)
    reason = rows["change_reason"].fillna("not recorded").where(kind == "deviation")
    rows = rows.assign(kind=kind, reason=reason)
    rows["regimen_after"] = rows["regimen_after"].where(rows["at_risk"])
    counts = rows[ADHERENCE_COLUMNS].fillna("").value_counts().rename("patients").reset_index()
    return counts.sort_values(ADHERENCE_COLUMNS, ignore_index=True)


def audit_lines(decided: pd.DataFrame, rules: RuleTable) -> pd.Series:
    """Return one readable line per row of `decided`: inputs, rule, answer, status, what is missing."""
    lines = []
    for row in decided.astype("object").fillna("").to_dict("records"):
        node = rules.nodes[row["node"]]
        used = ", ".join(f"{name} {row[name]}" for name in node.inputs if name in row)
        answer = f"{row['rule']} {row['regimen']}".strip() or f"one of {row['possible']}"
        notes = [row["status"]]
        notes += [f"missing {row['missing_reasons']}"] if row["missing_reasons"] else []
        notes += [f"also matched {row['conflicts']}"] if row["conflicts"] else []
        notes += [f"flagged {row['flags']}"] if row["flags"] else []
        lines.append(f"{row['node']}: {used} -> {answer} ({', '.join(notes)})")
    return pd.Series(lines, index=decided.index, name="audit", dtype="str")
