"""The study's eligibility as a served model asks for it: the criteria that a row of inputs can break."""

from collections.abc import Iterator, Sequence

from features.contract.specification import Contract
from features.eligibility import Combination, Condition, Criterion
from models.serving.serving import CriterionDocument, EligibilityDocument, EligibilityInput, RuleDocument

NUMERIC = ("float", "integer")


def served_eligibility(criteria: Sequence[Criterion], contract: Contract) -> EligibilityDocument:
    """Return the excluding criteria that can be judged by single values, as plain data.

    A row of inputs holds no dates and no limits of normal: a part of a criterion that needs one is left open,
    and a criterion that needs nothing else is not served. That nothing was recorded is not a row's to tell: a
    criterion that asks for it is met, or open.

    Parameters
    ----------
    criteria : sequence of Criterion
    contract : Contract
        Says what the values may be.

    Returns
    -------
    EligibilityDocument
        `inputs`: columns that are asked for, each with name, table (None = laboratory test), kind, unit,
        levels, low and high. `criteria`: id, text, rule and `applies_if`; a rule is ``{kind: [rules]}`` for
        the kinds of `features.eligibility.COMBINE`, a condition on a column, or empty where it stays open.
        `unserved`: ids of the other excluding criteria.
    """
    excluding = [criterion for criterion in criteria if criterion.excluding]
    served = {c.id: document for c in excluding if (document := _criterion(c, contract))}
    asked = [
        condition
        for criterion in excluding
        if criterion.id in served
        for rule in (criterion.rule, criterion.applies_if)
        for condition in (_conditions(rule) if rule is not None else ())
        if _is_held(condition, contract)
    ]
    return {
        "inputs": list({_name(condition): _input(condition, contract) for condition in asked}.values()),
        "criteria": list(served.values()),
        "unserved": [criterion.id for criterion in excluding if criterion.id not in served],
    }


def _criterion(criterion: Criterion, contract: Contract) -> CriterionDocument | None:
    """Return a criterion as it is served; None where a row has nothing to judge it by."""
    rule = _document(criterion.rule, contract)
    if not rule:
        return None
    document: CriterionDocument = {"id": criterion.id, "text": criterion.text, "rule": rule}
    if criterion.applies_if is None:
        return document
    # Left open, it would be asked of patients whom the cohort does not ask.
    if not _is_whole(criterion.applies_if, contract):
        return None
    return {**document, "applies_if": _document(criterion.applies_if, contract)}


def _conditions(rule: Condition | Combination) -> Iterator[Condition]:
    if isinstance(rule, Condition):
        yield rule
    else:
        for part in rule.parts:
            yield from _conditions(part)


def _is_whole(rule: Condition | Combination, contract: Contract) -> bool:
    return all(_is_held(condition, contract) for condition in _conditions(rule))


def _is_held(condition: Condition, contract: Contract) -> bool:
    """Tell whether a row of inputs can hold what a condition needs."""
    if condition.measure != "value" or condition.high_uln is not None:
        return False
    if condition.table is None or condition.column is None:
        return True
    spec = contract[condition.table].columns[condition.column]
    return spec.type in NUMERIC or bool(spec.levels)


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


def _document(rule: Condition | Combination, contract: Contract) -> RuleDocument:
    """Return a rule as it is served; empty where a row has nothing to judge it by."""
    if isinstance(rule, Condition):
        return _condition(rule) if _is_held(rule, contract) else {}
    parts = [_document(part, contract) for part in rule.parts]
    # What an open part would have told must not be told by a later one.
    if not any(parts) or (rule.kind == "first_known" and not _is_whole(rule, contract)):
        return {}
    if rule.kind == "all":
        return {"all": parts}
    return {"any": parts} if rule.kind == "any" else {"first_known": parts}


def _condition(rule: Condition) -> RuleDocument:
    document: RuleDocument = {"column": _name(rule)}
    if rule.known:
        document["known"] = True
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
