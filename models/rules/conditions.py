"""Conditions of a decision table: which levels of which inputs a rule asks for."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from features.keys import unknown_name
from models.rules.document import RuleDocument, RuleError


@dataclass(frozen=True)
class Levels:
    """Holds where every input has one of its levels."""

    allowed: Mapping[str, tuple[str, ...]]

    def holds(self, values: Mapping[str, str]) -> bool:
        """Tell whether the condition holds for known values."""
        return all(values[name] in levels for name, levels in self.allowed.items())

    def asked(self) -> Iterator[tuple[str, tuple[str, ...]]]:
        """Yield the inputs that are asked for, each with the levels that are."""
        yield from self.allowed.items()


@dataclass(frozen=True)
class Combination:
    """Holds where all parts do, or (not `every`) where any does."""

    every: bool
    parts: tuple["Condition", ...]

    def holds(self, values: Mapping[str, str]) -> bool:
        """Tell whether the condition holds for known values."""
        return (all if self.every else any)(part.holds(values) for part in self.parts)

    def asked(self) -> Iterator[tuple[str, tuple[str, ...]]]:
        """Yield the inputs that are asked for, each with the levels that are."""
        for part in self.parts:
            yield from part.asked()


Condition = Levels | Combination


def inputs_of(condition: Condition) -> set[str]:
    """Return the inputs that a condition asks for."""
    return {name for name, _ in condition.asked()}


def resolve(
    content: Any, document: RuleDocument, settings: Mapping[str, str], where: str, terms: tuple[str, ...] = ()
) -> Condition:
    """Return a condition as written, with the terms it names, worded as the readings in force say.

    Parameters
    ----------
    content : object
        The name of a term; a mapping of inputs to levels; or one of ``any``, ``all`` (a list of conditions)
        and ``by`` (a reading, with a condition under each of its choices).
    terms : tuple of str
        The terms that led here: none may lead to itself.

    Raises
    ------
    RuleError
        If a term, reading, input or level is unknown, or a term leads to itself.
    """
    if isinstance(content, str):
        if content not in document.terms:
            raise RuleError(f"{where}: term {unknown_name(content, list(document.terms))}")
        if content in terms:
            raise RuleError(f"{where}: term {content} leads to itself")
        return resolve(document.terms[content], document, settings, where, (*terms, content))
    if not isinstance(content, Mapping):
        raise RuleError(f"{where}: a condition is a term or a mapping; got {content!r}")
    if "by" in content:
        chosen = option(content, document, settings, where)
        return resolve(chosen, document, settings, where, terms)
    for key in ("any", "all"):
        if key in content:
            if len(content) > 1 or not isinstance(content[key], list | tuple):
                raise RuleError(f"{where}: {key} stands alone and has a list of conditions")
            parts = tuple(resolve(part, document, settings, where, terms) for part in content[key])
            return Combination(key == "all", parts)
    return Levels({name: _levels(name, levels, document, where) for name, levels in content.items()})


def option(
    content: Mapping[str, Any], document: RuleDocument, settings: Mapping[str, str], where: str
) -> Any:
    """Return what stands under the choice in force of the reading named by ``by``.

    Raises
    ------
    RuleError
        If there is no such reading or choice, or nothing stands under the one in force.
    """
    reading, options = document.by_reading(content, "by", where)
    if settings[reading] not in options:
        raise RuleError(f"{where}, by {reading}: key {settings[reading]} is missing")
    return options[settings[reading]]


def _levels(name: str, levels: Any, document: RuleDocument, where: str) -> tuple[str, ...]:
    if name not in document.inputs:
        raise RuleError(f"{where}: input {unknown_name(name, list(document.inputs))}")
    wanted = (levels,) if isinstance(levels, str) else tuple(levels)
    # A rule that names the word for "not known" counts what is not known as a level of its own.
    valid = (*document.inputs[name].levels, document.inputs[name].unknown)
    for level in wanted:
        if level not in valid:
            raise RuleError(f"{where}: level of {name} {unknown_name(str(level), valid)}")
    return wanted
