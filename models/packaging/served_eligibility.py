"""The study's eligibility as a served model asks for it: the criteria that a row of inputs can break."""

from collections.abc import Iterator, Sequence
from typing import Any

from features.contract.specification import Contract
from features.eligibility import Combination, Condition, Criterion

NUMERIC = ("float", "integer")
LIMITS = ("low", "high", "above", "below")


def served_eligibility(criteria: Sequence[Criterion], contract: Contract) -> dict[str, Any]:
    """Return the excluding criteria that can be judged by single values, as plain data.

    Left out are those that ask whether something is recorded, for a date, for a limit of normal, or of some
    patients only: a row of inputs does not hold what they need.

    Parameters
    ----------
    criteria : sequence of Criterion
    contract : Contract
        Says what the values may be.

    Returns
    -------
    dict
        `inputs`: columns that are asked for, each with name, table (None = laboratory test), kind, unit,
        levels, low and high. `criteria`: id, text and rule, which is ``{kind: [rules]}`` for the kinds of
        `features.eligibility.COMBINE`, or a condition on a column.
    """
    kept = [c for c in criteria if c.excluding and c.applies_if is None and _can_be_judged(c.rule)]
    inputs = {
        _name(condition): _input(condition, contract)
        for criterion in kept
        for condition in _conditions(criterion.rule)
    }
    return {
        "inputs": list(inputs.values()),
        "criteria": [{"id": c.id, "text": c.text, "rule": _document(c.rule)} for c in kept],
    }


def _conditions(rule: Condition | Combination) -> Iterator[Condition]:
    if isinstance(rule, Condition):
        yield rule
    else:
        for part in rule.parts:
            yield from _conditions(part)


def _can_be_judged(rule: Condition | Combination) -> bool:
    return not any(
        condition.known or condition.measure != "value" or condition.high_uln is not None
        for condition in _conditions(rule)
    )


def _name(condition: Condition) -> str:
    return str(condition.test or condition.column)


def _input(condition: Condition, contract: Contract) -> dict[str, Any]:
    if condition.table is None or condition.column is None:
        plain: dict[str, Any] = {"kind": "numeric", "levels": None, "low": 0, "high": None}
        return {"name": _name(condition), "table": None, "unit": condition.unit or "", **plain}
    spec = contract[condition.table].columns[condition.column]
    return {
        "name": spec.name,
        "table": condition.table,
        "kind": "numeric" if spec.type in NUMERIC else "categorical",
        "unit": spec.unit or "",
        "levels": list(spec.levels) or None,
        "low": spec.low,
        "high": spec.high,
    }


def _document(rule: Condition | Combination) -> dict[str, Any]:
    if isinstance(rule, Combination):
        return {rule.kind: [_document(part) for part in rule.parts]}
    lists = {"among": rule.among, "unknown": rule.unknown or None}
    values: dict[str, Any] = {"column": _name(rule), "missing_as": rule.missing_as}
    values |= {name: list(levels) for name, levels in lists.items() if levels is not None}
    values |= {name: getattr(rule, name) for name in LIMITS}
    return {name: value for name, value in values.items() if value is not None}
