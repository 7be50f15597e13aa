"""Columns by pattern: each star becomes the columns that match, and what names a patient is none of them."""

from pathlib import Path
from typing import Any

import pytest

from pipeline.sources.formats.errors import SourceError
from pipeline.sources.mapping.files import Reader
from pipeline.sources.mapping.study_file import SourceMapping
from pipeline.sources.mapping.wide import with_columns

HEADER = "original_id,original_mean,original_sd,shape_sd"


def expanded(folder: Path, source: dict[str, str], **block: Any) -> dict[str, str]:
    """Return the columns that a pattern becomes in a file with `HEADER`, by level."""
    (folder / "a.csv").write_text(f"{HEADER}\nP1,1,2,3\n")
    columns = {"value": {"from": source}}
    mapping = SourceMapping.model_validate(
        {
            "patients": "a",
            "files": {"a": {"path": "a.csv", "id": {"column": "original_id"}}},
            "tables": {"biomarkers": [{"file": "a", "repeat": "name", "columns": columns, **block}]},
        }
    )
    found = with_columns(mapping, Reader(folder)).tables["biomarkers"][0].columns["value"].source
    assert isinstance(found, dict)
    return found


def test_a_star_becomes_every_column_that_matches_but_not_the_id(tmp_path: Path) -> None:
    assert expanded(tmp_path, {"*": "original_*"}) == {"mean": "original_mean", "sd": "original_sd"}


def test_columns_that_are_left_out_match_no_pattern(tmp_path: Path) -> None:
    found = expanded(tmp_path, {"r_*": "*_sd"}, leave_out=["shape_*"])
    assert found == {"r_original": "original_sd"}


@pytest.mark.parametrize(
    ("source", "message"),
    [
        ({"*": "wavelet_*"}, r"pattern 'wavelet_\*' matches none of the 3 columns of a\.csv"),
        (
            {"mean": "original_mean", "*": "original_*"},
            "gives mean twice; write patterns that do not overlap",
        ),
    ],
)
def test_a_pattern_without_columns_or_with_one_name_twice_is_refused(
    tmp_path: Path, source: dict[str, str], message: str
) -> None:
    with pytest.raises(SourceError, match=message):
        expanded(tmp_path, source)
