"""Configuration documents become typed objects: every key is known, every value of its kind and in range."""

import types
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, fields, is_dataclass
from typing import Annotated, Any, ClassVar, Literal, TypeVar, Union, get_args, get_origin, get_type_hints

from features.errors import UserError
from features.keys import key_faults, required_fields

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

    Keys of the attribute `renamed` of `kind`, if it has one, are not valid any more: it says what became of
    them.

    Parameters
    ----------
    file : str
        The file, and the part of it if it is one, as messages name it.

    Raises
    ------
    UserError
        If keys are unknown or missing, or values are not what they must be: a line for each fault, with file,
        key, rule and value.
    """
    parser = _Parser(file, getattr(kind, "renamed", {}))
    value: Value = parser.parsed(kind, document, "")
    _refuse(parser.faults)
    return value


def parsed_sections(kind: type[Document], documents: Mapping[str, Any]) -> Document:
    """Return configuration files, content by the file's name, as `kind`, a dataclass of `Sections`.

    Raises
    ------
    UserError
        If a key is unknown, or a value is not what it must be: a line for each fault, as `parsed`.
    """
    hints = get_type_hints(kind, include_extras=True)
    files = {section.name: kind.file_of(section.name) for section in fields(kind)}
    values: dict[str, Any] = {}
    faults: list[str] = []
    for file, document in documents.items():
        moved = {name: f"in {other} now" for name, other in files.items() if other != file}
        top = _Parser(file, moved | dict(kind.renamed), faults)
        content = top.known_keys(document, file, [name for name, other in files.items() if other == file])
        parser = _Parser(file, kind.renamed, faults)
        values |= {name: parser.parsed(hints[name], value, name) for name, value in content.items()}
    _refuse(faults)
    sections = object.__new__(kind)
    for name, value in values.items():
        object.__setattr__(sections, name, value)
    return sections


def _refuse(faults: Sequence[str]) -> None:
    """Raise the faults as one UserError, if there are any."""
    if faults:
        raise UserError("\n".join(faults))


@dataclass(frozen=True)
class _Parser:
    """Turns the values of one file into what their annotations say, and collects the faults.

    What is returned for a faulty value is of no use: nothing may be used if there are any.
    """

    file: str
    renamed: Mapping[str, str] = field(default_factory=dict)
    faults: list[str] = field(default_factory=list)

    def known_keys(
        self,
        document: Any,
        where: str,
        valid: Sequence[str],
        required: Sequence[str] = (),
        moved: Mapping[str, str] = types.MappingProxyType({}),
    ) -> Mapping[str, Any]:
        """Return the entries with a valid key; all others, and missing ones, are faults.

        `moved` says what became of keys that this part of the file has not any more, beside `renamed`.
        """
        if not isinstance(document, Mapping):
            self.faults.extend(key_faults(document, valid, where))
            return {}
        told = {**self.renamed, **moved}
        renamed = [key for key in document if key in told]
        self.faults.extend(f"{where}: key {key} is {told[key]}" for key in renamed)
        others = {key: value for key, value in document.items() if key not in renamed}
        self.faults.extend(key_faults(others, valid, where, () if renamed else required))
        return {key: value for key, value in others.items() if key in valid}

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
            before = len(self.faults)
            number = self.parsed(arguments[0], value, key)
            if len(self.faults) == before:
                self._require(number in arguments[1], number, key, str(arguments[1]))
            return number
        return self._scalar(hint, value, key)

    def _dataclass(self, kind: type, value: Any, key: str) -> Any:
        where, prefix = (f"{self.file}, {key}", f"{key}.") if key else (self.file, "")
        hints = get_type_hints(kind, include_extras=True)
        before = len(self.faults)
        valid = [one.name for one in fields(kind)]
        moved = getattr(kind, "renamed", {})
        content = self.known_keys(value, where, valid, required_fields(kind), moved)
        parts = {name: self.parsed(hints[name], item, f"{prefix}{name}") for name, item in content.items()}
        return kind(**parts) if len(self.faults) == before else None

    def _tuple(self, kinds: tuple[Any, ...], value: Any, key: str) -> tuple[Any, ...]:
        if not self._require(isinstance(value, list | tuple), value, key, "a list"):
            return ()
        if kinds[-1] is Ellipsis:
            kinds = (kinds[0],) * len(value)
        if not self._require(len(kinds) == len(value), value, key, f"a list of {len(kinds)}"):
            return ()
        items = enumerate(zip(kinds, value, strict=True), start=1)
        return tuple(self.parsed(kind, item, f"{key}, item {number}") for number, (kind, item) in items)

    def _mapping(self, kinds: tuple[Any, ...], value: Any, key: str) -> dict[Any, Any]:
        if not self._require(isinstance(value, Mapping), value, key, "a mapping of names"):
            return {}
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
            if len(kinds) == 1:
                return self.parsed(kinds[0], value, key)
        if all(is_dataclass(kind) for kind in kinds):
            by_name = {get_args(get_type_hints(kind)["kind"])[0]: kind for kind in kinds}
            name = value.get("kind") if isinstance(value, Mapping) else None
            if not self._require(name in by_name, name, f"{key}.kind", f"one of {', '.join(by_name)}"):
                return None
            return self.parsed(by_name[str(name)], value, key)
        # A whole number stays one where both kinds of numbers are allowed.
        return self.parsed(type(value) if type(value) in kinds else kinds[-1], value, key)

    def _scalar(self, hint: Any, value: Any, key: str) -> Any:
        if hint is Any:
            return value
        if get_origin(hint) is Literal:
            valid = get_args(hint)
            self._require(value in valid, value, key, f"one of {', '.join(map(str, valid))}")
            return value
        kinds = {
            float: (int | float, "a number"),
            int: (int, "a whole number"),
            str: (str, "text"),
            bool: (bool, "true or false"),
        }
        accepted, name = kinds[hint]
        fits = isinstance(value, accepted) and isinstance(value, bool) == (hint is bool)
        return hint(value) if self._require(fits, value, key, name) else value

    def _require(self, fits: bool, value: Any, key: str, rule: str) -> bool:
        """Note a fault where a value does not fit; return whether it does."""
        if not fits:
            self.faults.append(f"{self.file}, {key}: must be {rule}; got {value!r}")
        return fits
