"""Decision tables: the adaptive rules as data, and the engine that answers them.

A table has inputs with few levels, and nodes with ordered rules. Every combination of levels, the unknown
ones included, is answered once, when the table is read; patients are then looked up. An input that is not
known is completed in every possible way: the answer is *indeterminate* only where completions disagree. Where
a rule in force names the word for "not known", that word counts as it stands, and is not completed.

An answer is the protocol branch under a reading of the protocol; it is not a treatment recommendation.
"""

import itertools
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
import pandas as pd

from features.documents.branch import INDETERMINATE
from features.documents.parsing import parsed
from features.keys import refuse_unknown_keys, unknown_name
from models.rules.conditions import Condition, inputs_of, option, resolve
from models.rules.document import (
    EarlierStart,
    Input,
    NodeEntry,
    PamGene,
    Parameters,
    Reading,
    Reference,
    RuleDocument,
    RuleEntry,
    RuleError,
)

ANSWER_COLUMNS = ["regimen", "rule", "status", "missing_inputs", "conflicts", "flags", "possible"]
DETERMINED = "determined"
DESPITE_MISSING = "determined_despite_missing"
SEPARATOR = "; "
EITHER = "|"
MAX_IDS = 3
INPUT = "rule_"
"""Begins the columns of the rules' inputs, beside the features."""


@dataclass(frozen=True)
class Rule:
    """A rule: when it holds, and its regimen (or, with `same_as`, the input whose value is the regimen)."""

    name: str
    when: Condition
    regimen: str | None
    same_as: str | None


@dataclass(frozen=True)
class Node:
    """A decision: its rules in order, the inputs they use, and all answers.

    `inputs`: known at the node. `deferred`: used by the rules, still to come (a node that looks ahead).
    `answers`: one row for each combination of levels of `inputs` (unknown last), in the order of
    ``itertools.product``, with `ANSWER_COLUMNS`. `decides`: it does not only look ahead. `entry`: the node as
    written; `earlier_start` and `reference` are those of the readings in force.
    """

    name: str
    rules: tuple[Rule, ...]
    inputs: tuple[str, ...]
    deferred: tuple[str, ...]
    answers: pd.DataFrame
    decides: bool
    entry: NodeEntry
    earlier_start: EarlierStart | None
    reference: Reference | None


@dataclass(frozen=True)
class RuleTable:
    """A decision table under one set of readings."""

    name: str
    arm: str | None
    settings: Mapping[str, str]
    readings: Mapping[str, Reading]
    parameters: Parameters
    pam_genes: Sequence[PamGene] | None
    inputs: Mapping[str, Input]
    nodes: Mapping[str, Node]
    indeterminate_is_branch: bool

    @property
    def deciding(self) -> list[str]:
        """Names of the nodes that decide, in order of time."""
        return [node.name for node in self.nodes.values() if node.decides]


def rule_table(document: RuleDocument, overrides: Mapping[str, str] | None = None) -> RuleTable:
    """Return a decision table under a set of readings, every combination of its inputs answered.

    Parameters
    ----------
    overrides : mapping of str to str, optional
        Readings other than the document's ``settings``.

    Raises
    ------
    RuleError
        If a reading or a choice is unknown, a known alternative cannot be followed, or a rule speaks of an
        input, a level, a term or a node that does not exist.
    """
    settings = _settings(document, overrides or {})
    return RuleTable(
        document.table,
        document.arm,
        settings,
        document.readings,
        document.parameters,
        document.pam_genes,
        document.inputs,
        {name: _node(name, document, settings) for name in document.nodes},
        document.indeterminate_is_branch,
    )


def decide(inputs: pd.DataFrame, rules: RuleTable, node: str) -> pd.DataFrame:
    """Answer a node of the table for every patient: the protocol branch under the table's readings.

    Parameters
    ----------
    inputs : DataFrame
        One row per patient, any index; the node's input columns, each a level, the input's word for "not
        known", or missing (the same). Further columns are ignored.
    rules : RuleTable
    node : str
        Name of a node.

    Returns
    -------
    DataFrame
        Same index; `ANSWER_COLUMNS`, all str: `regimen` and `rule` (missing where no single one follows),
        `status` (determined, determined_despite_missing, indeterminate), `missing_inputs`, `conflicts` (rules
        that hold, or may hold, as well as the one that fired), `flags`, `possible` (regimens still possible).

    Raises
    ------
    RuleError
        If there is no such node, an input column is missing, or a cell is not a level.
    """
    if node not in rules.nodes:
        raise RuleError(f"rules {rules.name}: node {unknown_name(node, list(rules.nodes))}")
    at = rules.nodes[node]
    absent = [name for name in at.inputs if name not in inputs]
    if absent:
        raise RuleError(f"rules {rules.name}, node {node}: inputs have no column {', '.join(absent)}")
    row = np.zeros(len(inputs), dtype=np.int64)
    for name in at.inputs:
        row = row * (len(rules.inputs[name].levels) + 1) + _codes(inputs[name], rules.inputs[name], node)
    answers = at.answers.take(row)
    answers.index = inputs.index
    return answers


