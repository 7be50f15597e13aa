"""What a study file says of a column: one origin, no text for two levels, levels only where rows repeat."""

from typing import Any

import pytest
from pydantic import ValidationError

from pipeline.sources.mapping.column_rule import Block, ColumnRule


def rule(**content: Any) -> ColumnRule:
    return ColumnRule.model_validate(content)


@pytest.mark.parametrize(
    ("content", "told"),
    [
        ({}, "either `from` or `constant`"),
        ({"from": "AGE", "constant": "1"}, "either `from` or `constant`"),
        ({"from": "AGE", "by": {"visit": "VISIT"}}, "`file`, which is not given"),
        ({"constant": "1", "fallback": ["AGE2"]}, "one column under `from`"),
        ({"from": "ER", "recode": {"pos": ["1", "yes"], "neg": "1"}}, "lists twice: 1"),
        ({"from": "AGE", "factor": "2"}, "factor"),
    ],
)
def test_a_contradictory_rule_is_refused(content: dict[str, Any], told: str) -> None:
    with pytest.raises(ValidationError, match=told):
        rule(**content)


def test_words_are_found_in_any_case_and_a_fallback_is_a_source_column() -> None:
    known = rule(**{"from": "HBV", "words": {"0": ["Negative", "not detected"]}, "fallback": ["HBV2"]})
    assert known.number_words == {"NEGATIVE": "0", "NOT DETECTED": "0"}
    assert known.source_columns == ["HBV", "HBV2"]


def test_an_explicit_null_for_other_texts_is_told_from_none_said() -> None:
    assert rule(**{"from": "ER", "recode": {"pos": "1"}, "otherwise": None}).has_otherwise
    assert not rule(**{"from": "ER", "recode": {"pos": "1"}}).has_otherwise


@pytest.mark.parametrize(
    "content",
    [
        {"file": "a", "columns": {"sum": {"from": {"c2": "sum_c2"}}}},
        {"file": "a", "columns": {"sum": "sum"}, "repeat": "visit"},
        {"file": "a", "columns": {"sum": {"from": {"*": "sum"}}}, "repeat": "visit"},
        {"file": "a", "columns": {"sum": "sum"}, "drop_empty": ["size"]},
    ],
)
def test_a_block_whose_parts_do_not_fit_is_refused(content: dict[str, Any]) -> None:
    with pytest.raises(ValidationError):
        Block.model_validate(content)
