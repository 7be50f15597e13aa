"""Outside the patients that it learned from: optimism, later patients, left-out centres, sample size."""

from collections.abc import Sequence

import pandas as pd
from markupsafe import Markup

from pipeline.project.estimates import Estimate, Measures, number_text
from pipeline.report.drawing import Spec
from pipeline.report.labels import Labels
from pipeline.report.page import count, measure, measure_of
from pipeline.report.points import evenly
from pipeline.report.results import MODEL, Results, Robustness
from pipeline.report.study.common import Part, counted, interval_row, of_model
from pipeline.report.study_charts import bootstrap_chart, forest_chart, instability_chart
from pipeline.report.tables import Table

BOOTSTRAP = {
    "corrected": "AUC, optimism-corrected",
    "left_out": "AUC, patients left out of the samples",
    "slope": "Slope, optimism-corrected",
    "instability": "Mean instability",
    "samples": "Samples",
    "error": "Monte Carlo error of the AUC",
}
LATER = {
    "later_n": "Later patients",
    "later": "AUC, later patients",
    "later_slope": "Slope",
    "later_oe": "O:E",
    "later_ici": "ICI (a perfect model's is below, in 95 %)",
}
CENTRES = {
    "centres_auc": "AUC, left-out centres",
    "centres_slope": "Slope",
    "centres_oe": "O:E",
}

BOOTSTRAP_CURVES = {
    "calibration": ("Calibration", "Predicted probability of pCR", "Observed (loess)"),
    "de_escalation": ("Net benefit of de-escalation", "Threshold probability of pCR", "Net benefit"),
    "escalation": ("Net benefit of escalation", "Threshold probability of no pCR", "Net benefit"),
}


def stability_part(
    results: Results, landmark: str, landmarks: Sequence[str], max_points: int, labels: Labels
) -> Part:
    """Return optimism, later patients, left-out centres, and how far bootstrap models lie apart."""
    tables = _tables(results, landmarks, labels)
    if not tables:
        return {}, {}
    charts = {}
    curve = results.curves[landmark].get("instability")
    if curve is not None and not curve.empty:
        points = evenly(curve, max_points)
        whole = results.landmarks[landmark][MODEL]
        predictions = max(len(curve), whole.patients * _samples(results.robustness[landmark]))
        sampling = f"in fold: models of bootstrap samples, {len(points):,} of {predictions:,} predictions"
        about = of_model(whole, "probability", sampling)
        charts["instability"] = instability_chart(points, about)
    charts |= _bootstrap_charts(results, landmark, labels.name(landmark))
    at_landmark = results.robustness[landmark]
    drawn = [
        interval_row(counted(f"{name} left out", measures), auc, of=measures)
        for name, measures in (at_landmark.centres.items() if at_landmark else ())
        if (auc := measures.interval_of("auc"))
    ]
    if len(drawn) > 1:
        charts["left-out-centres"] = forest_chart(
            pd.DataFrame(drawn),
            f"AUC in each left-out centre, {labels.name(landmark)}",
            "AUC",
            "in centres that the model was not fitted to",
            None,
        )
    return charts, tables


def _samples(robustness: Robustness | None) -> int:
    """Return how many bootstrap samples were drawn; the stored predictions are those of some patients."""
    auc = robustness.optimism_corrected.get("auc") if robustness else None
    return int(auc.extra.get("samples", 0)) if auc else 0


def _bootstrap_charts(results: Results, landmark: str, shown: str) -> dict[str, Spec]:
    """Return calibration and decision curves of the bootstrap models, and corrected for optimism."""
    curves = results.curves[landmark].get("bootstrap")
    if curves is None:
        return {}
    charts = {}
    for kind, (title, x, y) in BOOTSTRAP_CURVES.items():
        part = curves[curves["curve"] == kind]
        if part.empty:
            continue
        about = of_model(results.landmarks[landmark][MODEL], y, "in fold: models of bootstrap samples")
        charts[f"bootstrap-{kind.replace('_', '-')}"] = bootstrap_chart(
            part.drop(columns="curve"),
            f"{title}, {shown}, corrected for optimism",
            x,
            y,
            about,
            diagonal=kind == "calibration",
        )
    return charts


