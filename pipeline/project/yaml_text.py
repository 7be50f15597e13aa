"""YAML 1.2, as DVC reads it: 1e-4 is a number, 010 is ten, yes, no and 12:30 are text.

PyYAML reads YAML 1.1, DVC (by ruamel.yaml) 1.2. With two readings a parameter that DVC compares, shows and
writes into dvc.lock would be another one than a stage works with.
"""

import re
from typing import Any

import yaml

__all__ = ["YamlError", "parse_yaml"]

YamlError = yaml.MarkedYAMLError
# libyaml, where PyYAML has it: ten times as fast.
_BASE = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
_TAG = "tag:yaml.org,2002:"
_BASES = {"0b": 2, "0o": 8, "0x": 16}
# As in ruamel.yaml's resolver for 1.2, pattern by pattern, in its order.
_SCALARS = (
    ("bool", r"true|True|TRUE|false|False|FALSE", "tTfF"),
    (
        "float",
        (
            r"[-+]?[0-9][0-9_]*\.[0-9_]*(?:[eE][-+]?[0-9]+)?|[-+]?[0-9][0-9_]*[eE][-+]?[0-9]+"
            r"|[-+]?\.[0-9_]+(?:[eE][-+][0-9]+)?|[-+]?\.(?:inf|Inf|INF)|\.(?:nan|NaN|NAN)"
        ),
        "-+0123456789.",
    ),
    ("int", r"[-+]?0b[01_]+|[-+]?0o?[0-7_]+|[-+]?[0-9_]+|[-+]?0x[0-9a-fA-F_]+", "-+0123456789"),
)


class _Loader(_BASE):  # type: ignore[misc, valid-type]  # one of two classes
    """PyYAML's safe loader with the scalars of YAML 1.2."""


def _whole_number(loader: Any, node: Any) -> int:
    """Return a whole number: in base 2, 8 or 16 only where a prefix says so."""
    text = loader.construct_scalar(node).replace("_", "")
    digits = text.lstrip("+-")
    base = _BASES.get(digits[:2])
    number = int(digits[2:], base) if base else int(digits)
    return -number if text.startswith("-") else number


_replaced = {f"{_TAG}{kind}" for kind, _, _ in _SCALARS}
_Loader.yaml_implicit_resolvers = {
    first: [(tag, pattern) for tag, pattern in resolvers if tag not in _replaced]
    for first, resolvers in _BASE.yaml_implicit_resolvers.items()
}
for _kind, _pattern, _first in _SCALARS:
    _Loader.add_implicit_resolver(f"{_TAG}{_kind}", re.compile(f"^(?:{_pattern})$"), list(_first))
_Loader.add_constructor(f"{_TAG}int", _whole_number)


def parse_yaml(text: str) -> Any:
    """Return the content of a YAML document.

    Raises
    ------
    YamlError
        If it is not YAML.
    """
    return yaml.load(text, Loader=_Loader)  # noqa: S506 - safe
