"""Challengers: predictions of a model made elsewhere are paired with ours, or refused with one message."""

from collections.abc import Callable

import numpy as np
import pandas as pd
import pytest

from models.evaluation.challengers import (
    ChallengerError,
    joined,
    judge_challenger,
    judged_challengers,
    run_folds,
)
from models.evaluation.comparison import differences
from models.procedure.configuration.plan import validation_plan
from models.procedure.resampling import no_predictions
from models.procedure.single_features import LeakageAlarmError

PLAN = validation_plan(
    {"seed": 1, "level": 0.95, "bootstrap": 50, "min_events": 10, "leakage_alarm_auc": 0.9}
).at_thresholds(
    {
        "de_escalation": {"min": 0.4, "max": 0.6, "step": 0.1, "shown": [0.5]},
        "escalation": {"min": 0.4, "max": 0.6, "step": 0.1, "shown": [0.5]},
    },
    0.5,
)
RNG = np.random.default_rng(0)
PATIENTS = [f"P{k:03d}" for k in range(80)]
Y = RNG.integers(0, 2, 80)
ARM = pd.Series(["A", "B"] * 40, index=PATIENTS)


def predictions(model: str = "chosen", strength: float = 1.0) -> pd.DataFrame:
    """Return two repeats of four folds, forecasts that tell the outcome by `strength`."""
    frames = []
    for repeat in range(2):
        margin = strength * (Y - 0.5) + np.random.default_rng(repeat).normal(0, 1, 80)
        fold = np.random.default_rng(9 + repeat).permutation(80) % 4
        p = 1 / (1 + np.exp(-margin))
        row = {"usubjid": PATIENTS, "repeat": repeat, "fold": fold, "model": model, "y": Y, "p": p}
        frames.append(pd.DataFrame(row))
    return pd.concat(frames, ignore_index=True)


def forecasts(strength: float = 0.5) -> pd.DataFrame:
    return predictions("x", strength)[["usubjid", "repeat", "fold", "p"]]


def test_the_folds_have_every_patient_once_a_repeat_and_no_outcome() -> None:
    folds = run_folds(predictions())
    assert list(folds) == ["usubjid", "repeat", "fold"]
    assert len(folds) == 160
    assert not folds.duplicated(["usubjid", "repeat"]).any()


def test_a_copy_of_our_predictions_differs_by_nothing_whatever_the_order_of_its_rows() -> None:
    ours = predictions()
    copy = ours[["usubjid", "repeat", "fold", "p"]].sample(frac=1, random_state=1)
    found = judge_challenger(joined("copy", copy, ours), ours, ARM, PLAN)
    assert found["measures"] == found["model"]
    assert found["differences"]["all"]["delta_auc"]["value"] == 0
    assert set(found["measures"]) == {"all", "A", "B"}


def test_differences_are_those_of_two_models_of_the_run() -> None:
    ours = predictions()
    found = judge_challenger(joined("net", forecasts(), ours), ours, ARM, PLAN)
    inside = pd.concat([ours, predictions("rules", 0.5)])
    assert found["differences"]["all"] == differences(inside, ARM, PLAN)["chosen-rules"]


WRONG: dict[str, tuple[Callable[[pd.DataFrame], pd.DataFrame], str]] = {
    "missing": (lambda f: f.iloc[1:], "1 rows of this run are missing"),
    "twice": (lambda f: pd.concat([f, f.iloc[:3]]), "3 rows are there twice"),
    "unknown": (lambda f: f.assign(usubjid="X" + f["usubjid"]), "160 rows are of no patient and repeat"),
    "a repeat more": (lambda f: pd.concat([f, f[f["repeat"] == 0].assign(repeat=2)]), "80 rows are of no"),
    "fold": (lambda f: f.assign(fold=f["fold"].replace(0, 1)), "40 of 160 rows are in another fold"),
    "above": (lambda f: f.assign(p=1.2), "160 of 160 values of p are missing or not strictly"),
    "certain": (lambda f: f.assign(p=f["p"].where(f["usubjid"] != "P001", 0.0)), "2 of 160 values of p"),
    "no number": (lambda f: f.assign(p=np.nan), "160 of 160 values"),
    "in-sample": (
        lambda f: f.assign(p=f.groupby("usubjid")["p"].transform("mean")),
        "100% of the patients have the same p in every repeat",
    ),
}


@pytest.mark.parametrize("fault", WRONG)
def test_a_file_that_cannot_be_judged_is_refused_with_what_is_wrong(fault: str) -> None:
    alter, message = WRONG[fault]
    with pytest.raises(ChallengerError, match=message):
        joined("net", alter(forecasts()), predictions())


def test_the_name_of_a_model_of_the_run_is_taken() -> None:
    with pytest.raises(ChallengerError, match="a model of the run is called so"):
        joined("chosen", forecasts(), predictions())


def test_a_fixed_model_may_say_the_same_in_every_repeat() -> None:
    same = forecasts().assign(p=lambda f: f.groupby("usubjid")["p"].transform("mean"))
    assert len(joined("score", same, predictions(), fixed=True)) == 160


def test_an_auc_above_the_alarm_is_refused_until_the_study_acknowledges_it() -> None:
    ours = predictions()
    leak = joined("net", forecasts(4.0), ours)
    with pytest.raises(LeakageAlarmError, match="challenger net"):
        judge_challenger(leak, ours, ARM, PLAN)
    assert judge_challenger(leak, ours, ARM, PLAN, "looked at")["measures"]["all"]["auc"]["value"] > 0.9


def test_a_group_with_too_few_events_is_counted_only() -> None:
    ours = predictions()
    few = pd.Series(["A"] * 5 + ["B"] * 75, index=PATIENTS)
    found = judge_challenger(joined("net", forecasts(), ours), ours, few, PLAN)
    assert set(found["measures"]["A"]) == {"n", "events"}


def test_without_a_model_of_ours_a_challenger_has_the_reason() -> None:
    found = judged_challengers(
        {"net": ("baseline", forecasts(), False)}, {"baseline": no_predictions()}, ARM, PLAN
    )
    assert found == {"net": {"landmark": "baseline", "error": "no model was learned at this landmark"}}
