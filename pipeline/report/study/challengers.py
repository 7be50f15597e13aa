"""Models made elsewhere beside the study's, on the same patients, folds and repeats."""

from collections.abc import Iterator, Mapping

from pipeline.project.estimates import Measures, verdict
from pipeline.report.challengers import ChallengerResult
from pipeline.report.labels import Labels
from pipeline.report.page import count, measure_of
from pipeline.report.study.common import ALL, Part
from pipeline.report.tables import Table

COLUMNS = {
    "name": "Model", "landmark": "Landmark", "group": "Patients", "n": "n", "events": "pCR", "auc": "AUC",
    "loss": "Log loss", "brier": "Brier", "slope": "Slope", "o_e": "O:E",
}  # fmt: skip
COMPARED = {
    "name": "Challenger", "landmark": "Landmark", "group": "Patients", "auc": "AUC", "loss": "Log loss",
    "brier": "Brier", "said": "The model is, by log loss",
}  # fmt: skip


def challengers_part(challengers: Mapping[str, ChallengerResult], everybody: str, labels: Labels) -> Part:
    """Return the tables of challengers: measures beside the model's, and paired differences; or none."""
    judged = {name: found for name, found in challengers.items() if not found.reason}
    if not judged:
        return {}, {}
    rows = [row for name, found in judged.items() for row in _rows(name, found, everybody, labels)]
    differences = [
        {
            "name": name.replace("_", " "),
            "landmark": labels.name(found.landmark),
            "group": everybody if group == ALL else labels.name(group),
            "auc": measure_of(measures, "delta_auc", difference=True),
            "loss": measure_of(measures, "delta_log_loss", 4, difference=True),
            "brier": measure_of(measures, "delta_brier", 4, difference=True),
            "said": verdict(loss, "log_loss") if (loss := measures.interval_of("delta_log_loss")) else "",
        }
        for name, found in judged.items()
        for group, measures in found.differences.items()
        if "delta_auc" in measures
    ]
    return {}, {
        "differences": Table.of(
            "challenger-differences",
            "The study's model minus each model made elsewhere, on the same patients and folds",
            COMPARED,
            differences,
            text=("landmark", "group", "said"),
        ),
        "measures": Table.of(
            "challenger-measures",
            "Models made elsewhere, and the study's, out of fold",
            COLUMNS,
            rows,
            text=("landmark", "group"),
        ),
    }


def _rows(name: str, found: ChallengerResult, everybody: str, labels: Labels) -> Iterator[dict[str, object]]:
    by_model: dict[str, Mapping[str, Measures]] = {
        name.replace("_", " "): found.measures,
        "the study's model": found.model,
    }
    for group in (group for group, measures in found.measures.items() if "auc" in measures):
        for model, measures in by_model.items():
            of = measures[group]
            yield {
                "name": model,
                "landmark": labels.name(found.landmark),
                "group": everybody if group == ALL else labels.name(group),
                "n": count(of.patients),
                "events": count(of.events),
                "auc": measure_of(of, "auc"),
                "loss": measure_of(of, "log_loss"),
                "brier": measure_of(of, "brier"),
                "slope": measure_of(of, "calibration_slope", 2),
                "o_e": measure_of(of, "o_e", 2),
            }
