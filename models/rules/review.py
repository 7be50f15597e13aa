"""Reviewing a decision table: every combination, its gaps and conflicts, and what each reading changes."""

import itertools
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import replace
from typing import Any

import pandas as pd

from models.rules.decisions import adherence, branches, decide_nodes, decisions
from models.rules.document import DecidedSource, GivenSource, RuleDocument
from models.rules.inputs import RuleInputReader, inputs_from_tables
from models.rules.table import SEPARATOR, Node, RuleTable, decide, rule_table
from models.rules.view import Tables

ANSWER = ["regimen", "rule", "status", "missing_inputs", "conflicts"]
FAULT_COLUMNS = ["node", "kind", "rule", "combinations"]
EFFECT_COLUMNS = ["number", "setting", "in_force", "alternative", "note", "patients", "changed"]
KEY = ["usubjid", "node"]
COMPARED = ["rule", "regimen", "start_cycle"]
ANY = "any"
OR = " or "


def enumerate_table(rules: RuleTable) -> pd.DataFrame:
    """Answer every combination of all inputs, known or not, at all deciding nodes.

    An input of a single node is called ``<input>_<node>`` (``response_c2``). What is given between the nodes
    is taken to be what the earlier node answered.

    Returns
    -------
    DataFrame
        One row per combination; the inputs, and for each node ``<node>_regimen``, ``_rule``, ``_status``,
        ``_missing_inputs``, ``_conflicts`` and ``_gap`` (all inputs are known and no rule holds).
    """
    levels: dict[str, list[str]] = {}
    for name, spec in rules.inputs.items():
        if isinstance(spec.source, GivenSource | DecidedSource):
            continue
        at_nodes = [f"{name}_{node}" for node in rules.deciding if name in rules.nodes[node].inputs]
        for column in at_nodes if spec.per_node else [name]:
            levels[column] = _with_unknown(rules, name)
    table = _product(levels)
    answers: dict[str, pd.DataFrame] = {}
    for node in rules.deciding:
        answers[node] = decide(_combined_inputs(table, answers, rules, node), rules, node)
        gap = answers[node]["rule"].isna() & (answers[node]["missing_inputs"] == "")
        table = table.join(answers[node][ANSWER].assign(gap=gap).add_prefix(f"{node}_"))
    return table


def _combined_inputs(
    table: pd.DataFrame, answers: Mapping[str, pd.DataFrame], rules: RuleTable, node: str
) -> pd.DataFrame:
    """Return the inputs of a node from the enumeration and the answers of earlier nodes."""
    columns = {}
    for name in rules.nodes[node].inputs:
        spec = rules.inputs[name]
        if isinstance(spec.source, DecidedSource):
            columns[name] = answers[spec.source.node][spec.source.answer]
        elif isinstance(spec.source, GivenSource):
            earlier = answers[list(answers)[-1]]["regimen"]
            columns[name] = earlier.where(earlier.isin(spec.levels))
        else:
            columns[name] = table[spec.column(node)]
    return pd.DataFrame(columns, index=table.index)


def combinations(rules: RuleTable, node: str) -> pd.DataFrame:
    """Return every combination of the inputs of one node with its answer: what patients are looked up in."""
    at = rules.nodes[node]
    return _product({name: _with_unknown(rules, name) for name in at.inputs}).join(at.answers)


def _with_unknown(rules: RuleTable, name: str) -> list[str]:
    return [*rules.inputs[name].levels, rules.inputs[name].unknown]


def _product(levels: Mapping[str, list[str]]) -> pd.DataFrame:
    """Return all combinations, the last input varying fastest."""
    rows = list(itertools.product(*levels.values()))
    return pd.DataFrame(rows, columns=list(levels), dtype="str")


def table_faults(rules: RuleTable) -> pd.DataFrame:
    """Return what is wrong, or worth knowing, in the table where all inputs are known.

    `kind`: ``unreachable`` (a rule that never fires), ``gap`` (no rule holds), ``conflict`` (``R4 over R1``:
    both hold, and the first stands earlier in the table). `combinations` counts those of the node's inputs.
    """
    faults: list[tuple[str, str, str, int]] = []
    for node in rules.deciding:
        answered = combinations(rules, node)
        complete = answered.loc[answered["missing_inputs"] == ""]
        fired = set(complete["rule"].dropna())
        faults += [
            (node, "unreachable", rule.name, 0) for rule in rules.nodes[node].rules if rule.name not in fired
        ]
        gaps = int(complete["rule"].isna().sum())
        faults += [(node, "gap", "", gaps)] if gaps else []
        conflicting = complete.loc[complete["conflicts"] != ""]
        over = (conflicting["rule"] + " over " + conflicting["conflicts"]).value_counts(sort=False)
        faults += [(node, "conflict", str(pair), int(n)) for pair, n in over.items()]
    return pd.DataFrame(faults, columns=FAULT_COLUMNS)


