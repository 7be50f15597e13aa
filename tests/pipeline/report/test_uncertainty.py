"""Tables beside the usual measures, and the curves of bootstrap models as they are drawn."""

from dataclasses import replace
from typing import Any

import pandas as pd

from pipeline.project.estimates import Estimate, Measures
from pipeline.report.results import Results, Robustness
from pipeline.report.study.stability import stability_part
from pipeline.report.study.uncertainty import uncertainty_part
from tests.labels import PLAIN
from tests.pipeline.test_true_pages import ALL_OF_IT, facts_of, results_of

FACTS = facts_of(ALL_OF_IT)
BASE = results_of(ALL_OF_IT)
COUNTS = {"n": Estimate(100), "events": Estimate(40), "centres": Estimate(3)}
CURVE = pd.DataFrame(
    {
        "curve": "calibration", "line": ["apparent", "corrected", "sample"] * 2, "sample": [-1, -1, 0] * 2,
        "at": [0.2] * 3 + [0.8] * 3, "value": [0.1, 0.15, 0.2, 0.9, 0.85, 0.7],
    }
)  # fmt: skip


def with_parts(**measures: Estimate) -> Results:
    landmarks = {name: dict(models) for name, models in BASE.landmarks.items()}
    landmarks["c2"]["chosen"] = Measures(landmarks["c2"]["chosen"] | measures)
    clustered = {
        "chosen": Measures(COUNTS | {"auc": Estimate(0.7, 0.55, 0.8)}),
        "chosen-rules": Measures(COUNTS | {"delta_log_loss": Estimate(-0.02, -0.05, 0.01)}),
    }
    learning = {
        "chosen": Measures(auc=Estimate(0.7, 0.58, 0.79)),
        "chosen-rules": Measures(delta_log_loss=Estimate(-0.02, -0.06, 0.02)),
    }
    robust = replace(
        BASE.robustness["c2"] or Robustness(), clustered=clustered, learning_uncertainty=learning
    )
    return replace(BASE, landmarks=landmarks, robustness=BASE.robustness | {"c2": robust})


def text(tables: Any, name: str) -> str:
    return str([[str(cell) for cell in row.values()] for row in tables[name].rows])


def test_an_interval_by_centre_stands_beside_the_patients_with_its_verdict() -> None:
    tables = uncertainty_part(with_parts(), ["baseline", "c2"], FACTS, PLAIN)[1]
    assert len(tables["clustered"].rows) == 1, "no clustered measures at baseline"
    told = text(tables, "clustered")
    assert "(0.550 to 0.800)" in told
    assert "not distinguishable" in told


def test_an_interval_that_allows_for_learning_stands_beside_the_one_that_does_not() -> None:
    tables = uncertainty_part(with_parts(), ["baseline", "c2"], FACTS, PLAIN)[1]
    (row,) = tables["learned-from"].rows
    assert "0.580 to 0.790" in row["wider_auc"]
    assert "0.06" in row["wider"]
    assert "not distinguishable" in row["wider"]


def test_scores_stand_in_their_parts_and_an_evpi_of_nothing_is_nothing() -> None:
    parts = {
        f"brier_{part}": Estimate(0.0123) for part in ("miscalibration", "discrimination", "uncertainty")
    }
    results = with_parts(**parts, **{"evpi@0.5": Estimate(0.0), "evpi@0.8": Estimate(0.00214)})
    tables = uncertainty_part(results, ["c2"], FACTS, PLAIN)[1]
    assert text(tables, "scores").count("0.0123") == 3
    assert "0 at 0.5; 0.0021 at 0.8" in text(tables, "evpi")
    assert uncertainty_part(BASE, ["c2"], FACTS, PLAIN) == ({}, {})
    calibration = with_parts(log_loss=Estimate(0.5712, 0.55, 0.59), o_e=Estimate(1.04, 0.98, 1.1))
    told = text(uncertainty_part(calibration, ["c2"], FACTS, PLAIN)[1], "accuracy")
    assert "0.5712" in told
    assert "(0.98 to 1.10)" in told


def test_curves_of_samples_are_drawn_under_the_corrected_one_and_calibration_against_the_diagonal() -> None:
    curves = {"c2": BASE.curves["c2"] | {"bootstrap": CURVE}}
    charts = stability_part(replace(BASE, curves=curves), "c2", ["c2"], 100, PLAIN)[0]
    assert "bootstrap-escalation" not in charts
    drawn = charts["bootstrap-calibration"]
    assert drawn["usermeta"]["about"]["n"] == 100
    assert len(drawn["layer"]) == 3
