import numpy as np
import pandas as pd
import pytest

from features.safety import EjectionFractionFall
from models.description import cohort as description
from models.description.as_measured import Measured
from models.description.plan import AdverseEvent, ToxicityPlan
from tests.patients import feature

FALL = EjectionFractionFall("LVEF", 10, 50)
PLAN = ToxicityPlan(3, 5, ("stop_drug",), FALL, 30, (AdverseEvent("Diarrhoea", ("Diarrhoea",), 3),))


def test_wilson_and_newcombe_give_the_published_intervals() -> None:
    # Newcombe, Stat Med 1998;17:857-872 (81 of 263) and 873-890 (56/70 against 48/80, method 10).
    single = description.proportion(81, 263, 0.95)
    assert (single["low"], single["high"]) == pytest.approx((0.2553, 0.3662), abs=5e-5)
    first, second = description.proportion(56, 70, 0.95), description.proportion(48, 80, 0.95)
    found = description.difference(first, second)
    assert (found["value"], found["low"], found["high"]) == pytest.approx((0.2, 0.0524, 0.3339), abs=5e-5)


@pytest.mark.parametrize(("events", "n"), [(0, 12), (12, 12), (1, 1)])
def test_an_interval_stays_inside_zero_and_one_and_holds_the_share(events: int, n: int) -> None:
    found = description.proportion(events, n, 0.95)
    assert 0 <= found["low"] <= found["value"] <= found["high"] <= 1


def test_without_patients_there_is_no_proportion_and_no_difference() -> None:
    nobody = description.proportion(0, 0, 0.95)
    assert nobody == {"n": 0, "events": 0}
    assert description.difference(nobody, description.proportion(1, 2, 0.95)) == {}


def test_table_one_counts_levels_among_the_known_and_gives_quartiles_by_group() -> None:
    ids = pd.Index(["a", "b", "c", "d"], name="usubjid")
    values = pd.DataFrame({"age": [40.0, 50.0, 60.0, np.nan], "hr": ["pos", "neg", None, "pos"]}, index=ids)
    features = [
        feature("age", unit="years", description="Age"),
        feature("hr", ["pos", "neg"], domain="pathology", description="HR"),
    ]
    age, pos, neg = description.table_one(values, features, pd.Series(["A", "A", "B", "B"], index=ids))
    assert age["cells"]["all"] == {"n": 3, "missing": 1, "median": 50.0, "q25": 45.0, "q75": 55.0}
    assert age["cells"]["B"]["median"] == 60.0
    assert pos["cells"]["all"] == {"n": 3, "missing": 1, "count": 2}
    assert neg["cells"]["B"] == {"n": 1, "missing": 1, "count": 0}


@pytest.mark.parametrize(
    ("unit", "logarithms", "told", "measured"),
    [
        ("log10 fraction", [-4.0, -2.0], [0.01, 1.0], "%"),
        ("log10 molecules/mL", [0.0, 2.0], [1.0, 100.0], "molecules/mL"),
        ("log1p cc", [0.0, np.log(3.0)], [0.0, 2.0], "cc"),
        ("log1p ratio", [np.log(0.5), 0.0], [-0.5, 0.0], "ratio"),
        ("years", [50.0, 60.0], [50.0, 60.0], "years"),
    ],
)
def test_table_one_tells_logarithms_as_they_were_measured(
    unit: str, logarithms: list[float], told: list[float], measured: str
) -> None:
    values = pd.DataFrame({"x": logarithms}, index=pd.Index(["a", "b"], name="usubjid"))
    [row] = description.table_one(values, [feature("x", unit=unit)], pd.Series("A", index=values.index))
    assert row["unit"] == measured
    assert row["cells"]["A"]["median"] == pytest.approx(np.mean(told))
    assert Measured.by(unit).values(values["x"]).tolist() == pytest.approx(told)


def test_states_are_counted_apart_and_missing_is_one_of_them() -> None:
    values = pd.Series(["not_done", "negative", None], index=["a", "b", "c"])
    found = description.level_counts(values, ["not_done", "negative"], pd.Series("S1", index=values.index))
    assert {(r["group"], r["level"]): r["n"] for r in found} == {
        (group, level): 1 for group in ("all", "S1") for level in ("not_done", "negative", "missing")
    }


def adverse() -> pd.DataFrame:
    return pd.DataFrame(
        [
            ("a", "Diarrhoea", 3, "N", "none"),
            ("a", "Diarrhoea", 3, "N", "none"),
            ("b", "Diarrhoea", 2, "Y", "stop_drug"),
            ("z", "Diarrhoea", 4, "N", "none"),
        ],
        columns=["usubjid", "term", "grade", "serious", "action"],
    )


def test_patients_are_counted_once_per_kind_of_event_and_only_those_treated() -> None:
    found = {k: v.to_dict() for k, v in description.events_of(adverse(), ["a", "b", "c"], PLAN).items()}
    assert found["Any event, grade 3 or more"] == {"a": True, "b": False, "c": False}
    assert found["Serious event"] == {"a": False, "b": True, "c": False}
    assert found["Event that stopped a drug or treatment"] == {"a": False, "b": True, "c": False}
    assert found["Diarrhoea"] == {"a": True, "b": False, "c": False}


def test_toxicity_is_compared_with_the_reference_arm_and_crossed_with_the_outcome() -> None:
    events = description.events_of(adverse(), ["a", "b", "c"], PLAN)
    arms = pd.Series({"a": "NEW", "b": "OLD", "c": "OLD"})
    rows = {(r["event"], r["arm"]): r for r in description.toxicity_by_arm(events, arms, "OLD", 0.95)}
    assert rows["Diarrhoea", "NEW"]["difference"]["value"] == 1
    assert rows["Diarrhoea", "OLD"]["difference"] == {}
    outcome = pd.Series({"a": 1.0, "b": 0.0, "c": np.nan})
    cells = {r["arm"]: r for r in description.response_by_toxicity(events["Diarrhoea"], outcome, arms)}
    assert (cells["NEW"]["pcr_with"], cells["OLD"]["no_pcr_without"], cells["OLD"]["n"]) == (1, 1, 1)


def test_branches_hold_pcr_among_known_outcomes() -> None:
    decisions = pd.DataFrame({"usubjid": ["a", "b", "c"], "node": "c2", "branch": ["R1", "R1", "R2"]})
    found = description.response_by_branch(decisions, pd.Series({"a": 1.0, "b": np.nan, "c": 0.0}), 0.95)
    assert [(r["branch"], r["patients"], r["n"], r["events"]) for r in found] == [
        ("R1", 2, 1, 1),
        ("R2", 1, 1, 0),
    ]
