"""Subgroups and centres."""

from collections.abc import Mapping, Sequence
from typing import Any

import pandas as pd

from pipeline.report.drawing import Spec
from pipeline.report.page import measure
from pipeline.report.results import Results
from pipeline.report.sections.common import MODEL, Part, interval_row, of_model
from pipeline.report.study_charts import forest_chart
from pipeline.report.tables import Privacy, Table

MEASURES = {"auc": ("AUC", None), "slope": ("Calibration slope", 1.0), "o_e": ("Observed over expected", 1.0)}


def subgroups_part(results: Results, landmark: str, landmarks: Sequence[str], privacy: Privacy) -> Part:
    """Return forests of subgroups and centres at one landmark, and the table of all landmarks."""
    charts: dict[str, Spec] = {}
    whole = results.landmarks[landmark][MODEL]
    found = results.subgroups[landmark]
    for key, (title, reference) in MEASURES.items():
        rows = [
            interval_row(
                f"{kind.replace('_', ' and ')}: {group} (n = {v['n']['value']}, pCR {v['events']['value']})",
                v[key],
                kind,
            )
            for kind, groups in found.items()
            if kind not in {"centre", "centre_pooled"}
            for group, v in groups.items()
            if "low" in v.get(key, {}) and not privacy.hides(v["n"]["value"])
        ]
        if rows:
            charts[f"subgroups-{key.replace('_', '-')}"] = forest_chart(
                pd.DataFrame(rows), f"{title} at {landmark}", of_model(whole, title), reference
            )
        charts |= _centres_chart(found, key, title, reference, landmark, whole)
    tables = {
        name: subgroups_table(results.subgroups[name], name, privacy)
        for name in landmarks
        if results.subgroups[name]
    }
    return charts, tables


def _centres_chart(
    found: Mapping[str, Any],
    key: str,
    title: str,
    reference: float | None,
    landmark: str,
    whole: Mapping[str, Any],
) -> dict[str, Spec]:
    rows = [
        interval_row(f"{centre} (n = {v['n']['value']}, pCR {v['events']['value']})", v[key])
        for centre, v in found.get("centre", {}).items()
        if "low" in v.get(key, {})
    ]
    pooled = found.get("centre_pooled", {}).get(key, {})
    if len(rows) < 2:
        return {}
    if "low" in pooled:
        rows.append(interval_row("All centres, pooled", pooled, "random effects", mark=True))
        if "prediction_low" in pooled:
            new = {
                "value": pooled["value"],
                "low": pooled["prediction_low"],
                "high": pooled["prediction_high"],
            }
            rows.append(
                interval_row("A new centre (prediction interval)", new, "prediction interval", mark=True)
            )
    spec = forest_chart(
        pd.DataFrame(rows), f"{title} by centre at {landmark}", of_model(whole, title), reference
    )
    return {f"centres-{key.replace('_', '-')}": spec}


def subgroups_table(found: Mapping[str, Any], landmark: str, privacy: Privacy) -> Table:
    """Return n, events and measures of all subgroups of a landmark; small cells are not shown."""
    rows = []
    for kind, groups in found.items():
        if kind in {"centre", "centre_pooled"}:
            continue
        for group, v in groups.items():
            small = privacy.hides(v["n"]["value"])
            rows.append(
                {
                    "group": f"{kind.replace('_', ' and ')}: {group}",
                    "n": privacy.cell(v["n"]["value"]),
                    "events": "" if small else privacy.cell(v["events"]["value"]),
                }
                | {key: measure(v.get(key), 2 if key != "auc" else 3) for key in MEASURES}
            )
    columns = {"group": "Subgroup", "n": "n", "events": "pCR"} | {
        key: title for key, (title, _) in MEASURES.items()
    }
    return Table.of(f"subgroups-{landmark}", f"Subgroups at {landmark}, out of fold", columns, rows)
