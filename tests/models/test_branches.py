"""The rules' forecast: branch frequencies, shrunken within the arm."""

import doctest
import json
from typing import Any

import numpy as np
import pandas as pd
import pytest
from sklearn.base import clone
from sklearn.utils.estimator_checks import parametrize_with_checks

from models.procedure import branch_frequency as branches
from models.procedure.branch_frequency import BranchFrequency, Prevalence


def trained(shrinkage: float = 4.0) -> BranchFrequency:
    """Return frequencies of arm A: R1 3 of 4, R2 1 of 6; arm B: R1 1 of 2."""
    rows = [("A", "R1", 1)] * 3 + [("A", "R1", 0)] + [("A", "R2", 1)] + [("A", "R2", 0)] * 5
    rows += [("B", "R1", 1), ("B", "R1", 0)]
    frame = pd.DataFrame(rows, columns=["arm", "branch", "y"])
    return BranchFrequency(shrinkage=shrinkage).fit(frame[["arm", "branch"]], frame["y"])


def forecast(model: Any, arm: str, branch: str | None) -> float:
    return float(model.predict_proba(pd.DataFrame({"arm": [arm], "branch": [branch]}))[0, 1])


@parametrize_with_checks([BranchFrequency(), Prevalence()])  # type: ignore[untyped-decorator]
def test_frequencies_follow_the_scikit_learn_contract(estimator: Any, check: Any) -> None:
    check(estimator)


def test_a_branch_has_its_frequency_shrunken_towards_the_arms_prevalence() -> None:
    assert forecast(trained(), "A", "R1") == pytest.approx((3 + 4 * 0.4) / (4 + 4))
    assert forecast(trained(), "A", "R2") == pytest.approx((1 + 4 * 0.4) / (6 + 4))
    assert forecast(trained(), "B", "R1") == pytest.approx((1 + 4 * 0.5) / (2 + 4))


def test_without_shrinkage_it_is_the_plain_frequency_and_with_much_the_arms_prevalence() -> None:
    assert forecast(trained(0), "A", "R1") == 0.75
    assert forecast(trained(1e9), "A", "R1") == pytest.approx(0.4)


@pytest.mark.parametrize(
    ("arm", "branch", "p"), [("A", "R3", 0.4), ("A", None, 0.4), ("B", "R2", 0.5), ("C", "R1", 5 / 12)]
)
def test_what_was_not_seen_in_training_has_the_next_wider_prevalence(arm: str, branch: str, p: float) -> None:
    assert forecast(trained(), arm, branch) == pytest.approx(p)


def test_an_arm_in_which_all_outcomes_are_the_same_is_not_forecast_with_certainty() -> None:
    frame = pd.DataFrame({"arm": ["A"] * 3 + ["B"] * 2, "branch": "R1"})
    model = BranchFrequency(shrinkage=5).fit(frame, [1, 1, 1, 0, 1])
    prevalence = (3 + 5 * 0.8) / (3 + 5)
    assert forecast(model, "A", "R2") == pytest.approx(prevalence)
    assert forecast(model, "A", "R1") == pytest.approx((3 + 5 * prevalence) / (3 + 5))


def test_frequencies_within_an_arm_do_not_depend_on_other_arms() -> None:
    rng = np.random.default_rng(1)
    frame = pd.DataFrame({"arm": rng.choice(["A", "B"], 200), "branch": rng.choice(["R1", "R2", "R3"], 200)})
    y = rng.integers(0, 2, 200)
    alone = BranchFrequency().fit(frame[frame["arm"] == "A"], y[frame["arm"] == "A"])
    together = BranchFrequency().fit(frame, y)
    asked = frame[frame["arm"] == "A"]
    np.testing.assert_allclose(alone.predict_proba(asked), together.predict_proba(asked))


def test_a_missing_branch_is_no_branch_of_its_own() -> None:
    frame = pd.DataFrame({"arm": "A", "branch": ["R1", "R1", None, None]}, dtype="str")
    model = BranchFrequency(shrinkage=1).fit(frame, [1, 1, 0, 0])
    assert forecast(model, "A", None) == 0.5
    assert list(model.to_document()["arms"]["A"]["cells"]) == ["R1"]


def test_further_columns_are_ignored_and_a_missing_one_is_refused() -> None:
    frame = pd.DataFrame({"age": [50, 60], "branch": ["R1", "R2"], "arm": ["A", "A"]})
    assert BranchFrequency().fit(frame, [0, 1]).to_document()["columns"] == ["arm", "branch"]
    with pytest.raises(ValueError, match="X has no column branch"):
        BranchFrequency().fit(frame[["arm"]], [0, 1])


def test_bad_shrinkage_and_a_single_outcome_are_refused() -> None:
    frame = pd.DataFrame({"arm": ["A", "A"], "branch": ["R1", "R2"]})
    with pytest.raises(ValueError, match="shrinkage must not be negative, got -1"):
        BranchFrequency(shrinkage=-1).fit(frame, [0, 1])
    with pytest.raises(ValueError, match=r"Only binary classification is supported.*only one class"):
        BranchFrequency().fit(frame, [1, 1])


def test_prevalence_is_by_arm_and_hormone_receptor_status() -> None:
    frame = pd.DataFrame({"arm": ["A"] * 4, "hr": ["pos", "pos", "neg", "neg"]})
    model = Prevalence().fit(frame, [0, 1, 1, 1])
    asked = pd.DataFrame({"arm": "A", "hr": ["pos", "neg", None]})
    assert model.predict_proba(asked)[:, 1].tolist() == [0.5, 1.0, 0.75]


def test_what_was_learned_is_plain_data() -> None:
    document = json.loads(json.dumps(trained().to_document()))
    assert document["arms"]["A"]["prevalence"] == 0.4
    assert document["arms"]["A"]["cells"]["R1"] == {"patients": 4, "events": 3, "probability": 0.575}
    assert (document["shrinkage"], document["prevalence"]) == (4.0, 5 / 12)


def test_an_unfitted_clone_has_the_same_settings() -> None:
    assert clone(trained(7)).get_params() == {"shrinkage": 7, "arm": "arm", "branch": "branch"}


def test_the_example_in_the_documentation_runs() -> None:
    assert doctest.testmod(branches).failed == 0
