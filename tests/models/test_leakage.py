"""The alarm at a performance that is too good: raised by a value above the limit, unless it is explained."""

import pytest

from models.evaluation.leakage import LeakageAlarmError, check_leakage

JUDGED = {"chosen": {"auc": {"value": 0.93}}, "rules": {"auc": {"value": 0.7}}, "few": {"n": {"value": 3}}}


def test_an_auc_above_the_limit_stops_the_run_and_names_the_model() -> None:
    with pytest.raises(LeakageAlarmError, match=r"AUC above 0.9 by chosen: look for a feature"):
        check_leakage(JUDGED, 0.9, "")


def test_outcomes_that_are_separated_stop_the_run_too() -> None:
    separated = {"chosen": {"auc": {"error": "auc: is exactly 1: the outcomes are separated"}}}
    with pytest.raises(LeakageAlarmError, match="by chosen"):
        check_leakage(separated, 0.9, "")
    check_leakage({"chosen": {"auc": {"error": "needs both outcomes"}}}, 0.9, "")


def test_an_acknowledged_auc_and_one_at_the_limit_pass() -> None:
    check_leakage(JUDGED, 0.9, "a published assay")
    check_leakage(JUDGED, 0.93, "")
