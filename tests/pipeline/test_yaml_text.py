"""Configuration is read as DVC reads it: a number in its file is the number in dvc.lock."""

import math
from pathlib import Path
from typing import Any

import pytest
from ruamel.yaml import YAML

from pipeline.project.files import read_yaml
from pipeline.project.yaml_text import parse_yaml

CONFIGS = Path(__file__).parents[2] / "configs"
SCALARS = (
    "1e-4", "3e-4", "0.0003", "1E5", "+1e3", "-2.5e-3", "1.", ".5", "-.5", ".5e+3", ".5e3", "1_000",
    "1_000.5", "0", "-0", "007", "010", "08", "0o17", "0x1F", "0b101", "-0x1F", "+12", "1:30", "12:30:45",
    "1:30.5",
    "yes", "no", "on", "off", "y", "N", "NO", "true", "True", "FALSE", "tRue", "null", "~", "Null", "",
    ".inf", "-.INF", ".nan", "1e", "e4", "1e-4x", "2024-01-01", "v1.0", "1.2.3", "+", "0x", "_1", "1_",
    "12345678901234567890", "1e400",
)  # fmt: skip


def by_dvc(text: str) -> Any:
    return YAML(typ="safe").load(text)


def same(one: Any, other: Any) -> bool:
    both_nan = isinstance(one, float) and isinstance(other, float) and math.isnan(one) and math.isnan(other)
    return both_nan or (type(one) is type(other) and one == other)


@pytest.mark.parametrize("scalar", SCALARS)
def test_a_scalar_is_what_dvc_takes_it_for(scalar: str) -> None:
    try:
        expected = by_dvc(f"key: {scalar}\n")["key"]
    except ValueError:
        with pytest.raises(ValueError, match=r"invalid literal|could not convert"):
            parse_yaml(f"key: {scalar}\n")
        return
    assert same(parse_yaml(f"key: {scalar}\n")["key"], expected)


def test_three_spellings_of_a_number_are_one_value_and_a_country_is_no_truth_value() -> None:
    content = parse_yaml("a: 3e-4\nb: 0.0003\nc: 0.3e-3\ncountry: NO\nat: 12:30\n")
    assert content == {"a": 0.0003, "b": 0.0003, "c": 0.0003, "country": "NO", "at": "12:30"}


@pytest.mark.parametrize(
    "path", sorted(CONFIGS.rglob("*.yaml")), ids=lambda path: path.relative_to(CONFIGS).as_posix()
)
def test_every_configuration_file_says_the_same_to_dvc(path: Path) -> None:
    assert read_yaml(path) == by_dvc(path.read_text(encoding="utf-8"))
