"""Table one: rare levels are merged before anything is hidden; standardised differences."""

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pandas as pd
import pytest
from lxml import html

from models.description.balance import standardised_differences
from pipeline.project.settings import read_settings
from pipeline.report.labels import Labels
from pipeline.report.settings import PageSettings
from pipeline.report.study.levels import with_merged_levels
from pipeline.report.study.table_one import table_one_part
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


def number_row(name: str, description: str) -> dict[str, Any]:
    cell = {"n": 9, "missing": 0, "median": 1.0, "q25": 0.5, "q75": 2.0}
    return {"feature": name, "level": None, "description": description, "unit": "%", "domain": "ctdna",
            "cells": {"all": cell}}  # fmt: skip


def test_two_features_of_one_description_are_told_apart_by_their_labels() -> None:
    settings = read_settings(PageSettings, Path("configs/report_pages.yaml")).labels
    same = "Highest fraction; the floor where nothing was detected"
    rows = [number_row(f"ctdna_c1_vaf_max_{kind}", same) for kind in ("panel", "informed")]
    one = {"landmark": "c1", "patients": 9, "by_arm": {}, "rows": rows, "differences": {}}
    described: Any = {"table_one": one, "recorded": [number_row("own", "Recorded fraction")]}
    tables = table_one_part(described, [], OPEN, Labels(settings, ["c1"]))[1]
    texts = [html.fromstring(str(row["name"])).text_content() for row in tables["one"].rows]
    assert texts == ["Max VAF, C1, panel, %", "Max VAF, C1, informed, %"]
    assert f"{same} (ctdna_c1_vaf_max_panel)" in str(tables["one"].rows[0]["name"])
    assert tables["recorded"].rows[0]["name"] == "Recorded fraction, %"
    assert "floor where nothing was detected" in tables["one"].caption
