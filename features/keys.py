"""Keys of configuration documents: an unknown one is refused together with the nearest valid key."""

from collections.abc import Collection, Iterable, Mapping
from dataclasses import MISSING, fields
from difflib import get_close_matches
from typing import Any

from features.errors import UserError


def nearest(name: str, valid: Iterable[str]) -> str | None:
    """Return the valid name that is most like `name`, None where none is.

    Examples
    --------
    >>> nearest("vaf_flor", ["suffix", "vaf_floor"])
    'vaf_floor'
    """
    by_lower_case = {str(candidate).lower(): str(candidate) for candidate in valid}
    matches = get_close_matches(str(name).lower(), by_lower_case, n=1)
    return by_lower_case[matches[0]] if matches else None


def unknown_name(name: str, valid: Collection[str]) -> str:
    """Return the message on an unknown name: what it is, what was probably meant, and what there is."""
    likely = nearest(name, valid)
    meant = f", did you mean {likely}?" if likely else ";"
    return f"{name} is unknown{meant} must be one of {', '.join(map(str, valid))}"


def refuse_unknown_keys(
    document: Any, valid: Collection[str], where: str, required: Collection[str] = ()
) -> None:
    """Refuse a document with a key that nobody reads, or without one that is needed.

    Parameters
    ----------
    document : object
        A parsed section of a configuration file.
    valid, required : collection of str
        Keys that may, and keys that must be there.
    where : str
        File and section, as the message names them.

    Raises
    ------
    UserError
        If the document is no mapping, or a key is unknown or missing: one line for each fault.
    """
    faults = key_faults(document, valid, where, required)
    if faults:
        raise UserError("\n".join(faults))


def key_faults(
    document: Any, valid: Collection[str], where: str, required: Collection[str] = ()
) -> list[str]:
    """Return what `refuse_unknown_keys` refuses, a message for each fault."""
    if not isinstance(document, Mapping):
        return [f"{where}: must have the keys {', '.join(valid)}, but is no mapping"]
    faults = [f"{where}: key {unknown_name(str(key), valid)}" for key in document if key not in valid]
    return faults + [f"{where}: key {key} is missing" for key in required if key not in document]


def required_fields(kind: type) -> list[str]:
    """Return the names of a dataclass's fields without a default."""
    return [f.name for f in fields(kind) if f.default is MISSING and f.default_factory is MISSING]


def checked_fields(kind: type, document: Any, where: str) -> dict[str, Any]:
    """Return a document with the fields of the dataclass `kind` as keys; those with a default may be absent.

    Raises
    ------
    UserError
        As `refuse_unknown_keys`.
    """
    refuse_unknown_keys(document, [field.name for field in fields(kind)], where, required_fields(kind))
    return dict(document)
