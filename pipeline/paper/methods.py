"""Abstract and statistical methods of a run, sentence by sentence: each with its condition and its sources.

A sentence whose condition does not hold is not there. Its sources are read off its template: what it is
filled from is where it comes from.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from jinja2 import StrictUndefined, TemplateError, nodes
from jinja2.sandbox import SandboxedEnvironment

from features.errors import UserError
from models.procedure.configuration.plan import ValidationPlan
from pipeline.paper.told_record import ToldRecord
from pipeline.report.facts import listed
from pipeline.report.labels import Labels

FILE = "configs/methods_text.yaml"
ALWAYS = "always"
PLACES = {
    "study": "configs/study.yaml",
    "models": "configs/models.yaml",
    "flow": "cohort/flow.json",
    "results": "results/",
    "run": "results/",
    "facts": "study file and cohort",
    "features": "features/",
    "versions": "description.json",
    "record": "record of results",
}
"""Where what a template is filled from stands; of validation, each key tells."""
FILTERS = ("label", "listed", "alternatives")
ON_MAPPINGS = ("items", "keys", "values", "get")


@dataclass(frozen=True)
class SentenceSettings:
    """A sentence: its template, its condition, and where in the code it is decided."""

    say: str
    when: str = ""
    source: str = ""


@dataclass(frozen=True)
class PassageSettings:
    """A heading and what may stand below it."""

    heading: str
    sentences: tuple[SentenceSettings, ...]


@dataclass(frozen=True)
class MethodsSettings:
    """configs/methods_text.yaml."""

    abstract: tuple[PassageSettings, ...]
    methods: tuple[PassageSettings, ...]


@dataclass(frozen=True)
class Sentence:
    """A sentence that is true of a run, below its heading."""

    heading: str
    text: str
    condition: str
    sources: tuple[str, ...]


def sentences(
    passages: Sequence[PassageSettings], context: Mapping[str, object], labels: Labels, record: ToldRecord
) -> list[Sentence]:
    """Return the sentences of passages whose conditions hold, in order.

    Parameters
    ----------
    context : mapping
        What templates are filled from, by name: as those of the reporting checklists, and `versions`.

    Raises
    ------
    UserError
        If a template or condition cannot be filled from the run.
    """
    environment = SandboxedEnvironment(undefined=StrictUndefined)
    environment.filters |= dict(zip(FILTERS, (labels.name, listed, _alternatives), strict=True))
    filled = {**context, "record": record}
    return [
        sentence
        for passage in passages
        for settings in passage.sentences
        for sentence in _sentence(environment, passage.heading, settings, filled, labels)
    ]


def _sentence(
    environment: SandboxedEnvironment,
    heading: str,
    settings: SentenceSettings,
    context: Mapping[str, object],
    labels: Labels,
) -> Iterator[Sentence]:
    try:
        if settings.when and not environment.compile_expression(settings.when)(**context):
            return
        text = labels.text(" ".join(environment.from_string(settings.say).render(**context).split()))
        sources = sources_of(f"{settings.say}{{% if {settings.when or 'true'} %}}{{% endif %}}")
    except TemplateError as error:
        raise UserError(f"{FILE}, {heading}, '{settings.say[:60]}': {error}") from error
    decided = (settings.source,) if settings.source else ()
    yield Sentence(heading, text, settings.when or ALWAYS, decided + sources)


def _alternatives(values: Sequence[object]) -> str:
    return " or ".join(map(str, values))


def sources_of(template: str) -> tuple[str, ...]:
    """Return where what a template is filled from stands, such as ``configs/validation.yaml: folds``."""
    return tuple(dict.fromkeys(map(_place, _paths(template))))


def _paths(template: str) -> Iterator[tuple[str, ...]]:
    """Yield what a template asks of what it is filled from, such as ``("validation", "folds")``."""
    environment = SandboxedEnvironment()
    environment.filters |= dict.fromkeys(FILTERS, str)
    tree = environment.parse(template)
    inner = {id(node.node) for node in tree.find_all(nodes.Getattr)}
    for node in tree.find_all((nodes.Getattr, nodes.Name)):
        path = _chain(node)
        if id(node) not in inner and path and path[0] in {*PLACES, "validation"}:
            yield tuple(part for part in path if part not in ON_MAPPINGS)


def _chain(node: nodes.Node) -> tuple[str, ...]:
    if isinstance(node, nodes.Name):
        return (node.name,)
    inner = _chain(node.node) if isinstance(node, nodes.Getattr) else ()
    return (*inner, node.attr) if inner and isinstance(node, nodes.Getattr) else ()


def _place(path: tuple[str, ...]) -> str:
    root, *keys = path
    if root == "record":
        return PLACES[root]
    file = ValidationPlan.files.get(keys[0], ValidationPlan.file) if root == "validation" else PLACES[root]
    return f"{file}: {'.'.join(keys)}" if keys else file
