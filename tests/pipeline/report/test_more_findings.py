"""Titles of figures: what the numbers say, and nothing where they say nothing."""

from dataclasses import replace
from typing import Any

import pandas as pd

from pipeline.project.estimates import Estimate, Measures
from pipeline.report.blocks import parse_blocks
from pipeline.report.results import Robustness, Subgroups
from pipeline.report.study.flow import flow_sentence
from pipeline.report.study.measured import course_sentences, state_sentences
from pipeline.report.study.more_findings import (
    benefit_findings,
    block_findings,
    event_findings,
    for_whom_not,
    run_findings,
    stability_findings,
    strategy_findings,
    subgroup_findings,
)
from pipeline.report.study.rules import branches_sentence
from tests.labels import PLAIN
from tests.pipeline.report.test_blocks_part import stored
from tests.pipeline.test_study_sections import FACTS, OPEN, STRICT, measures, results

LATER = Measures(n=Estimate(946), o_e=Estimate(0.91, 0.87, 0.96))
BELOW, AROUND = Estimate(-0.1, -0.2, -0.05), Estimate(0.01, -0.1, 0.1)


def of(auc: float, n: int = 40) -> Measures:
    return Measures(n=Estimate(n), events=Estimate(n // 2), auc=Estimate(auc, auc - 0.1, auc + 0.1))


def test_the_lowest_and_the_highest_auc_are_named_but_of_no_hidden_group() -> None:
    groups = {"hr": {"pos": of(0.61), "neg": of(0.72)}, "stage": {"IV": of(0.9, 3), "II": of(0.7, 77)}}
    judged = results(
        subgroups={"c2": Subgroups(groups, {"S1": of(0.5), "S2": of(0.8)})},
        robustness={"c2": Robustness(centres={"S1": of(0.6)})},
    )
    told = subgroup_findings(judged, STRICT, PLAIN)
    assert told["subgroups-auc"] == "The AUC is between 0.61 (HR: pos) and 0.72 (HR: neg)."
    assert told["centres-auc"] == "The AUC is between 0.50 (S1) and 0.80 (S2)."
    assert told["left-out-centres"] == "", "of one centre there is no range"
    assert "0.90 (stage: IV)" in subgroup_findings(judged, OPEN, PLAIN)["subgroups-auc"]


def test_the_subgroups_in_whom_the_model_fails_or_is_not_judged_are_named() -> None:
    fits = {"slope": Estimate(1.0, 0.8, 1.2), "o_e": Estimate(1.0, 0.9, 1.1)}
    groups = {
        "hr": {"pos": of(0.7) | fits, "neg": of(0.55) | fits},
        "stage": {"II": of(0.7) | fits | {"o_e": Estimate(0.8, 0.7, 0.9)}, "IV": Measures(n=Estimate(3))},
    }
    named = {kind: {name: Measures(found) for name, found in each.items()} for kind, each in groups.items()}
    assert for_whom_not(Subgroups(named), None, PLAIN) == (
        "For whom not: AUC not above chance by its interval: HR: neg. Calibration off by the interval of "
        "slope or O:E: stage: II. Too few to be judged: stage: IV."
    )
    good = Subgroups({"hr": {"pos": named["hr"]["pos"]}})
    assert for_whom_not(good, None, PLAIN).count("in no subgroup judged") == 2
    assert for_whom_not(Subgroups(), None, PLAIN) == ""


def test_for_whom_not_names_centres_and_says_in_which_direction_later_patients_differ() -> None:
    slope = {"slope": Estimate(1.6, 1.1, 2.1)}
    centres = {"S1": of(0.55), "S2": of(0.8), "S3": Measures(of(0.8) | slope)}
    told = for_whom_not(Subgroups({}, centres), Robustness(later=LATER), PLAIN)
    assert told == (
        "For whom not: AUC not above chance by its interval: centre S1. Calibration off by the interval of "
        "slope or O:E: centre S3. Later patients: fewer of 946 had pCR than predicted "
        "(O:E 0.91, 0.87 to 0.96)."
    )
    fits = Robustness(later=Measures(o_e=Estimate(1.0, 0.9, 1.1)))
    none = for_whom_not(Subgroups({}, {"S2": of(0.8)}), fits, PLAIN)
    assert none.count("in no subgroup or centre judged") == 2
    assert "Later" not in none, "what fits is no limit"


def curve(**values: list[float]) -> dict[str, pd.DataFrame]:
    rows = [
        {"decision": "de_escalation", "strategy": name, "threshold": t, "value": value}
        for name, each in values.items()
        for t, value in zip((0.4, 0.5, 0.6), each, strict=True)
    ]
    return {"benefit": pd.DataFrame(rows)}


def test_a_decision_curve_says_at_which_thresholds_the_model_has_the_highest_value() -> None:
    for chosen, words in (
        ([0.3, 0.2, 0.1], "at every threshold shown"),
        ([0.3, 0.2, -0.1], "at most of the thresholds shown"),
        ([0.3, -0.2, -0.1], "at some of the thresholds shown"),
        ([-0.3, -0.2, -0.1], "at no threshold shown"),
    ):
        curves = {"c2": curve(chosen=chosen, none=[0.0] * 3, rules=[0.0] * 3)}
        title = benefit_findings(results(curves=curves), FACTS, PLAIN)["benefit-de-escalation-c2"]
        assert title == f"At c2, the model has the highest net benefit {words}."
    alone = {"c2": curve(chosen=[0.1] * 3, rules=[0.3] * 3)}
    assert benefit_findings(results(curves=alone), replace(FACTS, rules=False), PLAIN) == {}


def test_runs_that_agree_are_one_sentence_and_those_that_do_not_another() -> None:
    def runs(*deltas: Estimate) -> dict[str, str]:
        named = {str(i): measures(delta_log_loss=delta) for i, delta in enumerate(deltas)}
        return run_findings(results(sensitivity=named), FACTS)

    assert runs(BELOW, BELOW) == {
        "sensitivity-runs": "In every run the model predicts better than the rules."
    }
    assert runs(BELOW, AROUND)["sensitivity-runs"] == (
        "In 1 of 2 runs the model predicts better than the rules; in 1, not distinguishably better or worse."
    )
    assert runs() == {}


def test_blocks_that_cannot_be_told_apart_are_said_to_be_so() -> None:
    judged = parse_blocks(stored())

    def told(verdict: str) -> str:
        pairs = [replace(pair, verdict=verdict) for pair in judged.pairs[:1]]
        blocks = {"baseline": replace(judged, pairs=pairs)}
        comparison = replace(results().comparison, blocks=blocks)
        return block_findings(results(comparison=comparison), PLAIN)["blocks-added"]

    assert told("not distinguishable") == "No two models of blocks can be told apart by AUC."
    assert told("better") == "By AUC, all blocks better than clinical alone."
    assert block_findings(results(), PLAIN) == {}


def test_events_are_named_on_the_side_on_which_their_interval_lies() -> None:
    def row(event: str, arm: str, difference: dict[str, float]) -> dict[str, Any]:
        return {"event": event, "arm": arm, "n": 100, "events": 20, "difference": difference}

    rows = [
        row(event, arm, difference if arm == "B" else {})
        for event, difference in (
            ("Rash", {"value": 0.1, "low": 0.05, "high": 0.2}),
            ("Fever", {"value": -0.1, "low": -0.2, "high": -0.05}),
            ("Cough", {"value": 0.0, "low": -0.1, "high": 0.1}),
        )
        for arm in ("A", "B")
    ]
    described: Any = {"toxicity": {"by_arm": rows}}
    told = event_findings(described, STRICT, PLAIN)
    assert told == {"toxicity-differences": "More often in B: Rash. Less often in B: Fever."}
    assert event_findings({"toxicity": None}, STRICT, PLAIN) == {}  # type: ignore[typeddict-item]


def test_groups_whose_interval_leaves_the_ideal_value_out_are_named() -> None:
    slopes = {"pos": Estimate(1.0, 0.8, 1.2), "neg": Estimate(0.6, 0.4, 0.9), "few": Estimate(0.1, 0, 0.2)}
    groups = {name: of(0.7, 3 if name == "few" else 40) | {"slope": slope} for name, slope in slopes.items()}
    named = {"hr": {name: Measures(each) for name, each in groups.items()}}
    told = subgroup_findings(results(subgroups={"c2": Subgroups(named)}), STRICT, PLAIN)
    assert told["subgroups-slope"] == "The ideal value lies outside the interval of HR: neg."
    assert told["subgroups-o-e"] == "", "nobody has it"
    fits = Subgroups({"hr": {"pos": named["hr"]["pos"]}})
    assert subgroup_findings(results(subgroups={"c2": fits}), STRICT, PLAIN)["subgroups-slope"] == (
        "Every interval includes the ideal value."
    )


def test_what_bootstrap_models_show_is_told_where_they_were_made() -> None:
    robust = Robustness(
        optimism_corrected=Measures(
            calibration_slope=Estimate(0.964, extra={"approximate_low": -0.1, "approximate_high": 1.9})
        ),
        instability=Measures(mean_absolute_prediction_error=Estimate(0.0484)),
    )
    lines = [("apparent", 0.2, 0.3), ("corrected", 0.2, 0.2), ("apparent", 0.4, 0.1), ("corrected", 0.4, 0.1)]
    curves = pd.DataFrame(lines, columns=["line", "at", "value"]).assign(curve="escalation", sample=-1)
    judged = results(robustness={"c2": robust}, curves={"c2": {"bootstrap": curves}})
    assert stability_findings(judged, PLAIN) == {
        "instability": "At c2, a bootstrap model's prediction is 4.8 percentage points away from "
        "the model's on average.",
        "bootstrap-calibration": "Corrected for optimism, the slope is 0.96 (\N{MINUS SIGN}0.10 to 1.90).",
        "bootstrap-escalation": (
            "Corrected for optimism, net benefit is lower at some of the thresholds shown."
        ),
    }
    assert stability_findings(results(), PLAIN) == {}


def test_values_of_strategies_are_told_apart_by_their_interval() -> None:
    found = Measures(difference=Estimate(0.1, 0.05, 0.2), policy_minus_treated=Estimate(0.01, -0.1, 0.1))
    assert strategy_findings(results(strategies={"A-B": found}), PLAIN) == {
        "strategy-values": (
            "Above 0: all by A minus all by B. Not distinguishable from 0: policy minus all by A."
        )
    }
    assert strategy_findings(results(), PLAIN) == {}


def state(domain: str, arm_counts: list[int], by_centre: dict[str, list[int]], levels: list[str]) -> Any:
    def rows(group: str, counts: list[int]) -> list[dict[str, Any]]:
        named = zip(levels, counts, strict=True)
        return [{"group": group, "level": level, "n": n, "of": sum(counts)} for level, n in named]

    centres = [row for centre, counts in by_centre.items() for row in rows(centre, counts)]
    return {
        "domain": domain, "visit": "c1", "levels": levels, "by_arm": rows("all", arm_counts),
        "by_centre": centres,
    }  # fmt: skip


def test_who_has_a_result_is_told_but_for_counts_that_are_hidden() -> None:
    centres = {"S1": [10, 30], "S2": [30, 10], "S3": [2, 1]}
    plasma = state("ctdna", [42, 41], centres, ["negative", "positive"])
    scan = state("imaging", [81, 3], {}, ["done", "not_done"])
    described: Any = {"states": [plasma, scan]}
    told = state_sentences(described, STRICT, PLAIN)
    assert told["states"] == "Of all at risk: ctDNA c1 positive in 49 %."
    said = "Positive in 25 % (S2) to 75 % (S1) of a centre's patients"
    assert told["centres-ctdna-c1"] == f"{said}, where that is shown."
    everywhere = state("ctdna", [40, 40], {"S1": [10, 30], "S2": [30, 10]}, ["negative", "positive"])
    assert state_sentences({"states": [everywhere]}, STRICT, PLAIN)["centres-ctdna-c1"] == f"{said}."
    assert "imaging c1 done in 96 %" in state_sentences(described, OPEN, PLAIN)["states"]
    assert state_sentences({"states": []}, STRICT, PLAIN) == {}  # type: ignore[typeddict-item]


def test_medians_with_and_without_pcr_are_compared_at_the_last_visit_that_has_both() -> None:
    rows = [
        ("baseline", "A", "pCR", 9.0), ("baseline", "A", "no pCR", 1.0), ("c1", "A", "pCR", 1.0),
        ("c1", "A", "no pCR", 2.0), ("c1", "B", "pCR", 3.0), ("c1", "B", "no pCR", 2.0),
        ("c2", "A", "pCR", 5.0), ("c1", "C", "pCR", 2.0), ("c1", "C", "no pCR", 4.0),
    ]  # fmt: skip
    points = [dict(zip(("visit", "arm", "outcome", "median"), row, strict=True)) for row in rows]
    family = {
        "name": "FTV",
        "unit": "",
        "points": [*points, {"visit": "c2", "arm": "A", "outcome": "no pCR"}],
    }
    described: Any = {"over_time": [family, {"name": "x", "unit": "", "points": points[-1:]}]}
    assert course_sentences(described, ["baseline", "c1", "c2"], PLAIN) == {
        "course-1": "FTV: at c1, the median with pCR is lower than without in A and C; higher than without "
        "in B."
    }
    one: Any = {"over_time": [family | {"points": points[:2]}]}
    assert course_sentences(one, ["baseline"], PLAIN) == {
        "course-1": "FTV: at baseline, the median with pCR is higher than without."
    }


def test_pcr_of_branches_is_told_as_a_range_without_naming_one() -> None:
    rows: Any = [
        {"branch": name, "n": n, "events": events, "value": events / n}
        for name, n, events in (("R1", 40, 30), ("R2", 20, 10), ("R3", 4, 1))
    ]
    assert branches_sentence(rows, STRICT) == "pCR in a branch lies between 50 % and 75 %."
    assert branches_sentence(rows[:1], STRICT) == ""


def test_the_flow_ends_with_the_last_landmark_and_pcr() -> None:
    rows: Any = [{"label": "Patients", "all": 2000}, {"label": "At risk, C4", "all": 1900}, {"all": 1200}]
    assert flow_sentence(rows) == "At risk, C4: 1,900 of 2,000 patients; 1,200 had pCR."