def _codes(values: pd.Series, spec: Input, node: str) -> np.ndarray:
    """Return the position of each cell among the levels, unknown last."""
    valid = pd.Index([*spec.levels, spec.unknown], dtype="object")
    codes = valid.get_indexer(pd.Index(values.astype("object").to_numpy()))
    codes[values.isna().to_numpy()] = len(spec.levels)
    wrong = codes < 0
    if wrong.any():
        ids = SEPARATOR.join(str(label) for label in values.index[wrong][:MAX_IDS])
        raise RuleError(
            f"node {node}, input {spec.name}: {int(wrong.sum())} rows are not valid ({ids}); "
            f"must be one of {', '.join(valid)}"
        )
    return codes


def _settings(document: RuleDocument, overrides: Mapping[str, str]) -> dict[str, str]:
    """Return the readings in force."""
    readings = document.readings
    chosen = document.defaults
    for name, value in {**document.settings, **overrides}.items():
        if name not in readings:
            raise RuleError(f"rules {document.table}: reading {unknown_name(name, list(readings))}")
        if value not in readings[name].choices:
            raise RuleError(f"reading {name}: {unknown_name(value, readings[name].choices)}")
        why = readings[name].refused.get(value)
        if why is not None:
            raise RuleError(f"reading {name}: {value} is valid but cannot be followed yet ({why})")
        chosen[name] = value
    for name, reading in readings.items():
        chosen |= reading.implies.get(chosen[name], {})
    return chosen


def _rules(
    entries: Iterable[RuleEntry], document: RuleDocument, settings: Mapping[str, str], where: str
) -> Iterator[Rule]:
    """Yield the rules that are there under the readings, their conditions and regimens resolved."""
    for entry in entries:
        at_rule = f"{where}, rule {entry.rule}"
        unknown = next((name for name in entry.only if name not in document.readings), None)
        if unknown is not None:
            raise RuleError(f"{at_rule}, only: {unknown_name(unknown, list(document.readings))}")
        if all(settings[name] == value for name, value in entry.only.items()):
            when = resolve(entry.when, document, settings, at_rule)
            yield Rule(entry.rule, when, *_regimen(entry.regimen, document, settings, at_rule))


def _regimen(
    content: Any, document: RuleDocument, settings: Mapping[str, str], where: str
) -> tuple[str | None, str | None]:
    """Return the regimen, or else the input whose value it is."""
    if isinstance(content, Mapping) and "by" in content:
        content = option(content, document, settings, f"{where}, regimen")
    if isinstance(content, str):
        return content, None
    refuse_unknown_keys(content, ["same_as"], f"{where}, regimen", required=["same_as"])
    name = str(content["same_as"])
    if name not in document.inputs:
        raise RuleError(f"{where}, regimen: input {unknown_name(name, list(document.inputs))}")
    return None, name


def _node(name: str, document: RuleDocument, settings: Mapping[str, str]) -> Node:
    """Answer every combination of the inputs that the node's rules use."""
    entry, inputs = document.nodes[name], document.inputs
    written = entry.rules_of or name
    where = f"rules {document.table}, node {written}"
    rules = tuple(_rules(document.nodes[written].rules, document, settings, where))
    flags = {
        flag: resolve(when, document, settings, f"{where}, flag {flag}")
        for flag, when in document.nodes[written].flags.items()
    }
    used = {asked for rule in rules for asked in inputs_of(rule.when)}
    used |= {rule.same_as for rule in rules if rule.same_as}
    deferred = tuple(asked for asked in inputs if asked in used and asked in entry.deferred)
    known = tuple(asked for asked in inputs if asked in used and asked not in deferred)
    flagged = {flag: when for flag, when in flags.items() if inputs_of(when) <= set(known)}
    return Node(
        name,
        rules,
        known,
        deferred,
        _answers(rules, flagged, known, deferred, inputs),
        entry.rules_of is None,
        entry,
        _earlier_start(name, document, settings),
        _reference(name, document),
    )


def _earlier_start(name: str, document: RuleDocument, settings: Mapping[str, str]) -> EarlierStart | None:
    """Return which answers of a node start earlier under the readings in force, if any do."""
    content = document.nodes[name].earlier_start
    if content is None:
        return None
    where = f"rules {document.table}, node {name}, earlier_start"
    reading, options = document.by_reading(_with_key(content, "by", where), "by", where)
    starts = {choice: parsed(EarlierStart, start, f"{where}, {choice}") for choice, start in options.items()}
    for start in starts.values():
        if start.node not in document.nodes:
            raise RuleError(f"{where}: node {unknown_name(start.node, list(document.nodes))}")
    return starts.get(settings[reading])