def readable_table(rules: RuleTable, node: str) -> pd.DataFrame:
    """Return the table of a node for reading: rows with the same answer are drawn together.

    Columns: the node's inputs (a level, several joined by "or", or "any"), rule, regimen (or "indeterminate:"
    and the regimens still possible), conflicts. Every combination is in exactly one row.
    """
    answered = combinations(rules, node)
    regimen = answered["regimen"].fillna("indeterminate: " + answered["possible"].replace("", "no rule"))
    answers = zip(answered["rule"].fillna(""), regimen, answered["conflicts"], strict=True)
    names = rules.nodes[node].inputs
    cells = answered[list(names)].itertuples(index=False, name=None)
    rows: list[Row] = [
        (tuple(frozenset([x]) for x in cell), answer) for cell, answer in zip(cells, answers, strict=True)
    ]
    count = 0
    while count != len(rows):
        count = len(rows)
        for position in reversed(range(len(names))):
            rows = list(_drawn_together(rows, position))
    every = [_with_unknown(rules, name) for name in names]
    text = [
        (*(_words(x, order) for x, order in zip(sets, every, strict=True)), *answer) for sets, answer in rows
    ]
    table = pd.DataFrame(text, columns=[*names, "rule", "regimen", "conflicts"])
    order = {rule.name: i for i, rule in enumerate(rules.nodes[node].rules)}
    return table.sort_values("rule", key=lambda s: s.map(order), kind="stable", ignore_index=True)


Row = tuple[tuple[frozenset[str], ...], tuple[str, ...]]


def _drawn_together(rows: Iterable[Row], position: int) -> Iterator[Row]:
    """Unite rows that differ in one input alone and have the same answer."""
    united: dict[tuple[Any, ...], frozenset[str]] = {}
    for sets, answer in rows:
        key = (sets[:position], sets[position + 1 :], answer)
        united[key] = united.get(key, frozenset()) | sets[position]
    for (before, after, answer), levels in united.items():
        yield (*before, levels, *after), answer


def _words(levels: frozenset[str], order: list[str]) -> str:
    return ANY if len(levels) == len(order) else OR.join(level for level in order if level in levels)


def as_text(table: pd.DataFrame) -> str:
    """Return a table as text: columns of equal width apart by ``|``, ``-`` for an empty cell."""
    rows = [list(table.columns), *table.astype("object").fillna("").map(str).to_numpy().tolist()]
    rows = [[cell or "-" for cell in row] for row in rows]
    widths = [max(len(row[i]) for row in rows) for i in range(len(table.columns))]
    lines = [" | ".join(cell.ljust(w) for cell, w in zip(row, widths, strict=True)).rstrip() for row in rows]
    return "\n".join(lines)


def readings_effect(tables: Tables, cohort: pd.DataFrame, document: RuleDocument) -> pd.DataFrame:
    """Return how many patients' answers change under each alternative of each reading, all else as in force.

    An answer is the rule, the regimen and the first cycle of a decision of the protocol (no virtual rows); a
    patient has changed if any answer has.

    Parameters
    ----------
    tables, cohort
        As in `decisions`.
    document : RuleDocument

    Returns
    -------
    DataFrame
        `EFFECT_COLUMNS` and ``changed_<node>``, in the order of the readings; one row per alternative. Where
        an alternative cannot be followed, `note` says why and the counts are missing. Counts are Int64.
    """
    rules = rule_table(document)
    if not rules.nodes:
        return pd.DataFrame(columns=EFFECT_COLUMNS)
    treated = cohort.loc[cohort["arm"] == rules.arm]
    reading = RuleInputReader(tables, treated)
    before = _answers(reading.inputs(_deciding(rules)), tables, treated, rules)
    rows: list[dict[str, Any]] = []
    for setting, value, alternative in alternatives(rules):
        row = {"number": rules.readings[setting].number, "setting": setting, "in_force": value}
        row |= {"alternative": alternative, "note": "", "patients": before["usubjid"].nunique()}
        refused = rules.readings[setting].refused.get(alternative)
        if refused is not None:
            rows.append(row | {"note": f"cannot be followed yet ({refused})"})
            continue
        other = rule_table(document, {setting: alternative})
        after = _answers(reading.inputs(_deciding(other)), tables, treated, other)
        rows.append(row | _changes(before, after))
    columns = [*EFFECT_COLUMNS, *(f"changed_{node}" for node in rules.deciding)]
    return pd.DataFrame(rows, columns=columns).astype(
        {c: "Int64" for c in columns if c.startswith(("changed", "patients", "number"))}
    )


def alternatives(rules: RuleTable) -> Iterator[tuple[str, str, str]]:
    """Yield (setting, value in force, other value) for every choice that is not in force."""
    for setting, reading in rules.readings.items():
        for value in reading.choices:
            if value != rules.settings[setting]:
                yield setting, rules.settings[setting], value


