"""Documents become dataclasses, or are refused by file, key and rule."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

import pytest

from features.documents.parsing import Count, InnerShare, parsed
from features.errors import UserError


@dataclass(frozen=True)
class Draw:
    kind: Literal["draw"]
    visits: tuple[str, ...]


@dataclass(frozen=True)
class Scan:
    kind: Literal["scan"]
    cycle: Count | None = None


@dataclass(frozen=True)
class Toy:
    name: str
    sources: Mapping[str, Draw | Scan] = field(default_factory=dict)
    share: InnerShare | None = None
    strict: bool = True
    rest: Any = None


def test_a_document_becomes_its_dataclasses_and_what_is_any_stays_as_it_is() -> None:
    document = {"name": "a", "sources": {"x": {"kind": "scan", "cycle": 2}}, "share": 0.5, "rest": [{}]}
    assert parsed(Toy, document, "toy.yaml") == Toy("a", {"x": Scan("scan", 2)}, 0.5, rest=[{}])


def test_nothing_is_a_value_only_where_the_annotation_says_so() -> None:
    assert parsed(Toy, {"name": "a", "share": None}, "toy.yaml").share is None
    with pytest.raises(UserError, match=r"toy\.yaml, name: must be text; got None"):
        parsed(Toy, {"name": None}, "toy.yaml")


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"nmae": "b"}, r"^toy\.yaml: key nmae is unknown, did you mean name\?"),
        ({"strict": 1}, "strict: must be true or false; got 1"),
        ({"share": 1}, "share: must be strictly between 0 and 1; got 1"),
        ({"share": True}, "share: must be a number; got True"),
        ({"sources": {"x": {"kind": "draw", "visits": "c1"}}}, r"sources\.x\.visits: must be a list"),
        ({"sources": {"x": {"kind": "tap"}}}, r"sources\.x\.kind: must be one of draw, scan; got 'tap'"),
        ({"sources": {"x": {"kind": "draw"}}}, r"sources\.x: key visits is missing"),
        ({"sources": {"x": {"kind": "scan", "cycle": 0}}}, r"sources\.x\.cycle: must be at least 1"),
    ],
)
def test_what_is_not_valid_is_refused_by_file_key_and_rule(change: dict[str, Any], message: str) -> None:
    with pytest.raises(UserError, match=message):
        parsed(Toy, {"name": "a"} | change, "toy.yaml")


def test_every_fault_of_a_document_has_a_line_of_its_own() -> None:
    document = {
        "nmae": "a",
        "share": 2,
        "sources": {"x": {"kind": "draw"}, "y": {"kind": "scan", "cycle": "1"}},
    }
    with pytest.raises(UserError) as refusal:
        parsed(Toy, document, "toy.yaml")
    assert str(refusal.value).splitlines() == [
        "toy.yaml: key nmae is unknown, did you mean name? must be one of name, sources, share, strict, rest",
        "toy.yaml: key name is missing",
        "toy.yaml, share: must be strictly between 0 and 1; got 2.0",
        "toy.yaml, sources.x: key visits is missing",
        "toy.yaml, sources.y.cycle: must be a whole number; got '1'",
    ]
