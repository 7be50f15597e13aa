"""The sections of the study report: what each draws, counts, hides and leaves out."""

from collections.abc import Mapping
from typing import Any

import pandas as pd
import pytest

from pipeline.project.estimates import Estimate, Measures
from pipeline.report.facts import Facts
from pipeline.report.results import Comparison, Declared, Results, Robustness, SampleSize, Subgroups, Truth
from pipeline.report.study.common import counted, crossed, interval_row
from pipeline.report.study.measured import HIDDEN, courses_part, missing_part, shares, states_table
from pipeline.report.study.performance import added_name, domains_part, performance_part, shown_threshold
from pipeline.report.study.rules import overlap_sentences, rules_part
from pipeline.report.study.sensitivity import sensitivity_part
from pipeline.report.study.stability import size_part, stability_part
from pipeline.report.study.strategies import strategy_part, truth_part
from pipeline.report.study.subgroups import hidden_counts, subgroups_part, subgroups_table
from pipeline.report.study.table_one import table_one_part
from pipeline.report.study.toxicity import points, toxicity_part
from pipeline.report.tables import Privacy, Table
from tests.labels import PLAIN

ONE = Estimate(0.7, 0.6, 0.8)
FACTS = Facts(
    simulated=True, randomised=True, arms=2, centres=2, entry_dates=True, decision_dates=True, rules=True,
    adaptive_arm="B", ctdna=True, imaging=True, trial="TOY",
)  # fmt: skip
STRICT, OPEN = Privacy(5, suppress=True), Privacy(5, suppress=False)


def measures(n: int = 40, events: int = 20, **others: Estimate) -> Measures:
    return Measures(n=Estimate(n), events=Estimate(events), **others)


def results(**parts: Any) -> Results:
    """Return results of one landmark; parts that are not named are empty."""
    declared = Declared("c2", None, "log_loss", "chosen", "rules")
    empty: dict[str, Any] = {
        "landmarks": {"c2": {"chosen": measures(auc=ONE), "rules": measures(auc=ONE)}},
        "comparison": Comparison(declared, ONE, {}, {}), "subgroups": {"c2": Subgroups()},
        "robustness": {"c2": None}, "sensitivity": {}, "size": {}, "strategies": {}, "truth": {},
        "true_strategies": {}, "curves": {"c2": {}}, "review": {},
    }  # fmt: skip
    return Results(**empty | parts)


def drawn(spec: Mapping[str, Any]) -> list[list[str]]:
    """Return the rows of a forest, the heading first."""
    text = next(data for data in spec["datasets"].values() if isinstance(data, str))
    return [line.split(",") for line in text.strip().split("\n")]


def cells(table: Table, column: str) -> list[str]:
    return [str(row[column]) for row in table.rows]


def test_an_interval_row_is_marked_or_not_and_a_group_is_told_with_its_counts() -> None:
    row = interval_row(counted("S1", measures(12, 5)), ONE, of=measures(12, 5), mark=True)
    assert row == {
        "label": "S1 (n = 12, pCR 5)", "value": 0.7, "low": 0.6, "high": 0.8,
        "n": 12, "events": 5, "detail": "", "mark": "yes",
    }  # fmt: skip


def test_the_sums_of_a_table_are_its_columns_and_its_rows_against_all() -> None:
    counts = {("pos", "A"): 1, ("pos", "all"): 3, ("neg", "A"): 2, ("neg", "all"): 4}
    sums = crossed(counts, 0, 1)
    assert {("pos", "A"): 1, ("neg", "A"): 1} in sums
    assert {("pos", "A"): 1, ("pos", "all"): -1} in sums
    assert len(sums) == 4


@pytest.mark.parametrize(
    ("pair", "name"),
    [
        ("clinical+ctdna-clinical", "ctDNA to clinical"),
        ("all-without ctdna", "ctDNA to all others"),
        ("all-clinical+pathology", "ctDNA + imaging to clinical + pathology"),
    ],
)
def test_a_pair_of_domain_sets_is_told_by_what_it_adds(pair: str, name: str) -> None:
    assert added_name(pair, ["clinical", "pathology", "ctdna", "imaging"]) == name