def branches_under_alternatives(
    tables: Tables, cohort: pd.DataFrame, document: RuleDocument, landmark: str
) -> Iterator[tuple[str, str, pd.Series]]:
    """Yield (setting, alternative, branch of every patient known at a landmark) for every other reading.

    Virtual branches of other arms are among them. Alternatives that cannot be followed are left out.

    Parameters
    ----------
    tables, cohort, document
        As in `readings_effect`; all arms.
    """
    rules = rule_table(document)
    if landmark not in rules.nodes:
        return
    reading = RuleInputReader(tables, cohort)
    for setting, _, alternative in alternatives(rules):
        if alternative in rules.readings[setting].refused:
            continue
        needed = _up_to(rule_table(document, {setting: alternative}), landmark)
        decided = decide_nodes(reading.inputs(needed), tables, cohort, needed)
        yield setting, alternative, branches(decided, landmark)


def _up_to(rules: RuleTable, landmark: str) -> RuleTable:
    """Return the table with the nodes that the branch at a landmark rests on."""
    wanted, chain = landmark, {landmark}
    while (before := rules.nodes[wanted].entry.follows) is not None:
        wanted = before
        chain.add(wanted)
    chain |= {node for name in list(chain) for node in _looked_at(rules.nodes[name])}
    return replace(rules, nodes={name: node for name, node in rules.nodes.items() if name in chain})


def _looked_at(node: Node) -> list[str]:
    """Return the node whose answer lets this one's start earlier, where the readings say so."""
    return [node.earlier_start.node] if node.earlier_start else []


def changed_patients(
    tables: Tables, cohort: pd.DataFrame, document: RuleDocument, overrides: Mapping[str, str]
) -> list[str]:
    """Return the patients whose answers change when `overrides` are set, sorted."""
    before, after = (
        _answers(inputs_from_tables(tables, cohort, rules), tables, cohort, rules)
        for rules in (rule_table(document), rule_table(document, overrides))
    )
    return sorted(before.loc[_differ(before, after), "usubjid"].unique())


def _deciding(rules: RuleTable) -> RuleTable:
    """Return the table without the nodes that only look ahead, unless a deciding one needs them."""
    needed = set(rules.deciding) | {
        looked_at for node in rules.nodes.values() for looked_at in _looked_at(node)
    }
    return replace(rules, nodes={name: node for name, node in rules.nodes.items() if name in needed})


def _answers(inputs: pd.DataFrame, tables: Tables, cohort: pd.DataFrame, rules: RuleTable) -> pd.DataFrame:
    decided = decide_nodes(inputs, tables, cohort, _deciding(rules))
    answers = decided.loc[~decided["virtual"], [*KEY, *COMPARED]].astype({"start_cycle": "str"})
    return answers.fillna("").reset_index(drop=True)


def _differ(before: pd.DataFrame, after: pd.DataFrame) -> pd.Series:
    return (before[COMPARED] != after[COMPARED]).any(axis=1)


def _changes(before: pd.DataFrame, after: pd.DataFrame) -> dict[str, int]:
    changed = before.loc[_differ(before, after)]
    by_node = changed["node"].value_counts()
    return {"changed": changed["usubjid"].nunique()} | {
        f"changed_{node}": int(by_node.get(node, 0)) for node in before["node"].unique()
    }


def branch_tables(
    tables: Tables, cohort: pd.DataFrame, document: RuleDocument, overrides: Mapping[str, str]
) -> pd.DataFrame:
    """Count patients by branch under the readings in force and under other ones, side by side.

    Returns
    -------
    DataFrame
        node, branch, ``in_force`` and one column named after `overrides` (``r4_ctdna_time: c1``): at-risk
        patients of the arm that the rules treat, in order of node and branch.
    """
    counts = {}
    name = SEPARATOR.join(f"{setting}: {value}" for setting, value in overrides.items())
    for column, rules in {"in_force": rule_table(document), name: rule_table(document, overrides)}.items():
        decided = decisions(tables, cohort, rules)
        counts[column] = (
            decided.loc[~decided["virtual"] & decided["at_risk"]].groupby(["node", "branch"]).size()
        )
    table = pd.DataFrame(counts).fillna(0).astype("int64").sort_index()
    return table.reset_index()


def review(
    tables: Mapping[str, pd.DataFrame], cohort: pd.DataFrame, decided: pd.DataFrame, document: RuleDocument
) -> dict[str, pd.DataFrame]:
    """Return the tables of the review by name; a decision table that treats no arm leaves them empty."""
    return {
        "readings": readings_effect(tables, cohort, document),
        "branches": branch_tables(tables, cohort, document, document.beside),
        "adherence": adherence(decided),
        "faults": table_faults(rule_table(document)),
    }
