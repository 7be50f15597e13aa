"""What the outcome is read from is no feature, whatever table it is mapped to."""

from typing import Any

import pytest

from pipeline.sources.formats.errors import SourceError
from pipeline.sources.mapping.outcome_columns import require_no_outcome_columns
from pipeline.sources.mapping.study_file import SourceMapping
from tests.pipeline.formats import CONTRACT


def check(pathology: dict[str, str]) -> None:
    """Check a study whose surgery has the columns YPT and DAY, and whose pathology has those given."""
    blocks = {"surgery": {"yp_t": "YPT", "surgery_date": "DAY"}, "pathology": pathology}
    require_no_outcome_columns(
        SourceMapping.model_validate(
            {
                "patients": "a",
                "files": {"a": {"path": "a.csv", "id": {"column": "ID"}}},
                "tables": {name: [{"file": "a", "columns": columns}] for name, columns in blocks.items()},
            }
        ),
        CONTRACT,
    )


def test_a_column_of_the_outcome_that_is_mapped_to_a_feature_too_is_refused_with_both_places() -> None:
    with pytest.raises(
        SourceError, match=r"column 'YPT': of the outcome \(surgery\.yp_t\).* pathology\.grade"
    ):
        check({"grade": "YPT"})


def test_a_date_may_be_that_of_the_outcome_and_of_something_else() -> None:
    check({"biopsy_date": "DAY", "grade": "GRADE"})


def test_one_column_of_a_file_whose_rows_are_divided_is_no_outcome_for_the_others() -> None:
    def entry(*visits: str) -> dict[str, Any]:
        return {"path": "mi.csv", "id": {"column": "ID"}, "keep": [{"column": "VISIT", "values": [*visits]}]}

    tables = {
        "surgery": [{"file": "specimen", "columns": {"residual_her2_ihc": "HER2"}}],
        "pathology": [{"file": "biopsy", "columns": {"her2_ihc": "HER2"}}],
    }
    files = {"biopsy": entry("SCREENING"), "specimen": entry("SURGERY")}
    made = {"patients": "biopsy", "files": files, "tables": tables}
    require_no_outcome_columns(SourceMapping.model_validate(made), CONTRACT)
    made = made | {"files": files | {"biopsy": entry("SCREENING", "SURGERY")}}
    with pytest.raises(SourceError, match=r"column 'HER2': of the outcome"):
        require_no_outcome_columns(SourceMapping.model_validate(made), CONTRACT)