def test_domains_are_drawn_where_a_difference_has_an_interval() -> None:
    pairs = {
        "clinical+ctdna-clinical": measures(delta_auc=ONE, delta_log_loss=ONE),
        "adequacy": Measures(all=Estimate(1.0)),
    }
    comparison = Comparison(Declared("c2", None, "log_loss", "chosen", "rules"), ONE, {}, {"c2": pairs})
    charts, tables = domains_part(results(comparison=comparison), {"c2": ["clinical", "ctdna"]}, "", PLAIN)
    assert [row[0] for row in drawn(charts["domains-added"])] == ["label", "c2: ctDNA to clinical"]
    assert cells(tables["domains"], "added") == ["ctDNA to clinical"]
    assert domains_part(results(), {"c2": []}, "", PLAIN) == ({}, {})


def test_the_threshold_shown_is_the_middle_one_of_those_configured() -> None:
    names = [f"delta_net_benefit@{t}" for t in ("0.8", "0.5", "0.65")]
    pair = Measures(dict.fromkeys(names, ONE))
    declared = Declared("c2", None, "log_loss", "chosen", "rules")
    assert shown_threshold(Comparison(declared, ONE, {}, {"c2": {"a-b": pair}})) == "delta_net_benefit@0.65"
    assert shown_threshold(Comparison(declared, ONE, {}, {})) == ""


def test_each_landmark_has_its_calibration_and_one_decision_curve_per_decision() -> None:
    calibration = pd.DataFrame(
        {"model": ["chosen", "rules"], "predicted": 0.5, "observed": 0.5, "low": 0.4, "high": 0.6}
    )
    benefit = pd.DataFrame(
        {"decision": ["escalation", "de_escalation"], "strategy": "chosen", "threshold": 0.5}
    ).assign(value=0.1, low=0.0, high=0.2)
    charts, _ = performance_part(
        results(curves={"c2": {"calibration": calibration, "benefit": benefit}}), FACTS, PLAIN
    )
    assert set(charts) == {"calibration-c2", "benefit-de-escalation-c2", "benefit-escalation-c2"}
    assert {row[0] for row in drawn(charts["calibration-c2"])[1:]} == {"model"}


def test_a_centre_that_is_left_out_alone_is_not_drawn_and_no_robustness_is_no_section() -> None:
    robustness = Robustness(
        optimism_corrected=Measures(
            auc=Estimate(0.72, extra={"approximate_low": 0.7, "approximate_high": 0.74})
        ),
        instability=Measures(mean_absolute_prediction_error=Estimate(0.0371)),
        centres={"S1": measures(auc=ONE)},
    )
    charts, tables = stability_part(results(robustness={"c2": robustness}), "c2", ["c2"], 10, PLAIN)
    assert charts == {}
    row = tables["stability"].rows[0]
    assert "(0.700 to 0.740)" in row["corrected"]
    assert row["instability"] == '<span class="value">0.037</span>'
    # Nobody came later and no centre was left out: no column speaks of them.
    assert set(tables["stability"].columns) == {
        "landmark", "corrected", "left_out", "slope", "instability", "samples", "error",
    }  # fmt: skip
    assert stability_part(results(), "c2", ["c2"], 10, PLAIN) == ({}, {})


def test_predictions_that_are_drawn_are_told_of_all_that_the_bootstrap_models_made() -> None:
    corrected = Measures(auc=Estimate(0.72, extra={"samples": 10}))
    stored = pd.DataFrame({"original": [0.2, 0.4, 0.6], "prediction": [0.3, 0.3, 0.7]})
    judged = results(
        robustness={"c2": Robustness(optimism_corrected=corrected)}, curves={"c2": {"instability": stored}}
    )
    charts, _ = stability_part(judged, "c2", ["c2"], 2, PLAIN)
    told = charts["instability"]["usermeta"]["about"]["sampling"]
    assert told.endswith("2 of 400 predictions"), "of 40 patients by 10 models, of which some are stored"


def test_a_sample_that_is_too_small_says_so() -> None:
    _, tables = size_part(
        results(size={"c2": SampleSize(1929, 96, 5893, 31, "", enough=False, to_validate=816)}), PLAIN
    )
    row = tables["size"].rows[0]
    assert (row["needed"], row["enough"], row["validation"]) == ("5,893", "no", "816")
    assert size_part(results(), PLAIN) == ({}, {})


