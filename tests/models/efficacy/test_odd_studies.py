"""The comparison of arms on studies that nobody planned: order of rows, many arms, hardly any patients."""

from typing import Any

import numpy as np
import pandas as pd
import pytest

from models.efficacy.documents import EfficacyDocument
from models.efficacy.missing import Outcomes, at_random, tipping_point
from models.efficacy.proportions import Arms, newcombe
from models.efficacy.study import efficacy
from tests.models.efficacy.test_comparison import (
    DECISIONS,
    GROUPS,
    TOXICITY,
    baseline,
    chosen,
    cohort,
    document,
    raw,
    study,
)


def compared(patients: pd.DataFrame, tables: dict[str, pd.DataFrame], **changes: Any) -> EfficacyDocument:
    decisions = pd.DataFrame(columns=DECISIONS).astype({"at_risk": bool})
    return efficacy(study(**changes), GROUPS, TOXICITY, tables, patients, decisions, baseline(), 0.95)


def test_the_order_of_rows_changes_nothing() -> None:
    turned = {name: table.iloc[::-1] for name, table in raw().items()}
    assert compared(cohort().iloc[::-1], turned)["rows"] == document()["rows"]


def test_every_arm_is_compared_with_the_reference_and_none_with_another() -> None:
    patients = cohort()
    patients["arm"] = np.array(["CONTROL", "B", "C"])[np.arange(len(patients)) % 3]
    told = compared(
        patients, raw(), arms=["CONTROL", "B", "C", "EMPTY"], adaptive_arm=None, arm_comparison=None
    )
    pairs = {row["group"] for row in told["rows"] if " - " in row["group"]}
    assert pairs == {"B - CONTROL", "C - CONTROL"}


@pytest.mark.parametrize("n", [1, 2, 3, 4])
def test_hardly_any_patients_give_numbers_or_reasons_and_no_error(n: int) -> None:
    patients = cohort().iloc[6 : 6 + n]
    tables = {name: table.loc[table["usubjid"].isin(patients["usubjid"])] for name, table in raw().items()}
    told = compared(patients, tables)
    assert all(("value" in row) != ("error" in row) for row in told["rows"])


def test_an_arm_without_any_known_outcome_is_non_pcr_as_randomised_and_has_no_estimate_otherwise() -> None:
    patients = cohort()
    control = patients["arm"] == "CONTROL"
    patients.loc[control, "outcome"], patients.loc[control, "outcome_status"] = np.nan, "missing"
    told = compared(patients, raw())
    (as_randomised,) = chosen(told, group="CONTROL", measure="pcr", population="intention_to_treat", level="")
    assert as_randomised["events"] == 0
    assert all("error" in row for row in chosen(told, population="observed", measure="risk_difference"))
    (random,) = chosen(told, method="missing at random within arm and stratum")
    assert "no known outcome" in random["error"]


def test_an_empty_outcome_of_everybody_not_due_leaves_reasons() -> None:
    patients = cohort().assign(outcome=np.nan, outcome_status="not_due")
    told = compared(patients, raw())
    assert told["not_due"] == len(patients)
    assert all("error" in row for row in chosen(told, measure="pcr"))


def test_no_pair_of_counts_nearer_than_the_tipping_point_changes_the_verdict() -> None:
    outcomes = Outcomes(*(np.array(x, dtype=float) for x in ([[60], [48]], [[90], [92]], [[10], [8]])))
    found = tipping_point(outcomes, 0.95, 0.0)
    assert found.treated is not None
    assert found.reference is not None

    def above(treated: float, reference: float) -> bool:
        arms = (np.array([x]) for x in (60 + treated, 100.0, 48 + reference, 100.0))
        return bool(newcombe(Arms(*arms), 0.95)[0][0] > 0)

    def distance(treated: float, reference: float) -> float:
        return abs(treated - found.expected[0]) / 10 + abs(reference - found.expected[1]) / 8

    nearest = distance(found.treated, found.reference)
    assert above(*found.expected) != above(found.treated, found.reference)
    for treated in range(11):
        for reference in range(9):
            if distance(treated, reference) < nearest - 1e-9:
                assert above(treated, reference) == above(*found.expected)


def test_the_interval_at_random_covers_a_truth_that_leaving_out_does_not() -> None:
    rng, truth, covered, biased = np.random.default_rng(3), 0.15, 0, []
    size, p = np.array([[150, 150], [150, 150]]), np.array([[0.8, 0.5], [0.65, 0.35]])
    for _ in range(400):
        known = rng.binomial(size, [[0.9, 0.4], [0.6, 0.6]])
        events = rng.binomial(known, p)
        found = at_random(
            Outcomes(events.astype(float), known.astype(float), (size - known).astype(float)), 0.95
        )
        assert found.low is not None
        assert found.high is not None
        covered += found.low <= truth <= found.high
        crude = events.sum(axis=1) / known.sum(axis=1)
        biased.append(crude[0] - crude[1])
    assert 0.92 < covered / 400 < 0.99
    assert np.mean(biased) - truth > 0.03


def test_without_missing_outcomes_there_is_nothing_to_tip_and_an_unknown_allocation_is_told() -> None:
    told = compared(cohort().assign(outcome=1.0, outcome_status="observed"), raw(), allocation=None)
    assert not [
        row for row in told["rows"] if row["measure"].startswith(("tipping", "risk_difference_missing"))
    ]
    assert told["plan"] is not None
    assert not told["plan"]["known_allocation"]
