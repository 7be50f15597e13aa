"""Decision tables: the adaptive rules as data, and the engine that answers them.

A table has inputs with few levels, and nodes with ordered rules. Every combination of levels, the unknown
ones included, is answered once, when the table is read; patients are then looked up. An input that is not
known is completed in every possible way: the answer is *indeterminate* only where completions disagree.

An answer is the protocol branch under a reading of the protocol; it is not a treatment recommendation.
"""

import itertools
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
import pandas as pd

from features.errors import UserError

ANSWER_COLUMNS = ["regimen", "rule", "status", "missing_inputs", "conflicts", "flags", "possible"]
DETERMINED = "determined"
DESPITE_MISSING = "determined_despite_missing"
INDETERMINATE = "indeterminate"
SEPARATOR = "; "
EITHER = "|"
MAX_IDS = 3
# Columns beside the features: a patient's branch, and the inputs of the rules (prefix).
BRANCH = "protocol_branch"
INPUT = "rule_"

Levels = tuple[str, ...]
Condition = Mapping[str, Any]


class RuleError(UserError):
    """A table that contradicts itself, a reading that cannot be followed, or an input it does not know."""


@dataclass(frozen=True)
class Input:
    """An input: its levels, the word for "not known", and which raw data count as its source."""

    name: str
    levels: Levels
    unknown: str
    source: Mapping[str, Any]


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
    ``itertools.product``, with `ANSWER_COLUMNS`. `own`: the node decides, and does not only look ahead.
    """

    name: str
    rules: tuple[Rule, ...]
    inputs: tuple[str, ...]
    deferred: tuple[str, ...]
    answers: pd.DataFrame
    own: bool
    settings: Mapping[str, Any]


@dataclass(frozen=True)
class RuleTable:
    """A decision table under one set of readings."""

    name: str
    title: str
    arm: str | None
    settings: Mapping[str, str]
    readings: Mapping[str, Mapping[str, Any]]
    parameters: Mapping[str, Any]
    pam_genes: Sequence[Mapping[str, str]] | None
    inputs: Mapping[str, Input]
    nodes: Mapping[str, Node]
    indeterminate_is_branch: bool

    @property
    def deciding(self) -> list[str]:
        """Names of the nodes that decide, in order of time."""
        return [node.name for node in self.nodes.values() if node.own]


def parse_rules(document: Mapping[str, Any], overrides: Mapping[str, str] | None = None) -> RuleTable:
    """Read a decision table and answer every combination of its inputs.

    Parameters
    ----------
    document : mapping
        A file of configs/rules/. ``pam_genes``, the rows of pam_genes.csv, is needed only to read raw tables.
    overrides : mapping of str to str, optional
        Readings other than the document's ``settings``.

    Raises
    ------
    RuleError
        If a setting or a choice is unknown, a known alternative cannot be followed, or a rule speaks of an
        input or a level that there is not.
    """
    settings = _settings(document, overrides or {})
    inputs = {
        name: Input(name, tuple(map(str, entry["levels"])), str(entry["unknown"]), entry["source"])
        for name, entry in document["inputs"].items()
    }
    nodes: dict[str, Node] = {}
    for name, entry in document["nodes"].items():
        written = entry.get("rules_of", name)
        shared = document["nodes"][written]
        rules = tuple(_rules(shared["rules"], document, settings, inputs, f"node {written}"))
        flags = {
            flag: _resolve(when, document, settings, inputs, f"node {written}, flag {flag}")
            for flag, when in shared.get("flags", {}).items()
        }
        nodes[name] = _node(name, rules, flags, entry, inputs)
    return RuleTable(
        document["table"],
        document["title"],
        document.get("arm"),
        settings,
        document["readings"],
        document.get("parameters", {}),
        document.get("pam_genes"),
        inputs,
        nodes,
        document.get("indeterminate_is_branch", True),
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
        raise RuleError(f"rules {rules.name}: there is no node {node}; nodes are {', '.join(rules.nodes)}")
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
    known = pd.Index([*spec.levels, spec.unknown], dtype="object")
    codes = known.get_indexer(pd.Index(values.astype("object").to_numpy()))
    codes[values.isna().to_numpy()] = len(spec.levels)
    wrong = codes < 0
    if wrong.any():
        ids = SEPARATOR.join(str(label) for label in values.index[wrong][:MAX_IDS])
        raise RuleError(
            f"node {node}, input {spec.name}: {int(wrong.sum())} rows are none of {', '.join(known)} ({ids})"
        )
    return codes


def _settings(document: Mapping[str, Any], overrides: Mapping[str, str]) -> dict[str, str]:
    """Return the readings in force, or say which of them there is not or cannot be followed."""
    readings = document["readings"]
    chosen = {name: reading["default"] for name, reading in readings.items()}
    for name, value in (dict(document.get("settings") or {}) | dict(overrides)).items():
        if name not in readings:
            raise RuleError(f"rules {document['table']}: there is no setting {name}")
        choices = [readings[name]["default"], *readings[name]["alternatives"]]
        if value not in choices:
            raise RuleError(f"setting {name}: {value} is none of {', '.join(map(str, choices))}")
        why = readings[name].get("refused", {}).get(value)
        if why is not None:
            raise RuleError(f"setting {name}: {value} is a known reading that cannot be followed yet ({why})")
        chosen[name] = value
    for name, reading in readings.items():
        chosen |= reading.get("implies", {}).get(chosen[name], {})
    return chosen


def _rules(
    entries: Sequence[Mapping[str, Any]],
    document: Mapping[str, Any],
    settings: Mapping[str, str],
    inputs: Mapping[str, Input],
    where: str,
) -> Iterator[Rule]:
    """Yield the rules that are there under the readings, their conditions and regimens resolved."""
    for entry in entries:
        if any(settings[name] != value for name, value in entry.get("only", {}).items()):
            continue
        place = f"{where}, rule {entry['rule']}"
        when = _resolve(entry["when"], document, settings, inputs, place)
        regimen = entry["regimen"]
        if isinstance(regimen, Mapping) and "by" in regimen:
            regimen = regimen[settings[regimen["by"]]]
        same_as = regimen["same_as"] if isinstance(regimen, Mapping) else None
        if same_as is not None and same_as not in inputs:
            raise RuleError(f"{place}: there is no input {same_as}")
        yield Rule(str(entry["rule"]), when, None if same_as else str(regimen), same_as)


def _resolve(
    condition: Any,
    document: Mapping[str, Any],
    settings: Mapping[str, str],
    inputs: Mapping[str, Input],
    where: str,
) -> Condition:
    """Replace named terms by their wording under the readings, and check inputs and levels."""
    if isinstance(condition, str):
        if condition not in document.get("terms", {}):
            raise RuleError(f"{where}: there is no term {condition}")
        condition = document["terms"][condition]
    if "by" in condition:
        condition = condition[settings[condition["by"]]]
    for combination in ("any", "all"):
        if combination in condition:
            parts = [_resolve(part, document, settings, inputs, where) for part in condition[combination]]
            return {combination: parts}
    resolved = {}
    for name, levels in condition.items():
        if name not in inputs:
            raise RuleError(f"{where}: there is no input {name}")
        resolved[name] = tuple([levels] if isinstance(levels, str) else levels)
        unknown = [level for level in resolved[name] if level not in inputs[name].levels]
        if unknown:
            raise RuleError(f"{where}: input {name} has no level {', '.join(map(str, unknown))}")
    return resolved


def _holds(condition: Condition, values: Mapping[str, str]) -> bool:
    """Tell whether a condition holds for known values."""
    if "any" in condition:
        return any(_holds(part, values) for part in condition["any"])
    if "all" in condition:
        return all(_holds(part, values) for part in condition["all"])
    return all(values[name] in levels for name, levels in condition.items())


def _used(condition: Condition) -> Iterator[str]:
    for name, part in condition.items():
        if name in {"any", "all"}:
            for each in part:
                yield from _used(each)
        else:
            yield name


def _node(
    name: str,
    rules: tuple[Rule, ...],
    flags: Mapping[str, Condition],
    entry: Mapping[str, Any],
    inputs: Mapping[str, Input],
) -> Node:
    """Answer every combination of the inputs that the node's rules use."""
    used = {each for rule in rules for each in _used(rule.when)} | {r.same_as for r in rules if r.same_as}
    deferred = tuple(each for each in inputs if each in used and each in entry.get("deferred", ()))
    known = tuple(each for each in inputs if each in used and each not in deferred)
    flagged = {flag: when for flag, when in flags.items() if set(_used(when)) <= set(known)}
    answers = _answers(rules, flagged, known, deferred, inputs)
    return Node(name, rules, known, deferred, answers, "rules_of" not in entry, entry)


