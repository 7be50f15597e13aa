"""The eligibility criteria that data can check: a file of configs/eligibility, judged per patient."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import reduce
from operator import and_, or_
from typing import Any

import pandas as pd

from features.contract.specification import ColumnSpec, Contract
from features.errors import UserError
from features.feature import Seen, choose
from features.keys import checked_fields, refuse_unknown_keys, unknown_name

MET, VIOLATED = "met", "violated"
NOT_ASSESSABLE, NOT_APPLICABLE = "not_assessable", "not_applicable"
STATES = (MET, VIOLATED, NOT_ASSESSABLE, NOT_APPLICABLE)
"""What a criterion is for a patient: not assessable for want of data, not applicable where nobody asks."""

COMBINE = {"all": and_, "any": or_, "first_known": pd.Series.combine_first}
"""How the rules of a list are combined; ``first_known`` is the first that can be judged."""
MEASURES = ("value", "days_before_randomisation")


@dataclass(frozen=True)
class Condition:
    """A recorded value within limits: a column of a table, or a laboratory test at the first visit.

    `among` are the levels that meet it; `low` and `high` are allowed, `above` and `below` are not; `high_uln`
    is in multiples of the upper limit of normal. `known`: a value is recorded. `unknown` lists values that
    say nothing; `missing_as` is what an empty cell stands for, where the criterion asks for a rare exception.
    With `unit`, a result in another unit cannot be judged. With ``measure: days_before_randomisation`` a
    date, or the date of the test, is judged by its distance.
    """

    table: str | None = None
    column: str | None = None
    test: str | None = None
    unit: str | None = None
    among: tuple[str, ...] | None = None
    low: float | None = None
    high: float | None = None
    above: float | None = None
    below: float | None = None
    high_uln: float | None = None
    known: bool = False
    unknown: tuple[str, ...] = ()
    missing_as: str | None = None
    measure: str = "value"


@dataclass(frozen=True)
class Combination:
    """Rules combined by a key of `COMBINE`, in three-valued logic."""

    kind: str
    parts: tuple["Condition | Combination", ...]


@dataclass(frozen=True)
class Criterion:
    """An eligibility criterion; breaking an `excluding` one takes the patient out of the eligible set.

    It is asked of patients for whom `applies_if` is not false; None = of all.
    """

    id: str
    text: str
    excluding: bool
    rule: Condition | Combination
    applies_if: Condition | Combination | None = None


def parse_eligibility(document: Mapping[str, Any], where: str = "eligibility.yaml") -> tuple[Criterion, ...]:
    """Read the criteria of a file in configs/eligibility.

    Raises
    ------
    UserError
        If a key is unknown or missing, or a condition has nothing to judge or nothing to judge it by.
    """
    refuse_unknown_keys(document, ("settings", "criteria"), where, required=("criteria",))
    settings = document.get("settings") or {}
    criteria = []
    for entry in document["criteria"]:
        name = entry.get("id", "(unnamed)") if isinstance(entry, Mapping) else "(unnamed)"
        at = f"{where}, criterion {name}"
        content = checked_fields(Criterion, entry, at)
        rules = {
            key: _parse_rule(content[key], settings, at)
            for key in ("rule", "applies_if")
            if content.get(key) is not None
        }
        criteria.append(Criterion(**content | rules))
    return tuple(criteria)


def _parse_rule(entry: Any, settings: Mapping[str, str], where: str) -> Condition | Combination:
    if isinstance(entry, Mapping) and "by" in entry:
        return _parse_rule(_chosen(entry, settings, where), settings, where)
    if isinstance(entry, Mapping) and len(entry) == 1 and next(iter(entry)) in COMBINE:
        [(kind, parts)] = entry.items()
        return Combination(kind, tuple(_parse_rule(part, settings, f"{where}, {kind}") for part in parts))
    content = checked_fields(Condition, entry, where)
    lists = {key: tuple(content[key]) for key in ("among", "unknown") if content.get(key) is not None}
    condition = Condition(**content | lists)
    if (condition.test is None) == (condition.table is None or condition.column is None):
        raise UserError(f"{where}: needs either `test`, or `table` and `column`")
    if condition.known == bool(_limits(condition)):
        raise UserError(f"{where}: needs either `known: true`, or what to judge by (among, low, high ...)")
    if condition.measure not in MEASURES:
        raise UserError(f"{where}: measure {unknown_name(condition.measure, MEASURES)}")
    return condition


def _chosen(entry: Mapping[str, Any], settings: Mapping[str, str], where: str) -> Any:
    """Return the rule under the setting that ``by`` names."""
    name = str(entry["by"])
    if name not in settings:
        raise UserError(f"{where}: setting {unknown_name(name, list(settings))}")
    choices = [str(key) for key in entry if key != "by"]
    if settings[name] not in choices:
        raise UserError(f"{where}, by {name}: {unknown_name(str(settings[name]), choices)}")
    return entry[settings[name]]


def _limits(condition: Condition) -> list[str]:
    names = ("among", "low", "high", "above", "below", "high_uln")
    return [name for name in names if getattr(condition, name) is not None]


def tables_read(criteria: Sequence[Criterion]) -> set[str]:
    """Return the tables that criteria are judged by."""
    rules = [rule for criterion in criteria for rule in (criterion.rule, criterion.applies_if) if rule]
    named = {condition.table for rule in rules for condition in _conditions(rule) if condition.table}
    return {"subjects", "labs", *named}


def criteria_states(
    tables: Mapping[str, pd.DataFrame],
    criteria: Sequence[Criterion],
    visit: str,
    seen: Seen | None = None,
) -> pd.DataFrame:
    """Judge every eligibility criterion: index usubjid (sorted), one column of `STATES` per criterion.

    ``all`` and ``any`` follow three-valued logic; in ``any``, a column that is asked to be known and that no
    patient has does not keep the others from telling. Laboratory tests are of `visit`. Where the tables are
    those of a part of the cohort, `seen` says what the others have.
    """
    seen = seen or Seen()
    patients = tables["subjects"].set_index("usubjid").sort_index().index
    states = {}
    for criterion in criteria:
        met = _met(criterion.rule, tables, patients, visit, seen)
        cases = {NOT_ASSESSABLE: met.isna(), MET: met.fillna(value=False)}
        if criterion.applies_if is not None:
            applies = _met(criterion.applies_if, tables, patients, visit, seen)
            cases = {NOT_APPLICABLE: ~applies.fillna(value=True)} | cases
        states[criterion.id] = choose(patients, cases, VIOLATED)
    return pd.DataFrame(states, index=patients)


def eligible(states: pd.DataFrame, criteria: Sequence[Criterion]) -> pd.Series:
    """Tell who breaks no excluding criterion, as far as can be judged; bool, index of `states`."""
    excluding = [criterion.id for criterion in criteria if criterion.excluding]
    return (states[excluding] != VIOLATED).all(axis=1)


def _met(
    rule: Condition | Combination,
    tables: Mapping[str, pd.DataFrame],
    patients: pd.Index,
    visit: str,
    seen: Seen,
) -> pd.Series:
    """Judge one rule: a condition, or a combination of rules."""
    if isinstance(rule, Combination):
        parts = [_met(part, tables, patients, visit, seen) for part in rule.parts]
        if rule.kind == "any" and all(isinstance(part, Condition) and part.known for part in rule.parts):
            parts = [part for part in parts if part.notna().any()] or parts
        return reduce(COMBINE[rule.kind], parts)
    value, limit = _recorded(rule, tables, patients, visit)
    if rule.missing_as is not None:
        value = value.astype("object").fillna(rule.missing_as)
    if rule.known:
        known = value.notna().astype("boolean")
        return known if seen.any(str(rule), value) else known.mask(known.notna())
    value = value.mask(value.isin(rule.unknown))
    judged = [value.isin(rule.among)] if rule.among is not None else []
    judged += [value >= rule.low] if rule.low is not None else []
    judged += [value <= rule.high] if rule.high is not None else []
    judged += [value > rule.above] if rule.above is not None else []
    judged += [value < rule.below] if rule.below is not None else []
    judged += [value <= rule.high_uln * limit] if rule.high_uln is not None else []
    unjudged = value.isna() | (limit.isna() if rule.high_uln is not None else False)
    return reduce(and_, judged).astype("boolean").mask(unjudged)


def _recorded(
    rule: Condition, tables: Mapping[str, pd.DataFrame], patients: pd.Index, visit: str
) -> tuple[pd.Series, pd.Series]:
    """Return the value a condition asks for and its upper limit of normal, per patient; NaN if missing."""
    nothing = pd.Series(index=patients, dtype="float64")
    if rule.test is None:
        table = tables.get(rule.table or "")
        if table is None:
            return nothing, nothing
        value = table.set_index("usubjid")[rule.column].reindex(patients)
        return _measured(rule, value, value, tables), nothing
    if "labs" not in tables:
        return nothing, nothing
    labs = tables["labs"]
    chosen = labs.loc[(labs["testcd"] == rule.test) & (labs["visit"] == visit)].set_index("usubjid")
    if rule.unit is not None:
        chosen = chosen.loc[chosen["unit"].isna() | (chosen["unit"] == rule.unit)]
    chosen = chosen.reindex(patients)
    return _measured(rule, chosen["value"], chosen["lab_date"], tables), chosen["uln"]


def _measured(
    rule: Condition, value: pd.Series, date: pd.Series, tables: Mapping[str, pd.DataFrame]
) -> pd.Series:
    """Return what a condition judges: the value itself, or the days from its date to randomisation."""
    if rule.measure == "value":
        return value
    randomised = tables["subjects"].set_index("usubjid")["rand_date"].reindex(value.index)
    days: pd.Series = (randomised - date).dt.days.astype("float64")
    return days


def check_criteria(criteria: Sequence[Criterion], contract: Contract, where: str) -> None:
    """Refuse criteria that no table of the contract could be judged by.

    Raises
    ------
    UserError
        One line for each fault: an unknown table, column or level, a table with several rows for a patient,
        or a limit that is no number or of a column without numbers.
    """
    faults = [
        f"{where}, criterion {criterion.id}: {fault}"
        for criterion in criteria
        for rule in (criterion.rule, criterion.applies_if)
        for condition in (_conditions(rule) if rule is not None else ())
        for fault in _condition_faults(condition, contract)
    ]
    if faults:
        raise UserError("\n".join(faults))


def _conditions(rule: Condition | Combination) -> Iterator[Condition]:
    if isinstance(rule, Combination):
        for part in rule.parts:
            yield from _conditions(part)
    else:
        yield rule


def _condition_faults(condition: Condition, contract: Contract) -> Iterator[str]:
    limits = [name for name in _limits(condition) if name != "among"]
    for name in limits:
        if not isinstance(getattr(condition, name), int | float):
            yield f"{name}: must be a number"
    table, column = condition.table, condition.column
    if condition.test is not None or table is None or column is None:
        return
    if table not in contract:
        yield f"table {unknown_name(table, contract)}"
        return
    if column not in contract[table].columns:
        yield f"{table}: column {unknown_name(column, contract[table].columns)}"
        return
    if contract[table].key != ("usubjid",):
        yield f"{table}: has several rows for a patient; a criterion needs a table with one"
    yield from _column_faults(condition, f"{table}.{column}", contract[table].columns[column])


def _column_faults(condition: Condition, where: str, spec: ColumnSpec) -> Iterator[str]:
    limits = [name for name in _limits(condition) if name != "among"]
    if condition.measure != "value":
        if spec.type != "date":
            yield f"{where}: is no date, so {condition.measure} cannot be told"
        return
    if limits and spec.type not in {"float", "integer"}:
        yield f"{where}: has no numbers, so {', '.join(limits)} cannot judge it; use among"
    named = (*(condition.among or ()), *condition.unknown, condition.missing_as)
    for level in (level for level in named if level is not None):
        if spec.levels and level not in spec.levels:
            yield f"{where}: level {unknown_name(str(level), spec.levels)}"
