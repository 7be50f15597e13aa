"""A small part of the readers' campaign; `make reader-campaign` runs thousands of files."""

import random
from pathlib import Path

import pytest

from tests.pipeline.reader_campaign import MAKERS, result, run


@pytest.mark.parametrize("kind", MAKERS)
@pytest.mark.parametrize("damage", [False, True], ids=["valid", "damaged"])
def test_files_with_habits_are_read_as_meant_or_refused_by_their_place(kind: str, damage: bool) -> None:
    answers = [run(kind, seed, damage=damage) for seed in range(12)]
    assert "refused" in answers if damage else "read as meant" in answers


def test_the_campaign_notices_a_cell_that_is_read_otherwise_than_meant(tmp_path: Path) -> None:
    made = MAKERS["SDTM"](random.Random(1), tmp_path)  # noqa: S311 - not for secrets
    assert result(made) == made.cells
    made.cells[0][0] += "x"
    assert result(made) != made.cells
