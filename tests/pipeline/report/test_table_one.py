"""Table one: rare levels are merged before anything is hidden; standardised differences."""

from types import SimpleNamespace
from typing import Any

import numpy as np
import pandas as pd
import pytest

from models.description.balance import standardised_differences
from pipeline.report.study.levels import with_merged_levels
from tests.pipeline.test_study_sections import OPEN, STRICT


def levels(**counts: tuple[int, int]) -> list[Any]:
    return [
        {"feature": "ct", "level": level, "description": "T", "unit": "", "domain": "clinical",
         "cells": {group: {"n": 100, "missing": 0, "count": n} for group, n in zip("AB", pair, strict=True)}}
        for level, pair in counts.items()
    ]  # fmt: skip


def shown(rows: list[Any], privacy: Any = STRICT) -> dict[str, list[int]]:
    return {
        row["level"]: [cell["count"] for cell in row["cells"].values()]
        for row in with_merged_levels(rows, ["A", "B"], privacy)
    }


def test_rare_levels_become_one_and_no_count_is_lost() -> None:
    rows = levels(T0=(2, 3), T1=(40, 50), T2=(30, 40), T4=(3, 9))
    assert shown(rows) == {"T1": [40, 50], "T2": [30, 40], "other: T0, T4": [5, 12]}
    assert shown(rows, OPEN) == {"T0": [2, 3], "T1": [40, 50], "T2": [30, 40], "T4": [3, 9]}


def test_a_rare_level_takes_another_rare_one_with_it_and_no_frequent_one() -> None:
    assert shown(levels(a=(1, 9), b=(50, 60), c=(8, 9))) == {"b": [50, 60], "other: a, c": [9, 18]}
    assert set(shown(levels(a=(1, 9), b=(50, 60), c=(20, 30)))) == {"a", "b", "c"}


def test_two_levels_stay_two_for_there_is_nothing_to_merge_with() -> None:
    assert shown(levels(pos=(37, 40), neg=(3, 9))) == {"pos": [37, 40], "neg": [3, 9]}


def test_standardised_differences_are_those_of_their_formulas() -> None:
    ids = [f"P{i}" for i in range(8)]
    values = pd.DataFrame({"x": [0.0, 2, 0, 2, 1, 3, 1, 3], "b": list("uuuvuvvv"), "flat": 1.0}, index=ids)
    arms = pd.Series(["A"] * 4 + ["B"] * 4, index=ids)
    features: Any = [
        SimpleNamespace(name=name, is_numeric=not levels, levels=levels)
        for name, levels in (("x", ()), ("b", ("u", "v")), ("flat", ()))
    ]
    found = standardised_differences(values, features, arms)
    assert found["x"] == pytest.approx(1 / np.sqrt(4 / 3))
    assert found["b"] == pytest.approx(0.5 / np.sqrt(0.75 * 0.25))
    assert "flat" not in found, "what does not vary has no scale"
    assert standardised_differences(values, features, arms.replace("B", "A")) == {}
