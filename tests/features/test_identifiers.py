"""The patterns of direct identifiers: read with types, and refused where they could not be searched."""

from typing import Any

import pandas as pd
import pytest

from features.contract.identifiers import find_identifiers, parse_identifiers
from features.errors import UserError

CELLS = {"pattern": "^[0-9]{11}$", "not_in_keys": True}


def test_a_pattern_may_be_left_out_of_key_columns() -> None:
    patterns = parse_identifiers({"names": {"name": ["^name$"]}, "values": {"telephone": CELLS}})
    frame = pd.DataFrame({"name": ["A"], "id": ["13800000000"], "note": ["13800000000"]})
    found = [(column, kind) for column, kind, _ in find_identifiers(frame, patterns, (), (), keys=("id",))]
    assert found == [("name", "name"), ("note", "telephone")]


@pytest.mark.parametrize(
    ("document", "message"),
    [
        ({"name": {}, "values": {}}, "i.yaml: key name is unknown, did you mean names?"),
        ({"names": {}, "values": {"x": {"patern": "a", "not_in_keys": True}}}, "did you mean pattern?"),
        ({"names": {"x": ["("]}, "values": {}}, "i.yaml, x: ( is no regular expression"),
    ],
)
def test_a_misspelt_key_and_a_pattern_that_cannot_be_searched_are_refused(
    document: dict[str, Any], message: str
) -> None:
    with pytest.raises(UserError) as error:
        parse_identifiers(document, "i.yaml")
    assert message in str(error.value)
