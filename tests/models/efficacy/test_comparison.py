"""The arms compared: who is analysed, what is estimated, and what a study without randomised arms is told."""

from typing import Any

import numpy as np
import pandas as pd
import pytest

from features.documents.study import Study, parse_study, with_defaults
from features.errors import UserError
from features.safety import EjectionFractionFall
from models.description.plan import ToxicityPlan
from models.efficacy.arm_comparison import ArmComparison, arm_comparison
from models.efficacy.comparison import interaction, p_value, pair_name, strata_of
from models.efficacy.documents import EfficacyDocument, ResultRow
from models.efficacy.headline import headline
from models.efficacy.missing import Outcomes, at_random, best_case, tipping_point, worst_case
from models.efficacy.populations import ELIGIBLE, ITT, OBSERVED, PER_PROTOCOL, per_protocol, populations
from models.efficacy.proportions import (
    arms,
    miettinen_nurminen,
    newcombe_difference,
    odds_ratio,
    ratio,
    score,
)
from models.efficacy.study import efficacy
from models.measures.common import MeasureError
from models.procedure.configuration.plan import SubgroupPlan

SETTINGS: dict[str, Any] = {
    "arms": ["CONTROL", "ADAPTIVE"], "adaptive_arm": "ADAPTIVE", "randomised": True,
    "allocation": {"CONTROL": 0.25, "ADAPTIVE": 0.75}, "landmarks": ["baseline"],
    "arm_comparison": {"reference": "CONTROL", "strata": ["hr"], "interactions": ["hr"],
                       "regimens": {"CONTROL": ["TCBHP"]}},
}  # fmt: skip
GROUPS = {"hr": SubgroupPlan(features=("hr",)), "age": SubgroupPlan(features=("age_years",), cuts=(50.0,))}
TOXICITY = ToxicityPlan(3, 5, ("stop_drug",), EjectionFractionFall("LVEF", 10, 50), 30, ())
DECISIONS = ["usubjid", "node", "arm", "regimen", "regimen_after", "at_risk", "rule", "change_reason"]
N = 60


def study(**changes: Any) -> Study:
    return parse_study(with_defaults({"study": "toy", **SETTINGS, **changes}))


def cohort() -> pd.DataFrame:
    """Return 60 patients, every third a control; P00 is not due, P01 to P04 are missing, P05 not eligible."""
    rng = np.random.default_rng(1)
    frame = pd.DataFrame({
        "usubjid": [f"P{i:02d}" for i in range(N)], "siteid": "S1",
        "arm": np.where(np.arange(N) % 3 == 0, "CONTROL", "ADAPTIVE"),
        "rand_date": pd.Timestamp("2025-01-01"),
        "eligible": np.arange(N) != 5, "outcome": rng.integers(0, 2, N).astype(float),
        "outcome_status": "observed",
    })  # fmt: skip
    frame.loc[0, ["outcome", "outcome_status"]] = [np.nan, "not_due"]
    frame.loc[1:4, "outcome"], frame.loc[1:4, "outcome_status"] = np.nan, "missing"
    return frame


def raw() -> dict[str, pd.DataFrame]:
    """Return surgery of all, with residual burden, and cycles: P06, a control, had another regimen."""
    ids = cohort()["usubjid"]
    day = pd.Timestamp("2025-06-01") + pd.to_timedelta(np.arange(N), unit="D")
    surgery = pd.DataFrame({"usubjid": ids, "performed": "Y", "surgery_date": day,
                            "rcb_class": np.array(["0", "I", "II", "III"])[np.arange(N) % 4]})  # fmt: skip
    regimen = cohort()["arm"].map({"CONTROL": "TCBHP", "ADAPTIVE": "NAB_PHP"}).mask(ids == "P06", "NAB_PHP")
    cycles = pd.DataFrame({"usubjid": ids, "cycle": 1, "regimen": regimen,
                           "start_date": pd.Timestamp("2025-01-08"),
                           "dose_pct": 100.0, "delay_days": 0})  # fmt: skip
    events = pd.DataFrame({
        "usubjid": ["P01", "P01", "P03"], "term": "Diarrhoea", "grade": pd.array([1, 3, 2], dtype="Int64"),
        "serious": "N", "action": "none",
        "start_date": pd.to_datetime(["2025-01-18", "2025-01-20", None]),
    })  # fmt: skip
    return {"surgery": surgery, "exposure": cycles, "adverse_events": events}


def baseline() -> pd.DataFrame:
    hr = np.array(["neg", "pos"])[np.arange(N) % 2]
    return pd.DataFrame({"hr": hr}, index=pd.Index(cohort()["usubjid"]))


def document(tables: dict[str, pd.DataFrame] | None = None, **changes: Any) -> EfficacyDocument:
    decisions = pd.DataFrame(columns=DECISIONS).astype({"at_risk": bool})
    tables = raw() if tables is None else tables
    return efficacy(study(**changes), GROUPS, TOXICITY, tables, cohort(), decisions, baseline(), 0.95)