class _Fired(NamedTuple):
    """What complete inputs lead to: the first rule that holds, its regimen, and the other rules that hold."""

    rule: str | None
    regimen: str | None
    others: tuple[str, ...]


def _fire(rules: Sequence[Rule], values: Mapping[str, str]) -> _Fired:
    holding = [rule for rule in rules if _holds(rule.when, values)]
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
    fired = {
        values: _fire(rules, dict(zip(names, values, strict=True)))
        for values in itertools.product(*(inputs[name].levels for name in names))
    }
    later = list(itertools.product(*(inputs[name].levels for name in deferred)))
    rows = []
    for values in itertools.product(*((*inputs[name].levels, inputs[name].unknown) for name in known)):
        missing = [name for name, value in zip(known, values, strict=True) if value == inputs[name].unknown]
        completions = list(
            itertools.product(
                *(
                    inputs[name].levels if name in missing else (value,)
                    for name, value in zip(known, values, strict=True)
                )
            )
        )
        outcomes = [tuple(fired[now + then] for then in later) for now in completions]
        complete = [dict(zip(known, now, strict=True)) for now in completions]
        raised = [flag for flag, when in flags.items() if all(_holds(when, each) for each in complete)]
        rows.append(_answer(outcomes, missing, raised))
    return pd.DataFrame(rows, columns=ANSWER_COLUMNS).astype("str")


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