def test_the_primary_analysis_is_marked_among_the_sensitivity_analyses() -> None:
    runs = {"as in the run": measures(delta_log_loss=ONE), "eligible": measures(delta_log_loss=Estimate())}
    charts, tables = sensitivity_part(results(sensitivity=runs), FACTS, PLAIN)
    assert [row[-1] for row in drawn(charts["sensitivity-runs"])] == ["mark", "yes"]
    assert cells(tables["sensitivity"], "run") == ["as in the run", "eligible"]


def test_strategies_stand_beside_the_truth_and_only_values_are_drawn() -> None:
    estimated = measures(reference=ONE, difference=ONE, policy_share=Estimate(0.62))
    truth = {"B-A": Measures(reference=Estimate(0.61))}
    charts, tables = strategy_part(results(strategies={"B-A": estimated}, true_strategies=truth), PLAIN)
    assert [row[0] for row in drawn(charts["strategy-values"])[1:]] == ["all by A"]
    assert cells(tables["strategy"], "what") == [
        "all by A",
        "all by B minus all by A",
        "share that the policy assigns to B",
    ]
    assert cells(tables["strategy"], "truth") == ["0.610", "", ""]


def test_the_truth_of_a_simulation_is_told_beside_the_estimate() -> None:
    truth = Truth(19_000, Estimate(0.75), {"chosen": Measures(auc=Estimate(0.731))})
    _, tables = truth_part(results(truth={"c2": truth}), ["c2", "c4"], FACTS, PLAIN)
    row = tables["truth"].rows[0]
    assert (row["n"], len(tables["truth"].rows)) == ("19,000", 1)
    assert "0.731" in row["auc"]
    assert "not evaluated" in row["rules"]


GROUPS = Subgroups(
    groups={
        "stage": {"I": measures(4, 3), "II": measures(60, 30, auc=ONE), "III": measures(36, 20, auc=ONE)}
    },
    centres={"S1": measures(auc=ONE), "S2": measures(auc=ONE)},
    pooled=Measures(auc=Estimate(0.7, 0.65, 0.75, extra={"prediction_low": 0.5, "prediction_high": 0.9})),
)


def test_a_count_from_which_a_small_one_would_follow_is_hidden_too() -> None:
    # The total is known: stage I would be what is left of it.
    hidden = hidden_counts(GROUPS, STRICT)
    assert ("stage", "I", "n") in hidden
    assert {name for _, name, column in hidden if column == "n"} > {"I"}
    assert hidden_counts(GROUPS, OPEN) == set()
    table = subgroups_table(GROUPS, "c2", STRICT, PLAIN)
    assert cells(table, "n")[0] == '<span class="none">&lt; 5</span>'
    assert any("not shown" in cell for cell in cells(table, "n")[1:])
    assert cells(subgroups_table(GROUPS, "c2", OPEN, PLAIN), "n") == ["4", "60", "36"]


def test_arms_by_receptor_status_do_not_tell_a_small_count_beside_their_arm_and_receptor_status() -> None:
    by_arm = {"A": (40, 20), "B": (44, 24), "C": (19, 9)}
    inside = {"A": (12, 6), "B": (16, 9), "C": (4, 2)}
    rest = {name: (n - inside[name][0], e - inside[name][1]) for name, (n, e) in by_arm.items()}
    crossed = {f"{name}, HR neg": inside[name] for name in by_arm} | {
        f"{name}, HR pos": rest[name] for name in by_arm
    }
    groups = {
        "hr": {"neg": (32, 17), "pos": (71, 36)}, "arm": by_arm, "arm_hr": crossed
    }  # fmt: skip
    counted = Subgroups(
        {kind: {name: measures(*two) for name, two in each.items()} for kind, each in groups.items()},
        {}, Measures(),
    )  # fmt: skip
    told = hidden_counts(counted, STRICT)
    # Of C, n would be the arm's less the other part; of another arm, the receptor status's less the rest.
    alone = {name for kind, name, column in told if kind == "arm_hr" and column == "n"}
    assert alone == {"C, HR neg", "C, HR pos", "A, HR neg", "A, HR pos"}
    assert not {kind for kind, *_ in told} & {"arm", "hr"}, "they are known"
    table = subgroups_table(counted, "c2", STRICT, PLAIN)
    assert "not shown" in cells(table, "events")[-4]
    assert all(cells(table, "events"))