def chosen(told: EfficacyDocument, **wanted: str) -> list[ResultRow]:
    return [row for row in told["rows"] if all(row.get(key) == value for key, value in wanted.items())]


def test_a_missing_outcome_counts_as_non_pcr_as_randomised_and_a_surgery_not_due_not_at_all() -> None:
    patients = cohort().set_index("usubjid").assign(per_protocol=True)
    members = populations(patients)
    assert {name: len(part) for name, part in members.items()} == {
        ITT: N - 1, OBSERVED: N - 5, PER_PROTOCOL: N - 5, ELIGIBLE: N - 2,
    }  # fmt: skip
    assert members[ITT].loc[["P01", "P02", "P03", "P04"], "pcr"].eq(0).all()


def test_per_protocol_leaves_out_deviations_and_regimens_of_another_arm() -> None:
    decisions = pd.DataFrame(
        [["P01", "c2", "ADAPTIVE", "TCBHP", "NAB_PHP", True, "R2", None],
         ["P02", "c2", "ADAPTIVE", "ADC|ACH", "ACH", True, "R6", None],
         ["P04", "c2", "ADAPTIVE", None, "TCBHP", True, None, None],
         ["P05", "c2", "ADAPTIVE", "TCBHP", None, False, "R2", None],
         ["P07", "c2", "ADAPTIVE", "TCBHP", None, True, "R2", None]], columns=DECISIONS,
    )  # fmt: skip
    kept = per_protocol(cohort(), decisions, raw()["exposure"], {"CONTROL": ["TCBHP"]})
    assert set(kept.index[~kept]) == {"P01", "P06", "P07"}


def test_without_cycles_and_decisions_everybody_is_analysed_per_protocol() -> None:
    nothing = pd.DataFrame(columns=DECISIONS).astype({"at_risk": bool})
    assert per_protocol(cohort(), nothing, pd.DataFrame({"usubjid": [], "regimen": []}), {}).all()


def test_an_arm_of_which_all_or_none_had_pcr_still_has_a_difference_and_no_ratio() -> None:
    counts = arms(10, 10, 0, 8)
    assert miettinen_nurminen(counts, 0.95).high == pytest.approx(1, abs=1e-6)
    assert newcombe_difference(counts, 0.95).value == 1
    with pytest.raises(MeasureError, match="no events"):
        ratio(counts, 0.95)
    with pytest.raises(MeasureError, match="is empty"):
        odds_ratio(counts, 0.95)


def test_exchanging_the_arms_turns_every_difference_round() -> None:
    counts, turned = arms([5, 9], [11, 20], [7, 3], [30, 9]), arms([7, 3], [30, 9], [5, 9], [11, 20])
    one, other = miettinen_nurminen(counts, 0.9), miettinen_nurminen(turned, 0.9)
    assert other.low is not None
    assert (one.value, one.high) == pytest.approx((-other.value, -other.low))
    assert score(counts, 0.1) == pytest.approx(-score(turned, -0.1))


def test_a_stratum_of_one_arm_alone_tells_nothing() -> None:
    assert miettinen_nurminen(arms([5, 9], [11, 20], [7, 0], [30, 0]), 0.95) == miettinen_nurminen(
        arms(5, 11, 7, 30), 0.95
    )
    with pytest.raises(MeasureError, match="no stratum"):
        miettinen_nurminen(arms(5, 11, 0, 0), 0.95)


def test_impossible_counts_are_refused() -> None:
    with pytest.raises(MeasureError, match="between 0"):
        arms(12, 11, 0, 3)


def test_a_one_sided_test_at_the_margin_is_half_the_two_sided_one_of_a_shifted_difference() -> None:
    counts = arms(60, 100, 50, 100)
    non_inferiority = ArmComparison("CONTROL", "non_inferiority", 0.05)
    one_sided = p_value(counts, non_inferiority).value
    assert one_sided < p_value(counts, ArmComparison("CONTROL")).value / 2
    assert 0 < one_sided < 0.05


def test_groups_of_equal_odds_ratio_do_not_interact_and_opposite_ones_do() -> None:
    assert interaction(arms([20, 40], [40, 60], [10, 20], [30, 40])).value > 0.5
    assert interaction(arms([35, 5], [40, 40], [5, 35], [40, 40])).value < 1e-6
    with pytest.raises(MeasureError, match="two groups"):
        interaction(arms(5, 10, 4, 10))


def test_missing_outcomes_at_random_are_weighted_by_the_patients_of_their_stratum() -> None:
    outcomes = Outcomes(*(np.array(x, dtype=float) for x in
                          ([[8, 4], [5, 5]], [[10, 10], [10, 10]], [[0, 20], [0, 0]])))  # fmt: skip
    found = at_random(outcomes, 0.95)
    assert found.value == pytest.approx((10 * 0.8 + 30 * 0.4) / 40 - 0.5)
    complete = Outcomes(outcomes.events, outcomes.known, np.zeros((2, 2)))
    wald = sum(x / n * (1 - x / n) / n for x, n in ((12, 20), (10, 20)))
    limit = at_random(complete, 0.95)
    assert limit.high is not None
    assert limit.high - limit.value == pytest.approx(1.959963985 * np.sqrt(wald))


