"""Configuration files as typed settings: an unknown key is refused, and the nearest valid one is named."""

from pathlib import Path
from typing import Any, ClassVar, TypeVar, get_args

from pydantic import BaseModel, ConfigDict, ValidationError

from features.errors import UserError
from features.keys import unknown_name
from pipeline.project.files import read_yaml

UNKNOWN = "extra_forbidden"


class Settings(BaseModel):
    """A part of a configuration file; it takes no key that it does not know, and cannot be changed.

    `moved` has the keys that stand in another file now, and which.
    """

    moved: ClassVar[dict[str, str]] = {}
    model_config = ConfigDict(extra="forbid", frozen=True)


Kind = TypeVar("Kind", bound=Settings)


def read_settings(kind: type[Kind], path: Path) -> Kind:
    """Return a YAML file as settings of a kind. Raises as `parse_settings` and `read_yaml`."""
    return parse_settings(kind, read_yaml(path), str(path))


def parse_settings(kind: type[Kind], document: object, file: str) -> Kind:
    """Return a parsed document as settings of a kind.

    Raises
    ------
    UserError
        If a key is unknown or missing, or a value is not valid: file and key, a line for each fault.
    """
    try:
        return kind.model_validate(document)
    except ValidationError as error:
        faults = error.errors(include_url=False, include_input=False, include_context=False)
        lines = [f"{file}: {_told(kind, fault['loc'], fault['type'], fault['msg'])}" for fault in faults]
        raise UserError("\n".join(lines)) from None


def _told(kind: type[Settings], location: tuple[int | str, ...], fault: str, message: str) -> str:
    key = ".".join(map(str, location)) or "the file"
    if fault != UNKNOWN:
        return f"{key}: {message.removeprefix('Value error, ')}"
    if key in kind.moved:
        return f"key {key} is in {kind.moved[key]} now"
    section = ".".join(map(str, location[:-1]))
    place = f"{section}: key " if section else "key "
    return place + unknown_name(str(location[-1]), _valid_keys(kind, location[:-1]))


def _valid_keys(kind: type[BaseModel], location: tuple[int | str, ...]) -> list[str]:
    """Return the keys that are valid at a place inside settings of a kind."""
    model: Any = kind
    for part in location:
        if isinstance(part, str) and part in model.model_fields:
            model = _model_in(model.model_fields[part].annotation) or model
    return list(model.model_fields)


def _model_in(annotation: Any) -> type[BaseModel] | None:
    """Return the settings that an annotation holds, such as those in a list."""
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return annotation
    return next((model for inner in get_args(annotation) if (model := _model_in(inner))), None)
