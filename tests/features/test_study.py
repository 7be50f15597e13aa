"""A study file with types: each part when it is asked for, and a fault where it is."""

from typing import Any

import pytest

from features.documents.study import LandmarkError, Waiver, parse_study
from features.errors import UserError
from tests.features.tables import STUDY

TRIAL = parse_study(STUDY)


def test_what_the_trial_decides_is_read_with_types() -> None:
    assert (TRIAL.name, TRIAL.simulated, TRIAL.adaptive_arm) == ("nct07239271", True, "ADAPTIVE")
    assert TRIAL.outcome.counted_as_failure == ("death", "progression", "inoperable")
    assert (TRIAL.primary.landmark, TRIAL.primary.arm) == ("c2", "ADAPTIVE")
    assert TRIAL.landmarks["c2"].visits == ("baseline", "c1", "c2")
    assert TRIAL.landmarks_up_to("c1") == ("baseline", "c1")
    assert TRIAL.vocabulary["arms"] == ("CONTROL_TCBHP", "ADAPTIVE")


def test_a_part_that_the_file_does_not_have_is_refused_only_when_it_is_asked_for() -> None:
    part = parse_study({"landmarks": ["t0"], "visits": ["t0"], "schedule": {"t0": {"visits": ["t0"]}}})
    assert part.landmarks["t0"].cycles is None
    with pytest.raises(UserError, match="study file: key outcome is missing"):
        _ = part.outcome


@pytest.mark.parametrize(
    ("change", "part", "message"),
    [
        ({"outcome": {"definiton": "recorded"}}, "outcome", "definiton is unknown, did you mean definition"),
        ({"features": {"domain": []}}, "features", "study file, features: key domain is unknown"),
        ({"schedule": STUDY["schedule"] | {"c1": {"visit": []}}}, "landmarks", "did you mean visits"),
        ({"waivers": [{"table": "labs"}]}, "waivers", "study file, waivers: key column is missing"),
    ],
)
def test_a_misspelt_key_is_refused_with_its_place(change: dict[str, Any], part: str, message: str) -> None:
    with pytest.raises(UserError, match=message):
        getattr(parse_study(STUDY | change), part)


def test_an_unknown_landmark_is_refused_with_those_there_are() -> None:
    with pytest.raises(LandmarkError, match=r"landmark c3 is unknown.* must be one of baseline, c1, c2, c4"):
        TRIAL.landmark("c3")


def test_another_definition_leaves_the_study_as_it_was() -> None:
    assert TRIAL.with_outcome("rcb_0_1").outcome.definition == "rcb_0_1"
    assert TRIAL.outcome.definition == "ypT0/is_ypN0"
    assert TRIAL.with_outcome("rcb_0_1").outcome.counted_as_failure == TRIAL.outcome.counted_as_failure


def test_states_are_shown_unless_the_study_says_no_and_waivers_may_be_null() -> None:
    study = parse_study(
        STUDY | {"waivers": None, "features": {"domains": ["imaging"], "state_indicators": {}}}
    )
    assert study.features.has_states("imaging")
    assert study.waivers == ()
    entry = {"table": "labs", "column": "value", "rule": "range", "rows": 1, "reason": "seen", "who": "AB"}
    assert parse_study({"waivers": [entry]}).waivers == (Waiver(**entry),)


def test_a_file_that_is_no_mapping_is_refused() -> None:
    with pytest.raises(UserError, match="must be a mapping"):
        parse_study(None)  # type: ignore[arg-type]  # what an empty file gives
