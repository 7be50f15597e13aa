"""The section on the arms compared: what it says, counts and hides."""

from dataclasses import replace

from models.description.documents import Coverage
from models.efficacy.documents import ComparisonDocument, EfficacyDocument, ResultRow
from pipeline.report.facts import Facts
from pipeline.report.study.efficacy import efficacy_part, efficacy_sentences
from pipeline.report.tables import Privacy
from tests.labels import PLAIN
from tests.statements import forbidden_statements

TRIAL = Facts(
    simulated=False, randomised=True, arms=2, centres=3, entry_dates=True, decision_dates=True, rules=False,
    adaptive_arm="", ctdna=False, imaging=False, trial="NCT1",
)  # fmt: skip
PLAN: ComparisonDocument = {
    "reference": "A", "hypothesis": "superiority", "margin": 0.0, "strata": ["hr"], "interactions": [],
    "assumed": True, "known_allocation": True,
}  # fmt: skip


TREATED: list[Coverage] = [{"table": "exposure", "visit": "", "patients": 80, "of": 80}]


def share(group: str, events: int, n: int, level: str = "", measure: str = "pcr") -> ResultRow:
    population = "treated" if measure == "incidence" else "intention_to_treat"
    return {"population": population, "group": group, "level": level, "measure": measure, "method": "Wilson",
            "n": n, "events": events, "value": events / n, "low": 0.1, "high": 0.9}  # fmt: skip


def difference(level: str = "", **numbers: float) -> ResultRow:
    row: ResultRow = {"population": "intention_to_treat", "group": "B - A", "level": level,
                      "measure": "risk_difference", "method": "Newcombe", "n": 80}  # fmt: skip
    return {**row, **numbers}  # type: ignore[typeddict-item]


def document(
    rows: list[ResultRow], plan: ComparisonDocument | None = PLAN, reason: str = ""
) -> EfficacyDocument:
    return {"plan": plan, "reason": reason, "not_due": 0, "left_out": [], "rows": rows}


def values(told: EfficacyDocument, name: str, *, suppress: bool) -> list[str]:
    table = efficacy_part(told, TRIAL, Privacy(5, suppress=suppress), PLAIN, TREATED)[1][name]
    return [str(row["value"]) for row in table.rows]


def test_a_difference_is_told_in_points_and_hidden_where_it_would_tell_a_small_count() -> None:
    rows = [share("A", 20, 40), share("B", 2, 40), difference(value=-0.45, low=-0.6, high=-0.3)]
    (shown,) = values(document(rows), "differences", suppress=False)
    assert "\N{MINUS SIGN}45.0<" in shown
    (hidden,) = values(document(rows), "differences", suppress=True)
    assert "45" not in hidden
    assert "too few" in hidden


def test_a_small_group_hides_its_whole_grouping_because_the_others_would_tell_it() -> None:
    rows = [
        share("A", 2, 20, "hr: neg"),
        share("A", 18, 20, "hr: pos"),
        share("A", 10, 20, "nodes: negative"),
    ]
    hidden = values(document(rows), "groups", suppress=True)
    assert ["too few" in value for value in hidden] == [True, True, False]


def test_a_small_count_of_one_kind_of_event_hides_no_other_kind() -> None:
    rows = [share("A", 2, 40, "Serious event", "incidence"), share("A", 12, 40, "Any event", "incidence")]
    assert ["too few" in value for value in values(document(rows), "safety", suppress=True)] == [True, False]


def test_a_small_count_of_one_arm_does_not_hide_that_of_the_other_but_their_difference() -> None:
    apart = difference("Fatal", value=0.05, low=0.01, high=0.1)
    rows = [share("A", 2, 40, "Fatal", "incidence"), share("B", 0, 40, "Fatal", "incidence"),
            {**apart, "population": "treated", "measure": "incidence_difference"}]  # fmt: skip
    shown = values(document(rows), "safety", suppress=True)
    assert ["too few" in value for value in shown] == [True, False, True]
    assert "0 of 40" in shown[1]


