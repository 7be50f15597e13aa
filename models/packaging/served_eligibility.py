"""The study's eligibility as a served model asks for it: the criteria that a row of inputs can break."""

from collections.abc import Iterator, Sequence

from features.contract.specification import Contract
from features.eligibility import Combination, Condition, Criterion
from models.serving.serving import EligibilityDocument, EligibilityInput, RuleDocument

NUMERIC = ("float", "integer")


def served_eligibility(criteria: Sequence[Criterion], contract: Contract) -> EligibilityDocument:
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
    EligibilityDocument
        `inputs`: columns that are asked for, each with name, table (None = laboratory test), kind, unit,
        levels, low and high. `criteria`: id, text and rule, which is ``{kind: [rules]}`` for the kinds of
        `features.eligibility.COMBINE`, or a condition on a column. `unserved`: ids of the other excluding
        criteria.
    """
    excluding = [c for c in criteria if c.excluding]
    kept = [c for c in excluding if c.applies_if is None and _can_be_judged(c.rule)]
    inputs = {
        _name(condition): _input(condition, contract)
        for criterion in kept
        for condition in _conditions(criterion.rule)
    }
    return {
        "inputs": list(inputs.values()),
        "criteria": [{"id": c.id, "text": c.text, "rule": _document(c.rule)} for c in kept],
        "unserved": [c.id for c in excluding if c not in kept],
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


def _input(condition: Condition, contract: Contract) -> EligibilityInput:
    if condition.table is None or condition.column is None:
        value = contract["labs"].columns["value"]
        return {
            "name": _name(condition), "table": None, "unit": condition.unit or "", "kind": "numeric",
            "levels": None, "low": value.low, "high": value.high,
        }  # fmt: skip
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


def _document(rule: Condition | Combination) -> RuleDocument:
    return _combination(rule) if isinstance(rule, Combination) else _condition(rule)


def _combination(rule: Combination) -> RuleDocument:
    parts = [_document(part) for part in rule.parts]
    if rule.kind == "all":
        return {"all": parts}
    return {"any": parts} if rule.kind == "any" else {"first_known": parts}


def _condition(rule: Condition) -> RuleDocument:
    document: RuleDocument = {"column": _name(rule)}
    if rule.missing_as is not None:
        document["missing_as"] = rule.missing_as
    if rule.among is not None:
        document["among"] = list(rule.among)
    if rule.unknown:
        document["unknown"] = list(rule.unknown)
    if rule.low is not None:
        document["low"] = rule.low
    if rule.high is not None:
        document["high"] = rule.high
    if rule.above is not None:
        document["above"] = rule.above
    if rule.below is not None:
        document["below"] = rule.below
    return document
