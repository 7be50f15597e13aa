"""A file's header: a column that is not there is told with the names that may be meant."""

import pandas as pd
import pytest

from pipeline.sources.formats.errors import SourceError
from pipeline.sources.formats.source_file import SourceFile
from pipeline.sources.mapping.headers import require_columns, require_one_header

CSV = SourceFile(path="a.csv")


@pytest.mark.parametrize("name", ["AGE", "Age ", "a_ge", "\u200bAge", "Ages"])
def test_a_name_that_differs_by_case_spaces_or_a_letter_is_told(name: str) -> None:
    with pytest.raises(SourceError, match=rf"none of its 2 columns named 'Age' \(similar: {name}\)"):
        require_columns(pd.DataFrame(columns=["id", name]), ["Age"], CSV)


def test_another_separator_is_told_by_the_one_name_that_holds_it() -> None:
    with pytest.raises(SourceError, match="its one name holds ';': a separator"):
        require_columns(pd.DataFrame(columns=["id;Age"]), ["Age"], CSV)


def test_a_header_stands_once() -> None:
    frame = pd.DataFrame({"id": ["P1", "id"], "Age": ["5", "Age"]}, dtype="str")
    with pytest.raises(SourceError, match="1 rows repeat the header"):
        require_one_header(frame, ["id", "Age"], CSV)
    require_one_header(frame.head(1), ["id", "Age"], CSV)
