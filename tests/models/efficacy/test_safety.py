"""Safety by arm: who is treated, incidence, doses, and the ejection fraction."""

import pandas as pd
import pytest

from features.safety import EjectionFractionFall
from models.description.plan import ToxicityPlan
from models.efficacy.rates import TimeToEvent, log_rank, rate, rate_ratio
from models.efficacy.safety import (
    dose_rows,
    ejection_fraction_rows,
    incidence_rows,
    rate_rows,
    safety_rows,
    treated_arms,
)
from models.measures.common import MeasureError

ARMS = pd.Series({"P1": "A", "P2": "A", "P3": "B", "P4": "B"}).rename_axis("usubjid")
PLAN = ToxicityPlan(3, 5, ("stop_drug",), EjectionFractionFall("LVEF", 10, 50), 30, ())


def exposure(**columns: list[float]) -> pd.DataFrame:
    """Return two cycles of three patients, 21 days apart; P4 had none."""
    days = pd.to_datetime(["2025-01-01", "2025-01-22"] * 3)
    cycles = pd.DataFrame({"usubjid": ["P1", "P1", "P2", "P2", "P3", "P3"], "start_date": days})
    return cycles.assign(**({"dose_pct": 100.0, "delay_days": 0} | columns))


def events(**columns: list[str | None]) -> pd.DataFrame:
    table = {"usubjid": ["P1", "P3", "P4"], "serious": ["Y", "N", "N"], "term": "Nausea", "action": "none"}
    dates = pd.to_datetime(pd.Series(columns.get("start_date", ["2025-01-11", None, "2025-01-11"])))
    return pd.DataFrame(table).assign(grade=pd.array([3, 2, None], dtype="Int64"), start_date=dates)


def test_only_patients_with_a_dose_are_treated_unless_no_doses_are_recorded() -> None:
    assert treated_arms({"exposure": exposure()}, ARMS).index.tolist() == ["P1", "P2", "P3"]
    assert treated_arms({}, ARMS).equals(ARMS)


def test_incidence_is_of_treated_patients_and_compared_with_the_reference() -> None:
    raw = {"exposure": exposure(), "adverse_events": events()}
    rows = list(incidence_rows(raw, treated_arms(raw, ARMS), PLAN, "A", 0.95))
    serious = {row["group"]: row for row in rows if row["level"] == "Serious event"}
    assert (serious["A"]["events"], serious["A"]["n"], serious["B"]["n"]) == (1, 2, 1)
    assert serious["B - A"]["value"] == pytest.approx(-0.5)
    severe = [row["events"] for row in rows if row["level"] == "Any event, grade 3 or more"][:2]
    assert severe == [1, 0]


def test_without_a_reference_arm_nothing_is_compared() -> None:
    raw = {"exposure": exposure(), "adverse_events": events()}
    assert {row["group"] for row in safety_rows(raw, ARMS, PLAN, None, 0.95)} == {"A", "B"}


def test_time_at_risk_ends_with_the_first_event_and_undated_events_count_at_the_end() -> None:
    raw = {"exposure": exposure(), "adverse_events": events()}
    rows = rate_rows(raw, treated_arms(raw, ARMS), PLAN, "A", 0.95)
    found = {row["group"]: row for row in rows if row["level"] == "Any event"}
    month = 365.25 / 12
    assert found["A"]["value"] == pytest.approx(100 * month / (10 + 51))
    assert found["B"]["value"] == pytest.approx(100 * month / 51)


def test_an_event_after_the_follow_up_is_not_counted() -> None:
    late = events(start_date=["2025-06-01", "2025-06-01", "2025-06-01"])
    raw = {"exposure": exposure(), "adverse_events": late}
    rows = list(rate_rows(raw, treated_arms(raw, ARMS), PLAN, "A", 0.95))
    assert [row["events"] for row in rows if row["group"] == "A"] == [0, 0]
    assert "no events" in next(row["error"] for row in rows if row["group"] == "B - A")


def test_dose_intensity_falls_with_the_dose_and_with_delays() -> None:
    less = exposure(dose_pct=[100, 80, 100, 100, 100, 100], delay_days=[0, 0, 0, 7, 0, 0])
    (a, b) = dose_rows({"exposure": less}, ARMS)
    assert (a["value"], b["value"]) == (pytest.approx((90 + 100 * 14 / 21) / 2), 100)
    assert not list(dose_rows({}, ARMS))


def test_one_cycle_alone_has_its_dose_for_intensity() -> None:
    (row,) = dose_rows({"exposure": exposure(dose_pct=[60.0] * 6).iloc[[0]]}, ARMS)
    assert row["value"] == 60


def test_the_ejection_fraction_is_told_by_cycle_of_those_measured() -> None:
    measured = pd.DataFrame({
        "usubjid": ["P1", "P2", "P1", "P3"], "testcd": ["LVEF", "LVEF", "ALT", "LVEF"],
        "cycle": pd.array([2, 2, 2, None], dtype="Int64"), "value": [60.0, 64.0, 20.0, 55.0],
    })  # fmt: skip
    (row,) = ejection_fraction_rows({"safety_measurements": measured}, ARMS, "LVEF")
    assert (row["level"], row["value"], row["low"], row["n"]) == ("cycle 2", 62, 61, 2)


def test_no_time_at_risk_and_no_events_are_told_and_not_divided_by() -> None:
    with pytest.raises(MeasureError, match="no time"):
        rate(3, 0.0, 0.95)
    with pytest.raises(MeasureError, match="reference arm has no events"):
        rate_ratio(3, 10.0, 0, 10.0, 0.95)
    assert rate_ratio(3, 10.0, 1, 10.0, 0.95).value == 3


def test_times_that_cannot_be_compared_are_told() -> None:
    one, none = (TimeToEvent(pd.Series([10.0, 10.0]).to_numpy(), pd.Series([seen] * 2).to_numpy())
                 for seen in (True, False))  # fmt: skip
    with pytest.raises(MeasureError, match="everybody at risk"):
        log_rank(one, one)
    with pytest.raises(MeasureError, match="an event"):
        log_rank(none, none)
    with pytest.raises(MeasureError, match="no event"):
        none.median(0.95)
