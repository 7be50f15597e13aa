"""A misspelt key of a configuration file is refused, with the file and the key that was meant."""

from dataclasses import dataclass

import pytest

from features.errors import UserError
from features.keys import checked_fields, nearest, refuse_unknown_keys


@dataclass(frozen=True)
class Floor:
    suffix: str
    vaf_floor: float = 0.1


@pytest.mark.parametrize(
    ("name", "expected"),
    [("vaf_flor", "vaf_floor"), ("Suffix", "suffix"), ("sufix", "suffix"), ("radiomics", None)],
)
def test_the_nearest_name_is_the_likely_one_or_none(name: str, expected: str | None) -> None:
    assert nearest(name, ["suffix", "vaf_floor"]) == expected


def test_a_misspelt_key_is_refused_with_place_nearest_key_and_all_keys() -> None:
    with pytest.raises(
        UserError, match=r"^a\.yaml, b: key sufix is unknown, did you mean suffix\? must be one of suffix, n$"
    ):
        refuse_unknown_keys({"sufix": 1, "n": 2}, ("suffix", "n"), "a.yaml, b")


def test_every_unknown_and_every_missing_key_has_a_line() -> None:
    with pytest.raises(UserError) as error:
        refuse_unknown_keys({"x": 1, "y": 1}, ("suffix", "n"), "a.yaml", required=("n",))
    assert [line.split(": key ")[1].split(" ")[0] for line in str(error.value).splitlines()] == [
        "x",
        "y",
        "n",
    ]


def test_a_section_that_is_empty_or_a_list_is_refused_and_not_a_fault() -> None:
    for content in (None, [1], "text"):
        with pytest.raises(UserError, match=r"a\.yaml: must have the keys suffix, but is no mapping"):
            refuse_unknown_keys(content, ("suffix",), "a.yaml")


def test_fields_with_a_default_may_be_absent_and_others_may_not() -> None:
    assert checked_fields(Floor, {"suffix": "_p"}, "a.yaml") == {"suffix": "_p"}
    with pytest.raises(UserError, match=r"a\.yaml: key suffix is missing"):
        checked_fields(Floor, {"vaf_floor": 1.0}, "a.yaml")
