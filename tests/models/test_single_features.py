"""What single features tell: a copy of the outcome raises the alarm, chance among many features does not."""

import numpy as np
import pandas as pd
import pytest

from models.procedure.single_features import LeakageAlarmError, check_single_features, single_feature_aucs
from tests.patients import feature

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
