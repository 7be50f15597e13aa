"""docs/study-file.md: every key that a study file may have, written from the models that check it.

``python -m pipeline.intake.study_reference docs/study-file.md`` writes it.
"""

import sys
from collections.abc import Iterator
from pathlib import Path
from types import NoneType, UnionType
from typing import Annotated, Any, Literal, Union, get_args, get_origin

from pydantic import BaseModel
from pydantic.fields import FieldInfo

from pipeline.project.files import write_text
from pipeline.sources.mapping.study_file import Library, Study

HEADING = """\
# Study file: every key

What `configs/studies/NAME.yaml` may say; a key that is not here is refused. `pcr init-study NAME` writes a
commented one, docs/bring-your-own-data.md walks through it. Written by
`python -m pipeline.intake.study_reference docs/study-file.md`.
"""
WORDS = {str: "text", int: "whole number", float: "number", bool: "true or false", NoneType: "null"}


def reference() -> str:
    """Return the page: a section for each part of a study file, the whole file first."""
    parts = [HEADING]
    for model in _models([Study, Library]):
        said = " ".join((model.__doc__ or "").split()).replace("``", "`")
        rows = [
            f"| `{f.alias or name}` | {_words(f.annotation)} | {_default(f)} |" for name, f in _fields(model)
        ]
        parts.append(
            "\n".join(
                [f"## {model.__name__}\n\n{said}\n", "| key | holds | if left out |", "|---|---|---|", *rows]
            )
        )
    return "\n\n".join(part.rstrip() for part in parts) + "\n"


def _fields(model: type[BaseModel]) -> list[tuple[str, FieldInfo]]:
    return list(model.model_fields.items())


def _models(first: list[type[BaseModel]]) -> list[type[BaseModel]]:
    """Return the models, and those that their fields hold, in the order in which they are met."""
    found = list(first)
    for model in found:
        for _, field in _fields(model):
            found += [part for part in _parts(field.annotation) if part not in found]
    return found


def _parts(annotation: Any) -> Iterator[type[BaseModel]]:
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        yield annotation
    elif get_origin(annotation) is not Literal:
        for argument in get_args(annotation):
            yield from _parts(argument)


def _words(annotation: Any) -> str:
    """Return a type in words, such as "list of text"; a part of the file is a link to its section."""
    origin, arguments = get_origin(annotation), get_args(annotation)
    if origin is Literal:
        return " or ".join(f"`{value}`" for value in arguments)
    if origin in {Union, UnionType}:
        return " or ".join(_words(argument) for argument in arguments)
    if origin in {list, Annotated}:
        return f"{'list of ' if origin is list else ''}{_words(arguments[0])}"
    if origin in {dict, tuple}:
        words = [_words(argument) for argument in arguments]
        return f"mapping of {words[0]} to {words[1]}" if origin is dict else f"[{', '.join(words)}]"
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return f"[{annotation.__name__}](#{annotation.__name__.lower()})"
    return WORDS[annotation]


def _default(field: FieldInfo) -> str:
    if field.is_required():
        return "must be there"
    value = field.get_default(call_default_factory=True)
    if value is None:
        return "not used"
    if isinstance(value, BaseModel):
        return "its own defaults"
    if value in ("", []):
        return "empty"
    return f"`{str(value).lower()}`" if isinstance(value, bool) else f"`{value}`"


if __name__ == "__main__":
    write_text(Path(sys.argv[1]), reference())
