"""The criteria of promotion on the first screen: what is not met is named, in words."""

from pipeline.report.study.gates import JudgedGate, gate_sentences
from tests.labels import PLAIN


def gate(name: str, result: str, verdict: str, *, passes: bool = False) -> JudgedGate:
    return JudgedGate(name, result, "at most 0.05", verdict, passes)


def test_what_is_not_met_is_one_sentence_over_the_landmarks_and_what_is_undecided_another() -> None:
    judged = {
        "c1": [gate("temporal.ici", "0.06", "shown bad"), gate("leakage", "0.7", "shown good", passes=True)],
        "c2": [gate("temporal.ici", "0.07", "shown bad")],
        "c4": [gate("temporal.ici", "0.04", "too few patients to tell")],
    }
    assert gate_sentences(judged, PLAIN) == [
        "temporal.ici must be at most 0.05; not met at c1 (0.06); c2 (0.07).",
        "temporal.ici must be at most 0.05; too few patients to tell at c4 (0.04).",
    ]


def test_nothing_is_said_where_all_criteria_are_met() -> None:
    assert gate_sentences({"c1": [gate("leakage", "0.7", "shown good", passes=True)]}, PLAIN) == []


def test_a_criterion_at_a_threshold_names_it() -> None:
    [told] = gate_sentences({"c1": [gate("delta_net_benefit@0.65", "-0.1", "shown bad")]}, PLAIN)
    assert told.startswith("delta net benefit at 0.65 must")
    assert "\N{MINUS SIGN}0.1" in told
