"""Sections of the simulator's settings: what cannot be a share, a date or a name is refused by its key."""

from collections.abc import Mapping
from typing import Any

import pytest
from pydantic import ValidationError

from pipeline.project.files import read_yaml
from pipeline.sources.simulation.course_parameters import Clearance, Event, Treatment
from pipeline.sources.simulation.patient_parameters import Cohort, Tissue
from pipeline.sources.simulation.section import Section
from tests.features.tables import ROOT

SETTINGS: Mapping[str, Any] = read_yaml(ROOT / "configs/simulation.yaml")


@pytest.mark.parametrize(
    ("section", "content", "change"),
    [
        (Treatment, SETTINGS["treatment"], {"delay_if_severe": 1.2}),
        (Treatment, SETTINGS["treatment"], {"cycle_days": 0}),
        (Event, SETTINGS["fate"]["death"], {"share": 0}),
        (Clearance, SETTINGS["ctdna"]["clearance"], {"log10_sd": -0.1}),
        (Cohort, SETTINGS["cohort"], {"n": 0}),
        (Cohort, SETTINGS["cohort"], {"allocation": {}}),
        (Tissue, SETTINGS["genome"]["tissue"], {"sensitivity": "high"}),
    ],
)
def test_a_value_that_is_not_possible_is_refused_by_its_key(
    section: type[Section], content: dict[str, Any], change: dict[str, Any]
) -> None:
    assert section.model_validate(content)
    with pytest.raises(ValidationError, match=next(iter(change))):
        section.model_validate(content | change)


def test_an_unknown_key_is_told_with_the_nearest_valid_one() -> None:
    with pytest.raises(ValidationError, match="cycle_days"):
        Treatment.model_validate(SETTINGS["treatment"] | {"cycle_dayz": 21})