def _reference(name: str, document: RuleDocument) -> Reference | None:
    """Return what responses at a node are judged against."""
    content = document.nodes[name].reference
    if content is None:
        return None
    where = f"rules {document.table}, node {name}, reference"
    content = dict(_with_key(content, "reading", where))
    share = content.pop("pr_share", None)
    reading, visits = document.by_reading(content, "reading", where)
    return parsed(Reference, {"reading": reading, "visits": visits, "pr_share": share}, where)


def _with_key(content: Any, key: str, where: str) -> Mapping[str, Any]:
    """Return a part of the document whose key `key` names the reading that chooses."""
    if not isinstance(content, Mapping) or key not in content:
        raise RuleError(f"{where}: key {key} is missing")
    return content


class _Fired(NamedTuple):
    """What complete inputs lead to: the first rule that holds, its regimen, and the other rules that hold."""

    rule: str | None
    regimen: str | None
    others: tuple[str, ...]


def _fire(rules: Sequence[Rule], values: Mapping[str, str]) -> _Fired:
    holding = [rule for rule in rules if rule.when.holds(values)]
    if not holding:
        return _Fired(None, None, ())
    first, *others = holding
    regimen = first.regimen if first.same_as is None else values[first.same_as]
    return _Fired(first.name, regimen, tuple(rule.name for rule in others))


def _answers(
    rules: Sequence[Rule],
    flags: Mapping[str, Condition],
    known: Sequence[str],
    deferred: Sequence[str],
    inputs: Mapping[str, Input],
) -> pd.DataFrame:
    """Answer every combination of levels, unknown ones included, by enumerating all completions."""
    names = [*known, *deferred]
    levels = _completing_levels(rules, names, inputs)
    fired = {
        values: _fire(rules, dict(zip(names, values, strict=True)))
        for values in itertools.product(*(levels[name] for name in names))
    }
    later = list(itertools.product(*(levels[name] for name in deferred)))
    rows = []
    for values in itertools.product(*((*inputs[name].levels, inputs[name].unknown) for name in known)):
        missing = [name for name, value in zip(known, values, strict=True) if value == inputs[name].unknown]
        completions = list(
            itertools.product(
                *(
                    inputs[name].levels if name in missing and value not in levels[name] else (value,)
                    for name, value in zip(known, values, strict=True)
                )
            )
        )
        outcomes = [tuple(fired[now + then] for then in later) for now in completions]
        complete = [dict(zip(known, now, strict=True)) for now in completions]
        raised = [flag for flag, when in flags.items() if all(when.holds(values) for values in complete)]
        rows.append(_answer(outcomes, missing, raised))
    return pd.DataFrame(rows, columns=ANSWER_COLUMNS).astype("str")


def _completing_levels(
    rules: Sequence[Rule], names: Sequence[str], inputs: Mapping[str, Input]
) -> dict[str, tuple[str, ...]]:
    """Return the levels of inputs, with the word for "not known" where a rule counts it as it stands."""
    counted = {name for rule in rules for name, levels in rule.when.asked() if inputs[name].unknown in levels}
    return {
        name: (*inputs[name].levels, inputs[name].unknown) if name in counted else inputs[name].levels
        for name in names
    }


def _answer(
    outcomes: Sequence[tuple[_Fired, ...]], missing: Sequence[str], flags: Sequence[str]
) -> dict[str, str | None]:
    """Compare the outcomes of all completions; each outcome runs over the levels of deferred inputs."""
    every = [fired for outcome in outcomes for fired in outcome]
    regimens = _distinct(fired.regimen for fired in every)
    names = _distinct(fired.rule for fired in every)
    same_rule = len({tuple(fired.rule for fired in outcome) for outcome in outcomes}) == 1
    same_regimen = len({tuple(fired.regimen for fired in outcome) for outcome in outcomes}) == 1
    settled = same_regimen and bool(regimens)
    single = settled and len({fired.regimen for fired in every}) == 1
    others = _distinct(other for fired in every for other in fired.others)
    rule = EITHER.join(names) if names and (settled or same_rule) else None
    return {
        "regimen": regimens[0] if single else None,
        "rule": rule,
        "status": INDETERMINATE if not settled else DESPITE_MISSING if missing else DETERMINED,
        "missing_inputs": SEPARATOR.join(missing),
        "conflicts": SEPARATOR.join(other for other in others if rule and other not in names),
        "flags": SEPARATOR.join(flags),
        "possible": SEPARATOR.join(regimens),
    }


def _distinct(names: Iterable[str | None]) -> list[str]:
    """Return the names in order of first appearance, once each."""
    return list(dict.fromkeys(name for name in names if name is not None))
