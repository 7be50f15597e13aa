"""The block of the study file on comparing the arms: what it may say, and what is refused."""

from typing import Any

import pytest

from pipeline.project.files import read_yaml
from pipeline.sources.mapping.study_file import StudyFileError, check_study_file
from tests.pipeline.formats import CONFIGS


def refused(comparison: Any, **changes: Any) -> str:
    """Return what is said of the default study's file with another block."""
    study = read_yaml(CONFIGS / "studies" / "nct07239271.yaml") | {"arm_comparison": comparison} | changes
    with pytest.raises(StudyFileError) as error:
        check_study_file(study)
    return str(error.value)


def accepted(comparison: Any, **changes: Any) -> Any:
    study = read_yaml(CONFIGS / "studies" / "nct07239271.yaml") | {"arm_comparison": comparison} | changes
    return check_study_file(study)


def test_a_reference_alone_is_a_plan_and_no_block_is_the_default() -> None:
    plan = accepted({"reference": "CONTROL_TCBHP"}).arm_comparison
    assert (plan.hypothesis, plan.margin, plan.assumed) == ("superiority", 0.0, True)
    assert accepted(None).arm_comparison is None


@pytest.mark.parametrize(
    ("comparison", "told"),
    [
        ({"reference": "CONTROL"}, "CONTROL is not one of `arms`"),
        ({"reference": "ADAPTIVE"}, "is the arm that follows the rules"),
        ({"strata": ["hr"]}, "reference"),
        ({"reference": "CONTROL_TCBHP", "stratum": ["hr"]}, "stratum"),
        ({"reference": "CONTROL_TCBHP", "hypothesis": "equivalence"}, "hypothesis"),
        ({"reference": "CONTROL_TCBHP", "margin": 0.05}, "`margin` above 0 is for non_inferiority"),
        ({"reference": "CONTROL_TCBHP", "hypothesis": "non_inferiority"}, "which needs one"),
        ({"reference": "CONTROL_TCBHP", "hypothesis": "non_inferiority", "margin": 5}, "less than 1"),
        ({"reference": "CONTROL_TCBHP", "regimens": {"CONTROL": ["TCBHP"]}}, "CONTROL is not one of `arms`"),
        (
            {"reference": "CONTROL_TCBHP", "regimens": {"CONTROL_TCBHP": ["TCHP"]}},
            "TCHP is not one of `regimens`",
        ),
    ],
)
def test_what_is_refused_is_told_with_its_place(comparison: dict[str, Any], told: str) -> None:
    message = refused(comparison)
    assert "arm_comparison" in message
    assert told in message


def test_arms_that_chance_did_not_make_are_not_compared() -> None:
    message = refused({"reference": "CONTROL_TCBHP"}, randomised=False, allocation=None, strategies=[])
    assert "`arm_comparison` is of randomised arms" in message
    assert accepted(None, randomised=False, allocation=None, strategies=[]).arm_comparison is None
