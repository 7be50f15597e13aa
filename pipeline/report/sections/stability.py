"""Outside the patients that it learned from: optimism, later patients, left-out centres, sample size."""

from collections.abc import Mapping, Sequence
from typing import Any

import pandas as pd

from pipeline.report.page import count, measure
from pipeline.report.results import Results
from pipeline.report.sections.common import MODEL, Part, interval_row, of_model
from pipeline.report.study_charts import forest_chart, instability_chart
from pipeline.report.tables import Table


def stability_part(results: Results, landmark: str, landmarks: Sequence[str], most: int) -> Part:
    """Return optimism, later patients, left-out centres, and how far bootstrap models lie apart."""
    rows = []
    for name in landmarks:
        found = results.robustness[name]
        if not found:
            continue
        auc, slope = (found["optimism_corrected"].get(key, {}) for key in ("auc", "calibration_slope"))
        temporal = found.get("temporal", {})
        left_out = found.get("left_out_centres", {}).get("pooled", {})
        rows.append(
            {
                "landmark": name,
                "corrected": _approximate(auc),
                "slope": _approximate(slope),
                "later": measure(temporal.get("auc")),
                "later_oe": measure(temporal.get("o_e"), 2),
                "centres": measure(left_out.get("auc")) if left_out else "not at this landmark",
                "instability": f"{found['instability']['mean_absolute_prediction_error']['value']:.3f}",
            }
        )
    if not rows:
        return {}, {}
    columns = {
        "landmark": "Landmark",
        "corrected": "AUC, optimism corrected",
        "slope": "Slope, optimism corrected",
        "later": "AUC, later patients",
        "later_oe": "O:E, later patients",
        "centres": "AUC, left-out centres",
        "instability": "Mean instability",
    }
    charts = {}
    curve = results.curves[landmark].get("instability")
    if curve is not None:
        step = max(1, len(curve) // most)
        about = of_model(
            results.landmarks[landmark][MODEL], "probability", "in fold: models of bootstrap samples"
        )
        charts["instability"] = instability_chart(curve.iloc[::step], about)
    tables = {
        "stability": Table.of(
            "stability-table", "The whole procedure outside its own patients", columns, rows
        )
    }
    centres = results.robustness[landmark].get("left_out_centres", {}).get("centres", {})
    drawn = [
        interval_row(f"{name} left out (n = {v['n']['value']}, pCR {v['events']['value']})", v["auc"])
        for name, v in centres.items()
        if "low" in v.get("auc", {})
    ]
    if len(drawn) > 1:
        charts["left-out-centres"] = forest_chart(
            pd.DataFrame(drawn),
            f"AUC in each left-out centre at {landmark}",
            of_model(results.landmarks[landmark][MODEL], "AUC", "in centres that the model had not seen"),
            None,
        )
    return charts, tables


def _approximate(found: Mapping[str, Any]) -> Any:
    if "value" not in found:
        return measure(found or None)
    renamed = {"value": found["value"]}
    if "approximate_low" in found:
        renamed |= {"low": found["approximate_low"], "high": found["approximate_high"]}
    return measure(renamed)


def size_part(results: Results) -> Part:
    """Return Riley's criteria by landmark: patients needed and parameters supported."""
    rows = [
        {
            "landmark": name,
            **{
                key: count(found["development"][key])
                for key in ("n", "parameters", "needed", "parameters_supported")
            },
            "validation": count(max(found["validation"].values())),
            "enough": "yes" if found["development"]["enough"] else "no",
        }
        for name, found in results.size.items()
    ]
    columns = {
        "landmark": "Landmark",
        "n": "Patients",
        "parameters": "Candidate parameters",
        "needed": "Patients needed for them",
        "parameters_supported": "Parameters supported",
        "enough": "Enough",
        "validation": "Patients to validate",
    }
    return {}, {
        "size": Table.of("size-table", "Sample size by Riley's criteria", columns, rows)
    } if rows else {}