def test_a_number_that_could_not_be_computed_is_told_with_its_reason() -> None:
    row: ResultRow = {**difference(), "error": "no stratum has patients of both arms"}
    (shown,) = values(document([row]), "differences", suppress=True)
    assert "no stratum has patients of both arms" in shown


def test_the_plan_is_told_as_an_assumption_or_as_the_protocol_has_it() -> None:
    (assumed,) = efficacy_sentences(document([]), PLAIN)
    assert "two-sided; strata: hr. These are assumptions" in assumed
    stated: ComparisonDocument = {**PLAN, "hypothesis": "non_inferiority", "margin": 0.05, "assumed": False}
    (margin,) = efficacy_sentences(document([], stated), PLAIN)
    assert "\N{MINUS SIGN}5.0 points, the margin" in margin
    assert "As the protocol has it" in margin
    (_, naive) = efficacy_sentences(document([], {**PLAN, "known_allocation": False}), PLAIN)
    assert "biased" in naive
    assert not forbidden_statements(f"{assumed} {margin} {naive}")


def test_who_is_compared_is_said_as_is_true_of_the_study() -> None:
    eligible: ResultRow = {**share("A", 20, 40), "population": "eligible"}
    told = document([share("A", 20, 40), eligible])
    cohort = replace(TRIAL, randomised=False, trial="")
    (tables, of_cohort) = (
        efficacy_part(told, facts, Privacy(5, suppress=False), PLAIN, TREATED)[1] for facts in (TRIAL, cohort)
    )
    assert [row["population"] for row in tables["response"].rows] == [
        "all, as randomised; a missing outcome is non-pCR", "eligible; a missing outcome is non-pCR",
    ]  # fmt: skip
    assert [row["population"] for row in of_cohort["response"].rows] == ["all; a missing outcome is non-pCR"]


def test_a_p_value_is_never_zero() -> None:
    row = difference(value=0.00002)
    tested: list[ResultRow] = [{**row, "measure": "p_value"}, {**row, "measure": "p_value", "value": 0.04}]
    shown = values(document(tested), "differences", suppress=False)
    assert ["0.000" in each for each in shown] == [False, False]
    assert "&lt; 0.001" in shown[0]
    assert "0.040" in shown[1]


def test_without_a_table_of_treatment_nobody_is_said_to_be_treated_as_the_protocol_has_it() -> None:
    followed: ResultRow = {**share("A", 20, 40), "population": "per_protocol"}
    told = document([share("A", 20, 40), followed])
    for coverage, rows in ((TREATED, 2), ([], 1)):
        _, tables = efficacy_part(told, TRIAL, Privacy(5, suppress=False), PLAIN, coverage)
        assert len(tables["response"].rows) == rows


def test_without_randomised_arms_the_reason_is_told_and_before_the_stage_nothing() -> None:
    assert efficacy_sentences(document([], None, "the study has one arm"), PLAIN)[0].startswith(
        "Arms are not compared: the study has one arm."
    )
    assert efficacy_sentences(None, PLAIN) == ["Not run."]
    assert efficacy_part(None, TRIAL, Privacy(5, suppress=True), PLAIN, TREATED) == ({}, {})


def test_arms_that_are_alike_in_all_rows_stand_in_the_caption_and_other_patients_apart() -> None:
    observed: ResultRow = {**difference(value=-0.4, low=-0.5, high=-0.3), "population": "observed"}
    rows = [
        difference(value=-0.45, low=-0.6, high=-0.3),
        difference(value=-0.44, low=-0.6, high=-0.3),
        observed,
    ]
    tables = efficacy_part(document(rows), TRIAL, Privacy(5, suppress=False), PLAIN, TREATED)[1]
    assert tables["differences"].caption.endswith(
        "; B against A; all, as randomised; a missing outcome is non-pCR"
    )
    assert "Arm or arms" not in tables["differences"].columns.values()
    assert [row["level"] for row in tables["others"].rows] == ["with a known outcome"]
