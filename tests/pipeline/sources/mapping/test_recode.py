"""Texts become levels: what `otherwise` takes is counted, and told where it looks like another level."""

from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from pipeline.sources.formats.errors import SourceError
from pipeline.sources.formats.source_file import SourceFile
from pipeline.sources.mapping.convert import Origin
from pipeline.sources.mapping.files import Reader
from pipeline.sources.mapping.recode import recoded
from pipeline.sources.mapping.study_file import ColumnRule
from tests.pipeline.formats import CONTRACT

PCR, HIST = CONTRACT["surgery"].columns["pcr"], CONTRACT["pathology"].columns["hist"]


def told(
    cells: list[str], rule: dict[str, Any], column: Any = PCR
) -> tuple[list[str], list[tuple[str, int]]]:
    """Return the levels, and the rules of what was doubted with the rows."""
    reader = Reader(Path())
    ids = pd.Series([f"P{i}" for i in range(len(cells))], dtype="str")
    origin = Origin(SourceFile(path="a.csv"), "X", "a.csv, column 'X'", ids)
    rules = ColumnRule.model_validate({"from": "X", **rule})
    levels = recoded(pd.Series(cells, dtype="str"), rules, column, origin, reader)
    return levels.tolist(), [(doubt[2].partition(":")[0], doubt[3]) for doubt in reader.warnings]


def test_an_outcome_that_otherwise_takes_though_it_looks_like_the_other_level_is_told() -> None:
    cells = ["pCR", "pCR (ypT0/is ypN0)", "PCR", "residual disease"]
    assert told(cells, {"recode": {"Y": "pCR"}, "otherwise": "N"}) == (
        ["Y", "N", "N", "N"],
        [("otherwise_like_listed", 2)],
    )


@pytest.mark.parametrize(
    ("cells", "rule", "column"),
    [
        (["10", "1"], {"recode": {"Y": "1"}, "otherwise": "N"}, PCR),
        (["nope", "no"], {"recode": {"N": "no"}, "otherwise": "N"}, PCR),
        (["yesterday", "yes"], {"recode": {"Y": "yes"}, "otherwise": "N"}, PCR),
        (["ductal in situ", "ductal"], {"recode": {"ductal": "ductal"}, "otherwise": "other"}, HIST),
    ],
)
def test_what_is_not_like_another_of_two_levels_is_not_doubted(
    cells: list[str], rule: dict[str, Any], column: Any
) -> None:
    assert told(cells, rule, column)[1] == []


def test_a_text_that_is_not_listed_is_refused_without_otherwise() -> None:
    with pytest.raises(SourceError, match=r"1 rows \(P1\) hold a value that `recode` does not list"):
        told(["pCR", "PCR"], {"recode": {"Y": "pCR"}})
