"""Configuration documents become typed objects: every key is known, every value of its kind and in range."""

import types
from collections.abc import Mapping
from dataclasses import dataclass, fields, is_dataclass
from typing import Annotated, Any, ClassVar, Literal, TypeVar, Union, get_args, get_origin, get_type_hints

from features.errors import UserError
from features.keys import checked_fields, refuse_unknown_keys

Value = TypeVar("Value")


class Between:
    """Limits of a number, as the metadata of its annotation; without `high` there is no upper one."""

    def __init__(self, low: float, high: float | None = None, *, inclusive: bool = True) -> None:
        self.low, self.high, self.inclusive = low, high, inclusive

    def __contains__(self, value: float) -> bool:
        if not self.inclusive:
            return self.low < value and (self.high is None or value < self.high)
        return self.low <= value and (self.high is None or value <= self.high)

    def __str__(self) -> str:
        if self.high is None:
            return f"at least {self.low:g}" if self.inclusive else f"above {self.low:g}"
        return f"{'from' if self.inclusive else 'strictly between'} {self.low:g} " + (
            f"to {self.high:g}" if self.inclusive else f"and {self.high:g}"
        )


Count = Annotated[int, Between(1)]
Share = Annotated[float, Between(0, 1)]
InnerShare = Annotated[float, Between(0, 1, inclusive=False)]
Positive = Annotated[float, Between(0, inclusive=False)]


@dataclass(frozen=True)
class Sections:
    """A file whose sections may be absent: one that is needed and not there is refused when it is read.

    A stage is given only those sections of a file on which it depends. `file` is the file's name, `files` the
    names of others by the section that stands there; `renamed` has the keys that are no longer valid and what
    has become of them.
    """

    file: ClassVar[str]
    files: ClassVar[Mapping[str, str]] = {}
    renamed: ClassVar[Mapping[str, str]]

    @classmethod
    def file_of(cls, section: str) -> str:
        """Return the name of the file in which a section stands."""
        return cls.files.get(section, cls.file)

    def __getattr__(self, name: str) -> Any:
        # Called only where there is no such attribute.
        if name in {section.name for section in fields(self)}:
            raise UserError(
                f"{self.file_of(name)}: key {name} is missing, or not declared by the stage that reads it"
            )
        raise AttributeError(name)


Document = TypeVar("Document", bound=Sections)


def parsed(kind: type[Value], document: Any, file: str) -> Value:
    """Return a document, or a part of one, as the dataclass `kind`; content annotated `Any` stays as it is.

    Parameters
    ----------
    file : str
        The file, and the part of it if it is one, as messages name it.

    Raises
    ------
    UserError
        If a key is unknown or missing, or a value is not what it must be; the message names file, key, rule
        and value.
    """
    value: Value = _Parser(file, {}).parsed(kind, document, "")
    return value


def parsed_sections(kind: type[Document], documents: Mapping[str, Any]) -> Document:
    """Return configuration files, content by the file's name, as `kind`, a dataclass of `Sections`.

    Raises
    ------
    UserError
        If a key is unknown, or a value is not what it must be; the message names file, key, rule and value.
    """
    hints = get_type_hints(kind, include_extras=True)
    sections = object.__new__(kind)
    files = {section.name: kind.file_of(section.name) for section in fields(kind)}
    for file, document in documents.items():
        moved = {name: f"in {other} now" for name, other in files.items() if other != file}
        _refuse_renamed(document, file, moved | dict(kind.renamed))
        refuse_unknown_keys(document, [name for name, other in files.items() if other == file], file)
        for name, value in document.items():
            object.__setattr__(sections, name, _Parser(file, kind.renamed).parsed(hints[name], value, name))
    return sections


