"""Tidy predictions become one row per repeat, or are refused where they would not be paired."""

import numpy as np
import pandas as pd
import pytest

from models.measures.common import MeasureError
from models.measures.repeats import by_repeat

TIDY = pd.DataFrame(
    [
        (patient, repeat, (number + repeat) % 2, model, float(number == 1), 0.1 * number + repeat + bonus)
        for model, bonus in (("chosen", 0.0), ("rules", 0.5))
        for repeat in (0, 1)
        for number, patient in ((2, "P2"), (1, "P1"))
    ],
    columns=["usubjid", "repeat", "fold", "model", "y", "p"],
)


def test_patients_are_sorted_and_each_repeat_is_a_row() -> None:
    patients, y, p = by_repeat(TIDY.sample(frac=1, random_state=3), ["rules", "chosen"])
    assert (patients.tolist(), y.tolist()) == (["P1", "P2"], [1.0, 0.0])
    assert p["chosen"] == pytest.approx(np.array([[0.1, 0.2], [1.1, 1.2]]))
    assert p["rules"] == pytest.approx(p["chosen"] + 0.5)


@pytest.mark.parametrize(
    ("broken", "message"),
    [
        (TIDY[TIDY["model"] == "rules"], "no model is called chosen"),
        (TIDY.iloc[1:], "1 combinations of model, repeat and patient have no row"),
        (pd.concat([TIDY, TIDY.iloc[:1]]), "1 rows repeat a model, repeat and patient"),
        (TIDY.assign(y=[0.0, *TIDY["y"][1:-1], 0.0]), "y differs in 1 rows with the same usubjid"),
        (TIDY.assign(fold=[9, *TIDY["fold"][1:]]), "fold differs in 1 rows with the same usubjid and repeat"),
    ],
)
def test_predictions_that_are_not_paired_are_refused(broken: pd.DataFrame, message: str) -> None:
    with pytest.raises(MeasureError, match=message):
        by_repeat(broken, ["chosen", "rules"])
