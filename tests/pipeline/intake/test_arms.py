"""What `pcr check` says of the comparison of the arms."""

from typing import Any

import pandas as pd
import pytest

from features.documents.study import Study, parse_study, with_defaults
from features.errors import UserError
from models.procedure.configuration.plan import SubgroupPlan
from pipeline.intake.arms import arm_lines, require_groupings

GROUPS = {"hr": SubgroupPlan(features=("hr",))}


def study(**changes: Any) -> Study:
    return parse_study(with_defaults({"study": "toy", "arms": ["A", "B"], "randomised": True, **changes}))


def tables() -> dict[str, pd.DataFrame]:
    day = pd.Timestamp("2025-01-01")
    one = pd.DataFrame({"usubjid": ["P1"]})
    return {
        "subjects": one.assign(arm="A", rand_date=day), "exposure": one, "adverse_events": one,
        "surgery": one.assign(surgery_date=day, rcb_class="I"), "safety_measurements": one,
        "disposition": one,
    }  # fmt: skip


def test_the_plan_is_told_with_its_assumptions() -> None:
    plan = {
        "reference": "A",
        "hypothesis": "non_inferiority",
        "margin": 0.05,
        "strata": ["hr"],
        "assumed": False,
    }
    (line,) = arm_lines(study(arm_comparison=plan), {})
    assert (
        line
        == "arms: compared with A; non-inferiority with a margin of 5 points; strata: hr (by the protocol)"
    )
    (default,) = arm_lines(study(), {})
    assert default == "arms: compared with A; superiority; strata: none (assumed)"


@pytest.mark.parametrize(
    ("changes", "told"), [({"arms": ["A"]}, "one arm"), ({"randomised": False}, "is false")]
)
def test_arms_that_are_not_compared_are_told_with_the_reason(changes: dict[str, Any], told: str) -> None:
    (line,) = arm_lines(study(**changes), {})
    assert told in line


def test_whatever_the_tables_lack_is_told_and_nothing_else() -> None:
    assert len(list(arm_lines(study(arms=["A", "C"]), tables()))) == 2
    lacking = tables()
    del lacking["exposure"]
    lacking["adverse_events"] = lacking["adverse_events"].iloc[:0]
    lacking["surgery"] = lacking["surgery"].drop(columns="rcb_class").assign(surgery_date=pd.NaT)
    told = " ".join(arm_lines(study(), lacking))
    for word in ("exposure", "adverse_events", "rcb_class", "time to surgery", "no patient is of B"):
        assert word in told
    assert "disposition" not in told


def test_an_unknown_grouping_is_refused_before_anything_is_read() -> None:
    with pytest.raises(UserError, match="nodez is unknown"):
        require_groupings(study(arm_comparison={"reference": "A", "interactions": ["nodez"]}), GROUPS)
    require_groupings(study(arm_comparison={"reference": "A", "strata": ["hr"]}), GROUPS)
    require_groupings(study(randomised=False), GROUPS)
