"""Rows to be scored: ids are text, whatever they look like, and every row has the header's cells."""

from pathlib import Path

import pytest

from features.errors import UserError
from pipeline.commands.score import _read_table, read_frame


@pytest.mark.parametrize("name", ["0012", "1E5", "NA", "None", "null", "1.0", "TRUE"])
def test_an_id_stays_the_text_that_it_is(name: str, tmp_path: Path) -> None:
    path = tmp_path / "rows.csv"
    path.write_text(f"usubjid,age_years,hr\n {name},50,pos\n")
    assert read_frame(path)["usubjid"].tolist() == [name]
    assert read_frame(path)["age_years"].tolist() == [50]
    assert _read_table(path)["usubjid"].str.strip().tolist() == [name]


def test_a_row_of_too_few_cells_is_not_scored(tmp_path: Path) -> None:
    path = tmp_path / "rows.csv"
    path.write_text("usubjid,age_years,hr\n0012,50\n")
    with pytest.raises(UserError, match="line 2 has 2, the header 3"):
        read_frame(path)
