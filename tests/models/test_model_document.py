"""What travels with a served model: columns refused because only the outcome has them."""

from models.packaging.model_document import outcome_columns


def test_columns_that_only_the_outcomes_tables_have_are_the_outcomes() -> None:
    tables = [
        {"timing": {"known_at": "baseline"}, "columns": {"usubjid": {}, "hr": {}}},
        {"timing": {"known_at": "outcome"}, "columns": {"usubjid": {}, "ypt": {}}},
    ]
    assert outcome_columns(tables) == ["outcome", "y", "ypt"]