def _tables(results: Results, landmarks: Sequence[str], labels: Labels) -> dict[str, Table]:
    """Return bootstrap and other patients by landmark, without what the study lacks; empty if none ran."""
    judged = {name: found for name in landmarks if (found := results.robustness[name]) is not None}
    if not judged:
        return {}
    label = {"landmark": "Landmark"}
    tables = {
        "stability": Table.of(
            "stability-table",
            "The whole procedure on bootstrap samples",
            label | BOOTSTRAP,
            [{"landmark": labels.name(name)} | _bootstrap(found) for name, found in judged.items()],
        )
    }
    columns = {
        **(LATER if any(found.later for found in judged.values()) else {}),
        **(CENTRES if any(found.left_out_centres for found in judged.values()) else {}),
    }
    if columns:
        tables["elsewhere"] = Table.of(
            "elsewhere-table",
            "In patients whom the procedure did not learn from",
            label | columns,
            [{"landmark": labels.name(name)} | _elsewhere(found) for name, found in judged.items()],
        )
    return tables


def _bootstrap(robustness: Robustness) -> dict[str, Markup | str]:
    optimism = robustness.optimism_corrected
    return {
        "corrected": _approximate(optimism.get("auc")),
        "left_out": _of_samples(optimism.get("auc"), "left_out"),
        "slope": _approximate(optimism.get("calibration_slope")),
        "instability": measure(robustness.instability.get("mean_absolute_prediction_error")),
        "samples": _of_samples(optimism.get("auc"), "samples", 0),
        "error": _of_samples(optimism.get("auc"), "monte_carlo_error", 4),
    }


def _elsewhere(robustness: Robustness) -> dict[str, Markup | str]:
    later, left_out = robustness.later, robustness.left_out_centres
    return {
        "later_n": count(later.patients) if "n" in later else "",
        "later": measure_of(later, "auc"),
        "later_slope": measure_of(later, "calibration_slope", 2),
        "later_oe": measure_of(later, "o_e", 2),
        "later_ici": _beside_perfect(later),
        "centres_auc": measure(left_out.get("auc")),
        "centres_slope": measure(left_out.get("calibration_slope"), 2),
        "centres_oe": measure(left_out.get("o_e"), 2),
    }


def _approximate(estimate: Estimate | None) -> Markup:
    return measure(estimate.with_interval("approximate") if estimate else None, missing="not computed")


def _of_samples(estimate: Estimate | None, key: str, digits: int = 3) -> str:
    """Return a figure of the bootstrap samples that stands beside an optimism-corrected measure."""
    value = estimate.extra.get(key) if estimate else None
    return "not computed" if value is None else number_text(value, digits)


def _beside_perfect(later: Measures) -> Markup:
    null = later.get("ici_null95")
    beside = "" if null is None or null.value is None else f" ({number_text(null.value)})"
    return measure_of(later, "ici") + beside


def size_part(results: Results, labels: Labels) -> Part:
    """Return Riley's criteria by landmark: patients needed and parameters supported."""
    rows = [
        {
            "landmark": labels.name(name),
            "n": count(size.patients),
            "parameters": count(size.parameters),
            "needed": count(size.needed),
            "supported": f"none: {size.unmet}" if size.unmet else count(size.parameters_supported),
            "enough": "yes" if size.enough else "no",
            "validation": count(size.to_validate),
        }
        for name, size in results.size.items()
    ]
    columns = {
        "landmark": "Landmark",
        "n": "Patients",
        "parameters": "Candidate parameters",
        "needed": "Patients needed for them",
        "supported": "Parameters supported",
        "enough": "Enough",
        "validation": "Patients to validate",
    }
    return {}, {
        "size": Table.of("size-table", "Sample size by Riley's criteria", columns, rows)
    } if rows else {}
