"""Configuration files as typed objects: what is wrong is refused with file, key, rule and value."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml

from features.documents.parsing import parsed
from features.errors import UserError
from models.description.plan import description_plan
from models.explanation.plan import explanation_plan
from models.procedure.configuration.plan import validation_plan
from models.procedure.configuration.settings import (
    BoostingCandidate,
    LogisticCandidate,
    comparator_settings,
    model_settings,
    serving_settings,
)
from models.procedure.configuration.thresholds import ThresholdRule

CONFIGS = Path(__file__).parents[2] / "configs"
PLAN: dict[str, Any] = yaml.safe_load((CONFIGS / "validation.yaml").read_text(encoding="utf-8"))
MEASURES: dict[str, Any] = yaml.safe_load((CONFIGS / "measures.yaml").read_text(encoding="utf-8"))
MODELS: dict[str, Any] = yaml.safe_load((CONFIGS / "models.yaml").read_text(encoding="utf-8"))
RIDGE = {"kind": "logistic", "penalties_per_patient": [0.1]}


def test_the_committed_files_are_what_they_must_be() -> None:
    plan, settings = validation_plan(PLAN, MEASURES), model_settings(MODELS)
    assert plan.resampling.bootstrap == PLAN["resampling"]["bootstrap"]
    assert plan.subgroups["age"].cuts == (50,)
    assert isinstance(settings.candidates["logistic"], LogisticCandidate)
    assert isinstance(settings.candidates["lightgbm"], BoostingCandidate)


@pytest.mark.parametrize(
    ("sections", "message"),
    [
        ({"bootstrp": 5}, "validation.yaml: key bootstrp is unknown, did you mean bootstrap"),
        ({"strategy": {"folds": 5, "penalty_per_patent": 1}}, "did you mean penalty_per_patient"),
        ({"strategy": {"folds": 5, "delta": 0}}, "strategy: key penalty_per_patient is missing"),
        ({"level": 1}, "validation.yaml, level: must be strictly between 0 and 1; got 1.0"),
        ({"bootstrap": 0}, "validation.yaml, bootstrap: must be at least 1; got 0"),
        ({"bootstrap": "1000"}, "validation.yaml, bootstrap: must be a whole number; got '1000'"),
        ({"bootstrap": True}, "validation.yaml, bootstrap: must be a whole number; got True"),
        ({"strategy": {"penalty": 0.1}}, "key penalty is penalty_per_patient now"),
        ({"fewest_events": 10}, "validation.yaml: key fewest_events is min_events now"),
        ({"promotion": {}}, "validation.yaml: key promotion is in configs/gates.yaml now"),
        ({"headline": {}}, "validation.yaml: key headline is in configs/measures.yaml now"),
        ([], "validation.yaml: must have the keys seed, folds"),
    ],
)  # fmt: skip
def test_a_plan_that_is_not_valid_is_refused(sections: Any, message: str) -> None:
    with pytest.raises(UserError, match=message.replace("(", r"\(")):
        validation_plan(sections)


@pytest.mark.parametrize(
    ("sections", "message"),
    [
        ({"thresholds": {}}, "measures.yaml: key thresholds is in configs/study.yaml now"),
        ({"threshold_rule": {"reach": 1.5}}, "threshold_rule.reach: must be strictly between 0 and 1"),
        ({"subgroups": {"age": {"features": "age_years"}}}, "subgroups.age.features: must be a list"),
        ({"headlines": {}}, "measures.yaml: key headlines is unknown, did you mean headline"),
        ({"seed": 1}, "measures.yaml: key seed is in configs/validation.yaml now"),
    ],
)
def test_measures_that_are_not_valid_are_refused_by_their_own_file(sections: Any, message: str) -> None:
    with pytest.raises(UserError, match=message):
        validation_plan({}, sections)


@pytest.mark.parametrize(
    ("parse", "file", "change", "message"),
    [
        (comparator_settings, "comparators", {"rules": {}}, "comparators.yaml: key rules is unknown"),
        (serving_settings, "serving", {"unit_tolerance": 0}, "serving.yaml, unit_tolerance: must be above 0"),
        (explanation_plan, "explanation", {"clustered_from": 1.2}, "clustered_from: must be from 0 to 1"),
        (
            explanation_plan,
            "explanation",
            {"biology": [{"name": "x"}]},
            "biology, item 1: key features is missing",
        ),
        (description_plan, "description", {"toxicity": {"severe": 6}}, "toxicity: key stopped is missing"),
    ],
)
def test_each_file_is_valid_and_a_change_for_the_worse_is_refused(
    parse: Callable[[object], Any], file: str, change: dict[str, Any], message: str
) -> None:
    document = yaml.safe_load((CONFIGS / f"{file}.yaml").read_text(encoding="utf-8"))
    assert parse(document) == parse(document)
    with pytest.raises(UserError, match=message):
        parse(document | change)


@pytest.mark.parametrize("key", ["comparators", "serving"])
def test_a_section_that_is_a_file_of_its_own_now_is_refused_with_that_file(key: str) -> None:
    with pytest.raises(UserError, match=f"models.yaml: key {key} is in configs/{key}.yaml now"):
        model_settings(MODELS | {key: {}})


@pytest.mark.parametrize(
    ("candidate", "message"),
    [
        ({"kind": "forest"}, "candidates.one.kind: must be one of logistic, lightgbm, blocks; got 'forest'"),
        (
            RIDGE | {"penalties_per_patient": [0.1, 0]},
            "penalties_per_patient, item 2: must be above 0; got 0.0",
        ),
        ({"kind": "logistic", "penalties": [0.1]}, "key penalties is penalties_per_patient now"),
        (RIDGE | {"interactions": [["arm"]]}, "interactions, item 1: must be a list of 2"),
        (RIDGE | {"spline_knots": 6}, "spline_knots: must be one of 3, 4, 5; got 6"),
    ],
)
def test_a_candidate_that_is_not_valid_is_refused(candidate: dict[str, Any], message: str) -> None:
    with pytest.raises(UserError, match=message):
        model_settings({"candidates": {"one": candidate}})


def test_a_section_that_is_needed_and_not_there_is_refused_when_it_is_read() -> None:
    plan = validation_plan({"seed": 3})
    assert plan.seed == 3
    with pytest.raises(UserError, match=r"configs/validation.yaml: key level is missing"):
        _ = plan.level


def test_whole_numbers_stay_whole_where_both_kinds_are_allowed() -> None:
    fixed = {"max_bin": 63, "lambda_l2": 5.0}
    document = {"kind": "lightgbm", "rounds": [5], "grid": {"num_leaves": [3]}, "fixed": fixed}
    candidate = model_settings({"candidates": {"boosted": document}}).candidates["boosted"]
    assert isinstance(candidate, BoostingCandidate)
    assert [type(value) for value in candidate.fixed.values()] == [int, float]


def test_a_candidate_that_is_asked_for_and_unknown_is_refused_with_the_nearest_one() -> None:
    settings = model_settings(MODELS)
    assert list(settings.alone("logistic").candidates) == ["logistic"]
    with pytest.raises(UserError, match="candidate logistik is unknown, did you mean logistic"):
        settings.alone("logistik")


def test_the_thresholds_of_a_curve_go_from_the_smallest_to_the_largest() -> None:
    named = {"escalation": {"min": 0.1, "max": 0.3, "step": 0.1, "shown": [0.2]}}
    grid = validation_plan({}, MEASURES).at_thresholds(named, 0.9).thresholds["escalation"].grid()
    assert grid.tolist() == [0.1, 0.2, 0.3]


@pytest.mark.parametrize(
    ("named", "message"),
    [
        ({"escalation": {"from": 0.1}}, "study.yaml, thresholds.escalation: key from is min now"),
        ({"stopping": {}}, "name: must be one of de_escalation, escalation; got 'stopping'"),
    ],
)
def test_thresholds_that_a_study_names_wrongly_are_refused(named: Any, message: str) -> None:
    with pytest.raises(UserError, match=message):
        validation_plan({}, MEASURES).at_thresholds(named, 0.5)


@pytest.mark.parametrize(
    ("pcr", "low", "high", "shown"),
    [
        (0.64, 0.4, 0.9, (0.5, 0.65, 0.8)),  # those that the simulated trial names
        (0.27, 0.05, 0.5, (0.1, 0.25, 0.4)),
        (0.01, 0.05, 0.3, (0.05, 0.2)),
        (0.99, 0.7, 0.95, (0.8, 0.95)),
        (float("nan"), 0.25, 0.75, (0.35, 0.5, 0.65)),
    ],
)
def test_thresholds_that_a_study_does_not_name_lie_around_its_frequency_of_pcr(
    pcr: float, low: float, high: float, shown: tuple[float, ...]
) -> None:
    thresholds = parsed(ThresholdRule, MEASURES["threshold_rule"], "measures.yaml").around(pcr)
    about_pcr, about_none = thresholds["de_escalation"], thresholds["escalation"]
    assert (about_pcr.min, about_pcr.max, about_pcr.shown) == (low, high, shown)
    assert about_none.min == pytest.approx(1 - high)
    assert about_none.shown == pytest.approx([1 - threshold for threshold in reversed(shown)])


def test_the_former_penalties_of_the_comparator_are_refused_with_their_new_name() -> None:
    with pytest.raises(UserError, match="rule_inputs: key penalties is penalties_per_patient now"):
        comparator_settings({"rule_inputs": {"kind": "logistic", "penalties": [0.1]}})


def test_a_criterion_that_moved_to_another_section_is_refused_with_its_place() -> None:
    file = "configs/validation.yaml"
    with pytest.raises(UserError, match=f"{file}, sample_size: key c_statistic is in model_size now"):
        validation_plan({"sample_size": {"c_statistic": 0.72, "margin": 0.05}})
    stored = yaml.safe_load((CONFIGS / "validation.yaml").read_text(encoding="utf-8"))["model_size"]
    assert validation_plan({"model_size": stored}).model_size.c_statistic == stored["c_statistic"]