def test_a_group_of_which_events_are_hidden_is_drawn_with_its_patients() -> None:
    few = {"I": measures(30, 2, auc=ONE), "II": measures(60, 30, auc=ONE), "III": measures(36, 20, auc=ONE)}
    part = Subgroups({"stage": few}, {}, Measures())
    charts, _ = subgroups_part(results(subgroups={"c2": part}), "c2", ["c2"], STRICT, PLAIN)
    assert "stage: I (n = 30)" in {row[0].strip('"') for row in drawn(charts["subgroups-auc"])}
    assert charts["subgroups-auc"]["usermeta"]["about"]["n"] == "30 to 60"


def test_a_group_with_hidden_counts_is_drawn_without_them() -> None:
    charts, _ = subgroups_part(results(subgroups={"c2": GROUPS}), "c2", ["c2"], STRICT, PLAIN)
    labels = [row[0] for row in drawn(charts["subgroups-auc"])[1:]]
    assert len(labels) == 2
    assert not all("n = " in label for label in labels)


def test_centres_are_pooled_and_a_new_centre_has_a_prediction_interval() -> None:
    charts, _ = subgroups_part(results(subgroups={"c2": GROUPS}), "c2", ["c2"], OPEN, PLAIN)
    rows = {row[0].strip('"'): row for row in drawn(charts["centres-auc"])}
    assert "A new centre (prediction interval)" in rows
    assert '"All centres' in {name.split(",")[0] for name in [row[0] for row in drawn(charts["centres-auc"])]}
    assert "centres-slope" not in charts


def branch(name: str, patients: int, n: int, events: int) -> dict[str, Any]:
    return {
        "node": "c2", "branch": name, "patients": patients, "n": n, "events": events,
        "value": events / max(n, 1), "low": 0.1, "high": 0.9,
    }  # fmt: skip


BRANCHES: Any = [branch("R1", 50, 48, 30), branch("R4", 30, 28, 2)]
CONFLICTS: Any = [
    {"node": "c2", "rule": "R4", "conflicts": "R1; R2", "patients": 12, "lacking": ["pertuzumab"]}
]


def test_a_branch_table_says_how_many_patients_match_another_rule() -> None:
    assert overlap_sentences(BRANCHES, CONFLICTS, STRICT, PLAIN) == [
        (
            "At c2, 12 of the 30 patients assigned by R4 also match R1 or R2: under the reading in force "
            "R4 takes precedence, and they have its regimen in place of that of R1 or R2, without pertuzumab."
        )
    ]
    few = [CONFLICTS[0] | {"patients": 3}]
    assert "Some of the patients" in overlap_sentences(BRANCHES, few, STRICT, PLAIN)[0]


def test_a_branch_with_few_responses_is_neither_drawn_nor_told() -> None:
    review = {
        "adherence": pd.DataFrame(
            {"node": ["c2"], "rule": ["R1"], "kind": ["deviation"], "regimen": ["X"], "regimen_after": ["Y"]}
        ).assign(reason=None, patients=7),
        "readings": pd.DataFrame(
            {"setting": ["s"], "in_force": ["a"], "alternative": ["b"], "changed": [None], "patients": [None]}
        ).assign(note="no branch"),
    }
    described: Any = {"branches": BRANCHES, "conflicts": CONFLICTS} | {
        "status": [{"node": "c2", "status": "determined_despite_missing", "patients": 50}]
    }
    charts, tables = rules_part(described, review, STRICT, PLAIN)
    assert [row[0] for row in drawn(charts["branches"])[1:]] == ["c2: R1 (n = 48)"]
    assert "30 of 48" in cells(tables["branches"], "pcr")[0]
    assert "too few to show" in cells(tables["branches"], "pcr")[1]
    assert cells(tables["status"], "status") == ["determined despite missing", "R4, also matching R1; R2"]
    assert cells(tables["readings"], "changed") == ["no branch"]
    assert rules_part(described | {"branches": []}, review, STRICT, PLAIN) == ({}, {})


