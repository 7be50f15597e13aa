"""Subgroups and centres."""

from collections.abc import Sequence

import pandas as pd

from pipeline.project.estimates import Measures
from pipeline.report.drawing import Spec
from pipeline.report.page import measure
from pipeline.report.results import MODEL, Results, Subgroups
from pipeline.report.study.common import Part, counted, interval_row, of_model
from pipeline.report.study_charts import forest_chart
from pipeline.report.tables import Privacy, Table

MEASURES = {"auc": ("AUC", None), "slope": ("Calibration slope", 1.0), "o_e": ("Observed over expected", 1.0)}
DIGITS = {"auc": 3, "slope": 2, "o_e": 2}


def subgroups_part(results: Results, landmark: str, landmarks: Sequence[str], privacy: Privacy) -> Part:
    """Return forests of subgroups and centres at one landmark, and the table of all landmarks."""
    charts: dict[str, Spec] = {}
    whole = results.landmarks[landmark][MODEL]
    subgroups = results.subgroups[landmark]
    for key, (title, reference) in MEASURES.items():
        rows = [
            interval_row(counted(group_name(kind, name), measures), estimate, kind)
            for kind, groups in subgroups.groups.items()
            for name, measures in groups.items()
            if (estimate := measures.interval_of(key)) and not privacy.hides(measures.patients)
        ]
        if rows:
            charts[f"subgroups-{key.replace('_', '-')}"] = forest_chart(
                pd.DataFrame(rows), f"{title} at {landmark}", of_model(whole, title), reference
            )
        charts |= _centres_chart(subgroups, key, title, reference, landmark, whole)
    tables = {
        name: subgroups_table(results.subgroups[name], name, privacy)
        for name in landmarks
        if results.subgroups[name].groups
    }
    return charts, tables


def group_name(kind: str, name: str) -> str:
    """Return a group as a reader reads it, such as ``arm and hr: ADAPTIVE, HR neg``."""
    return f"{kind.replace('_', ' and ')}: {name}"


def _centres_chart(
    subgroups: Subgroups, key: str, title: str, reference: float | None, landmark: str, whole: Measures
) -> dict[str, Spec]:
    rows = [
        interval_row(counted(centre, measures), estimate)
        for centre, measures in subgroups.centres.items()
        if (estimate := measures.interval_of(key))
    ]
    if len(rows) < 2:
        return {}
    pooled = subgroups.pooled.interval_of(key)
    if pooled is not None:
        rows.append(interval_row("All centres, pooled", pooled, "random effects", mark=True))
        new = pooled.with_interval("prediction")
        if new.has_interval:
            label = "A new centre (prediction interval)"
            rows.append(interval_row(label, new, "prediction interval", mark=True))
    spec = forest_chart(
        pd.DataFrame(rows), f"{title} by centre at {landmark}", of_model(whole, title), reference
    )
    return {f"centres-{key.replace('_', '-')}": spec}


def subgroups_table(subgroups: Subgroups, landmark: str, privacy: Privacy) -> Table:
    """Return n, events and measures of all subgroups of a landmark; small cells are not shown."""
    rows = [
        {
            "group": group_name(kind, name),
            "n": privacy.cell(measures.patients),
            "events": "" if privacy.hides(measures.patients) else privacy.cell(measures.events),
        }
        | {key: measure(measures.get(key), DIGITS[key]) for key in MEASURES}
        for kind, groups in subgroups.groups.items()
        for name, measures in groups.items()
    ]
    columns = {"group": "Subgroup", "n": "n", "events": "pCR"} | {
        key: title for key, (title, _) in MEASURES.items()
    }
    return Table.of(f"subgroups-{landmark}", f"Subgroups at {landmark}, out of fold", columns, rows)