def test_the_extremes_hold_every_other_way_and_the_verdict_tips_between_them() -> None:
    outcomes = Outcomes(*(np.array(x, dtype=float) for x in ([[60], [40]], [[95], [95]], [[5], [5]])))
    worst, best = worst_case(outcomes, 0.95), best_case(outcomes, 0.95)
    assert worst.value < at_random(outcomes, 0.95).value < best.value
    tipped = tipping_point(Outcomes(outcomes.events, outcomes.known, outcomes.missing * 4), 0.95, 0.0)
    assert tipped.treated is not None
    assert tipped.treated < tipped.expected[0]
    assert (
        tipping_point(Outcomes(outcomes.events, outcomes.known, outcomes.missing * 0), 0.95, 0.0).treated
        is None
    )


def test_a_stratum_without_any_known_outcome_has_no_estimate_at_random() -> None:
    outcomes = Outcomes(
        *(np.array(x, dtype=float) for x in ([[1, 0], [1, 1]], [[2, 0], [2, 2]], [[0, 3], [0, 0]]))
    )
    with pytest.raises(MeasureError, match="no known outcome in 1 cell"):
        at_random(outcomes, 0.95)


def test_a_study_is_compared_by_the_plan_of_its_file() -> None:
    told = document()
    pair = pair_name("ADAPTIVE", "CONTROL")
    assert told["plan"] is not None
    assert (told["plan"]["strata"], told["not_due"], told["reason"]) == (["hr"], 1, "")
    (crude,) = chosen(
        told, population=ITT, group=pair, measure="risk_difference", method="Newcombe", level=""
    )
    assert crude["n"] == N - 1
    assert {row["level"] for row in chosen(told, group=pair, measure="risk_difference")} == {
        "",
        "hr: neg",
        "hr: pos",
    }
    assert len(chosen(told, population=PER_PROTOCOL, measure="p_value")) == 1
    assert chosen(told, measure="rcb_lower_odds_ratio")[0]["n"] == N


def test_a_patient_without_a_stratum_stays_in_the_analysis() -> None:
    stratum = strata_of([pd.Series({"P1": "pos", "P2": None})], pd.Index(["P1", "P2", "P3"]))
    assert stratum.to_list() == ["pos", "unknown", "unknown"]


def test_arms_that_chance_did_not_make_are_told_each_by_itself() -> None:
    told = document(randomised=False, arm_comparison=None)
    assert told["plan"] is None
    assert told["reason"].startswith("chance did not decide")
    assert {row["group"] for row in told["rows"]} == {"CONTROL", "ADAPTIVE"}
    assert chosen(told, measure="pcr", population=ITT)


def test_without_a_plan_the_first_arm_without_rules_is_the_reference() -> None:
    plan = arm_comparison(study(arm_comparison=None, arms=["ADAPTIVE", "CONTROL"]))
    assert plan == ArmComparison("CONTROL")
    assert arm_comparison(study(arms=["CONTROL"])) is None


def test_an_unknown_grouping_is_refused_and_one_that_the_data_lack_is_told() -> None:
    with pytest.raises(UserError, match="nodez is unknown"):
        document(arm_comparison={"reference": "CONTROL", "strata": ["nodez"]})
    assert document(arm_comparison={"reference": "CONTROL", "strata": ["age"]})["left_out"] == ["age"]


def test_a_reference_arm_without_patients_is_told() -> None:
    told = document(arms=["CONTROL", "ADAPTIVE", "THIRD"], arm_comparison={"reference": "THIRD"})
    assert (told["plan"], told["reason"]) == (None, "no patient is of the reference arm THIRD")


def test_rates_count_first_events_until_the_end_of_follow_up() -> None:
    (rate,) = chosen(document(), measure="rate", group="ADAPTIVE", level="Any event")
    days = 10 + 39 * 30
    assert rate["events"] == 1
    assert rate["value"] == pytest.approx(100 * 365.25 / 12 / days)
    (severe,) = chosen(document(), measure="incidence", group="ADAPTIVE", level="Any event, grade 3 or more")
    assert (severe["events"], severe["n"]) == (1, 40)


def test_a_study_without_safety_tables_and_surgery_dates_has_no_rows_of_them() -> None:
    surgery = raw()["surgery"].drop(columns=["rcb_class"]).assign(surgery_date=pd.NaT)
    told = document({"surgery": surgery})
    assert {row["population"] for row in told["rows"]} == {ITT, OBSERVED, PER_PROTOCOL, ELIGIBLE}


def test_the_headline_has_one_method_for_each_measure() -> None:
    shown = headline(document()["rows"])
    assert set(shown["CONTROL"]) == {"pcr"}
    assert set(shown["ADAPTIVE - CONTROL"]) == {
        "risk_difference", "risk_difference_stratified", "odds_ratio_stratified",
    }  # fmt: skip
    assert shown["ADAPTIVE"]["pcr"]["n"] == 40
