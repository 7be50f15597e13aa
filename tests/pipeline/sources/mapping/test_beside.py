"""What stands beside a number of SDTM: its unit, the result as text, and whether it was done."""

from pathlib import Path

import pandas as pd
import pytest

from pipeline.sources.formats.errors import SourceError
from pipeline.sources.formats.source_file import SourceFile
from pipeline.sources.mapping.beside import Beside, Use, beside, columns_beside, with_units
from pipeline.sources.mapping.blocks import Loaded
from pipeline.sources.mapping.files import Reader
from tests.pipeline.formats import CONTRACT

AGE = CONTRACT["subjects"].columns["age_years"]
LENGTH = next(c for c in CONTRACT["lesions"].columns.values() if c.unit == "mm")
UNITS = {"mm": {"mm": 1.0, "cm": 10.0}}


def read(numbers: list[str], **columns: list[str | None]) -> tuple[list[str], list[str]]:
    """Return a column TRSTRESN in the contract's unit, and the rules of what was counted."""
    cells = pd.DataFrame({"TRSTRESN": numbers, **{f"TR{name}": texts for name, texts in columns.items()}})
    cells = cells.astype("str").mask(cells.isna() | (cells == ""))
    file = SourceFile.model_validate({"path": "tr.xpt", "id": {"column": "USUBJID"}})
    reader = Reader(Path())
    loaded = Loaded("tr", file, cells, pd.Series(["P1", "P2"], dtype="str"))
    found = with_units(loaded, [Use("TRSTRESN", LENGTH, (), has_factor=False)], UNITS, reader).cells[
        "TRSTRESN"
    ]
    return found.fillna("").tolist(), [repair[2].partition(":")[0] for repair in reader.repairs]


def test_each_kind_of_number_has_its_columns() -> None:
    assert beside("LBSTRESN") == Beside("LBSTRESU", "LBSTRESC", "LBSTAT")
    assert beside("EXDOSE") == Beside("EXDOSU")
    assert beside("AGE") == Beside("AGEU")
    assert beside("USUBJID") is None
    assert columns_beside(SourceFile(path="a.csv"), ["LBSTRESN"]) == set(), "no SDTM, nothing beside"


def test_a_number_in_another_unit_is_converted_and_counted() -> None:
    assert read(["2.5", "30"], STRESU=["cm", "mm"]) == (["25", "30"], ["unit_converted"])


def test_a_unit_that_is_unknown_is_refused_with_the_valid_ones() -> None:
    with pytest.raises(SourceError, match=r"1 rows \(P2\) in the unit inch, .* must be one of mm, cm"):
        read(["2.5", "30"], STRESU=["cm", "inch"])


def test_a_number_that_stands_as_text_alone_is_taken_and_what_is_below_a_limit_is_not() -> None:
    told = read(["", ""], STRESC=["12", "<3"])
    assert told == (["12", ""], ["number_from_text", "beyond_limit"])


def test_a_result_beside_not_done_is_counted() -> None:
    assert read(["2", "3"], STAT=["NOT DONE", None]) == (["2", "3"], ["done_and_not_done"])