def test_table_one_hides_a_small_level_and_names_quartiles_and_missing_values() -> None:
    number = {"n": 38, "missing": 2, "median": 50.0, "q25": 44.0, "q75": 57.25}
    rows: list[Any] = [
        {"description": "Age", "unit": "years", "domain": "clinical", "feature": "age", "level": None}
        | {"cells": {"all": number, "A": number}},
        *(
            {"description": "HR", "unit": "", "domain": "clinical", "feature": "hr", "level": level}
            | {"cells": {g: {"n": 40, "missing": 0, "count": n} for g in ("all", "A")}}
            for level, n in (("pos", 37), ("neg", 3))
        ),
    ]
    one = {"landmark": "c2", "patients": 40, "by_arm": {"A": 40}, "rows": rows, "differences": {"age": 0.104}}
    content: Any = {"table_one": one}
    content |= {"recorded": rows[1:]}
    tables = table_one_part(content, ["A", "B"], STRICT, PLAIN)[1]
    assert "&lt; 5" in str(tables["recorded"].rows[2]["all"])
    assert "recorded" not in table_one_part(content | {"recorded": []}, ["A"], STRICT, PLAIN)[1]
    table = tables["one"]
    assert table.columns["A"] == "A (n\u00a0=\u00a040)"
    assert "B" not in table.columns
    assert table.rows[0]["name"] == "Age, years"
    assert ">50.0</span>" in str(table.rows[0]["all"])
    assert "(44.0 to 57.2)" in str(table.rows[0]["all"])
    assert table.rows[0]["difference"] == "0.10"
    assert table.rows[0]["missing"] == "2"
    assert "&lt; 5" in str(table.rows[3]["all"])
    assert "not shown" in str(table.rows[2]["all"])


def event(arm: str, events: int, difference: dict[str, float]) -> dict[str, Any]:
    return {
        "event": "Diarrhoea", "arm": arm, "n": 100, "events": events, "difference": difference,
        "value": events / 100, "low": 0.1, "high": 0.4,
    }  # fmt: skip


def test_adverse_events_are_compared_in_percentage_points_and_hidden_where_few() -> None:
    arms = [event("A", 20, {}), event("B", 30, {"value": 0.1, "low": -0.02, "high": 0.2})]
    response = {
        "arm": "A", "n": 40, "pcr_without": 18, "pcr_with": 2, "no_pcr_without": 14, "no_pcr_with": 6,
    }  # fmt: skip
    found: Any = {
        "treated": 200, "reference": "A", "by_arm": arms, "by_branch": [], "response": [response],
        "drugs": [{"regimen": "ADC", "drug": "T-DXd", "cycles": 2, "patients": n} for n in (3, 12)],
    }  # fmt: skip
    charts, tables = toxicity_part({"toxicity": found}, FACTS, STRICT, PLAIN)
    assert "20 of 100" in str(tables["arms"].rows[0]["A"])
    assert "+10.0" in str(tables["arms"].rows[0]["difference"])
    assert "branches" not in tables
    assert ["&lt; 5" in str(row["patients"]) for row in tables["drugs"].rows] == [True, False]
    row = dict(zip(*drawn(charts["toxicity-differences"])[:2], strict=True))
    assert (row["value"], row["n"]) == ("10", "200")
    assert "&lt; 5" in str(tables["response"].rows[0]["pcr_with"])
    assert str(tables["response"].rows[0]).count("not shown") == 1
    assert toxicity_part({"toxicity": None}, FACTS, STRICT, PLAIN) == ({}, {})


def test_a_count_that_is_hidden_does_not_follow_from_the_difference_between_the_arms() -> None:
    arms = [event("A", 2, {}), event("B", 30, {"value": 0.28, "low": 0.2, "high": 0.4})]
    found: Any = {
        "treated": 200, "reference": "A", "by_arm": arms, "by_branch": [], "response": [], "drugs": [],
    }  # fmt: skip
    charts, tables = toxicity_part({"toxicity": found}, FACTS, STRICT, PLAIN)
    assert charts == {}
    assert tables["arms"].rows[0]["difference"] == ""
    assert "too few" in str(tables["arms"].rows[0]["A"])


