"""A measure by its name: the value, and why there is none."""

import numpy as np
import pytest

from models.measures.common import MeasureError
from models.measures.definitions import DEFINITIONS, definition, point_value

Y = np.array([1.0, 1.0, 0.0, 0.0])
P = np.array([[0.8, 0.4, 0.4, 0.2]])


@pytest.mark.parametrize(
    ("name", "by_hand"),
    [
        ("auc_bootstrap", 0.875),
        ("brier", (0.04 + 0.36 + 0.16 + 0.04) / 4),
        ("log_loss", -np.log([0.8, 0.4, 0.6, 0.8]).mean()),
        ("o_e", 2 / 1.8),
        ("net_benefit_escalation@0.3", 2 / 4 - 1 / 4 * 0.3 / 0.7),
    ],
)
def test_small_cases_agree_with_the_formula(name: str, by_hand: float) -> None:
    assert point_value(name, Y, P) == pytest.approx(by_hand)


@pytest.mark.parametrize("name", [*sorted(DEFINITIONS), "net_benefit@0.3"])
def test_a_patient_who_counts_twice_is_two_patients(name: str) -> None:
    rng = np.random.default_rng(2)
    y = (rng.random(40) < 0.5).astype(float)
    p = rng.uniform(0.1, 0.9, (2, 40))
    weights = np.ones((1, 40))
    weights[0, 3] = 2
    twice = [3, *range(40)]
    whole = definition(name).kernel(y[twice], p[:, twice], np.ones((1, 41)))
    assert definition(name).kernel(y, p, weights) == pytest.approx(whole, abs=1e-8)


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("o_f", "measure o_f is unknown, did you mean o_e"),
        ("net_benefit@x", "after @ must be a number"),
    ],
)
def test_an_unknown_measure_is_refused(name: str, message: str) -> None:
    with pytest.raises(MeasureError, match=message):
        definition(name)


def test_a_measure_that_needs_both_outcomes_says_so() -> None:
    with pytest.raises(MeasureError, match="auc"):
        point_value("auc_bootstrap", np.ones(4), P)
