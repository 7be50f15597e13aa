"""A file of configs/rules with types: inputs and their sources, readings, parameters, nodes and rules.

What is read here is as written. `models.rules.table` resolves it under a set of readings.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

from features.documents.parsing import Count, Positive, parsed
from features.errors import UserError
from features.gene_rules import GeneRule
from features.keys import unknown_name


class RuleError(UserError):
    """A table that contradicts itself, a reading that cannot be followed, or an input it does not know."""


@dataclass(frozen=True)
class CtdnaSource:
    """The ctDNA call of the plasma drawn at `visits`, after the first day of `cycle` and by the `decision`.

    `window` names the reading that may make days of it.
    """

    kind: Literal["ctdna"]
    visits: tuple[str, ...]
    decision: str
    cycle: Count | None = None
    window: str | None = None


@dataclass(frozen=True)
class MutationSource:
    """The mutation status by the plasma samples of these inputs, earliest first, or by tissue."""

    kind: Literal["mutation"]
    samples: tuple[str, ...]


@dataclass(frozen=True)
class ResponseSource:
    """The response at the node, by methods that measured the patient at `baseline`, too."""

    kind: Literal["response"]
    visit: Literal["node"]
    baseline: str


@dataclass(frozen=True)
class GivenSource:
    """The regimen of the last of `cycles` that was given."""

    kind: Literal["given"]
    cycles: tuple[Count, ...]


@dataclass(frozen=True)
class FeatureChangeSource:
    """The relative change of an imaging feature since `baseline`; increasing `cuts` divide it into levels."""

    kind: Literal["feature_change"]
    visit: Literal["node"]
    baseline: str
    method: str
    feature: str
    cuts: tuple[float, ...]


@dataclass(frozen=True)
class DecidedSource:
    """What an earlier node answered."""

    kind: Literal["decided"]
    node: str
    answer: Literal["regimen", "rule"]


Source = CtdnaSource | MutationSource | ResponseSource | GivenSource | FeatureChangeSource | DecidedSource


@dataclass(frozen=True)
class Input:
    """An input: its levels, the word for "not known", and which raw data count as its source."""

    name: str
    levels: tuple[str, ...]
    unknown: str
    source: Source

    @property
    def per_node(self) -> bool:
        """Whether it is read anew at every node."""
        return isinstance(self.source, ResponseSource | FeatureChangeSource)

    def column(self, node: str) -> str:
        """Return the name under which the reading at a node is kept."""
        return f"{self.name}_{node}" if self.per_node else self.name


@dataclass(frozen=True)
class Reading:
    """A question that the protocol leaves open, and the choices.

    `refused`: choices that are known but cannot be followed yet, and why. `implies`: choice -> what other
    readings must be under it.
    """

    number: Count
    default: str
    alternatives: tuple[str, ...]
    why: str
    refused: Mapping[str, str] = field(default_factory=dict)
    implies: Mapping[str, Mapping[str, str]] = field(default_factory=dict)

    @property
    def choices(self) -> tuple[str, ...]:
        """The default and the alternatives."""
        return (self.default, *self.alternatives)


@dataclass(frozen=True)
class Parameters:
    """Figures of the readings; a table needs those that its inputs and readings ask for.

    `window_days`: decision -> first and last day of the cycle that count (its first dose = day 1).
    `fraction_over_lod`: the tumour fraction that allows "wild type", in multiples of the limit of detection.
    `method_priority`: methods of imaging, preferred first.
    """

    window_days: Mapping[str, tuple[int, int]] = field(default_factory=dict)
    fraction_over_lod: Positive | None = None
    method_priority: tuple[str, ...] = ()


@dataclass(frozen=True)
class PamGene:
    """A gene of the PI3K/AKT/mTOR pathway: the set that it is in, and which of its variants count.

    `rule` and `changes` (separated by semicolons) are those of `features.gene_rules.GeneRule`.
    """

    gene: str
    set: str
    rule: Literal["any_pathogenic", "hotspot", "loss_of_function", "activating"]
    changes: str = ""
    source: str = ""

    @property
    def how(self) -> GeneRule:
        """Which variants count."""
        return GeneRule(self.rule, tuple(change for change in self.changes.split(";") if change))


@dataclass(frozen=True)
class RuleEntry:
    """A rule as written: condition and regimen may depend on a reading, and `only` on readings in force."""

    rule: str
    when: Any
    regimen: Any
    only: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class EarlierStart:
    """`rules` whose answer was the same at the earlier `node` are carried out in these cycles already."""

    rules: tuple[str, ...]
    node: str
    carried_out: tuple[Count, ...]


@dataclass(frozen=True)
class Reference:
    """What a response is judged against: the visit by choice of a reading (None = as recorded).

    A sum of at most `pr_share` of that visit's is PR.
    """

    reading: str
    visits: Mapping[str, str | None]
    pr_share: Positive


@dataclass(frozen=True)
class NodeEntry:
    """A node as written.

    A node with `rules_of` looks ahead to that node while the inputs `deferred` are still to come. `follows`:
    the node whose branch comes before its own. `carried_out`: cycles of the decision. A draw or scan of
    `visit` lies after the first day of `cycle`; `window` is the reading that may make days of it.
    """

    rules: tuple[RuleEntry, ...] = ()
    rules_of: str | None = None
    deferred: tuple[str, ...] = ()
    branch_names: Mapping[str, str] = field(default_factory=dict)
    flags: Mapping[str, Any] = field(default_factory=dict)
    follows: str | None = None
    visit: str | None = None
    cycle: Count | None = None
    window: str | None = None
    carried_out: tuple[Count, ...] = ()
    earlier_start: Any = None
    reference: Any = None


@dataclass(frozen=True)
class RuleDocument:
    """A file of configs/rules; `beside` are readings that are counted beside those in force, in every run."""

    table: str
    title: str
    arm: str | None
    settings: Mapping[str, str]
    readings: Mapping[str, Reading]
    parameters: Parameters
    inputs: Mapping[str, Input]
    nodes: Mapping[str, NodeEntry]
    pam_genes: tuple[PamGene, ...] | None = None
    terms: Mapping[str, Any] = field(default_factory=dict)
    beside: Mapping[str, str] = field(default_factory=dict)
    indeterminate_is_branch: bool = True

    @property
    def defaults(self) -> dict[str, str]:
        """The default of every reading."""
        return {name: reading.default for name, reading in self.readings.items()}

    def by_reading(self, content: Mapping[str, Any], key: str, where: str) -> tuple[str, dict[str, Any]]:
        """Return the reading that `key` names, and what stands under each of its choices.

        Raises
        ------
        RuleError
            If there is no such reading, or another key is not one of its choices.
        """
        reading = str(content[key])
        if reading not in self.readings:
            raise RuleError(f"{where}: reading {unknown_name(reading, list(self.readings))}")
        options = {str(choice): option for choice, option in content.items() if choice != key}
        choices = self.readings[reading].choices
        for choice in options:
            if choice not in choices:
                raise RuleError(f"{where}, by {reading}: {unknown_name(choice, choices)}")
        return reading, options


def parse_rules(document: Any, file: str = "configs/rules") -> RuleDocument:
    """Read a decision table as written.

    Parameters
    ----------
    document : object
        A file of configs/rules, parsed. ``pam_genes``, the rows of pam_genes.csv, is needed only to read raw
        tables.
    file : str
        The file, as messages name it.

    Raises
    ------
    UserError
        If a key is unknown or missing, a value is not what it must be, or a name refers to nothing.
    """
    if isinstance(document, Mapping) and isinstance(document.get("inputs"), Mapping):
        named = {
            name: {"name": name, **entry} if isinstance(entry, Mapping) else entry
            for name, entry in document["inputs"].items()
        }
        document = {**document, "inputs": named}
    rules = parsed(RuleDocument, document, file)
    for fault in _faults(rules):
        raise RuleError(f"{file}: {fault}")
    return rules


def _faults(rules: RuleDocument) -> Iterator[str]:
    """Yield the names that refer to nothing, and the parameters that are asked for and missing."""
    nodes, inputs, readings = list(rules.nodes), list(rules.inputs), list(rules.readings)
    for name, entry in rules.nodes.items():
        for key, referred, valid in (
            ("rules_of", entry.rules_of, nodes),
            ("follows", entry.follows, nodes[: nodes.index(name)]),
            ("window", entry.window, readings),
            *(("deferred", one, inputs) for one in entry.deferred),
        ):
            if referred is not None and referred not in valid:
                yield f"node {name}, {key}: {unknown_name(referred, valid)}"
    for spec in rules.inputs.values():
        for key, referred, valid in _references(spec.source, rules):
            if referred not in valid:
                yield f"input {spec.name}, {key}: {unknown_name(referred, valid)}"
        if isinstance(spec.source, ResponseSource) and not rules.parameters.method_priority:
            yield f"parameters: key method_priority is missing; input {spec.name} needs it"


def _references(source: Source, rules: RuleDocument) -> Iterator[tuple[str, str, list[str]]]:
    if isinstance(source, DecidedSource):
        yield "node", source.node, list(rules.nodes)
    if isinstance(source, CtdnaSource) and source.window is not None:
        yield "window", source.window, list(rules.readings)
    if isinstance(source, MutationSource):
        samples = [name for name, spec in rules.inputs.items() if isinstance(spec.source, CtdnaSource)]
        yield from (("samples", name, samples) for name in source.samples)
