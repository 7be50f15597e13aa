"""What a run shows in MLflow: a dozen figures named for people, tuned values, data and a note.

All other figures, with their intervals, are in the run's artifacts (metrics/, card/).
"""

from collections.abc import Iterator, Mapping
from pathlib import Path

import pandas as pd

from models.serving.records import DataInput
from models.serving.serving import ModelDocument
from pipeline.project.estimates import Measures
from pipeline.report.results import (
    MODEL,
    RULE_INPUTS,
    RULES,
    Robustness,
    read_comparison,
    read_performance,
    read_robustness,
)
from pipeline.wording import NOTHING_CLINICAL, SIMULATED

BENEFIT = "delta_net_benefit@"
PLAN = {
    "validation.folds": "folds",
    "validation.repeats": "repeats",
    "validation.bootstrap": "bootstrap samples",
    "validation.seed": "seed",
}
"""Parameters of the plan that stand on a landmark's run; those of all stages are on the state's."""


def headline_metrics(artifacts: Path, landmark: str) -> dict[str, float]:
    """Return the figures that a landmark's run shows, by names for people; what has no value is left out."""
    results = artifacts / "results"
    performance = read_performance(results, landmark)
    model, rules = performance.get(MODEL, Measures()), performance.get(RULES, Measures())
    robustness = read_robustness(results, landmark) or Robustness()
    inputs = performance.get(RULE_INPUTS, Measures())
    comparison = read_comparison(artifacts / "metrics")
    difference, beside = (comparison.model_minus(name, landmark) for name in (RULES, RULE_INPUTS))
    shown = {
        "patients": (model, "n"),
        "patients with pCR": (model, "events"),
        "AUC": (model, "auc"),
        "AUC of the rules": (rules, "auc"),
        "AUC of the inputs of the rules": (inputs, "auc"),
        "Brier score": (model, "brier"),
        "log loss": (model, "log_loss"),
        "log loss minus rules": (difference, "delta_log_loss"),
        "log loss minus inputs of the rules": (beside, "delta_log_loss"),
        "slope in later patients": (robustness.later, "calibration_slope"),
        "O to E in later patients": (robustness.later, "o_e"),
        "slope in left-out centres": (robustness.left_out_centres, "calibration_slope"),
        "instability of predictions": (robustness.instability, "mean_absolute_prediction_error"),
    }
    shown |= dict(_net_benefit(difference))
    values = {name: measures[key].value for name, (measures, key) in shown.items() if key in measures}
    return {name: value for name, value in values.items() if value is not None}


def _net_benefit(difference: Measures) -> Iterator[tuple[str, tuple[Measures, str]]]:
    for name in difference:
        if name.startswith(BENEFIT):
            yield f"net benefit minus rules at {name.removeprefix(BENEFIT)}", (difference, name)


def model_params(document: ModelDocument | None, plan: Mapping[str, str], landmark: str) -> dict[str, str]:
    """Return the parameters that a landmark's run shows: the model with its tuned values, and the plan."""
    shown = {"landmark": landmark} | {name: plan[key] for key, name in PLAN.items() if key in plan}
    if document is None:
        return shown | {"model": "none"}
    calibration = document["calibration"]
    return shown | {
        "study": document["study"],
        "model": document["candidate"],
        "tuned": document["tuned"],
        "inputs": str(len(document["features"])),
        "recalibrated by": f"intercept {calibration['intercept']:.3f}, slope {calibration['slope']:.3f}",
    }


def data_inputs(artifacts: Path, landmark: str, digests: Mapping[str, str]) -> tuple[DataInput, ...]:
    """Return the data that a landmark's model was learned from, with DVC's digests where it has them."""
    path = artifacts / "features" / f"{landmark}.parquet"
    digest = next((text for name, text in digests.items() if path.as_posix().startswith(name)), "")
    rows, columns = pd.read_parquet(path).shape
    return (DataInput(f"features at {landmark}", digest, path.as_posix(), rows, columns),)


def run_note(document: ModelDocument | None, metrics: Mapping[str, float]) -> str:
    """Return what stands above a landmark's run, as Markdown."""
    if document is None:
        return "No model was learned: card/card.md says why."
    banner = f"**{SIMULATED}.** {NOTHING_CLINICAL}\n\n" if document["simulated"] else ""
    told = [f"AUC {metrics['AUC']:.3f}"] if "AUC" in metrics else []
    if "AUC of the rules" in metrics:
        told.append(f"rules {metrics['AUC of the rules']:.3f}")
    return (
        f"{banner}Estimates the {document['estimand']}, at {document['landmark']}, from "
        f"{document['training']['patients']} patients. {', '.join(told)}. Intervals: card/card.md; figures: "
        "figures/.\n"
    )
