"""Characters that look like others: an id is the patient's, a number the one that is shown."""

import pandas as pd
import pytest

from pipeline.sources.formats.plain_text import plain_id, plain_number, plain_words, replaced


@pytest.mark.parametrize(
    ("written", "meant"),
    [
        ("P\u201107", "P-07"), ("\ufeffP-07", "P-07"), ("P-0\u200b7", "P-07"), ("\uff30-07", "P-07"),
        ("P 7\u00a0", "P 7"), ("P\u00ad-07", "P-07"),
    ],
)  # fmt: skip
def test_an_id_is_as_a_keyboard_writes_it(written: str, meant: str) -> None:
    assert plain_id(written) == meant


@pytest.mark.parametrize(
    ("written", "meant"),
    [
        ("\u22121.5", "-1.5"), ("\u0661\u0662\u066b\u0665", "12.5"), ("\uff12\uff0e\uff15", "2.5"),
        ("\u096a\u0968", "42"), ("5\u066a", "5%"), ("1\u2009234", "1 234"), ("\u00bd", "\u00bd"),
        ("3\u20135", "3\u20135"),
    ],
)  # fmt: skip
def test_a_number_has_the_digits_0_to_9_and_a_range_stays_one(written: str, meant: str) -> None:
    assert plain_number(written) == meant


def test_only_the_cells_that_change_are_counted() -> None:
    values, rows = replaced(
        pd.Series(["Zu\u0308rich", "Z\u00fcrich", "Bern", None], dtype="str"), plain_words
    )
    assert values.fillna("").tolist() == ["Z\u00fcrich", "Z\u00fcrich", "Bern", ""]
    assert rows.tolist() == [True, False, False, False]
