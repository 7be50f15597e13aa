"""What stands beside a landmark's measures: intervals by centre, parts of scores, bootstrap curves."""

from typing import Any

import numpy as np
import pandas as pd
import pytest

from models.evaluation.bootstrap_curves import bootstrap_curves, bootstrap_samples, risks_by_outcome
from models.evaluation.centres import NO_CENTRES, clustered_by_centre
from models.evaluation.scores import score_parts, value_of_patients
from models.procedure.configuration.plan import validation_plan

N = 120
CUTS = {"min": 0.3, "max": 0.7, "step": 0.1, "shown": [0.4, 0.6]}
PLAN = validation_plan({"min_events": 5, "bootstrap": 50, "level": 0.95, "seed": 1}).at_thresholds(
    {"de_escalation": CUTS, "escalation": CUTS}, 0.5
)
RNG = np.random.default_rng(5)
RISK = RNG.uniform(0.1, 0.9, N)
Y = (RNG.random(N) < RISK).astype(float)
IDS = [f"P{i:03}" for i in range(N)]
CENTRE = pd.Series([f"C{i % 8}" for i in range(N)], IDS)


def predictions(**models: np.ndarray) -> pd.DataFrame:
    parts = [
        pd.DataFrame({"usubjid": IDS, "repeat": 0, "fold": 0, "model": name, "y": Y, "p": p})
        for name, p in models.items()
    ]
    return pd.concat(parts, ignore_index=True)


BOTH = predictions(chosen=RISK, rules=np.where(RISK > 0.5, 0.6, 0.4))


def resampled(samples: int = 4) -> pd.DataFrame:
    whole: dict[str, Any] = {"usubjid": IDS, "model": "chosen", "y": Y, "fold": 0}
    parts = [pd.DataFrame(whole | {"scheme": "apparent", "repeat": 0, "drawn": 1, "p": RISK})]
    for number in range(samples):
        drawn = np.bincount(RNG.integers(N, size=N), minlength=N)
        p = np.clip(RISK + RNG.normal(0, 0.05, N), 0.02, 0.98)
        parts.append(pd.DataFrame(whole | {"scheme": "bootstrap", "repeat": number, "drawn": drawn, "p": p}))
    return pd.concat(parts, ignore_index=True)


def test_models_and_their_difference_have_intervals_by_centre_and_frequencies_no_slope() -> None:
    found = clustered_by_centre(BOTH, CENTRE, PLAN)
    assert list(found) == ["chosen", "rules", "chosen-rules"]
    assert found["chosen"]["centres"] == {"value": 8}
    assert "calibration_slope" in found["chosen"]
    assert "calibration_slope" not in found["rules"]
    losses = [found[name]["log_loss"]["value"] for name in ("chosen", "rules")]
    difference = found["chosen-rules"]["delta_log_loss"]
    assert difference["value"] == pytest.approx(losses[0] - losses[1])
    assert difference["low"] < difference["value"] < difference["high"]


def test_without_a_centre_or_with_too_few_every_measure_says_so() -> None:
    unknown = clustered_by_centre(BOTH, CENTRE.where(CENTRE != "C3"), PLAN)
    assert unknown["chosen"]["auc"] == {"error": NO_CENTRES}
    few = clustered_by_centre(BOTH, pd.Series("C0", IDS), PLAN)
    assert "at least 5" in few["chosen-rules"]["delta_auc"]["error"]


def test_parts_add_up_to_the_score_for_every_model() -> None:
    for name, p in (("chosen", RISK), ("rules", np.where(RISK > 0.5, 0.6, 0.4))):
        parts = score_parts(BOTH)[name]
        whole = [
            parts[f"brier_{part}"]["value"] for part in ("miscalibration", "discrimination", "uncertainty")
        ]
        assert whole[0] - whole[1] + whole[2] == pytest.approx(np.mean((p - Y) ** 2))


def test_more_patients_are_worth_nothing_where_no_sample_changes_the_choice() -> None:
    certain = predictions(chosen=np.where(Y == 1, 0.95, 0.05))
    assert all(value == {"value": 0.0} for value in value_of_patients(certain, PLAN).values())
    unsure = value_of_patients(predictions(chosen=RNG.uniform(0.3, 0.7, N)), PLAN)
    assert list(unsure) == ["evpi@0.4", "evpi@0.6", "evpi_escalation@0.4", "evpi_escalation@0.6"]
    assert max(value["value"] for value in unsure.values()) > 0


def test_every_curve_has_its_corrected_line_and_one_for_each_sample() -> None:
    found = bootstrap_curves(resampled(), PLAN)
    assert set(found["curve"]) == {"calibration", "de_escalation", "escalation"}
    for _, curve in found.groupby("curve"):
        assert set(curve["line"]) == {"apparent", "corrected", "sample"}
        assert set(curve.loc[curve["line"] == "sample", "sample"]) == {0, 1, 2, 3}


def test_a_sample_without_a_model_is_left_out_and_from_one_sample_there_is_no_curve() -> None:
    broken = resampled()
    broken.loc[(broken["scheme"] == "bootstrap") & (broken["repeat"] == 1), "p"] = np.nan
    assert len(bootstrap_samples(broken[broken["scheme"] == "bootstrap"])) == 3
    assert bootstrap_curves(resampled(1), PLAN).empty


def test_densities_of_the_risks_are_densities_and_lie_higher_with_the_outcome() -> None:
    found = risks_by_outcome(BOTH, PLAN)
    means = {}
    for name, rows in found.groupby("outcome"):
        assert 0.9 < rows["density"].sum() * 0.01 < 1.05
        means[name] = np.average(rows["predicted"], weights=rows["density"])
    assert means["pCR"] > means["no pCR"] + 0.1
    assert risks_by_outcome(predictions(chosen=np.full(N, 0.5)), PLAN).empty
