"""What single features tell: a copy of the outcome raises the alarm, chance among many features does not."""

import numpy as np
import pandas as pd
import pytest

from models.procedure.configuration.plan import validation_plan
from models.procedure.single_features import (
    LeakageAlarmError,
    check_single_features,
    listed,
    single_feature_aucs,
    suspects,
)
from pipeline.project.files import read_yaml
from tests.patients import feature
from tests.workspace import ROOT

Y = np.array([0.0, 1.0] * 20)


def singles(**columns: object) -> dict[str, dict[str, object]]:
    frame = pd.DataFrame(columns)
    kinds = {
        name: None if frame[name].dtype == float else list(frame[name].dropna().unique()) for name in frame
    }
    features = [feature(name, levels) if levels else feature(name) for name, levels in kinds.items()]
    return single_feature_aucs(frame, Y, features)


def test_the_auc_is_mann_whitneys_whichever_way_it_points() -> None:
    found = singles(up=Y + np.arange(40) / 100, down=-Y + np.arange(40) / 100)
    assert found["up"]["auc"] == {"value": 1.0}
    assert found["down"]["auc"] == {"value": 1.0}


def test_a_level_that_stands_for_the_outcome_is_told_among_others() -> None:
    level = np.where(Y == 1, "RCB 0", np.where(np.arange(40) % 4 == 0, "RCB I", "RCB II"))
    assert singles(rcb=level)["rcb"]["auc"] == {"value": 1.0}


def test_what_does_not_vary_or_is_known_in_one_outcome_only_is_an_error() -> None:
    found = singles(constant=np.ones(40), half=np.where(Y == 1, np.arange(40.0), np.nan))
    assert found["constant"]["auc"] == {"error": "does not vary"}
    assert "one outcome only" in str(found["half"]["auc"])


def test_a_copy_of_the_outcome_raises_the_alarm_by_name_unless_acknowledged() -> None:
    found = singles(copy=Y * 1.0, noise=np.sin(np.arange(40.0)))
    with pytest.raises(LeakageAlarmError, match=r"AUC above 0\.9 by a single feature: copy \(1\.00\)"):
        check_single_features(found, 0.9, 0.95, "")
    check_single_features(found, 0.9, 0.95, "the assay is the outcome")


def test_the_best_of_many_features_that_chance_lets_separate_few_patients_raises_none() -> None:
    few = {"n": {"value": 6}, "events": {"value": 2}, "auc": {"value": 1.0}}
    check_single_features({f"gene{i}": few for i in range(500)}, 0.9, 0.95, "")


def flipped(share: float) -> np.ndarray:
    """Return a copy of an outcome, wrong in a share of the patients."""
    wrong = np.random.default_rng(1).random(len(OUTCOME)) < share
    return np.where(wrong, 1 - OUTCOME, OUTCOME)


def with_noise(deviation: float) -> np.ndarray:
    return OUTCOME + np.random.default_rng(2).normal(0, deviation, len(OUTCOME))


OUTCOME = (np.random.default_rng(0).random(2000) < 0.6).astype(float)
PLAN = validation_plan(read_yaml(ROOT / "configs/validation.yaml"))


@pytest.mark.parametrize(
    "copy",
    [
        *(flipped(share) for share in (0.0, 0.002, 0.05, 0.10, 0.15)),
        *(with_noise(deviation) for deviation in (0.6, 0.8, 1.0)),
    ],
)
def test_a_copy_of_the_outcome_under_an_innocent_name_is_told_by_it(copy: np.ndarray) -> None:
    rows = pd.DataFrame({"albumin": copy, "age": np.random.default_rng(3).normal(55, 10, len(copy))})
    found = single_feature_aucs(rows, OUTCOME, [feature("albumin"), feature("age")])
    assert list(suspects(found, PLAN.leakage_warning_auc, PLAN.level)) == ["albumin"]


def test_a_strong_biomarker_is_named_and_raises_no_alarm() -> None:
    # Normal with unit variance in both outcomes, 1.19 apart: AUC .80.
    marker = 1.19 * OUTCOME + np.random.default_rng(4).normal(0, 1, len(OUTCOME))
    found = single_feature_aucs(pd.DataFrame({"marker": marker}), OUTCOME, [feature("marker")])
    assert suspects(found, PLAN.leakage_warning_auc, PLAN.level)["marker"] == pytest.approx(0.8, abs=0.02)
    check_single_features(found, PLAN.leakage_alarm_auc, PLAN.level, "")


def test_the_strongest_features_are_listed_and_the_others_counted() -> None:
    assert listed({f"f{i}": 0.9 - i / 100 for i in range(7)}) == (
        "f0 (0.90), f1 (0.89), f2 (0.88), f3 (0.87), f4 (0.86) and 2 more"
    )
