"""Contradictions in what is recorded of safety; a missing cell contradicts nothing."""

from typing import Any

import pandas as pd
import pytest

from features.checks.finding import Finding
from features.checks.safety import safety_findings


def found(**tables: dict[str, list[Any]]) -> dict[str, list[bool]]:
    """Return which rows each rule names, for the rules that name any."""
    frames = {name: pd.DataFrame(columns) for name, columns in tables.items()}
    findings: list[Finding] = list(safety_findings(frames, None, ()))
    return {each.rule: each.rows.tolist() for each in findings if each.rows.any()}


def event(**changes: Any) -> dict[str, list[Any]]:
    row = {"usubjid": "P1", "start_date": "2025-01-02", "end_date": "2025-01-05", "grade": 2,
           "action": "none", "drug": None} | changes  # fmt: skip
    return {name: [value] for name, value in row.items()}


def dose(change: str, given: float | None, planned: float = 100) -> dict[str, list[Any]]:
    return {
        "usubjid": ["P1"], "cycle": [1], "drug": ["docetaxel"], "modification": [change],
        "dose_given": [given], "dose_planned": [planned],
    }  # fmt: skip


def test_a_sound_event_is_not_named() -> None:
    assert found(adverse_events=event()) == {}


@pytest.mark.parametrize(
    ("changes", "rule"),
    [
        ({"end_date": "2025-01-01"}, "event_ends_before_it_starts"),
        ({"action": "stop_drug"}, "action_without_drug"),
    ],
)
def test_an_event_that_contradicts_itself_is_named(changes: dict[str, Any], rule: str) -> None:
    assert found(adverse_events=event(**changes)) == {rule: [True]}


def test_a_fatal_event_needs_a_death_of_the_same_patient() -> None:
    alive = {"usubjid": ["P2"], "reason": ["death"]}
    assert "fatal_event_without_death" in found(adverse_events=event(grade=5), disposition=alive)
    died = {"usubjid": ["P1"], "reason": ["death"]}
    assert found(adverse_events=event(grade=5), disposition=died) == {}


@pytest.mark.parametrize(
    ("change", "given", "contradicts"),
    [
        ("none", 100.0, False), ("none", 80.0, True), ("reduced", 80.0, False), ("reduced", 100.0, True),
        ("omitted", 0.0, False), ("omitted", 50.0, True), ("reduced", None, False),
    ],
)  # fmt: skip
def test_what_was_given_fits_what_was_changed(change: str, given: float | None, *, contradicts: bool) -> None:
    assert ("dose_contradicts_modification" in found(drug_exposure=dose(change, given))) is contradicts


def test_a_drug_of_a_cycle_that_was_not_given_is_named() -> None:
    cycles = {"usubjid": ["P1"], "cycle": [2], "regimen": ["x"]}
    assert "drug_given_without_cycle" in found(drug_exposure=dose("none", 100.0), exposure=cycles)


def test_pressures_of_a_day_that_seem_swapped_are_named() -> None:
    pressures = {
        "usubjid": ["P1", "P1", "P2"], "measured_date": ["2025-01-01"] * 3,
        "testcd": ["SYSBP", "DIABP", "SYSBP"], "value": [70.0, 120.0, 60.0],
    }  # fmt: skip
    assert found(safety_measurements=pressures) == {"systolic_below_diastolic": [True, False, False]}