@dataclass(frozen=True)
class _Parser:
    """Turns the values of one file into what their annotations say."""

    file: str
    renamed: Mapping[str, str]

    def parsed(self, hint: Any, value: Any, key: str) -> Any:
        origin, arguments = get_origin(hint), get_args(hint)
        if isinstance(hint, type) and is_dataclass(hint):
            return self._dataclass(hint, value, key)
        if origin is tuple:
            return self._tuple(arguments, value, key)
        if origin in {dict, Mapping}:
            return self._mapping(arguments, value, key)
        if origin in {Union, types.UnionType}:
            return self._union(arguments, value, key)
        if origin is Annotated:
            number = self.parsed(arguments[0], value, key)
            return self._require(number in arguments[1], number, key, str(arguments[1]))
        return self._scalar(hint, value, key)

    def _dataclass(self, kind: type, value: Any, key: str) -> Any:
        where, prefix = (f"{self.file}, {key}", f"{key}.") if key else (self.file, "")
        _refuse_renamed(value, where, self.renamed)
        hints = get_type_hints(kind, include_extras=True)
        content = checked_fields(kind, value, where)
        return kind(
            **{name: self.parsed(hints[name], item, f"{prefix}{name}") for name, item in content.items()}
        )

    def _tuple(self, kinds: tuple[Any, ...], value: Any, key: str) -> tuple[Any, ...]:
        self._require(isinstance(value, list | tuple), value, key, "a list")
        if kinds[-1] is Ellipsis:
            kinds = (kinds[0],) * len(value)
        self._require(len(kinds) == len(value), value, key, f"a list of {len(kinds)}")
        items = enumerate(zip(kinds, value, strict=True), start=1)
        return tuple(self.parsed(kind, item, f"{key}, item {number}") for number, (kind, item) in items)

    def _mapping(self, kinds: tuple[Any, ...], value: Any, key: str) -> dict[Any, Any]:
        self._require(isinstance(value, Mapping), value, key, "a mapping of names")
        return {
            self.parsed(kinds[0], name, f"{key}, name"): self.parsed(kinds[1], item, f"{key}.{name}")
            for name, item in value.items()
        }

    def _union(self, kinds: tuple[Any, ...], value: Any, key: str) -> Any:
        """Return the value as the dataclass whose literal ``kind`` it names, or as the type that it has."""
        if types.NoneType in kinds:
            kinds = tuple(kind for kind in kinds if kind is not types.NoneType)
            if value is None:
                return None
        if all(is_dataclass(kind) for kind in kinds):
            by_name = {get_args(get_type_hints(kind)["kind"])[0]: kind for kind in kinds}
            name = value.get("kind") if isinstance(value, Mapping) else None
            self._require(name in by_name, name, f"{key}.kind", f"one of {', '.join(by_name)}")
            return self.parsed(by_name[str(name)], value, key)
        # A whole number stays one where both kinds of numbers are allowed.
        return self.parsed(type(value) if type(value) in kinds else kinds[-1], value, key)

    def _scalar(self, hint: Any, value: Any, key: str) -> Any:
        if hint is Any:
            return value
        if get_origin(hint) is Literal:
            valid = get_args(hint)
            return self._require(value in valid, value, key, f"one of {', '.join(map(str, valid))}")
        kinds = {
            float: (int | float, "a number"),
            int: (int, "a whole number"),
            str: (str, "text"),
            bool: (bool, "true or false"),
        }
        accepted, name = kinds[hint]
        fits = isinstance(value, accepted) and isinstance(value, bool) == (hint is bool)
        self._require(fits, value, key, name)
        return hint(value)

    def _require(self, fits: bool, value: Value, key: str, rule: str) -> Value:
        if not fits:
            raise UserError(f"{self.file}, {key}: must be {rule}; got {value!r}")
        return value


def _refuse_renamed(document: Any, where: str, renamed: Mapping[str, str]) -> None:
    for key in document if isinstance(document, Mapping) else ():
        if key in renamed:
            raise UserError(f"{where}: key {key} is {renamed[key]}")