def test_points_have_a_sign_and_a_true_minus() -> None:
    shown = points(Estimate(-0.06, -0.1095, 0.0115))
    assert "\N{MINUS SIGN}6.0<" in shown
    assert "(\N{MINUS SIGN}10.9 to +1.1)" in shown


def test_states_of_measurement_are_kept_apart_by_arm() -> None:
    counts = [("all", "done", 40), ("all", "not_done", 9), ("A", "done", 40), ("A", "not_done", 9)]
    state: Any = {
        "domain": "ctdna", "visit": "c1", "levels": ["done", "not_done"], "by_centre": [],
        "by_arm": [{"group": g, "level": level, "n": n, "of": 49} for g, level, n in counts],
    }  # fmt: skip
    table = states_table([state], ["done", "not_done"], STRICT, PLAIN)
    assert table.columns["not_done"] == "not done"
    assert cells(table, "name") == ["ctDNA c1, all", "ctDNA c1, A"]
    assert "40" in str(table.rows[0]["done"])


def test_a_feature_that_few_lack_is_not_missing_in_none_of_them() -> None:
    row: Any = {
        "landmark": "c1", "name": "ki67_pct", "domain": "pathology", "known_at": "baseline",
        "description": "Ki-67",
    }  # fmt: skip
    missing = [row | {"share": 0.003}, row | {"name": "til_pct", "share": 0.281}]
    described: Any = {"coverage": [], "states": [], "missing": missing}
    _, tables = missing_part(described, FACTS, STRICT, PLAIN)
    assert cells(tables["missing"], "share") == ["0.3 %", "28 %"]


def test_a_course_leaves_out_visits_without_values() -> None:
    point = {"arm": "A", "outcome": "pCR", "n": 30, "of": 40}
    known = point | {"visit": "c1", "median": 1.0, "q25": 0.5, "q75": 2.0}
    family: Any = {"name": "FTV", "unit": "mL", "points": [known, point | {"visit": "c2"}]}
    charts, _ = courses_part({"over_time": [family], "flows": None}, ["c1", "c2"], PLAIN, STRICT)
    assert [row[0] for row in drawn(charts["course-1"])] == ["visit", "c1"]
    assert charts["course-1"]["usermeta"]["about"]["n"] == 30


def test_the_parts_of_a_bar_add_up_to_one_and_hidden_counts_are_one_part_of_it() -> None:
    by_arm = {"A": (40, 8, 2), "B": (30, 6, 4)}
    groups = {"all": tuple(map(sum, zip(*by_arm.values(), strict=True)))} | by_arm
    counts: Any = [
        {"group": group, "level": level, "n": n, "of": sum(cells)}
        for group, cells in groups.items()
        for level, n in zip(("done", "not_done", "missing"), cells, strict=True)
    ]
    for privacy in (STRICT, OPEN):
        frame = pd.DataFrame(shares(counts, privacy, PLAIN))
        assert frame.groupby("label")["share"].sum().to_numpy() == pytest.approx(1)
        assert frame.groupby("label")["n"].first().to_dict() == {"A": 50, "B": 40, "all": 90}
        assert (HIDDEN in set(frame["level"])) == privacy.suppress
    hidden = frame.set_index(["label", "level"])["share"]
    assert hidden["A", "missing"] == pytest.approx(0.04), "nothing is hidden where nothing is to be"


def test_a_figure_says_from_which_to_which_row_its_patients_go() -> None:
    groups = {"hr": {"pos": measures(1200, 700, auc=ONE), "neg": measures(700, 500, auc=ONE)}}
    charts, _ = subgroups_part(results(subgroups={"c2": Subgroups(groups)}), "c2", ["c2"], OPEN, PLAIN)
    about = charts["subgroups-auc"]["usermeta"]["about"]
    assert (about["n"], about["events"]) == ("700 to 1,200", "500 to 700")
    assert {row[-4] for row in drawn(charts["subgroups-auc"])[1:]} == {"700", "1200"}
