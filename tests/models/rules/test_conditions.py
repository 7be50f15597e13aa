"""Conditions of a decision table: what they ask for, and when they hold."""

from typing import Any

import pytest

from models.rules.conditions import Combination, Levels, resolve
from models.rules.document import RuleError, parse_rules
from tests.models.rule_tables import RULES

DOCUMENT = parse_rules(RULES)
DEFAULTS = DOCUMENT.defaults


def test_all_and_any_combine_levels_and_name_their_inputs() -> None:
    content = {"all": [{"pam": "MUT"}, {"any": [{"ctdna_c1": "POS"}, {"ctdna_baseline": "POS"}]}]}
    condition = resolve(content, DOCUMENT, DEFAULTS, "here")
    assert [name for name, _ in condition.asked()] == ["pam", "ctdna_c1", "ctdna_baseline"]
    known = {"pam": "MUT", "ctdna_c1": "NEG", "ctdna_baseline": "POS"}
    assert condition.holds(known)
    assert not condition.holds(known | {"pam": "WT"})
    assert not condition.holds(known | {"ctdna_baseline": "NEG"})


def test_a_term_is_worded_as_the_reading_in_force_says() -> None:
    assert resolve("positive_for_r4", DOCUMENT, DEFAULTS | {"r4_ctdna_time": "c1"}, "") == Levels(
        {"ctdna_c1": ("POS",)}
    )
    ever = resolve("positive_for_r4", DOCUMENT, DEFAULTS, "")
    assert isinstance(ever, Combination)
    assert not ever.every


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (3, "a condition is a term or a mapping; got 3"),
        ({"any": "negative"}, "any stands alone and has a list"),
        ({"all": [], "pam": "MUT"}, "all stands alone"),
        ({"by": "r6_set", "ADC": {"pam": "MUT"}}, "by r6_set: key ADC_or_ACH is missing"),
    ],
)
def test_what_is_no_condition_is_refused_by_its_place(content: Any, message: str) -> None:
    with pytest.raises(RuleError, match=f"node c2, rule R1.*{message}"):
        resolve(content, DOCUMENT, DEFAULTS, "node c2, rule R1")
